//! What a durable channel does when it may: each thing when the change that it tells of is on disk, and what it tells is
//! in memory.

use std::sync::Arc;

use roundtrip_core::{
    Change, Channel, Command, Ending, Figures, Outcome, Peer as _, ReaderId, Reading, Tell, Time, What,
};
use roundtrip_protocol::{Header, Refusal, RefusalCode, RequestId, Text, TicketNumber, Token};

use super::Shelf;
use super::shelf::Found;
use crate::batch::Batch;
use crate::channel::ChannelEntry;
use crate::disk::Disk;
use crate::handles::{BrokerHandles, Held};
use crate::mailbox::{MailboxHandle, Posted};
use crate::message::{Answer, Part, Request};
use crate::peer::{Peer, Promise, Told};
use crate::storage::{Ask, Content, Missing, Row};

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
    /// Which ticket it is about: its number may stand for another one by then.
    ticket: Option<(TicketNumber, Option<u64>)>,
}

/// What.
pub(in crate::channel) enum Doing {
    /// What the state machine wants done.
    Effect(What<BrokerHandles>),
    /// Puts an outcome before a reader that its mailbox offered it to.
    Offer(Offer),
    /// Looks into the channel and tells what it finds.
    Look(Box<dyn Look>),
    /// Sends something that comes behind all that is to be told before.
    Send(Peer, Header),
    /// Shows figures.
    Show(Figures),
    /// Lets go of what is in memory of a request or a dead letter that is gone.
    Clear(Row),
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
        let ticket = match &doing {
            Doing::Effect(What::Tell { peer, tell }) => {
                ticket_of(tell).map(|number| (number, opened(peer, number, tell)))
            }
            _ => None,
        };
        Self { after, decided, doing, _promise: promise, ticket }
    }

    /// The delivery that it hands over, if it does.
    pub(in crate::channel) const fn delivery(&self) -> Option<Token> {
        match &self.doing {
            Doing::Effect(What::Tell { tell: Tell::Delivery { token, .. }, .. }) => Some(*token),
            _ => None,
        }
    }

    /// Whether the ticket that it is about was closed meanwhile.
    fn is_void(&self) -> bool {
        match (&self.doing, self.ticket) {
            (Doing::Effect(What::Tell { peer, .. }), Some((number, serial))) => {
                serial.is_none() || peer.open(|open| open.ticket_serial(number)) != serial
            }
            _ => false,
        }
    }

    /// Has fetched what it is going to need.
    pub(in crate::channel) fn prepare(&self, channel: &Channel<BrokerHandles>, shelf: &mut Shelf) {
        match &self.doing {
            Doing::Effect(What::Tell { tell, .. }) => {
                if let Some(ask) = need(tell) {
                    shelf.prepare(ask);
                }
            }
            Doing::Offer(offer) => {
                if let Reading::Outcome { outcome, request, .. } = channel.outcome(offer.id, offer.peer.id()) {
                    needs_of(request, outcome).into_iter().flatten().for_each(|ask| shelf.prepare(ask));
                }
            }
            Doing::Effect(_) | Doing::Look(_) | Doing::Send(..) | Doing::Show(_) | Doing::Clear(_) => {}
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
        disk: &Disk,
        batch: &mut Batch,
    ) -> Done {
        #[cfg(feature = "simulation")]
        crate::simulation::set_decided(self.decided);
        if self.is_void() {
            #[cfg(feature = "simulation")]
            if let Doing::Effect(what) = &self.doing {
                crate::simulation::watch_unsaid(entry, what);
            }
            return Done::Yes;
        }
        match &mut self.doing {
            Doing::Effect(What::Tell { peer, tell }) => match need(tell).map(|ask| shelf.find(ask)) {
                Some(Found::NotYet) => return Done::NotYet(self),
                Some(Found::Missing(missing)) => {
                    let (peer, tell) = (peer.clone(), std::mem::replace(tell, nothing()));
                    #[cfg(feature = "simulation")]
                    crate::simulation::watch_spoilt(entry, &tell);
                    return spoilt(&peer, tell, missing, channel, batch)
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
            Doing::Effect(What::Spend { request: Held::Stored(row, _) }) => shelf.remove(Ask::Message(*row), disk),
            Doing::Clear(row) => shelf.remove_all_of(*row, disk),
            Doing::Effect(_) | Doing::Send(..) | Doing::Show(_) => {}
            #[cfg(feature = "simulation")]
            Doing::Watch(event) => crate::simulation::watch_asked(entry, event),
        }
        match self.doing {
            Doing::Effect(what) => entry.apply(what, batch),
            Doing::Send(peer, header) => peer.send(header, batch),
            _ => {}
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
            self.mailbox.decide(self.reader, &posted, false, batch);
            self.mailbox.resume(batch);
            return Offered::Decided;
        };
        let mut outcome = outcome.clone();
        let mut operation = Text::default();
        for ask in needs_of(request, &outcome).into_iter().flatten() {
            match (shelf.find(ask), &mut outcome.ending) {
                (Found::NotYet, _) => return Offered::NotYet,
                (Found::Missing(_), _) => return Offered::Damaged,
                (Found::Here(Content::Answer(answer)), Ending::Replied(held) | Ending::Failed(held)) => {
                    *held = Held::Here(Arc::clone(answer));
                }
                (Found::Here(Content::Operation(found)), _) => operation = found.clone(),
                (Found::Here(Content::Message(found)), _) => operation = found.operation.clone(),
                (Found::Here(_), _) => {}
            }
        }
        #[cfg(feature = "simulation")]
        crate::simulation::watch_reply(entry, self.id, outcome.ending.kind());
        let (channel, operation, outcome) = (entry.name(), &operation, &outcome);
        let reply = Told { mailbox: self.reader.mailbox, channel, id: self.id, redrive_of, operation, outcome };
        self.peer.reply(self.mailbox.serial(), reply, batch);
        self.mailbox.decide(self.reader, &posted, true, batch);
        Offered::Decided
    }
}

/// The number of the ticket that a word is about.
const fn ticket_of(tell: &Tell<BrokerHandles>) -> Option<TicketNumber> {
    match tell {
        Tell::Accepted { ticket, .. }
        | Tell::Refused { ticket, .. }
        | Tell::State { ticket, .. }
        | Tell::Outcome { ticket, .. }
        | Tell::Progress { ticket, .. }
        | Tell::Part { ticket, .. }
        | Tell::PartsFrom { ticket, .. } => Some(*ticket),
        _ => None,
    }
}

/// Which ticket the number stands for now. One that turns out to be a duplicate stands for the first request at once, for
/// whatever its connection asks about it before it is told.
fn opened(peer: &Peer, number: TicketNumber, tell: &Tell<BrokerHandles>) -> Option<u64> {
    peer.open(|open| {
        if let Tell::Accepted { duplicate: Some(original), .. } = tell {
            open.redirect_ticket(number, original.id);
        }
        open.ticket_serial(number)
    })
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
    channel: &Channel<BrokerHandles>,
    batch: &mut Batch,
) -> Option<Command<BrokerHandles>> {
    match (tell, missing) {
        // The message of an open request is there, or lost.
        (Tell::Delivery { token, .. }, _) if channel.is_open(token.id) => Some(Command::Damaged { id: token.id }),
        (Tell::Delivery { token, .. }, _) => Some(Command::Stopped { token }),
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
