//! `roundtrip channels`: what is there, and how busy it is.

use roundtrip::ChannelFigures;
use serde::Serialize;

use crate::arguments::Channels;
use crate::color::Color;
use crate::connect;
use crate::exit::{Exit, Quit};
use crate::output;

#[derive(Serialize)]
struct Line<'a> {
    channel: &'a str,
    waiting: u64,
    in_flight: u64,
    services: u32,
    retained: u64,
}

pub(crate) async fn run(arguments: Channels, color: Color) -> Result<Exit, Quit> {
    let client = connect::at_once(&arguments.broker).await?;
    let channels = client.channels().await.map_err(|error| Quit::saying(Exit::NoConnection, error.to_string()))?;
    if arguments.json {
        for ChannelFigures { channel, waiting, in_flight, services, retained } in &channels {
            let (waiting, in_flight, services, retained) = (*waiting, *in_flight, *services, *retained);
            output::json_line(&Line { channel: channel.as_str(), waiting, in_flight, services, retained })?;
        }
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

fn table(channels: &[ChannelFigures]) -> (String, Vec<String>) {
    let names = channels.iter().map(|figures| figures.channel.as_str().len());
    let width = names.max().unwrap_or(0).max("channel".len());
    let heading =
        format!("{:width$}  {:>8}  {:>9}  {:>8}  {:>8}", "channel", "waiting", "in flight", "services", "retained");
    let row = |figures: &ChannelFigures| {
        let ChannelFigures { channel, waiting, in_flight, services, retained } = figures;
        format!("{:width$}  {waiting:>8}  {in_flight:>9}  {services:>8}  {retained:>8}", channel.as_str())
    };
    (heading, channels.iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_stand_below_their_headings() {
        let channel = "patient_summary_request".parse().unwrap();
        let (heading, rows) = table(&[ChannelFigures { channel, waiting: 12, in_flight: 8, services: 2, retained: 3 }]);
        assert_eq!(heading, "channel                   waiting  in flight  services  retained");
        assert_eq!(rows, ["patient_summary_request        12          8         2         3"]);
    }
}
