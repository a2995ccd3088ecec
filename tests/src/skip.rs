//! Tests that need what not every machine has.

use std::env;
use std::io::{Write, stderr};

/// Says loudly, past the harness, which keeps what a passing test prints, that something is not tested here.
///
/// # Panics
///
/// With `ROUNDTRIP_NO_SKIP` in the environment: then what is needed has to be there.
pub fn skip(needed: &str, untested: &str) {
    assert!(env::var_os("ROUNDTRIP_NO_SKIP").is_none(), "{needed}");
    let _ = writeln!(stderr(), "\nSKIPPED: {untested}: {needed}\n");
}
