//! Whoever calls the gateway: a requester, a service, an operator.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::Method;
use roundtrip::{
    AcknowledgeError, CancelError, Cancellation, DeadLetter, DeadLetterEntry, DeadLetterError, OpenMode, Progress,
    Refusal, RepliesError, RequestId, RequestState, TicketId, WaitError,
};
use serde_json::Value;
use tokio::time::Instant;

use super::calls::{Answer, Calls, LONGEST_WAIT};
use super::events::Events;
use super::mailbox::OpenMailbox;
use super::outcome::kind;
use super::parts::Reading;
use super::seconds;
use super::service::Never;
use super::taken::Delivery;
use crate::cable::Cable;
use crate::driver::{Accepted, Ended, Party, State, Submission};

const NO_DEAD_LETTERS: &str = "there are no dead letters over HTTP: the sentence needs DeadLetters";

/// Calls through a cable of its own, so that its connections can be cut.
pub(crate) struct Caller {
    calls: Calls,
    cable: Cable,
}

impl Caller {
    pub(super) async fn at(gateway: SocketAddr) -> Self {
        let cable = Cable::over_tcp(gateway).await;
        Self { calls: Calls::of(cable.address()), cable }
    }
}

impl Party for Caller {
    type Taken = Delivery;
    type Service = Never;
    type Mailbox = OpenMailbox;
    type Parts = Reading;

    async fn submit(&self, submission: Submission) -> Result<Accepted, Refusal> {
        let call = self.calls.post(format!("/v1/channels/{}/requests", submission.channel)).body(submission.payload);
        let header = submission.header.map(|(name, value)| (format!("roundtrip-meta-{name}"), value));
        let headers = [
            ("roundtrip-operation", Some(submission.operation.to_owned())),
            ("content-type", Some(submission.content_type.to_owned())),
            // Without a requester the outcome stays under its ticket: this is what one-way is over HTTP.
            ("roundtrip-requester", (!submission.one_way).then(|| submission.requester.to_owned())),
            ("roundtrip-ticket", submission.under.map(|ticket| ticket.to_string())),
            ("roundtrip-reply-channel", submission.reply_channel.map(str::to_owned)),
            ("roundtrip-priority", submission.priority.map(|priority| priority.to_string())),
            ("roundtrip-deadline", submission.deadline.map(seconds::text)),
            ("roundtrip-delay", submission.delay.map(seconds::text)),
            ("idempotency-key", submission.key.map(str::to_owned)),
        ];
        let call = header.into_iter().fold(call, |call, (name, value)| call.header(name, value));
        let call = headers.into_iter().fold(call, |call, (name, value)| match value {
            Some(value) => call.header(name, value),
            None => call,
        });
        let answer = self.calls.ask_once(call).await;
        if answer.status != 202 {
            return Err(answer.problem().into());
        }
        let location: String = answer.said("location");
        Ok(Accepted {
            ticket: location["/v1/requests/".len()..].parse().unwrap(),
            duplicate: answer.header("roundtrip-duplicate") == Some("true"),
            services: answer.json()["services"].as_u64().map(|services| services as u32),
        })
    }

    async fn outcome(&self, _: &str, ticket: &TicketId) -> Result<Ended, WaitError> {
        loop {
            let answer =
                self.calls.ask(self.calls.get(format!("/v1/requests/{ticket}/reply?wait={LONGEST_WAIT}"))).await;
            match Ended::in_answer(&answer) {
                Some(ended) => return Ok(ended),
                None if answer.status == 202 => {}
                None => return Err(answer.problem().into()),
            }
        }
    }

    async fn state(&self, ticket: &TicketId) -> Result<State, WaitError> {
        let answer = self.calls.ask(self.calls.get(format!("/v1/requests/{ticket}"))).await;
        match answer.status {
            200 => Ok(state(&answer)),
            303 => {
                let reply = self.calls.ask(self.calls.get(answer.said::<String>("location"))).await;
                ended_state(&reply)
            }
            _ => Err(answer.problem().into()),
        }
    }

    async fn progress(&self, ticket: &TicketId) -> Option<Progress> {
        loop {
            let mut events = Events::behind(&self.calls, &ticket.to_string(), None).await?;
            while let Some(event) = events.next().await {
                match &*event.name {
                    "progress" => return progress(&event.data),
                    "outcome" => return None,
                    _ => {}
                }
            }
        }
    }

    async fn acknowledge(&self, requester: &str, ticket: &TicketId) -> Result<(), AcknowledgeError> {
        let call = self.calls.post(format!("/v1/requests/{ticket}/acknowledge"));
        Ok(self.calls.ask(call.header("roundtrip-requester", requester)).await.done()?)
    }

    async fn cancel(&self, ticket: &TicketId) -> Result<Cancellation, CancelError> {
        let answer = self.calls.ask(self.calls.call(Method::DELETE, format!("/v1/requests/{ticket}"))).await;
        if answer.status != 200 {
            return Err(answer.problem().into());
        }
        let ended = answer.json();
        let outcome = kind(ended["outcome"].as_str().unwrap());
        Ok(match ended["ended_before"].as_bool().unwrap() {
            true => Cancellation::Ended(outcome),
            false => Cancellation::Cancelled,
        })
    }

    fn parts(&self, requester: &str, ticket: &TicketId, behind: (u32, u32)) -> Reading {
        let (calls, requester, ticket) = (self.calls.clone(), requester.to_owned(), ticket.to_string());
        Reading { calls, requester, ticket, behind, owes: false, events: None }
    }

    async fn open(&self, requester: &str, reply_channel: &str, mode: OpenMode) -> Result<OpenMailbox, RepliesError> {
        let path = format!("/v1/mailboxes/{reply_channel}/{requester}/replies");
        OpenMailbox::open(self.calls.clone(), path, mode).await
    }

    /// One call takes one: the first waits, the others take what is there.
    async fn take(&self, channel: &str, most: u32, wait: Duration) -> Vec<Delivery> {
        let (mut taken, until) = (Vec::new(), Instant::now() + wait);
        while taken.len() < most as usize {
            let left = if taken.is_empty() { until.saturating_duration_since(Instant::now()) } else { Duration::ZERO };
            let wait = seconds::whole(left).min(LONGEST_WAIT);
            let call = self.calls.post(format!("/v1/channels/{channel}/deliveries?wait={wait}"));
            let answer = self.calls.ask_once(call).await;
            match answer.status {
                204 if taken.is_empty() && Instant::now() < until => {}
                204 => break,
                _ => taken.push(Delivery::in_answer(self.calls.clone(), answer)),
            }
        }
        taken
    }

    fn serve(&self, _: &str, _: u32) -> Never {
        panic!("no connection holds a delivery over HTTP: the sentence needs Connections")
    }

    async fn dead_letters(&self, _: &str) -> Vec<DeadLetterEntry> {
        panic!("{NO_DEAD_LETTERS}")
    }

    async fn read_dead_letter(&self, _: &str, _: RequestId) -> Result<DeadLetter, DeadLetterError> {
        panic!("{NO_DEAD_LETTERS}")
    }

    async fn redrive(&self, _: &str, _: RequestId) -> Result<TicketId, DeadLetterError> {
        panic!("{NO_DEAD_LETTERS}")
    }

    async fn purge(&self, _: &str, _: RequestId) -> Result<(), DeadLetterError> {
        panic!("{NO_DEAD_LETTERS}")
    }

    fn cut(&self) {
        self.cable.cut();
    }

    fn vanish(&self) {
        self.cable.unplug();
    }

    fn come_back(&self) {
        self.cable.plug();
    }
}

fn state(answer: &Answer) -> State {
    let told = answer.json();
    let number = |member: &str| told[member].as_u64().unwrap_or_else(|| panic!("no {member}: {told}"));
    let state = match told["state"].as_str().unwrap() {
        "waiting" => RequestState::Waiting,
        "in_flight" => {
            RequestState::InFlight { delivery: number("delivery") as u32, attempt: number("attempt") as u32 }
        }
        "backing_off" => RequestState::BackingOff,
        "scheduled" => RequestState::Scheduled { in_ms: seconds::of(&told["begins_in"]).unwrap().as_millis() as u64 },
        other => panic!("no request is {other}"),
    };
    State {
        state,
        ahead: number("ahead"),
        services: number("services") as u32,
        attempts: number("attempts") as u32,
        remaining: seconds::of(&told["remaining"]),
        redrive_of: told["redrive_of"].as_str().map(|letter| letter.parse().unwrap()),
        progress: progress(&told["progress"]),
    }
}

/// Where there is an outcome, it is all that is told.
fn ended_state(reply: &Answer) -> Result<State, WaitError> {
    let Some(ended) = Ended::in_answer(reply) else { return Err(reply.problem().into()) };
    Ok(State {
        state: RequestState::Ended(ended.kind()),
        ahead: 0,
        services: 0,
        attempts: ended.attempts,
        remaining: None,
        redrive_of: None,
        progress: None,
    })
}

fn progress(told: &Value) -> Option<Progress> {
    let text = |member: &str| told[member].as_str().unwrap().to_owned();
    let fraction = told.get("fraction")?.as_f64()?;
    Some(Progress { fraction: fraction as f32, stage: text("stage"), note: text("note") })
}
