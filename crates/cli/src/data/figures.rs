//! How much there is in a data folder, as it is printed.

use std::time::{Duration, SystemTime};

use roundtrip::broker::data::Stats;
use serde::Serialize;

use crate::color::Color;
use crate::exit::Quit;
use crate::{duration, output};

/// All of it, as one object.
#[derive(Serialize)]
struct Figures {
    format: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_start: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_commit_ms_ago: Option<u64>,
    database_bytes: u64,
    wal_bytes: u64,
    page_bytes: u32,
    pages: u32,
    free_pages: u32,
    channels: Vec<Channel>,
}

#[derive(Serialize)]
struct Channel {
    channel: String,
    waiting: u64,
    scheduled: u64,
    ended: u64,
    dead: u64,
    parts: u64,
    bytes: u64,
}

pub(super) fn print(stats: &Stats, json: bool, color: Color) -> Result<(), Quit> {
    let figures = Figures::of(stats);
    if json {
        return output::json_line(&figures);
    }
    figures.about().iter().try_for_each(|line| output::line(line))?;
    if figures.channels.is_empty() {
        output::tell("no channels: nothing is kept");
        return Ok(());
    }
    let (heading, rows) = figures.table();
    output::line(&color.for_stdout().bold(heading))?;
    rows.iter().try_for_each(|row| output::line(row))
}

impl Figures {
    fn of(stats: &Stats) -> Self {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let ago = |ms| u64::try_from(now.saturating_sub(Duration::from_millis(ms)).as_millis()).unwrap_or(u64::MAX);
        let channels = stats.channels.iter().map(|channel| Channel {
            channel: match &channel.channel {
                Some(name) => name.to_string(),
                None => format!("(number {})", channel.number),
            },
            waiting: channel.waiting,
            scheduled: channel.scheduled,
            ended: channel.ended,
            dead: channel.dead,
            parts: channel.parts,
            bytes: channel.bytes,
        });
        Self {
            format: stats.format,
            last_start: stats.last_start,
            last_commit_ms_ago: stats.last_commit_ms.map(ago),
            database_bytes: stats.database_bytes,
            wal_bytes: stats.wal_bytes,
            page_bytes: stats.page_bytes,
            pages: stats.pages,
            free_pages: stats.free_pages,
            channels: channels.collect(),
        }
    }

    fn about(&self) -> Vec<String> {
        let Self { format, database_bytes, wal_bytes, page_bytes, pages, free_pages, .. } = self;
        let start = self.last_start.map_or_else(|| "none yet".to_owned(), |start| format!("number {start}"));
        let commit = self.last_commit_ms_ago.map_or_else(
            || "none yet".to_owned(),
            |ms| format!("{} ago", duration::roughly(Duration::from_millis(ms))),
        );
        vec![
            format!("format        version {format}"),
            format!("last start    {start}"),
            format!("last commit   {commit}"),
            format!("database      {database_bytes} bytes: {pages} pages of {page_bytes} bytes, {free_pages} free"),
            format!("written ahead {wal_bytes} bytes"),
        ]
    }

    fn table(&self) -> (String, Vec<String>) {
        let names = self.channels.iter().map(|channel| channel.channel.len());
        let width = names.max().unwrap_or(0).max("channel".len());
        let row = |name: &str, [waiting, scheduled, ended, dead, parts, bytes]: [&str; 6]| {
            let cells = format!("{waiting:>8}  {scheduled:>9}  {ended:>8}  {dead:>6}  {parts:>6}  {bytes:>12}");
            format!("{name:width$}  {cells}")
        };
        let rows = self.channels.iter().map(|channel| {
            let Channel { channel, waiting, scheduled, ended, dead, parts, bytes } = channel;
            let columns = [waiting, scheduled, ended, dead, parts, bytes].map(ToString::to_string);
            row(channel, columns.each_ref().map(String::as_str))
        });
        (row("channel", ["waiting", "scheduled", "ended", "dead", "parts", "bytes"]), rows.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Figures {
        let channel = Channel {
            channel: "patient_summary_request".to_owned(),
            waiting: 500_000,
            scheduled: 2,
            ended: 31,
            dead: 4,
            parts: 5,
            bytes: 123_456_789,
        };
        Figures {
            format: 1,
            last_start: Some(70),
            last_commit_ms_ago: Some(90_500),
            database_bytes: 81_920,
            wal_bytes: 0,
            page_bytes: 4096,
            pages: 20,
            free_pages: 3,
            channels: vec![channel],
        }
    }

    #[test]
    fn the_columns_stand_below_their_headings() {
        let (heading, rows) = figures().table();
        assert_eq!(heading, "channel                   waiting  scheduled     ended    dead   parts         bytes");
        assert_eq!(rows, ["patient_summary_request    500000          2        31       4       5     123456789"]);
    }

    #[test]
    fn the_files_are_told_of_in_words() {
        let figures = figures();
        assert_eq!(
            figures.about(),
            [
                "format        version 1",
                "last start    number 70",
                "last commit   1.5 m ago",
                "database      81920 bytes: 20 pages of 4096 bytes, 3 free",
                "written ahead 0 bytes",
            ]
        );
        let fresh = Figures { last_start: None, last_commit_ms_ago: None, ..figures };
        assert_eq!(fresh.about()[1..3], ["last start    none yet", "last commit   none yet"]);
    }
}
