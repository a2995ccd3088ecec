//! Whether anything is left in a broker when a test believes that all is done.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::TestBroker;
use crate::ChannelFigures;

/// For what is under way when the test asks, such as an acknowledgement.
const FOR_REQUESTS: Duration = Duration::from_secs(5);
/// For what the broker keeps of a client that did not say goodbye.
const FOR_MEMORY: Duration = Duration::from_secs(70);

impl TestBroker {
    /// What is left, if something is.
    pub(super) async fn idle(self) -> Result<(), String> {
        let is_done = |channels: &[ChannelFigures]| channels.iter().all(|figures| left_on(figures).is_none());
        if timeout(FOR_REQUESTS, self.broker.until(is_done)).await.is_err() {
            let left: Vec<_> = self.broker.channels().iter().filter_map(left_on).collect();
            if !left.is_empty() {
                return Err(left.join("; "));
            }
        }
        self.hang_up();
        let asked = Instant::now();
        // Nothing tells of memory, so it is looked at again and again.
        while self.broker.memory_in_use() > self.memory_at_start {
            if asked.elapsed() > FOR_MEMORY {
                let more = self.broker.memory_in_use() - self.memory_at_start;
                let connections = self.broker.connections();
                return Err(format!("{more} bytes more than at the start are in use, by {connections} connections"));
            }
            sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }
}

/// What a channel still has of requests, for people.
fn left_on(figures: &ChannelFigures) -> Option<String> {
    let kinds = [
        (figures.scheduled, "scheduled"),
        (figures.waiting, "waiting"),
        (figures.in_flight, "in flight"),
        (figures.retained, "with an outcome that nobody has acknowledged"),
        (figures.dead, "dead letters"),
    ];
    let left: Vec<_> =
        kinds.iter().filter(|(count, _)| *count > 0).map(|(count, kind)| format!("{count} {kind}")).collect();
    (!left.is_empty()).then(|| format!("{} has {}", figures.channel, left.join(", ")))
}
