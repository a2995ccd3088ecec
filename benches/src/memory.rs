//! How much memory a process has, as the operating system counts it.

use std::fs;

use anyhow::Context;

/// What is resident of a process and of all that come of it, in bytes.
pub(crate) fn of_tree(id: u32) -> anyhow::Result<u64> {
    let status =
        fs::read_to_string(format!("/proc/{id}/status")).context("memory is read from /proc, as Linux has it")?;
    let own = resident(&status).context("a process does not tell its memory")?;
    crate::cpu::children(id)?.into_iter().try_fold(own, |sum, child| Ok(sum + of_tree(child)?))
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(1024 * line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resident_memory_is_read_in_bytes() {
        assert_eq!(resident("Name:\tx\nVmPeak:\t   90 kB\nVmRSS:\t   5120 kB\n"), Some(5_242_880));
        assert!(of_tree(std::process::id()).unwrap() > 100_000);
    }
}
