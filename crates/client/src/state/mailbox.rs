//! Mailboxes that somebody reads: opened in the user's way first, and modestly after a broken connection.

use std::collections::{HashSet, VecDeque};
use std::task::{Poll, Waker};

use bytes::Bytes;
use roundtrip_protocol::{
    ChannelName, CloseMailbox, Header, MailboxEnd, MailboxNumber, MailboxOpened, OpenMailbox, OpenMode, Opening,
    Refusal, Reply, RequestId, RequesterNumber, Ticket, Window,
};

use super::ClientState;
use super::wakers::Wakers;
use crate::outcome::Outcome;

/// How many replies that were read are remembered, so that a new connection does not bring them again.
const REMEMBERED: usize = 65_536;

/// What a mailbox gives.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum MailboxItem {
    Reply {
        ticket: Ticket,
        redrive_of: Option<RequestId>,
        operation: String,
        outcome: Outcome,
    },
    /// All that was there when it was opened has been given.
    CaughtUp,
    End(MailboxFailure),
}

/// Why a mailbox gives nothing more.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum MailboxFailure {
    Taken,
    Held,
    Refused(Refusal),
    TooManyOpen { limit: u32 },
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Wire {
    Off,
    On,
    Leaving,
}

pub(super) struct MailboxEntry {
    requester: RequesterNumber,
    reply_channel: ChannelName,
    mode: OpenMode,
    window: u32,
    wire: Wire,
    /// Whether it was open once.
    opened: bool,
    caught_up: bool,
    end: Option<MailboxFailure>,
    replies: VecDeque<MailboxItem>,
    /// How many replies of the window are used up and not given back.
    read: u32,
    seen: Seen,
    held: bool,
    wakers: Wakers,
}

/// The latest replies that were read.
#[derive(Default)]
struct Seen {
    ids: HashSet<RequestId>,
    order: VecDeque<RequestId>,
}

impl Seen {
    fn insert(&mut self, id: RequestId) {
        if self.ids.insert(id) {
            self.order.push_back(id);
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}

impl ClientState {
    pub(crate) fn open_mailbox(
        &mut self,
        requester: RequesterNumber,
        reply_channel: &ChannelName,
        mode: OpenMode,
        window: u32,
    ) -> MailboxNumber {
        self.names.use_requester(requester);
        let mailbox = MailboxNumber(self.mailboxes.insert(MailboxEntry {
            requester,
            reply_channel: reply_channel.clone(),
            mode,
            window,
            wire: Wire::Off,
            opened: false,
            caught_up: false,
            end: None,
            replies: VecDeque::new(),
            read: 0,
            seen: Seen::default(),
            held: true,
            wakers: Wakers::default(),
        }));
        if self.restore.is_done() {
            self.send_open(mailbox);
        }
        mailbox
    }

    /// Whether the mailbox is, or was, open.
    pub(crate) fn poll_opened(&mut self, mailbox: MailboxNumber, waker: &Waker) -> Poll<Result<(), MailboxFailure>> {
        let is_closed = self.line.is_closed();
        let Some(entry) = self.mailboxes.entry_mut(mailbox.0) else { return Poll::Ready(Err(MailboxFailure::Closed)) };
        match &entry.end {
            _ if entry.opened => Poll::Ready(Ok(())),
            Some(failure) => Poll::Ready(Err(failure.clone())),
            None if is_closed => Poll::Ready(Err(MailboxFailure::Closed)),
            None => {
                entry.wakers.register(waker);
                Poll::Pending
            }
        }
    }

    pub(crate) fn poll_reply(&mut self, mailbox: MailboxNumber, only_there: bool, waker: &Waker) -> Poll<MailboxItem> {
        let is_closed = self.line.is_closed();
        let closed = MailboxItem::End(MailboxFailure::Closed);
        let Some(entry) = self.mailboxes.entry_mut(mailbox.0) else { return Poll::Ready(closed) };
        if let Some(item) = entry.replies.pop_front() {
            if let MailboxItem::Reply { ticket, .. } = &item {
                entry.seen.insert(ticket.id);
            }
            self.give_window_back(mailbox);
            return Poll::Ready(item);
        }
        match &entry.end {
            Some(failure) => Poll::Ready(MailboxItem::End(failure.clone())),
            None if is_closed => Poll::Ready(closed),
            None if only_there && entry.caught_up => Poll::Ready(MailboxItem::CaughtUp),
            None => {
                entry.wakers.register(waker);
                Poll::Pending
            }
        }
    }

    /// Nobody reads any more.
    pub(crate) fn release_mailbox(&mut self, mailbox: MailboxNumber) {
        let Some(entry) = self.mailboxes.entry_mut(mailbox.0) else { return };
        entry.held = false;
        entry.replies.clear();
        match entry.wire {
            Wire::Off => self.remove_mailbox(mailbox),
            Wire::On if self.line.is_open() => {
                entry.wire = Wire::Leaving;
                self.push(Header::from(CloseMailbox { mailbox }));
            }
            Wire::On | Wire::Leaving => {}
        }
    }

    pub(super) fn handle_mailbox_opened(&mut self, frame: MailboxOpened) {
        let Some(entry) = self.mailboxes.entry_mut(frame.mailbox.0) else { return };
        let failure = match frame.opening {
            Opening::Opened => {
                entry.opened = true;
                None
            }
            Opening::Refused(refusal) => Some(MailboxFailure::Refused(refusal)),
            // Somebody took it while the connection was broken.
            _ if entry.opened => Some(MailboxFailure::Taken),
            _ => Some(MailboxFailure::Held),
        };
        match failure {
            None => entry.wakers.wake_into(&mut self.woken),
            Some(failure) => self.end_mailbox(frame.mailbox, failure),
        }
    }

    pub(super) fn handle_mailbox_closed(&mut self, mailbox: MailboxNumber, reason: MailboxEnd) {
        let failure = if reason == MailboxEnd::Taken { MailboxFailure::Taken } else { MailboxFailure::Closed };
        self.end_mailbox(mailbox, failure);
    }

    pub(super) fn handle_reply(&mut self, reply: Reply, payload: Bytes) {
        let mailbox = reply.mailbox;
        let Some(entry) = self.mailboxes.entry(mailbox.0).filter(|entry| entry.held) else { return };
        let is_known = entry.seen.ids.contains(&reply.id);
        let item = MailboxItem::Reply {
            ticket: Ticket { channel: reply.channel, id: reply.id },
            redrive_of: reply.redrive_of,
            operation: reply.operation.into(),
            outcome: Outcome::new(reply.attempts, reply.ending, payload),
        };
        let item = if is_known { None } else { self.withhold(mailbox, reply.id, item) };
        let Some(item) = item else {
            self.give_window_back(mailbox);
            return;
        };
        if let Some(entry) = self.mailboxes.entry_mut(mailbox.0) {
            entry.replies.push_back(item);
            entry.wakers.wake_into(&mut self.woken);
        }
    }

    pub(super) fn handle_caught_up(&mut self, mailbox: MailboxNumber) {
        if let Some(entry) = self.mailboxes.entry_mut(mailbox.0) {
            entry.caught_up = true;
            entry.wakers.wake_into(&mut self.woken);
        }
    }

    /// A ticket that had kept its reply back is gone: the mailbox gives it.
    pub(super) fn offer_withheld(&mut self, mailbox: MailboxNumber, item: MailboxItem) {
        if let Some(entry) = self.mailboxes.entry_mut(mailbox.0).filter(|entry| entry.held && entry.end.is_none()) {
            // Its place in the window was given back when it was kept back.
            entry.read = entry.read.saturating_sub(1);
            entry.replies.push_back(item);
            entry.wakers.wake_into(&mut self.woken);
        }
    }

    pub(super) fn open_all_mailboxes(&mut self) {
        for mailbox in self.mailboxes.numbers() {
            self.send_open(MailboxNumber(mailbox));
        }
    }

    pub(super) fn forget_open_mailboxes(&mut self) {
        for number in self.mailboxes.numbers() {
            let Some(entry) = self.mailboxes.entry_mut(number) else { continue };
            entry.wire = Wire::Off;
            entry.read = 0;
            entry.replies.clear(); // What was not read comes again.
            if !entry.held {
                self.remove_mailbox(MailboxNumber(number));
            }
        }
    }

    pub(super) fn end_mailboxes(&mut self) {
        for (_, entry) in self.mailboxes.iter_mut() {
            entry.wakers.wake_into(&mut self.woken);
        }
    }

    fn send_open(&mut self, mailbox: MailboxNumber) {
        let Some(entry) = self.mailboxes.entry_mut(mailbox.0) else { return };
        let wants = entry.held && entry.wire == Wire::Off && entry.end.is_none();
        if !wants || !self.line.is_open() {
            return;
        }
        // Numbers are used again, so that below the limit there are no more than it allows.
        let limit = self.line.max_open();
        if mailbox.0 >= limit {
            self.end_mailbox(mailbox, MailboxFailure::TooManyOpen { limit });
            return;
        }
        entry.wire = Wire::On;
        let (requester, reply_channel, window) = (entry.requester, entry.reply_channel.clone(), entry.window);
        let mode = match entry.mode {
            OpenMode::Take if entry.opened => OpenMode::IfFree,
            mode => mode,
        };
        self.push_introduce(requester);
        self.push(Header::from(OpenMailbox { mailbox, requester, reply_channel, mode, window }));
    }

    /// One reply was read: its place goes back to the broker, with others.
    fn give_window_back(&mut self, mailbox: MailboxNumber) {
        let Some(entry) = self.mailboxes.entry_mut(mailbox.0).filter(|entry| entry.wire == Wire::On) else { return };
        entry.read += 1;
        if entry.read >= (entry.window / 2).max(1) {
            let more = std::mem::take(&mut entry.read);
            self.push(Header::from(Window { mailbox, more }));
        }
    }

    fn end_mailbox(&mut self, mailbox: MailboxNumber, failure: MailboxFailure) {
        let Some(entry) = self.mailboxes.entry_mut(mailbox.0) else { return };
        entry.wire = Wire::Off;
        if entry.held {
            entry.end = Some(failure);
            entry.wakers.wake_into(&mut self.woken);
        } else {
            self.remove_mailbox(mailbox);
        }
    }

    fn remove_mailbox(&mut self, mailbox: MailboxNumber) {
        if let Some(entry) = self.mailboxes.remove(mailbox.0) {
            self.release_requester(entry.requester);
        }
    }
}
