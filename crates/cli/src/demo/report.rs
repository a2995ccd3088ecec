//! What the demo says at the end: a pure function from what was counted to text.

use std::path::{Path, PathBuf};
use std::time::Duration;

use roundtrip_patient_summary::consumer::ledger::Account;
use roundtrip_patient_summary::summary::Counts;

use super::label::Labels;
use crate::color::Paint;
use crate::duration::seconds;

/// What was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) patients: Vec<Patient>,
    pub(crate) account: Account,
    pub(crate) took: Duration,
    pub(crate) calm: bool,
    /// The broker was to be killed, and there was no moment for it.
    pub(crate) spared_broker: bool,
    /// What to type to start this program.
    pub(crate) program: String,
}

/// One patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Patient {
    pub(crate) id: String,
    /// None was told.
    pub(crate) outcome: Option<String>,
    pub(crate) attempts: u32,
    pub(crate) waited: Duration,
    pub(crate) worked: Duration,
    /// What the summary lists, read from its file.
    pub(crate) counts: Option<Counts>,
    pub(crate) file: Option<PathBuf>,
}

const HEADINGS: [&str; 8] = ["patient", "attempts", "waited", "worked", "problems", "allergies", "medications", "file"];

impl Report {
    /// The table, the line that adds up, and what to try next.
    pub(crate) fn text(&self, paint: Paint) -> String {
        let mut lines = self.table();
        if let Some(heading) = lines.first_mut() {
            *heading = paint.bold(&*heading);
        }
        lines.push(String::new());
        let account = self.account();
        lines.push(if self.holds() { paint.green(account) } else { paint.red(account) });
        lines.push(String::new());
        lines.push("Try next:".to_owned());
        lines.extend(self.next_commands());
        lines.join("\n")
    }

    /// `accepted 10   outcomes 10   lost 0   doubled 0   redelivered 3   12.8 s`
    pub(crate) fn account(&self) -> String {
        let Account { accepted, outcomes, lost, doubled, redelivered } = self.account;
        let took = seconds(self.took);
        format!(
            "accepted {accepted}   outcomes {outcomes}   lost {lost}   doubled {doubled}   redelivered {redelivered}   {took}"
        )
    }

    /// Whether the demo's claim held: a summary for everybody, nothing lost or doubled, and not for want of a death.
    pub(crate) fn holds(&self) -> bool {
        self.problems().is_empty()
    }

    /// What speaks against the claim.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let without = self.patients.iter().filter(|patient| patient.counts.is_none()).count();
        if without > 0 {
            problems.push(format!("{without} of {} patients have no summary", self.patients.len()));
        }
        if self.account.lost > 0 || self.account.doubled > 0 {
            problems.push("requests were lost or doubled: this is a bug, please report it".to_owned());
        }
        if !self.calm && self.patients.iter().all(|patient| patient.attempts < 2) {
            problems.push("no request needed a second attempt, so nothing was shown: run it again".to_owned());
        }
        if self.spared_broker {
            problems.push("the broker was not killed: nobody was at work at the right moment; run it again".to_owned());
        }
        problems
    }

    fn table(&self) -> Vec<String> {
        let ids: Vec<String> = self.patients.iter().map(|patient| patient.id.clone()).collect();
        let labels = Labels::of(&ids);
        let rows: Vec<[String; 8]> = self.patients.iter().map(|patient| patient.row(labels)).collect();
        let mut widths = HEADINGS.map(str::len);
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let line = |cells: [&str; 8]| {
            let padded = cells.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column {
                0 | 7 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let heading = line(HEADINGS);
        std::iter::once(heading).chain(rows.iter().map(|row| line(row.each_ref().map(String::as_str)))).collect()
    }

    fn next_commands(&self) -> Vec<String> {
        let program = &self.program;
        let folder = self.patients.iter().find_map(|patient| patient.file.as_deref().and_then(Path::parent));
        let look = folder.map(|folder| {
            (format!("ls {}", folder.display()), "the summaries: International Patient Summaries, FHIR R4")
        });
        let commands: Vec<(String, &str)> = look
            .into_iter()
            .chain([
                (format!("{program} demo --calm"), "the same, and nobody dies"),
                (format!("{program} broker"), "a broker of your own; then, in other terminals:"),
                (format!("{program} serve shout_request -- tr a-z A-Z"), "any command as a service"),
                (format!("{program} request shout_request hello"), "and its requester"),
            ])
            .collect();
        let width = commands.iter().map(|(command, _)| command.chars().count()).max().unwrap_or(0);
        commands.iter().map(|(command, why)| format!("  {command:<width$}   {why}")).collect()
    }
}

impl Patient {
    fn row(&self, labels: Labels) -> [String; 8] {
        let counted = |count: fn(&Counts) -> Option<usize>| match &self.counts {
            Some(counts) => count(counts).map_or("unavailable".to_owned(), |number| number.to_string()),
            None => "-".to_owned(),
        };
        let file = match (&self.file, &self.outcome) {
            (Some(file), _) => file.display().to_string(),
            (None, Some(outcome)) => format!("none: {outcome}"),
            (None, None) => "none: no outcome".to_owned(),
        };
        [
            labels.cut(&self.id).to_owned(),
            self.attempts.to_string(),
            seconds(self.waited),
            seconds(self.worked),
            counted(|counts| counts.problems),
            counted(|counts| counts.allergies),
            counted(|counts| counts.medications),
            file,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patient(id: &str, attempts: u32) -> Patient {
        Patient {
            id: id.into(),
            outcome: Some("replied".into()),
            attempts,
            waited: Duration::from_millis(1240),
            worked: Duration::from_millis(2360),
            counts: Some(Counts { problems: Some(12), allergies: Some(0), medications: None }),
            file: Some(format!("./summaries/{id}.json").into()),
        }
    }

    fn report() -> Report {
        let account = Account { accepted: 2, outcomes: 2, lost: 0, doubled: 0, redelivered: 1 };
        let patients = vec![patient("23b32be5", 1), patient("85c63cf3", 2)];
        Report {
            patients,
            account,
            took: Duration::from_millis(12_840),
            calm: false,
            spared_broker: false,
            program: "roundtrip".into(),
        }
    }

    #[test]
    fn the_end_is_a_table_a_line_that_adds_up_and_what_to_try_next() {
        let expected = "\
patient   attempts  waited  worked  problems  allergies  medications  file
23b32be5         1   1.2 s   2.4 s        12          0  unavailable  ./summaries/23b32be5.json
85c63cf3         2   1.2 s   2.4 s        12          0  unavailable  ./summaries/85c63cf3.json

accepted 2   outcomes 2   lost 0   doubled 0   redelivered 1   12.8 s

Try next:
  ls ./summaries                                the summaries: International Patient Summaries, FHIR R4
  roundtrip demo --calm                         the same, and nobody dies
  roundtrip broker                              a broker of your own; then, in other terminals:
  roundtrip serve shout_request -- tr a-z A-Z   any command as a service
  roundtrip request shout_request hello         and its requester";
        assert_eq!(report().text(Paint::default()), expected);
    }

    #[test]
    fn the_claim_holds_only_with_a_summary_for_everybody_and_a_death() {
        assert!(report().holds());
        let mut without = report();
        without.patients[0] =
            Patient { outcome: Some("dead".into()), counts: None, file: None, ..patient("23b32be5", 5) };
        assert_eq!(without.problems(), ["1 of 2 patients have no summary"]);
        assert!(without.text(Paint::default()).contains("       -          -            -  none: dead\n"));

        let mut undisturbed = report();
        undisturbed.patients[1].attempts = 1;
        assert!(!undisturbed.holds());
        undisturbed.calm = true;
        assert!(undisturbed.holds());

        let mut spared = report();
        spared.spared_broker = true;
        assert!(!spared.holds());

        let mut lost = report();
        lost.account.lost = 1;
        assert!(!lost.holds());
    }
}
