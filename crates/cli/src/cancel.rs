//! `roundtrip cancel`, and what `request --cancel-on-interrupt` does on Ctrl-C.

use roundtrip::{CancelError, Cancellation, Client, OutcomeKind, TicketId};

use crate::arguments::Cancel;
use crate::connect;
use crate::exit::{Exit, Quit};
use crate::output::{self, tell};
use crate::signal::StopSignals;

pub(crate) async fn run(arguments: Cancel) -> Result<Exit, Quit> {
    let Cancel { ticket, broker } = arguments;
    let client = connect::at_once(&broker).await?;
    let cancellation = client.cancel(&ticket).await.map_err(|error| not_cancelled(&error, &ticket))?;
    client.close().await;
    let kind = match cancellation {
        Cancellation::Cancelled => OutcomeKind::Cancelled,
        Cancellation::Ended(kind) => kind,
    };
    output::line(kind.as_str())?;
    if kind == OutcomeKind::Cancelled {
        return Ok(Exit::Done);
    }
    tell(&format!("{ticket} had its outcome before: {kind}"));
    Ok(Exit::OtherOutcome)
}

/// Cancels a request that nobody wants any more; false if it goes on, since a second Ctrl-C came or nobody could be asked.
pub(crate) async fn on_interrupt(client: &Client, ticket: &TicketId, stop: &mut StopSignals) -> bool {
    tell(&format!("cancelling {ticket}; stop again to let it go on"));
    tokio::select! {
        cancellation = client.cancel(ticket) => match cancellation {
            // What the broker does not know was not accepted, and will not be: nobody submits it any more.
            Ok(_) | Err(CancelError::UnknownTicket) => true,
            Err(error) => {
                tell(&format!("{ticket}: {error}"));
                false
            }
        },
        () = stop.next() => false,
    }
}

fn not_cancelled(error: &CancelError, ticket: &TicketId) -> Quit {
    match error {
        CancelError::UnknownTicket => Quit::saying(Exit::UnknownTicket, format!("{ticket}: {error}")),
        CancelError::Name(_) => Quit::usage(error.to_string()),
        _ => Quit::saying(Exit::NoConnection, error.to_string()),
    }
}
