//! A party's way to the ledger.

use std::io::{self, Read, Write};
use std::process;

use tokio_util::sync::CancellationToken;

use super::entry::{Entry, Line, now};

/// Tells what happens. When a call returns, the line is out of the process: no later moment can take it back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Journal;

impl Journal {
    pub(super) fn write(self, entry: Entry) {
        let mut out = io::stdout().lock();
        let written = serde_json::to_writer(&mut out, &Line { at: now(), entry }).map_err(io::Error::from);
        if written.and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()).is_err() {
            process::exit(1); // Nobody keeps the ledger any more.
        }
    }

    /// Ends the process: what it does tells nothing any more.
    pub(super) fn give_up(self, why: impl std::fmt::Display) -> ! {
        eprintln!("a party cannot go on: {why}");
        process::exit(1)
    }
}

/// Fires when whoever started this process wants no more of it than what it has begun.
pub(super) fn finishing() -> CancellationToken {
    let finishing = CancellationToken::new();
    let token = finishing.clone();
    std::thread::spawn(move || {
        // Its end is the signal; an error is an end as well.
        while io::stdin().lock().read(&mut [0; 64]).is_ok_and(|read| read > 0) {}
        token.cancel();
    });
    finishing
}
