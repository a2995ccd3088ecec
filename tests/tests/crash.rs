//! A slice of the crashes of the real broker, and that a loss is noticed. `crash --kills` has as many as one likes.
#![allow(clippy::unwrap_used, reason = "a test ends where its expectation does")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

#[test]
fn a_broker_that_is_killed_again_and_again_loses_resurrects_and_doubles_nothing() {
    let ended = crash(&["--kills", "3"]);
    let figures = Figures::of(&ended);
    assert!(ended.status.success(), "{}", said(&ended));
    assert_eq!((figures.kills, figures.lost, figures.resurrected, figures.doubled), (3, 0, 0, 0), "{}", said(&ended));
    assert!(figures.accepted >= 300, "at least a hundred before each kill: {}", said(&ended));
    let kills: Vec<_> = said(&ended).lines().filter(|line| line.starts_with("kill ")).map(str::to_owned).collect();
    assert_eq!(kills.len(), 3, "{}", said(&ended));
    for state in ["waiting 0,", "in flight 0,", "unacknowledged 0;"] {
        assert!(kills.iter().all(|line| !line.contains(state)), "{kills:?}");
    }
}

#[test]
fn a_broker_whose_data_is_deleted_at_a_kill_is_found_out() {
    let ended = crash(&["--kills", "2", "--forget"]);
    let figures = Figures::of(&ended);
    assert_eq!(ended.status.code(), Some(1), "{}", said(&ended));
    assert!(figures.kills == 2 && figures.lost > 0, "{}", said(&ended));
}

#[test]
fn nonsense_is_refused() {
    for wrong in [&["--kills", "0"][..], &["--kills"], &["--kills", "1", "--seed", "x"], &["--stabs", "1"], &[]] {
        assert_eq!(crash(wrong).status.code(), Some(2), "{wrong:?}");
    }
}

fn crash(arguments: &[&str]) -> Output {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let name = format!("crash-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    let mut crash = Command::new(env!("CARGO_BIN_EXE_crash"));
    let ended = crash.args(arguments).arg("--dir").arg(&folder).output().unwrap();
    fs::remove_dir(&folder).expect("it leaves nothing behind");
    ended
}

fn said(ended: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr))
}

/// The last line.
struct Figures {
    kills: u64,
    accepted: u64,
    lost: u64,
    resurrected: u64,
    doubled: u64,
}

impl Figures {
    fn of(ended: &Output) -> Self {
        let text = String::from_utf8_lossy(&ended.stdout);
        let line = text.lines().last().unwrap_or_else(|| panic!("it says nothing: {}", said(ended)));
        let figures: Vec<(&str, u64)> = line
            .split(' ')
            .map(|word| word.split_once('=').and_then(|(name, figure)| Some((name, figure.parse().ok()?))))
            .collect::<Option<_>>()
            .unwrap_or_else(|| panic!("the last line has no figures: {}", said(ended)));
        let [kills, accepted, lost, resurrected, doubled] = figures[..] else { panic!("{line}") };
        let names = [kills, accepted, lost, resurrected, doubled].map(|(name, _)| name);
        assert_eq!(names, ["kills", "accepted", "lost", "resurrected", "doubled"]);
        Self { kills: kills.1, accepted: accepted.1, lost: lost.1, resurrected: resurrected.1, doubled: doubled.1 }
    }
}
