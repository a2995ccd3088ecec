//! What people see while a broker reads its durable channels from the disk: a bar on a terminal, a line now and then
//! elsewhere, and nothing where it is done at once. Channels take work as soon as each of them is there.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use roundtrip::broker::{Broker, Recovery};
use tokio::time::interval;

use crate::color::Color;
use crate::duration;
use crate::output::tell;

/// From when on, and how often, people are told.
const LOOK: Duration = Duration::from_millis(500);

/// How many looks there are to a line where there is no bar.
const LOOKS_A_LINE: usize = 4;

/// Shows how far the broker is, until it has everything.
pub(crate) async fn show(broker: &Broker, color: Color) {
    let began = Instant::now();
    let mut looks = interval(LOOK);
    looks.tick().await;
    let bar = (color.for_stderr().colored && io::stderr().is_terminal()).then(bar);
    let (mut seen, mut count) = (None, 0);
    loop {
        tokio::select! {
            () = broker.recovered() => break,
            _ = looks.tick() => {
                let Some(recovery) = broker.recovery() else { break };
                match &bar {
                    Some(bar) => draw(bar, recovery),
                    None if count % LOOKS_A_LINE == 0 => tell(&line(recovery)),
                    None => {}
                }
                count += 1;
                seen = Some(recovery);
            }
        }
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    if let Some(Recovery { channels, .. }) = seen {
        tell(&format!("all {channels} durable channels are there after {}", duration::roughly(began.elapsed())));
    }
}

fn line(Recovery { channels, ready, requests, .. }: Recovery) -> String {
    format!(
        "reading what is kept: {ready} of {channels} durable channels are there, {requests} requests and dead letters so far"
    )
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("  {bar:24.cyan} {msg}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸·");
    ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style)
}

fn draw(bar: &ProgressBar, recovery: Recovery) {
    bar.set_length(recovery.channels as u64);
    bar.set_position(recovery.ready as u64);
    bar.set_message(line(recovery));
}
