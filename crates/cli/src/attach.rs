//! `roundtrip attach`: one request's outcome by its ticket, from anywhere. It reads, and acknowledges nothing.

use std::time::Duration;

use crate::arguments::Attach;
use crate::color::Color;
use crate::connect;
use crate::exit::{Exit, Quit};
use crate::signal::StopSignals;
use crate::waiting::{self, Ended, Wait};

pub(crate) async fn run(arguments: Attach, color: Color) -> Result<Exit, Quit> {
    let Attach { ticket: id, waiting, broker } = arguments;
    let client = connect::at_once(&broker).await?;
    let mut stop = StopSignals::listen()?;
    let ticket = client.anonymous().attach_raw(id.clone());
    let parts = waiting.parts.then(|| ticket.parts());
    let wait = Wait { client: &client, ticket: &ticket, parts, how: &waiting, color, hint: None };
    let exit = match wait.end(&mut stop).await? {
        Ended::Outcome(outcome) => waiting::print(&id, None, &outcome, waiting.json, color)?,
        Ended::Open(exit) => {
            waiting::print_open(&id, None, waiting.json, &broker.address)?;
            exit
        }
    };
    // Closed before the ticket is dropped: a dropped one would acknowledge, were the request this requester's.
    tokio::time::timeout(Duration::from_secs(1), client.close()).await.ok();
    Ok(exit)
}
