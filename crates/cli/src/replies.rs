//! `roundtrip replies`: a requester's mailbox, one line a reply, each ticket once.

use std::collections::HashSet;

use roundtrip::{RepliesError, Reply};

use crate::arguments::Replies;
use crate::exit::{Exit, Quit};
use crate::record::{Record, plain};
use crate::signal::StopSignals;
use crate::{connect, output, waiting};

pub(crate) async fn run(arguments: Replies) -> Result<Exit, Quit> {
    let Replies { requester, reply_channel, take, follow, json, broker } = arguments;
    let mut stop = StopSignals::listen()?;
    let connecting = async { if follow { connect::patiently(&broker).await } else { connect::at_once(&broker).await } };
    let client = tokio::select! {
        client = connecting => client?,
        () = stop.next() => return Ok(Exit::Interrupted),
    };
    let requester = client.requester(requester.as_str());
    let opening = requester.replies(reply_channel.as_str());
    let mut replies = if take { opening } else { opening.follow() }.await.map_err(|error| unreadable(&error))?;

    let mut printed = HashSet::new();
    let mut events = client.events();
    loop {
        let next = async { if follow { replies.next().await } else { replies.next_there().await } };
        let reply = tokio::select! {
            reply = next => reply,
            () = stop.next() => {
                client.close().await;
                // Being stopped is how following ends.
                return Ok(if follow { Exit::Done } else { Exit::Interrupted });
            }
            Some(event) = events.next() => {
                waiting::narrate(&client, event);
                continue;
            }
        };
        let Some(reply) = reply else { break };
        let reply = reply.map_err(|error| unreadable(&error))?;
        // After a broken connection the broker sends again what was not acknowledged.
        if printed.insert(reply.ticket.clone()) {
            print(&reply, json)?;
        }
        if take && reply.acknowledge().await.is_ok() {
            printed.remove(&reply.ticket);
        }
    }
    client.close().await;
    Ok(Exit::Done)
}

fn print(reply: &Reply, json: bool) -> Result<(), Quit> {
    let Reply { ticket, operation, outcome, .. } = reply;
    if json {
        return output::json_line(&Record::new(ticket, Some(operation), outcome));
    }
    output::line(&plain(ticket, outcome.attempts, &outcome.ending, &outcome.payload))
}

fn unreadable(error: &RepliesError) -> Quit {
    let exit = match error {
        RepliesError::ClientClosed => Exit::NoConnection,
        RepliesError::Name(_) => Exit::Usage,
        _ => Exit::Refused,
    };
    Quit::saying(exit, error.to_string())
}
