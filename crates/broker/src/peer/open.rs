//! The numbers of a connection that stand for tickets and mailboxes. They lie beside the outbox because they are
//! closed when a frame that says so is put into it, by whoever does that.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::{HashMap, HashMapExt};
use roundtrip_protocol::{ChannelNumber, MailboxNumber, Refusal, RequestId, RequesterName, TicketNumber};

use crate::mailbox::MailboxHandle;

/// A followed request.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) channel: ChannelNumber,
    pub(crate) id: RequestId,
    pub(crate) asked: Asked,
}

/// What a question about a request means.
#[derive(Debug)]
pub(crate) enum Asked {
    /// What it says.
    Plainly,
    /// A submission that is refused in these words, unless the channel knows the request: then it was accepted before.
    UnlessKnown(Box<Refusal>),
}

/// A ticket, and which of those it is that its number has stood for.
#[derive(Debug)]
struct Opened {
    ticket: Ticket,
    serial: u64,
}

/// The number stands for something else already.
#[derive(Debug)]
pub(crate) struct InUse;

/// What numbers of a connection stand for.
pub(crate) struct Open {
    tickets: HashMap<TicketNumber, Opened>,
    /// How many tickets were opened so far.
    serial: u64,
    mailboxes: BTreeMap<MailboxNumber, MailboxHandle>,
    /// The same by whose they are.
    of_requesters: BTreeSet<(RequesterName, MailboxNumber)>,
    most: usize,
}

impl Open {
    pub(crate) fn new(most: usize) -> Self {
        Self { tickets: HashMap::new(), serial: 0, mailboxes: BTreeMap::new(), of_requesters: BTreeSet::new(), most }
    }

    pub(crate) fn has_room_for_ticket(&self) -> bool {
        self.tickets.len() < self.most
    }

    pub(crate) fn has_room_for_mailbox(&self) -> bool {
        self.mailboxes.len() < self.most
    }

    pub(crate) fn open_ticket(&mut self, number: TicketNumber, ticket: Ticket) -> Result<(), InUse> {
        match self.tickets.entry(number) {
            std::collections::hash_map::Entry::Occupied(_) => Err(InUse),
            std::collections::hash_map::Entry::Vacant(free) => {
                self.serial += 1;
                free.insert(Opened { ticket, serial: self.serial });
                Ok(())
            }
        }
    }

    pub(crate) fn ticket(&self, number: TicketNumber) -> Option<&Ticket> {
        self.tickets.get(&number).map(|opened| &opened.ticket)
    }

    /// Tells what the number stands for now from everything that it stood for before.
    pub(crate) fn ticket_serial(&self, number: TicketNumber) -> Option<u64> {
        self.tickets.get(&number).map(|opened| opened.serial)
    }

    /// Who submitted under this number is refused, unless the request is known.
    pub(crate) fn refuse_unless_known(&mut self, number: TicketNumber, refusal: Refusal) {
        if let Some(opened) = self.tickets.get_mut(&number) {
            opened.ticket.asked = Asked::UnlessKnown(Box::new(refusal));
        }
    }

    /// The number stands for another request of the same channel from here on.
    pub(crate) fn redirect_ticket(&mut self, number: TicketNumber, id: RequestId) {
        if let Some(opened) = self.tickets.get_mut(&number) {
            opened.ticket.id = id;
        }
    }

    pub(crate) fn close_ticket(&mut self, number: TicketNumber) -> Option<Ticket> {
        let closed = self.tickets.remove(&number).map(|opened| opened.ticket);
        if self.tickets.is_empty() && self.tickets.capacity() > 16 {
            self.tickets = HashMap::new();
        }
        closed
    }

    pub(crate) fn open_mailbox(&mut self, number: MailboxNumber, mailbox: MailboxHandle) {
        self.of_requesters.insert((mailbox.address().requester.clone(), number));
        self.mailboxes.insert(number, mailbox);
    }

    pub(crate) fn mailbox(&self, number: MailboxNumber) -> Option<&MailboxHandle> {
        self.mailboxes.get(&number)
    }

    pub(crate) fn mailboxes(&self) -> impl Iterator<Item = (MailboxNumber, &MailboxHandle)> {
        self.mailboxes.iter().map(|(number, mailbox)| (*number, mailbox))
    }

    /// Those of a requester.
    pub(crate) fn mailboxes_of(
        &self,
        requester: &RequesterName,
    ) -> impl Iterator<Item = (MailboxNumber, &MailboxHandle)> {
        let from = (requester.clone(), MailboxNumber(0));
        let theirs = self.of_requesters.range(from..).take_while(move |(owner, _)| owner == requester);
        theirs.filter_map(|(_, number)| Some((*number, self.mailboxes.get(number)?)))
    }

    pub(crate) fn close_mailbox(&mut self, number: MailboxNumber) -> Option<MailboxHandle> {
        let mailbox = self.mailboxes.remove(&number)?;
        self.of_requesters.remove(&(mailbox.address().requester.clone(), number));
        Some(mailbox)
    }

    /// Empties it. What comes back is dropped when no lock is held.
    pub(crate) fn clear(&mut self) -> impl Sized + use<> {
        let mailboxes = (std::mem::take(&mut self.mailboxes), std::mem::take(&mut self.of_requesters));
        (std::mem::take(&mut self.tickets), mailboxes)
    }

    /// About how many bytes it has allocated.
    pub(crate) fn allocated(&self) -> usize {
        self.tickets.capacity() * size_of::<(TicketNumber, Opened)>()
            + self.mailboxes.len() * size_of::<(MailboxNumber, MailboxHandle)>()
            + self.of_requesters.len() * size_of::<(RequesterName, MailboxNumber)>()
    }
}
