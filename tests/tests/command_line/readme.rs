//! The README's picture of the demo is what the demo prints: times, ports, which service dies, and the program's own
//! name aside.

use std::collections::BTreeSet;

use crate::stage::{Folder, Program};

const README: &str = include_str!("../../../README.md");

#[tokio::test]
async fn the_picture_of_the_demo_is_what_it_prints() {
    let folder = Folder::new();
    let demo = Program::with(&["demo"], |command| {
        command.current_dir(folder.root());
    });
    let ended = demo.ended().await.with_exit(0);
    let printed = format!("{}{}", ended.stderr, ended.stdout);

    let (shown_story, shown_end) = parts(picture());
    let (printed_story, printed_end) = parts(&printed);
    let happened: BTreeSet<String> = printed_story.lines().map(mask).collect();
    for line in shown_story.lines() {
        assert!(happened.contains(&mask(line)), "the demo does not print `{line}`:\n{printed}");
    }
    let masked = |text: &str| text.lines().map(mask).collect::<Vec<_>>();
    assert_eq!(masked(shown_end), masked(printed_end), "the table and what follows:\n{printed}");
}

/// What stands between the marks.
fn picture() -> &'static str {
    let (_, behind) = README.split_once("<!-- demo: begin -->\n\n```text\n").expect("the picture begins");
    behind.split_once("```\n\n<!-- demo: end -->").expect("the picture ends").0
}

/// What happened, and from the table on.
fn parts(text: &str) -> (&str, &str) {
    text.split_at(text.find("patient   ").expect("there is a table"))
}

/// What differs from run to run is replaced: times, ports and numbers by `#`, ids in the story and what they came to
/// by what they are. The table keeps its patients and their figures.
fn mask(line: &str) -> String {
    let is_row = line.ends_with(".json");
    let mut words: Vec<&str> = line.split_whitespace().collect();
    if is_row {
        words[1] = "attempts";
    }
    let mut masked: Vec<String> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let follows = |name: &str| at > 0 && words[at - 1] == name;
        let is_time = words.get(at + 1) == Some(&"s") && word.parse::<f64>().is_ok();
        let is_port = word.starts_with("127.0.0.1:");
        let is_patient = !is_row && word.len() == 8 && word.chars().all(|letter| letter.is_ascii_hexdigit());
        let varies = !is_row && word.parse::<u32>().is_ok() && !follows("accepted") && !follows("outcomes");
        let must_be_right = follows("lost") || follows("doubled");
        let plain = match *word {
            "a" | "b" if follows("service") => Some("one"),
            "request" if !words.contains(&"hello") => Some("requests"),
            word if at == 0 && (word.ends_with("/roundtrip") || word.ends_with("roundtrip-under-test")) => {
                Some("roundtrip")
            }
            _ => None,
        };
        if let Some(plain) = plain {
            masked.push(plain.to_owned());
            continue;
        }
        masked.push(if is_time || is_port || is_patient || (varies && !must_be_right) {
            "#".to_owned()
        } else {
            (*word).to_owned()
        });
    }
    masked.join(" ")
}
