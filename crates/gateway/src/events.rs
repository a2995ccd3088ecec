//! `GET /v1/requests/{ticket}/events`: what happens to a request, as server-sent events.

mod last;
mod payload;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use roundtrip_client::{Ending, Outcome, PartEvent, Parts, Progress, ProgressUpdates};
use serde::Serialize;
use tokio_util::sync::WaitForCancellationFutureOwned;
use utoipa::IntoParams;

use crate::answer::within;
use crate::gateway::Shared;
use crate::outcome::Failed;
use crate::path::{self, OfTicket, Segment};
use crate::problem::Problem;
use crate::query::{self, Parameters};
use crate::refusal::OfRequest;
use crate::status::Reached;
pub(crate) use last::EventId;
use payload::Payload;

/// How long nothing may be said, so that a line that is dead or given up by a proxy is noticed.
const SILENCE: Duration = Duration::from_secs(15);

/// What a caller has of a stream, as it is described.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it is read by the macro alone")]
pub(crate) struct Last {
    /// The id of the last event that the caller has, as it came: the stream goes on behind it.
    #[param(
        required = false,
        rename = "Last-Event-ID",
        pattern = r"^(?:outcome|[0-9]{1,9}\.[0-9]{1,9})?$",
        example = "1.3"
    )]
    last: String,
}

/// What happens to a request
///
/// As server-sent events: `progress`, `part`, `restarted`, `gone`, and `outcome`, which is the last. The `data` of each is
/// one JSON object on one line. Reading acknowledges nothing, and whoever hangs up ends nothing.
#[utoipa::path(get, path = "/v1/requests/{ticket}/events", params(OfTicket, Last), responses(
    OfRequest,
    (status = 200, description = "The events, up to the outcome.", body = str, content_type = "text/event-stream",
     example = ": open\n\nevent: outcome\n\
                data: {\"outcome\":\"replied\",\"attempts\":1,\"content_type\":\"text/plain\",\"text\":\"HELLO\"}\n\
                id: outcome\n\n"),
    (status = 204, description = "Behind the outcome there is nothing: `Last-Event-ID` says that the caller has it."),
))]
pub(crate) async fn events(
    State(shared): State<Arc<Shared>>,
    ticket: Segment,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = path::ticket(ticket)?;
    query::read(parameters, &[])?;
    let (delivery, number) = match last::last(&headers)? {
        // Nothing comes behind it, and an `EventSource` asks again until it is told so in this way.
        Some(EventId::Outcome) => return Ok(StatusCode::NO_CONTENT.into_response()),
        Some(EventId::Part { delivery, number }) => (delivery, number),
        None => (0, 0),
    };
    let ticket = shared.unnamed.attach_raw(id);
    within(shared.answer_timeout, ticket.state()).await?;
    Ok(told(Events {
        stage: Stage::Silent,
        progress: ticket.progress(),
        parts: ticket.parts_after(delivery, number).follow(),
        outcome: Box::pin(async move { ticket.outcome().await.ok() }),
        stopping: Box::pin(shared.stopping.clone().cancelled_owned()),
    }))
}

fn told(events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Response {
    Sse::new(events).keep_alive(KeepAlive::new().interval(SILENCE)).into_response()
}

/// The events of one request, up to its outcome. They end earlier when the gateway stops or no more is to be learnt:
/// whoever asks again with the last id goes on behind it.
struct Events {
    stage: Stage,
    progress: ProgressUpdates,
    parts: Parts,
    outcome: Pin<Box<dyn Future<Output = Option<Outcome>> + Send>>,
    stopping: Pin<Box<WaitForCancellationFutureOwned>>,
}

#[derive(Clone, Copy)]
enum Stage {
    /// Not even that the stream is there was told.
    Silent,
    Following,
    /// The parts are at their end: what is left is the outcome.
    Ending,
    Ended,
}

impl Stream for Events {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let told = match self.stopping.as_mut().poll(context) {
            Poll::Ready(()) => None,
            Poll::Pending => ready!(self.poll_told(context)),
        };
        if told.is_none() {
            self.stage = Stage::Ended;
        }
        Poll::Ready(told.map(Ok))
    }
}

impl Events {
    fn poll_told(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        if let Stage::Silent = self.stage {
            self.stage = Stage::Following;
            return Poll::Ready(Some(Event::default().comment("open")));
        }
        if let Stage::Following = self.stage {
            match Pin::new(&mut self.parts).poll_next(context) {
                Poll::Ready(Some(event)) => return Poll::Ready(Some(of_part(&event))),
                Poll::Ready(None) if self.parts.failure().is_some() => return Poll::Ready(None),
                Poll::Ready(None) => self.stage = Stage::Ending,
                Poll::Pending => return self.poll_progress(context),
            }
        }
        if let Stage::Ending = self.stage {
            let outcome = ready!(self.outcome.as_mut().poll(context));
            self.stage = Stage::Ended;
            return Poll::Ready(outcome.map(|outcome| of_outcome(&outcome)));
        }
        Poll::Ready(None)
    }

    fn poll_progress(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        match Pin::new(&mut self.progress).poll_next(context) {
            Poll::Ready(Some(progress)) => Poll::Ready(Some(of_progress(&progress))),
            // Where it ends, the parts will too.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

fn of_progress(progress: &Progress) -> Event {
    event("progress", None, &Reached::of(progress))
}

fn of_part(event_of_parts: &PartEvent) -> Event {
    #[derive(Serialize)]
    struct Added<'a> {
        delivery: u32,
        number: u32,
        #[serde(flatten)]
        payload: Payload<'a>,
    }
    #[derive(Serialize)]
    struct Restarted {
        delivery: u32,
    }
    #[derive(Serialize)]
    struct Gone {
        first: u32,
    }
    match event_of_parts {
        PartEvent::Part(part) => {
            let (delivery, number) = (part.delivery, part.number);
            let payload = Payload::of(&part.content_type, &part.headers, &part.payload);
            event("part", Some(EventId::Part { delivery, number }), &Added { delivery, number, payload })
        }
        PartEvent::Restarted { delivery } => {
            let delivery = *delivery;
            event("restarted", Some(EventId::Part { delivery, number: 0 }), &Restarted { delivery })
        }
        PartEvent::Gone { first } => event("gone", None, &Gone { first: *first }),
        _ => Event::default().comment("something that this gateway does not know"),
    }
}

fn of_outcome(outcome: &Outcome) -> Event {
    #[derive(Serialize)]
    struct Ended<'a> {
        outcome: &'static str,
        attempts: u32,
        #[serde(flatten)]
        reply: Option<Payload<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        problem: Option<Failed>,
    }
    let kind = outcome.kind();
    let reply = match &outcome.ending {
        Ending::Replied(label) => Some(Payload::of(&label.content_type, &label.headers, &outcome.payload)),
        _ => None,
    };
    let problem = outcome.problem().map(|problem| Failed::of(kind, &problem));
    let ended = Ended { outcome: kind.as_str(), attempts: outcome.attempts, reply, problem };
    event("outcome", Some(EventId::Outcome), &ended)
}

fn event(name: &str, id: Option<EventId>, data: &impl Serialize) -> Event {
    // Nothing that is told here has a key that is no text.
    let event = Event::default().event(name).data(serde_json::to_string(data).unwrap_or_default());
    match id {
        Some(id) => event.id(id.to_string()),
        None => event,
    }
}

#[cfg(test)]
mod tests;
