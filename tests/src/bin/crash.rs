//! `crash --kills N [--seed S] [--dir DIR]`: runs the real broker with a data folder in DIR, on whatever disk that is,
//! kills it N times under load, and holds what came of every request against a ledger. The last line says what was
//! lost, resurrected or doubled: the exit status is 0 only if nothing was, and the run met what it must.

use std::path::PathBuf;
use std::process::ExitCode;

use roundtrip_tests::crash::{self, Order};

const USAGE: &str = "usage: crash --kills N [--seed S] [--dir DIR]";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some(ended) = crash::part(&words) {
        return ended;
    }
    let order = match order(words) {
        Ok(order) => order,
        Err(wrong) => {
            eprintln!("{wrong}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ran = runtime.map_err(|error| error.to_string()).and_then(|runtime| runtime.block_on(crash::run(&order)));
    match ran {
        Ok(report) => {
            if !report.missing.is_empty() {
                println!(
                    "{} kills never met {}: what a run does not meet it does not prove",
                    order.kills,
                    report.missing.join(", ")
                );
            }
            println!("{report}");
            if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(why) => {
            println!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn order(words: Vec<String>) -> Result<Order, String> {
    let mut order = Order { kills: 0, seed: 1, folder: std::env::temp_dir(), forgets: false };
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let mut next = || words.next().ok_or_else(|| format!("{word} is followed by something"));
        match word.as_str() {
            "--kills" => order.kills = number(&next()?)?,
            "--seed" => order.seed = number(&next()?)?,
            "--dir" => order.folder = PathBuf::from(next()?),
            // For the test of the program itself.
            "--forget" => order.forgets = true,
            other => return Err(format!("{other:?} is not known here")),
        }
    }
    if order.kills == 0 { Err("--kills is at least 1".to_owned()) } else { Ok(order) }
}

fn number<N: std::str::FromStr>(word: &str) -> Result<N, String> {
    word.parse().map_err(|_| format!("{word:?} is no number that can be used here"))
}
