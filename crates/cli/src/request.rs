//! `roundtrip request`: one request, and its outcome.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use roundtrip::{ChannelName, Client, Message, SubmitError};

use crate::arguments::Request;
use crate::color::Color;
use crate::exit::{Exit, Quit};
use crate::signal::StopSignals;
use crate::waiting::{self, AsyncHint, Ended};
use crate::{connect, hint, output, payload};

/// How long nobody may serve a request before that is said.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) async fn run(arguments: Request, color: Color) -> Result<Exit, Quit> {
    let Request { channel, data, operation, requester, reply_channel, no_wait, waiting, broker } = arguments;
    let payload = payload::read(data.as_deref())?;
    let client = connect::at_once(&broker).await?;
    // Asked before the submission, which makes a channel that is not there.
    let known = !no_wait && knows(&client, &channel).await;

    let mut stop = StopSignals::listen()?;
    let requester = match requester {
        Some(name) => client.requester(name.as_str()),
        None => client.anonymous(),
    };
    let content_type = payload::content_type(&payload);
    let message = Message::new(payload).content_type(content_type);
    // Made here, so that there is a ticket to print wherever Ctrl-C comes.
    let id = requester.new_raw_ticket(channel.clone());
    let mut submit = requester.submit_raw(channel.as_str(), operation.as_str(), message).under(id.clone());
    if let Some(reply_channel) = reply_channel {
        submit = submit.reply_channel(reply_channel.as_str());
    }
    let operation = Some(operation.as_str());
    let ticket = tokio::select! {
        ticket = submit => ticket.map_err(|error| refused(&error))?,
        () = stop.next() => {
            waiting::print_open(&id, operation, waiting.json, &broker.address)?;
            return Ok(Exit::Interrupted);
        }
    };
    if no_wait {
        let printed = output::line(&id.to_string());
        client.close().await;
        return printed.map(|()| Exit::Done);
    }

    let nobody = NoService { client: &client, channel: &channel, created: !known };
    let hint: waiting::Hint<'_> = if ticket.services() == Some(0) { Some(&nobody) } else { None };
    let ended = waiting::wait(&client, &ticket, &waiting, &mut stop, color, hint).await?;
    let exit = match ended {
        Ended::Outcome(outcome) => {
            let exit = waiting::print(&id, operation, &outcome, waiting.json, color)?;
            // What could not be acknowledged is told again under its ticket: the reply is printed, so nobody is worse off.
            ticket.acknowledge().await.ok();
            exit
        }
        Ended::Open(exit) => {
            waiting::print_open(&id, operation, waiting.json, &broker.address)?;
            exit
        }
    };
    // Closed before the ticket is dropped: an unnamed requester's dropped ticket would acknowledge what comes later.
    tokio::time::timeout(Duration::from_secs(1), client.close()).await.ok();
    Ok(exit)
}

async fn knows(client: &Client, channel: &ChannelName) -> bool {
    client.channels().await.is_ok_and(|channels| channels.iter().any(|figures| figures.channel == *channel))
}

struct NoService<'a> {
    client: &'a Client,
    channel: &'a ChannelName,
    created: bool,
}

impl AsyncHint for NoService<'_> {
    fn after(&self) -> Duration {
        PATIENCE
    }

    fn sentence(&self) -> Pin<Box<dyn Future<Output = Option<String>> + '_>> {
        Box::pin(async move {
            let channels = self.client.channels().await.ok()?;
            hint::no_service(self.channel, self.created, &channels)
        })
    }
}

fn refused(error: &SubmitError) -> Quit {
    let again = match error.retry_after() {
        Some(wait) => format!("; try again in {:.1} s", wait.as_secs_f64()),
        None => String::new(),
    };
    let exit = match error {
        SubmitError::Refused(_) | SubmitError::TooLarge { .. } | SubmitError::TooManyOpen { .. } => Exit::Refused,
        SubmitError::Name(_) | SubmitError::OtherChannel { .. } | SubmitError::Unencodable { .. } => Exit::Usage,
        _ => Exit::NoConnection,
    };
    Quit::saying(exit, format!("{error}{again}"))
}
