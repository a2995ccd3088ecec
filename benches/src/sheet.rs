//! Figures that are not of round trips: one for each side and what is asked, round by round.

use std::fmt;

use anyhow::Context;
use serde_json::{Value, json};

use crate::arguments::Workload;
use crate::report::{printed, spread_to_json};
use crate::rounds::{ROUNDS, shuffled};
use crate::spread::Spread;

/// What a workload found.
#[derive(Debug)]
pub(crate) struct Sheet {
    pub(crate) workload: Workload,
    pub(crate) title: &'static str,
    pub(crate) rows: Vec<Row>,
    pub(crate) versions: Vec<(&'static str, String)>,
    pub(crate) missing: Vec<&'static str>,
}

/// One figure.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) side: &'static str,
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) rounds: Vec<f64>,
}

/// Something to measure, which gives one figure or several: what, its unit, and how much.
pub(crate) struct Question {
    pub(crate) side: &'static str,
    pub(crate) ask: Box<dyn Fn() -> anyhow::Result<Vec<Found>>>,
}

/// A figure as it was found: what, its unit, and how much.
pub(crate) type Found = (&'static str, &'static str, f64);

/// Asks all questions, in every round in an order that chance chooses anew.
pub(crate) fn ask(workload: Workload, questions: &[Question]) -> anyhow::Result<Vec<Row>> {
    let mut all: Vec<Vec<Row>> = questions.iter().map(|_| Vec::new()).collect();
    for round in 1..=ROUNDS {
        for place in shuffled(questions.len()) {
            let Question { side, ask } = &questions[place];
            for (what, unit, figure) in ask().with_context(|| format!("{workload}, {side}, round {round}"))? {
                eprintln!("round {round}: {workload}, {side}, {what}: {figure:.2} {unit}");
                match all[place].iter_mut().find(|row| row.what == what) {
                    Some(row) => row.rounds.push(figure),
                    None => all[place].push(Row { side, what, unit, rounds: vec![figure] }),
                }
            }
        }
    }
    Ok(all.into_iter().flatten().collect())
}

impl Row {
    pub(crate) fn spread(&self) -> Option<Spread> {
        Spread::of(self.rounds.iter().copied())
    }

    /// What it is to another figure, round by round.
    pub(crate) fn ratio(&self, other: &Self) -> Option<Spread> {
        Spread::of(self.rounds.iter().zip(&other.rounds).map(|(ours, theirs)| ours / theirs))
    }
}

impl Sheet {
    /// What one side showed.
    pub(crate) fn row(&self, side: &str, what: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.side == side && row.what == what)
    }

    pub(crate) fn results(&self) -> impl Iterator<Item = Value> {
        self.rows.iter().map(|row| {
            json!({
                "workload": self.workload.to_string(),
                "side": row.side,
                "what": row.what,
                "unit": row.unit,
                "value": row.spread().map(|spread| spread_to_json(spread, 3)),
            })
        })
    }
}

impl fmt::Display for Sheet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "\n{}, {}", self.workload, self.title)?;
        writeln!(out, "median (min to max) of {ROUNDS} rounds\n")?;
        for Row { side, what, unit, .. } in &self.rows {
            let spread = self.row(side, what).and_then(Row::spread);
            writeln!(out, "{side:20} {what:40} {:>26} {unit}", printed(spread, 2))?;
        }
        self.missing.iter().try_for_each(|line| writeln!(out, "\n{line}"))
    }
}
