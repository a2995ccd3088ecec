//! `roundtrip drain`: asks the broker to stop in good order, and waits until it is gone.

use std::time::Duration;

use roundtrip::{Client, ConnectionEvent, DrainError};
use tokio::time::{Instant, interval};

use crate::arguments::Drain;
use crate::exit::{Exit, Quit};
use crate::output::{self, tell};
use crate::signal::StopSignals;
use crate::status::counted;
use crate::{channels, connect, duration};

/// How often the broker is asked how much is left: only it knows, and it does not tell by itself.
const LOOK: Duration = Duration::from_millis(500);

pub(crate) async fn run(arguments: Drain) -> Result<Exit, Quit> {
    let Drain { broker } = arguments;
    let client = connect::at_once(&broker).await?;
    let mut stop = StopSignals::listen()?;
    let mut events = client.events();
    let begun = Instant::now();
    client.request_drain().await.map_err(|error| not_draining(&error))?;
    let (mut look, mut left) = (interval(LOOK), None);
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(ConnectionEvent::Disconnected) | None => break,
                Some(ConnectionEvent::Draining { remaining }) => {
                    let remaining = duration::exactly(Duration::from_secs(remaining.as_secs_f64().round() as u64));
                    tell(&format!("the broker at {} drains, for {remaining} at most", broker.address));
                }
                Some(_) => {}
            },
            () = stop.next() => {
                tell(&format!("the broker at {} goes on draining", broker.address));
                return Ok(Exit::Interrupted);
            }
            open = async { look.tick().await; open_requests(&client).await } => if open != left {
                tell(&format!("requests without an outcome: {}", open.unwrap_or_default()));
                left = open;
            },
        }
    }
    let took = duration::roughly(begun.elapsed());
    let left = match left {
        None | Some(0) => String::new(),
        Some(left) => format!("; when it was last asked, {} had no outcome", counted(left, "request")),
    };
    output::line(&format!("the broker at {} is gone after {took}{left}", broker.address))?;
    Ok(Exit::Done)
}

async fn open_requests(client: &Client) -> Option<u64> {
    client.channels().await.ok().map(|channels| channels::open_requests(&channels))
}

fn not_draining(error: &DrainError) -> Quit {
    let exit = match error {
        DrainError::Refused(_) => Exit::Refused,
        _ => Exit::NoConnection,
    };
    Quit::saying(exit, error.to_string())
}
