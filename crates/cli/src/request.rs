//! `roundtrip request`: one request, and its outcome.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use roundtrip::{ChannelName, Client, Message, OutcomeKind, Requester, SubmitError, SubmitRaw};

use crate::arguments::Request;
use crate::color::Color;
use crate::exit::{Exit, Quit};
use crate::output::{self, tell};
use crate::signal::StopSignals;
use crate::waiting::{self, AsyncHint, Ended, Wait};
use crate::{cancel, connect, hint, payload};

/// How long nobody may serve a request before that is said.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) async fn run(arguments: Request, color: Color) -> Result<Exit, Quit> {
    let no_wait = arguments.no_wait || arguments.one_way;
    let (channel, waiting, broker) = (&arguments.channel, &arguments.waiting, &arguments.broker);
    let payload = payload::read(arguments.data.as_deref())?;
    let client = connect::at_once(broker).await?;
    // Asked before the submission, which makes a channel that is not there.
    let known = !no_wait && knows(&client, channel).await;

    let mut stop = StopSignals::listen()?;
    let requester = match &arguments.requester {
        Some(name) => client.requester(name.as_str()),
        None => client.anonymous(),
    };
    // Made here, so that there is a ticket to print wherever Ctrl-C comes.
    let id = requester.new_raw_ticket(channel.clone());
    let operation = Some(arguments.operation.as_str());
    let mut submitting = submit(&requester, &arguments, payload).under(id.clone()).into_future();
    let ticket = tokio::select! {
        ticket = &mut submitting => ticket.map_err(|error| refused(&error))?,
        () = stop.next() => {
            if !(arguments.cancel_on_interrupt && cancel::on_interrupt(&client, &id, &mut stop).await) {
                waiting::print_open(&id, operation, waiting.json, &broker.address)?;
            }
            return Ok(Exit::Interrupted);
        }
    };
    // With an idempotency key that was there before it is the first request's.
    let id = ticket.id().clone();
    if ticket.is_duplicate() {
        tell(&format!("this idempotency key stands for an earlier request: {id}"));
    }
    if no_wait {
        let printed = output::line(&id.to_string());
        client.close().await;
        return printed.map(|()| Exit::Done);
    }

    let nobody = NoService { client: &client, channel, created: !known };
    let hint: waiting::Hint<'_> = if ticket.services() == Some(0) { Some(&nobody) } else { None };
    // Read though nobody may want to see them: the service would have to wait for room.
    let parts = Some(ticket.parts());
    let mut ended = Wait { client: &client, ticket: &ticket, parts, how: waiting, color, hint }.end(&mut stop).await?;
    let interrupted = matches!(ended, Ended::Open(Exit::Interrupted));
    if interrupted && arguments.cancel_on_interrupt && cancel::on_interrupt(&client, &id, &mut stop).await {
        ended = Wait { client: &client, ticket: &ticket, parts: None, how: waiting, color, hint: None }
            .end(&mut stop)
            .await?;
    }
    let exit = match ended {
        Ended::Outcome(outcome) => {
            let exit = waiting::print(&id, operation, &outcome, waiting.json, color)?;
            // What could not be acknowledged is told again under its ticket: the reply is printed, so nobody is worse off.
            ticket.acknowledge().await.ok();
            if interrupted && outcome.kind() == OutcomeKind::Cancelled { Exit::Interrupted } else { exit }
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

fn submit(requester: &Requester, arguments: &Request, payload: Vec<u8>) -> SubmitRaw {
    let content_type = payload::content_type(&payload);
    let message = Message::new(payload).content_type(content_type);
    let mut submit = requester.submit_raw(arguments.channel.as_str(), arguments.operation.as_str(), message);
    if let Some(reply_channel) = &arguments.reply_channel {
        submit = submit.reply_channel(reply_channel.as_str());
    }
    if let Some(deadline) = arguments.deadline {
        submit = submit.deadline(deadline);
    }
    if let Some(priority) = arguments.priority {
        submit = submit.priority(priority);
    }
    if let Some(delay) = arguments.delay {
        submit = submit.delay(delay);
    }
    if let Some(key) = &arguments.idempotency_key {
        submit = submit.idempotency_key(key);
    }
    if arguments.one_way { submit.one_way() } else { submit }
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
