//! What a durable channel does when it may: each thing when the change that it tells of is on disk, and what it tells is
//! in memory.

use std::sync::Arc;

use roundtrip_core::{
    Change, Channel, Command, Ending, Figures, Outcome, Peer as _, ReaderId, Reading, Tell, Time, What,
};
use roundtrip_protocol::{Refusal, RefusalCode, RequestId, TicketNumber};

use super::Shelf;
use super::shelf::Found;
use crate::batch::Batch;
use crate::channel::ChannelEntry;
use crate::handles::{BrokerHandles, Held};
use crate::mailbox::{MailboxHandle, Posted};
use crate::message::{Answer, Part, Request};
use crate::peer::{Item, Peer, Promise};
use crate::storage::{Ask, Content, Missing};

/// Something to do, in its turn.
pub(in crate::channel) struct Deed {
    /// The change that it tells of.
    pub(in crate::channel) after: Change,
    /// When it was decided, for whoever watches.
    #[cfg_attr(not(feature = "simulation"), allow(dead_code, reason = "only a simulator asks"))]
    decided: Time,
    pub(in crate::channel) doing: Doing,
    /// The bytes that a connection is going to be sent count as if they waited there.
    _promise: Option<Promise>,
}

/// What.
pub(in crate::channel) enum Doing {
    /// What the state machine wants done.
    Effect(What<BrokerHandles>),
    /// Puts an outcome before a reader that its mailbox offered it to.
    Offer(Offer),
    /// Looks into the channel and tells what it finds.
    Look(Box<dyn Look>),
    /// Shows figures.
    Show(Figures),
    /// A simulator is told what the channel was asked, in its turn.
    #[cfg(feature = "simulation")]
    Watch(crate::simulation::Event),
}

/// An outcome that a mailbox offered to a reader.
pub(in crate::channel) struct Offer {
    pub(in crate::channel) id: RequestId,
    pub(in crate::channel) peer: Peer,
    pub(in crate::channel) reader: ReaderId,
    pub(in crate::channel) mailbox: MailboxHandle,
}

/// A look into the channel by somebody who is told what is there.
pub(in crate::channel) trait Look: Send {
    /// Tells it, or says that contents are not in memory yet. A channel in memory has no shelf.
    fn look(
        &mut self,
        channel: &Channel<BrokerHandles>,
        shelf: Option<&mut Shelf>,
        now: Time,
        batch: &mut Batch,
    ) -> Looked;
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::channel) enum Looked {
    Told,
    NotYet,
}

/// What came of doing a deed.
pub(in crate::channel) enum Done {
    /// It is done.
    Yes,
    /// What it tells is not in memory yet.
    NotYet(Deed),
    /// It cannot be done as it is: the channel is to do this, and the deed comes again if it is given back.
    Otherwise(Command<BrokerHandles>, Option<Deed>),
}

impl Deed {
    pub(in crate::channel) fn new(after: Change, decided: Time, doing: Doing) -> Self {
        let promise = match &doing {
            Doing::Effect(What::Tell { peer, tell: Tell::Delivery { request: Held::Stored(_, bytes), .. } }) => {
                Some(peer.promise(*bytes as usize))
            }
            _ => None,
        };
        Self { after, decided, doing, _promise: promise }
    }

    /// Has fetched what it is going to need.
    pub(in crate::channel) fn prepare(&self, channel: &Channel<BrokerHandles>, shelf: &mut Shelf) {
        match &self.doing {
            Doing::Effect(What::Tell { tell, .. }) => {
                if let Some(ask) = need(tell) {
                    shelf.find(ask);
                }
            }
            Doing::Offer(offer) => {
                if let Reading::Outcome { outcome, request, .. } = channel.outcome(offer.id, offer.peer.id()) {
                    needs_of(request, outcome).into_iter().flatten().for_each(|ask| drop(shelf.find(ask)));
                }
            }
            Doing::Effect(_) | Doing::Look(_) | Doing::Show(_) => {}
            #[cfg(feature = "simulation")]
            Doing::Watch(_) => {}
        }
    }

    /// Does it. Only a figure is left to the caller.
    pub(in crate::channel) fn act(
        mut self,
        entry: &Arc<ChannelEntry>,
        channel: &Channel<BrokerHandles>,
        shelf: &mut Shelf,
        now: Time,
        batch: &mut Batch,
    ) -> Done {
        #[cfg(feature = "simulation")]
        crate::simulation::set_decided(self.decided);
        match &mut self.doing {
            Doing::Effect(What::Tell { peer, tell }) => match need(tell).map(|ask| shelf.find(ask)) {
                Some(Found::NotYet) => return Done::NotYet(self),
                Some(Found::Missing(missing)) => {
                    let (peer, tell) = (peer.clone(), std::mem::replace(tell, nothing()));
                    #[cfg(feature = "simulation")]
                    crate::simulation::watch_spoilt(entry, &tell);
                    return spoilt(&peer, tell, missing, batch)
                        .map_or(Done::Yes, |command| Done::Otherwise(command, None));
                }
                Some(Found::Here(content)) => fill(tell, content),
                None => {}
            },
            Doing::Offer(offer) => match offer.act(entry, channel, shelf, batch) {
                Offered::Decided => return Done::Yes,
                Offered::NotYet => return Done::NotYet(self),
                Offered::Damaged => {
                    let id = offer.id;
                    return Done::Otherwise(Command::Damaged { id }, Some(self));
                }
            },
            Doing::Look(look) => {
                return match look.look(channel, Some(shelf), now, batch) {
                    Looked::Told => Done::Yes,
                    Looked::NotYet => Done::NotYet(self),
                };
            }
            Doing::Effect(_) | Doing::Show(_) => {}
            #[cfg(feature = "simulation")]
            Doing::Watch(event) => crate::simulation::watch_asked(entry, event),
        }
        if let Doing::Effect(what) = self.doing {
            entry.apply(what, batch);
        }
        Done::Yes
    }
}

enum Offered {
    Decided,
    NotYet,
    Damaged,
}

impl Offer {
    fn act(
        &self,
        entry: &Arc<ChannelEntry>,
        channel: &Channel<BrokerHandles>,
        shelf: &mut Shelf,
        batch: &mut Batch,
    ) -> Offered {
        let posted = Posted::new(entry, self.id);
        let Reading::Outcome { outcome, request, redrive_of } = channel.outcome(self.id, self.peer.id()) else {
            self.mailbox.decide(self.reader, &posted, false);
            self.mailbox.resume(batch);
            return Offered::Decided;
        };
        let mut outcome = outcome.clone();
        let mut operation = Arc::from("");
        for ask in needs_of(request, &outcome).into_iter().flatten() {
            match (shelf.find(ask), &mut outcome.ending) {
                (Found::NotYet, _) => return Offered::NotYet,
                (Found::Missing(_), _) => return Offered::Damaged,
                (Found::Here(Content::Answer(answer)), Ending::Replied(held) | Ending::Failed(held)) => {
                    *held = Held::Here(Arc::clone(answer));
                }
                (Found::Here(Content::Operation(found)), _) => operation = Arc::clone(found),
                (Found::Here(Content::Message(found)), _) => operation = Arc::clone(&found.operation),
                (Found::Here(_), _) => {}
            }
        }
        let channel = entry.name().clone();
        let mailbox = self.reader.mailbox;
        let item = Item::Reply { mailbox, channel, id: self.id, redrive_of, operation, outcome };
        #[cfg(feature = "simulation")]
        crate::simulation::watch_reply(entry, self.id, &item);
        self.peer.reply(mailbox, self.mailbox.serial(), item, batch);
        self.mailbox.decide(self.reader, &posted, true);
        Offered::Decided
    }
}

/// The content that a word needs.
fn need(tell: &Tell<BrokerHandles>) -> Option<Ask> {
    match tell {
        Tell::Delivery { request, .. } => request.row().map(Ask::Message),
        Tell::Outcome { outcome, .. } => answer_of(outcome),
        Tell::Part { part, .. } => part.row().map(Ask::Part),
        _ => None,
    }
}

fn answer_of(outcome: &Outcome<BrokerHandles>) -> Option<Ask> {
    match &outcome.ending {
        Ending::Replied(answer) | Ending::Failed(answer) => answer.row().map(Ask::Answer),
        Ending::Dead { .. } | Ending::Expired | Ending::Cancelled => None,
    }
}

fn needs_of(request: &Held<Request>, outcome: &Outcome<BrokerHandles>) -> [Option<Ask>; 2] {
    [request.row().map(Ask::Operation), answer_of(outcome)]
}

/// Puts the content into the word.
fn fill(tell: &mut Tell<BrokerHandles>, content: &Content) {
    match (tell, content) {
        (Tell::Delivery { request, .. }, Content::Message(found)) => *request = Held::Here(Arc::clone(found)),
        (Tell::Part { part, .. }, Content::Part(found)) => *part = Held::<Part>::Here(Arc::clone(found)),
        (Tell::Outcome { outcome, .. }, Content::Answer(found)) => {
            if let Ending::Replied(answer) | Ending::Failed(answer) = &mut outcome.ending {
                *answer = Held::<Answer>::Here(Arc::clone(found));
            }
        }
        _ => {}
    }
}

/// What becomes of a word whose content is not there. Gone is what ended while it was fetched; what ended a request
/// under its delivery tells the service to stop, which has nothing to stop and so has stopped.
fn spoilt(
    peer: &Peer,
    tell: Tell<BrokerHandles>,
    missing: Missing,
    batch: &mut Batch,
) -> Option<Command<BrokerHandles>> {
    match (tell, missing) {
        (Tell::Delivery { token, .. }, Missing::Gone) => Some(Command::Stopped { token }),
        (Tell::Delivery { token, .. }, Missing::Damaged) => Some(Command::Damaged { id: token.id }),
        (Tell::Outcome { ticket, .. }, Missing::Gone) => {
            let message = "the outcome of this ticket was acknowledged, or forgotten, while it was read";
            let refusal = Refusal::new(RefusalCode::UnknownTicket, message);
            peer.tell(Tell::Refused { ticket, refusal }, batch);
            None
        }
        (Tell::Outcome { ticket, .. } | Tell::Part { ticket, .. }, Missing::Damaged) => {
            let id = peer.open(|open| open.ticket(ticket).map(|ticket| ticket.id))?;
            Some(Command::Damaged { id })
        }
        _ => None,
    }
}

/// A word that says nothing to anybody.
fn nothing() -> Tell<BrokerHandles> {
    Tell::PartsFrom { ticket: TicketNumber(u32::MAX), delivery: 0, first: 0 }
}
