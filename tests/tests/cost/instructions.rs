//! Instructions, by valgrind's `callgrind`, which simulates a processor and so counts the same on a busy machine.
//!
//! It runs this test's binary again for each load, told by the environment which one, and counts within
//! [`counted_part`] but for what is within `uncounted_share`.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use roundtrip_tests::skip;

use crate::budget::{Count, Work};
use crate::load::{FEW, Load};

const LOAD: &str = "ROUNDTRIP_COST_LOAD";

/// The load that this process is to run under the tool, if it runs under it.
pub(crate) fn wanted() -> Option<Load> {
    let name = env::var(LOAD).ok()?;
    Some(Load::ALL.into_iter().find(|load| load.name() == name).expect("the variable names a load"))
}

/// What is counted. The tool knows it by its name.
#[inline(never)]
pub(crate) fn counted_part(work: impl FnOnce()) {
    work();
    std::hint::black_box(()); // So that `work` is called from in here.
}

/// The instructions of each load; nothing where there is no tool, or the test is not built as its budgets were. With
/// `ROUNDTRIP_NO_SKIP` the tool has to be there.
pub(crate) fn count() -> Vec<Count> {
    if !cfg!(debug_assertions) {
        let _ = writeln!(
            io::stderr(),
            "\nSKIPPED: {UNTESTED}: their budgets are for the test profile, and this is another\n"
        );
        return Vec::new();
    }
    if !Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success()) {
        skip("valgrind is needed and does not run: install it", UNTESTED);
        return Vec::new();
    }
    Load::ALL.into_iter().map(|load| Count::new(load, Work::Instructions, run(load), FEW)).collect()
}

const UNTESTED: &str = "the instructions of a request were not counted";

fn run(load: Load) -> u64 {
    let book = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("callgrind.{load:?}"));
    let mut out_file = OsString::from("--callgrind-out-file=");
    out_file.push(&book);
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*counted_part*"])
        .arg(out_file)
        .arg(env::current_exe().unwrap())
        .args(["--nocapture", "--test-threads=1"])
        .env(LOAD, load.name())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{load} under callgrind: {said}{}", String::from_utf8_lossy(&output.stdout));
    let book = fs::read_to_string(book).unwrap();
    let all = book.lines().find_map(|line| line.strip_prefix("totals: ")).and_then(last_number);
    all.expect("callgrind tells its count") - within(&book, "uncounted_share")
}

/// What was counted from the beginning to the end of each call of a function, by callgrind's own book. A name stands
/// there once, with a number; a call names who is called, then how often, then where from and what it cost.
fn within(book: &str, function: &str) -> u64 {
    let mut numbers = HashSet::new();
    let mut is_called = false;
    let mut cost = 0;
    let mut lines = book.lines();
    while let Some(line) = lines.next() {
        if let Some((kind, (number, name))) =
            line.split_once('=').and_then(|(kind, it)| Some((kind, it.split_once(')')?)))
        {
            if name.contains(function) && matches!(kind, "fn" | "cfn") {
                numbers.insert(number);
            }
            if kind == "cfn" {
                is_called = numbers.contains(number);
            }
        } else if line.starts_with("calls=") {
            let costs = lines.next().and_then(last_number).expect("a call has its cost");
            cost += if is_called { costs } else { 0 };
        }
    }
    assert!(cost > 0, "the load did something in {function}");
    cost
}

fn last_number(line: &str) -> Option<u64> {
    line.split_whitespace().next_back()?.parse().ok()
}
