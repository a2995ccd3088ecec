//! `roundtrip serve`: any command as a service.
//!
//! Each request starts the command once, in a process group of its own. The whole group ends when the work is no longer
//! wanted: the lease is lost, the request is cancelled or expired, or this process is gone.

mod environment;
mod group;
pub(crate) mod guard;
mod job;
mod program;
mod reports;

use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;

use roundtrip::ServiceError;
use tokio_util::sync::CancellationToken;

use crate::arguments::Serve;
use crate::exit::{Exit, Quit};
use crate::output::tell;
use crate::signal::StopSignals;
use crate::{connect, waiting};
use guard::Guard;
use program::Program;

pub(crate) async fn run(arguments: Serve) -> Result<Exit, Quit> {
    let Serve { channel, concurrency, command, broker } = arguments;
    let (program, guard) = (Arc::new(Program::find(command)?), Arc::new(Guard::start()?));
    let mut stop = StopSignals::listen()?;
    let client = tokio::select! {
        client = connect::patiently(&broker) => client?,
        () = stop.next() => return Ok(Exit::Interrupted),
    };
    let concurrency = concurrency.unwrap_or_else(|| available_parallelism().map_or(1, NonZero::get) as u32);
    tell(&format!("serving {channel} from the broker at {}, {concurrency} at once", broker.address));

    let (draining, mut events) = (CancellationToken::new(), client.events());
    let service = client
        .raw_service(channel.as_str(), move |request, context| {
            job::answer(Arc::clone(&program), Arc::clone(&guard), request, context)
        })
        .concurrency(concurrency)
        .with_graceful_shutdown(draining.clone().cancelled_owned());
    let mut service = std::pin::pin!(service.run());
    let exit = loop {
        tokio::select! {
            ended = &mut service => {
                ended.map_err(|error| ended_badly(&error))?;
                break Exit::Done;
            }
            // The second time the service is dropped: its commands are killed and their requests given back.
            () = stop.next() => match draining.is_cancelled() {
                true => break Exit::Interrupted,
                false => {
                    tell("finishing what is under way; stop again to kill it and give it back");
                    draining.cancel();
                }
            },
            Some(event) = events.next() => waiting::narrate(&client, event),
        }
    };
    client.close().await;
    Ok(exit)
}

fn ended_badly(error: &ServiceError) -> Quit {
    let exit = match error {
        ServiceError::Refused(_) => Exit::Refused,
        ServiceError::Name(_) => Exit::Usage,
        _ => Exit::NoConnection,
    };
    Quit::saying(exit, error.to_string())
}
