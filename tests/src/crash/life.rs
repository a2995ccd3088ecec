//! The life of a request, as its requester leads it: step by step, and each step told.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use roundtrip::{
    AcknowledgeError, CancelError, Cancellation, ChannelName, Client, Ending, Message, Outcome, RawTicket, Requester,
    SubmitError, TicketId, WaitError,
};

use super::entry::{Entry, now};
use super::journal::Journal;
use super::load::Load;
use crate::simulation::chance::Chance;

/// How long to wait at most before a refused submission is tried again, whatever the broker says.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// A requester of one load.
#[derive(Debug, Clone)]
pub(super) struct Desk {
    pub(super) load: Load,
    pub(super) requester: Requester,
    pub(super) journal: Journal,
    channel: ChannelName,
    chance: Rc<RefCell<Chance>>,
}

/// What is asked for, and how.
#[derive(Debug, Clone, Default)]
pub(super) struct Wish {
    pub(super) payload: String,
    pub(super) key: Option<String>,
    pub(super) delay: Option<Duration>,
    pub(super) deadline: Option<Duration>,
}

/// A request that is under way.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) ticket: RawTicket,
    /// The time before which the broker cannot have told its outcome.
    pub(super) asked: u64,
}

impl Open {
    pub(super) fn id(&self) -> String {
        self.ticket.id().id.to_string()
    }
}

impl Desk {
    pub(super) fn new(load: Load, client: &Client, chance: Chance) -> Self {
        let channel = match ChannelName::new(load.channel()) {
            Ok(channel) => channel,
            Err(error) => Journal.give_up(error),
        };
        let requester = client.requester(format!("{}-requester", load.name()));
        Self { load, requester, journal: Journal, channel, chance: Rc::new(RefCell::new(chance)) }
    }

    pub(super) fn chance<T>(&self, draw: impl FnOnce(&mut Chance) -> T) -> T {
        draw(&mut self.chance.borrow_mut())
    }

    /// Rests for so many milliseconds.
    pub(super) async fn rest(&self, (from, to): (u64, u64)) {
        let length = self.chance(|chance| chance.millis(from, to));
        tokio::time::sleep(length).await; // The pace of a load; nothing waits for it.
    }

    /// Submits until the broker has accepted: under the same id it is one request.
    pub(super) async fn submit(&self, wish: &Wish) -> Open {
        let under = self.requester.new_raw_ticket(self.channel.clone());
        let (name, asked) = (under.id.to_string(), now());
        self.journal.write(Entry::Submitting { id: name.clone() });
        loop {
            let message = Message::new(wish.payload.clone());
            let mut submission = self.requester.submit_raw(self.channel.as_str(), "work", message).under(under.clone());
            if let Some(key) = &wish.key {
                submission = submission.idempotency_key(key);
            }
            if let Some(delay) = wish.delay {
                submission = submission.delay(delay);
            }
            if let Some(deadline) = wish.deadline {
                submission = submission.deadline(deadline);
            }
            match submission.await {
                Ok(ticket) => {
                    let open = Open { ticket, asked };
                    self.journal.write(Entry::Accepted { id: open.id(), under: name, key: wish.key.clone() });
                    return open;
                }
                Err(SubmitError::Unconfirmed { .. }) => {}
                Err(error) => match error.retry_after() {
                    Some(wait) => tokio::time::sleep(wait.min(LONGEST_WAIT)).await,
                    None => self.journal.give_up(error),
                },
            }
        }
    }

    /// The request, asked for anew.
    pub(super) fn ask_for(&self, ticket: &TicketId) -> Open {
        Open { asked: now(), ticket: self.requester.attach_raw(ticket.clone()) }
    }

    /// Waits for the outcome; none if the broker does not know the request.
    pub(super) async fn outcome(&self, open: &Open) -> Option<Outcome> {
        match open.ticket.outcome().await {
            Ok(outcome) => {
                self.tell(open.id(), &outcome, open.asked);
                Some(outcome)
            }
            Err(WaitError::UnknownTicket) => {
                self.journal.write(Entry::Unknown { id: open.id() });
                None
            }
            Err(error) => self.journal.give_up(error),
        }
    }

    pub(super) fn tell(&self, id: String, outcome: &Outcome, asked: u64) {
        self.journal.write(Entry::Told { id, outcome: in_words(outcome), attempts: outcome.attempts, asked });
    }

    /// Cancels the request; whatever it became comes as its outcome.
    pub(super) async fn cancel(&self, open: &Open) {
        let outcome = match open.ticket.cancel().await {
            Ok(Cancellation::Cancelled) => "cancelled",
            Ok(Cancellation::Ended(kind)) => kind.as_str(),
            Err(CancelError::UnknownTicket) => return, // The wait for its outcome says so as well.
            Err(error) => self.journal.give_up(error),
        };
        self.journal.write(Entry::Cancelled { id: open.id(), outcome: outcome.to_owned() });
    }

    /// Keeps the outcome for a while or not, looks at it again or not, and acknowledges it.
    pub(super) async fn acknowledge(&self, open: &Open) {
        let (keeps, looks, looks_after) =
            self.chance(|chance| (chance.percent(40), chance.percent(50), chance.percent(20)));
        if keeps {
            self.rest((10, 900)).await;
            if looks && self.outcome(&self.ask_for(open.ticket.id())).await.is_none() {
                return;
            }
        }
        self.acknowledge_now(open).await;
        if looks_after {
            let again = self.ask_for(open.ticket.id());
            match again.ticket.outcome().await {
                Ok(outcome) => self.tell(again.id(), &outcome, again.asked),
                Err(WaitError::UnknownTicket) => self.journal.write(Entry::Gone { id: again.id() }),
                Err(error) => self.journal.give_up(error),
            }
        }
    }

    pub(super) async fn acknowledge_now(&self, open: &Open) {
        let id = open.id();
        self.journal.write(Entry::Acknowledging { id: id.clone() });
        self.acknowledged(id, open.ticket.acknowledge().await);
    }

    /// Tells what the broker said to an acknowledgement.
    pub(super) fn acknowledged(&self, id: String, said: Result<(), AcknowledgeError>) {
        match said {
            Ok(()) => self.journal.write(Entry::Acknowledged { id }),
            Err(AcknowledgeError::ClientClosed) => self.journal.give_up("the client is closed"),
            Err(error) => self.journal.write(Entry::Wrong { id, why: error.to_string() }),
        }
    }
}

/// How a request ended, so that two ends can be compared.
pub(super) fn in_words(outcome: &Outcome) -> String {
    let kind = outcome.kind().as_str();
    match &outcome.ending {
        Ending::Replied(_) => replied(&outcome.payload),
        Ending::Failed { problem, .. } => format!("{kind}:{}", problem.code),
        Ending::Dead { reason, .. } => format!("{kind}:{}", reason.as_str()),
        Ending::Expired | Ending::Cancelled => kind.to_owned(),
    }
}

/// A reply: its first word, and how long it is.
pub(super) fn replied(payload: &[u8]) -> String {
    let text = String::from_utf8_lossy(payload);
    format!("replied:{}:{}", text.split(' ').next().unwrap_or_default(), payload.len())
}
