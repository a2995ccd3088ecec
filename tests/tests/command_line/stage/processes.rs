//! What the system says of processes that are not our own children.

use std::fs;
use std::time::Duration;

use super::LIMIT;

/// The processes that this one has started and that run.
pub(crate) fn children_of(parent: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").expect("there is a list of processes").flatten();
    let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|id| stat(*id).is_some_and(|(state, its_parent)| state != 'Z' && its_parent == parent)).collect()
}

/// Waits until all of them have ended.
pub(crate) async fn end(processes: &[u32]) {
    let runs = |id: &u32| stat(*id).is_some_and(|(state, _)| state != 'Z');
    let looking = async {
        while processes.iter().any(runs) {
            tokio::time::sleep(Duration::from_millis(5)).await; // Nobody tells us: they are not our children.
        }
    };
    tokio::time::timeout(LIMIT, looking).await.expect("a process that should end goes on");
}

/// State and parent.
fn stat(id: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}
