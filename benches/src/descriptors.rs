//! How many sockets a process may hold: broker and load stand in two processes, and each may have as many as the system
//! lets it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Sees to it that this process, and each that it starts from here on, may hold so many descriptors.
///
/// # Errors
///
/// The system's hard limit is lower.
pub(crate) fn raise(wanted: u64) -> anyhow::Result<()> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let is_allowed = maximum.is_none_or(|maximum| maximum >= wanted);
    anyhow::ensure!(
        is_allowed,
        "{wanted} open files are needed, and the hard limit is {}: raise it, as with ulimit -Hn {wanted}",
        maximum.unwrap_or_default()
    );
    Ok(setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_does_not_allow_is_told_with_its_limit() {
        if let Some(maximum) = getrlimit(Resource::Nofile).maximum {
            let error = raise(maximum + 1).unwrap_err().to_string();
            assert!(error.contains(&format!("the hard limit is {maximum}")), "{error}");
        }
    }
}
