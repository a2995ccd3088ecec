//! What a command says on its standard error: progress, parts, and why it failed.

use std::collections::VecDeque;

/// How many lines, and how many bytes of them, a requester is told of a failure. They fit into the room set aside for it.
const LINES: usize = 10;
const BYTES: usize = 2048;

/// What a line says.
#[derive(Debug, PartialEq)]
pub(super) enum Report<'a> {
    /// `::progress 0.4 text`.
    Progress { fraction: f32, stage: &'a str },
    /// `::part text`.
    Part(&'a str),
    /// Anything else.
    Words,
}

impl<'a> Report<'a> {
    pub(super) fn read(line: &'a str) -> Self {
        let after = |word: &str| line.strip_prefix(word)?.strip_prefix([' ', '\t']);
        if let Some(part) = after("::part") {
            return Self::Part(part);
        }
        after("::progress").and_then(Self::progress).unwrap_or(Self::Words)
    }

    fn progress(rest: &'a str) -> Option<Self> {
        let rest = rest.trim();
        let (number, stage) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        let fraction: f32 = number.parse().ok()?;
        (0.0..=1.0).contains(&fraction).then_some(Self::Progress { fraction, stage: stage.trim_start() })
    }
}

/// The last lines of what a command said.
#[derive(Debug, Default)]
pub(super) struct LastLines(VecDeque<String>);

impl LastLines {
    pub(super) fn push(&mut self, line: &str) {
        if self.0.len() == LINES {
            self.0.pop_front();
        }
        let end = line.floor_char_boundary(BYTES);
        self.0.push_back(line[..end].to_owned());
    }

    /// As many of them as may be told.
    pub(super) fn text(&self) -> String {
        let mut bytes = 0;
        let kept = self.0.iter().rev().take_while(|line| {
            bytes += line.len() + 1;
            bytes <= BYTES + 1
        });
        let mut lines: Vec<&str> = kept.map(String::as_str).collect();
        lines.reverse();
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_progress_line_has_a_fraction_and_a_text() {
        let progress = |fraction, stage| Report::Progress { fraction, stage };
        assert_eq!(Report::read("::progress 0.4 medications and more"), progress(0.4, "medications and more"));
        assert_eq!(Report::read("::progress\t1\tdone"), progress(1.0, "done"));
        assert_eq!(Report::read("::progress  0.5"), progress(0.5, ""));
    }

    #[test]
    fn a_part_is_all_that_stands_behind_its_word() {
        assert_eq!(Report::read("::part {\"a\": 1} "), Report::Part("{\"a\": 1} "));
        assert_eq!(Report::read("::part "), Report::Part(""));
    }

    #[test]
    fn any_other_line_is_neither() {
        for line in [
            "",
            "progress 0.4",
            "::progress",
            "::progressive 0.4",
            "::progress x y",
            "::progress 1.5 y",
            "::progress NaN y",
            "::part",
            "::parts x",
        ] {
            assert_eq!(Report::read(line), Report::Words, "{line}");
        }
    }

    #[test]
    fn the_last_lines_are_kept_and_no_more_than_fit() {
        let mut last = LastLines::default();
        (1..=12).for_each(|number| last.push(&number.to_string()));
        assert_eq!(last.text(), "3\n4\n5\n6\n7\n8\n9\n10\n11\n12");
        last.push(&"é".repeat(2000));
        assert_eq!(last.text(), "é".repeat(1024));
        last.push("why");
        assert_eq!(last.text(), "why");
    }
}
