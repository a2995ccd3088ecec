//! Standard output: data, whole lines, flushed. Everything else goes to standard error.

use std::io::{self, Write};

use serde::Serialize;

use crate::exit::Quit;

/// Writes one line and flushes it.
pub(crate) fn line(text: &str) -> Result<(), Quit> {
    let mut stdout = io::stdout().lock();
    let written =
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.write_all(b"\n")).and_then(|()| stdout.flush());
    written.map_err(|error| Quit::of_output(&error))
}

/// Writes a value as one line of JSON and flushes it.
pub(crate) fn json_line(value: &impl Serialize) -> Result<(), Quit> {
    let text = serde_json::to_string(value).map_err(|error| Quit::of_output(&error.into()))?;
    line(&text)
}

/// Writes a payload as it is, and flushes it. What people read on a terminal ends with a line's end.
pub(crate) fn payload(bytes: &[u8]) -> Result<(), Quit> {
    let mut stdout = io::stdout().lock();
    let mut written = stdout.write_all(bytes);
    if io::IsTerminal::is_terminal(&stdout) && !bytes.is_empty() && !bytes.ends_with(b"\n") {
        written = written.and_then(|()| stdout.write_all(b"\n"));
    }
    written.and_then(|()| stdout.flush()).map_err(|error| Quit::of_output(&error))
}

/// A line on standard error, where nobody has to read it.
pub(crate) fn tell(text: &str) {
    // With nobody there to read it, there is nobody to be told that it cannot be told.
    writeln!(io::stderr().lock(), "{text}").ok();
}
