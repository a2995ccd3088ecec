//! `roundtrip channels`: what is there, and how busy it is.

use std::time::Duration;

use roundtrip::ChannelFigures;
use serde::Serialize;

use crate::arguments::Channels;
use crate::color::Color;
use crate::exit::{Exit, Quit};
use crate::{connect, duration, output};

#[derive(Serialize)]
struct Line<'a> {
    channel: &'a str,
    waiting: u64,
    scheduled: u64,
    in_flight: u64,
    services: u32,
    retained: u64,
    dead: u64,
    oldest_ms: u64,
    paused_ms: u64,
    stale: u64,
}

pub(crate) async fn run(arguments: Channels, color: Color) -> Result<Exit, Quit> {
    let client = connect::at_once(&arguments.broker).await?;
    let channels = client.channels().await.map_err(|error| Quit::saying(Exit::NoConnection, error.to_string()))?;
    if arguments.json {
        channels.iter().try_for_each(|figures| output::json_line(&Line::of(figures)))?;
    } else if channels.is_empty() {
        output::tell("no channels yet: the first request to one, or the first service on one, makes it");
    } else {
        let (heading, rows) = table(&channels);
        output::line(&color.for_stdout().bold(heading))?;
        rows.iter().try_for_each(|row| output::line(row))?;
    }
    client.close().await;
    Ok(Exit::Done)
}

/// How many requests have no outcome, or a few more: a delivery that was lost or stopped still counts as in flight.
pub(crate) fn open_requests(channels: &[ChannelFigures]) -> u64 {
    channels.iter().map(|figures| figures.waiting + figures.scheduled + figures.in_flight).sum()
}

impl<'a> Line<'a> {
    fn of(figures: &'a ChannelFigures) -> Self {
        let ChannelFigures { channel, waiting, scheduled, in_flight, services, .. } = figures;
        let ChannelFigures { retained, dead, oldest_ms, paused_ms, stale, .. } = figures;
        Self {
            channel: channel.as_str(),
            waiting: *waiting,
            scheduled: *scheduled,
            in_flight: *in_flight,
            services: *services,
            retained: *retained,
            dead: *dead,
            oldest_ms: *oldest_ms,
            paused_ms: *paused_ms,
            stale: *stale,
        }
    }
}

fn table(channels: &[ChannelFigures]) -> (String, Vec<String>) {
    let names = channels.iter().map(|figures| figures.channel.as_str().len());
    let width = names.max().unwrap_or(0).max("channel".len());
    let row = |name: &str, columns: [&str; 8]| {
        let [waiting, oldest, scheduled, in_flight, services, retained, dead, paused] = columns;
        let cells = format!("{waiting:>8}  {oldest:>8}  {scheduled:>9}  {in_flight:>9}  {services:>8}  {retained:>8}");
        format!("{name:width$}  {cells}  {dead:>6}  {paused:>8}")
    };
    let headings = ["waiting", "oldest", "scheduled", "in flight", "services", "retained", "dead", "paused"];
    let rows = channels.iter().map(|figures| {
        let number = |number: u64| number.to_string();
        let [waiting, scheduled, in_flight] = [figures.waiting, figures.scheduled, figures.in_flight].map(number);
        let [services, retained, dead] = [figures.services.into(), figures.retained, figures.dead].map(number);
        let [oldest, paused] = [figures.oldest_ms, figures.paused_ms].map(age);
        let columns = [&waiting, &oldest, &scheduled, &in_flight, &services, &retained, &dead, &paused];
        row(figures.channel.as_str(), columns.map(String::as_str))
    });
    (row("channel", headings), rows.collect())
}

/// A time that goes on, or a dash if none does.
fn age(milliseconds: u64) -> String {
    if milliseconds == 0 { "-".to_owned() } else { duration::roughly(Duration::from_millis(milliseconds)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_stand_below_their_headings() {
        let figures = ChannelFigures {
            channel: "patient_summary_request".parse().unwrap(),
            waiting: 12,
            scheduled: 1,
            in_flight: 8,
            services: 2,
            retained: 3,
            dead: 4,
            oldest_ms: 90_500,
            paused_ms: 0,
            stale: 7,
        };
        let (heading, rows) = table(&[figures]);
        assert_eq!(
            heading,
            "channel                   waiting    oldest  scheduled  in flight  services  retained    dead    paused"
        );
        assert_eq!(
            rows,
            ["patient_summary_request        12     1.5 m          1          8         2         3       4         -"]
        );
    }
}
