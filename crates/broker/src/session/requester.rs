//! What requesters ask: names, submissions, tickets, acknowledgements.

use std::hash::Hasher;
use std::time::Duration;

use bytes::Bytes;
use roundtrip_core::{Command, Key, Peer as _, Submission};
use roundtrip_protocol::{
    Acknowledge, Acknowledged, Acknowledgement, Attach, Cancel, Cancellation, Cancelled, ChannelNumber, Detach,
    Goodbye, Introduce, Label, MAX_HEADER, MAX_KEY, MailboxNumber, Refusal, RefusalCode, Refused, ReplyTo,
    RequesterName, Submit, TicketNumber,
};
use siphasher::sip128::{Hasher128, SipHasher13};

use super::{Binding, Fault, Requester, State};
use crate::admission::Unread;
use crate::batch::Batch;
use crate::handles::Held;
use crate::mailbox::{Address, MailboxHandle, Place};
use crate::memory::Room;
use crate::message::Request;
use crate::peer::{Asked, InUse, Ticket};

/// The longest name of an operation, in bytes: it stands beside other things in the headers of later frames.
const MAX_OPERATION: usize = 1024;

/// The longest label, as it is encoded, in bytes: likewise.
const MAX_LABEL: usize = MAX_HEADER - 4 * 1024;

/// When to submit again where there is no room, in milliseconds.
pub(super) const RETRY_AFTER_MS: u64 = 1_000;

impl State {
    pub(super) fn introduce(&mut self, introduce: Introduce) -> Result<(), Fault> {
        let Introduce { number, requester, unnamed } = introduce;
        if self.requesters.contains_key(&number) {
            return Err(Fault::number_in_use("requester", number));
        }
        self.check_room(self.requesters.len(), "requester names")?;
        if unnamed {
            self.shared.unnamed.arrive(&requester);
        }
        self.requesters.insert(number, Requester { name: requester, is_unnamed: unnamed });
        Ok(())
    }

    pub(super) fn say_goodbye(&mut self, goodbye: &Goodbye, batch: &mut Batch) -> Result<(), Fault> {
        let number = goodbye.requester;
        let Some(requester) = self.requesters.remove(&number) else {
            return Err(Fault::unknown_number("requester", number));
        };
        if requester.is_unnamed {
            self.shared.unnamed.say_goodbye(&requester.name, batch);
        }
        // An unnamed one's readers were told that it ended; a named one's mailboxes close here alone.
        let open: Vec<(MailboxNumber, MailboxHandle)> = self.peer.open(|open| {
            open.mailboxes_of(&requester.name).map(|(number, mailbox)| (number, mailbox.clone())).collect()
        });
        for (number, mailbox) in open {
            mailbox.close(self.reader(number), &self.peer, batch);
        }
        let theirs = (number, ChannelNumber(0))..=(number, ChannelNumber(u32::MAX));
        self.addresses.extract_if(theirs, |_, _| true).for_each(drop);
        Ok(())
    }

    pub(super) fn submit(
        &mut self,
        submit: Submit,
        payload: Result<(Bytes, Room), Unread>,
        batch: &mut Batch,
    ) -> Result<(), Fault> {
        let Submit { ticket, channel: number, id, requester: asker, .. } = submit;
        let Requester { name: requester, is_unnamed } = self.requester(asker)?;
        let (requester, is_unnamed) = (requester.clone(), *is_unnamed);
        let channel = match self.binding(number)? {
            Binding::Channel(channel) => channel.clone(),
            Binding::Refused(refusal) => {
                let refusal = refusal.clone();
                self.peer.send(Refused { ticket, refusal }, batch);
                return Ok(());
            }
        };
        let accepted = self.check_drain(batch).and_then(|()| {
            let (payload, room) = payload.map_err(refusal_of)?;
            check_texts(&submit.operation, &submit.label)?;
            channel.plan.check_kind(&submit.operation, &submit.label.content_type)?;
            let scope = || (!is_unnamed).then(|| requester.clone());
            let key =
                submit.key.map(|text| key(text, scope(), &submit.operation, &submit.label, &payload)).transpose()?;
            let place = match submit.reply {
                ReplyTo::Own => take_place(&self.address(asker, number)?)?,
                ReplyTo::On(reply_channel) => take_place(&self.mailbox(asker, &reply_channel)?)?,
                ReplyTo::Nowhere => Place::nowhere(),
            };
            let bytes = payload.len();
            let request = Held::Here(Request::new(submit.operation, submit.label, payload, room));
            Ok(Submission {
                bytes,
                priority: submit.priority,
                deadline: submit.deadline_ms.map(Duration::from_millis),
                delay: Duration::from_millis(submit.delay_ms),
                tells_acceptance: submit.accepted,
                key,
                ..Submission::new(id, requester, request, place)
            })
        });
        match accepted {
            Ok(submission) => {
                if self.open_ticket(ticket, Ticket { channel: number, id, asked: Asked::Plainly }, batch)? {
                    channel.run(Command::Submit { peer: self.peer.clone(), ticket, submission }, batch);
                }
            }
            // Refused here, but perhaps accepted over an earlier connection: then it stays accepted.
            Err(refusal) => {
                tracing::debug!(channel = %channel.name(), request.id = %id, code = %refusal.code, "submission refused");
                let asked = Asked::UnlessKnown(Box::new(refusal));
                if self.open_ticket(ticket, Ticket { channel: number, id, asked }, batch)? {
                    channel.run(Command::Attach { peer: self.peer.clone(), ticket, id }, batch);
                }
            }
        }
        Ok(())
    }

    pub(super) fn attach(&mut self, attach: &Attach, batch: &mut Batch) -> Result<(), Fault> {
        let Attach { ticket, channel: number, id } = *attach;
        match self.binding(number)?.clone() {
            Binding::Channel(channel) => {
                if self.open_ticket(ticket, Ticket { channel: number, id, asked: Asked::Plainly }, batch)? {
                    channel.run(Command::Attach { peer: self.peer.clone(), ticket, id }, batch);
                }
            }
            Binding::Refused(refusal) => self.peer.send(Refused { ticket, refusal }, batch),
        }
        Ok(())
    }

    /// A number that stands for nothing is no fault: a refusal may have crossed the frame.
    pub(super) fn detach(&mut self, detach: &Detach, batch: &mut Batch) -> Result<(), Fault> {
        let closed = self.peer.close_ticket(detach.ticket);
        closed.map_or(Ok(()), |closed| self.let_go(detach.ticket, &closed, batch))
    }

    pub(super) fn acknowledge(&mut self, acknowledge: &Acknowledge, batch: &mut Batch) -> Result<(), Fault> {
        let Acknowledge { call, channel: number, id, requester, ticket } = *acknowledge;
        let requester = self.requester(requester)?.name.clone();
        // Of the same request, as it should be, it is let go of in the same step.
        let closed = ticket.and_then(|ticket| Some((ticket, self.peer.close_ticket(ticket)?)));
        let (along, other) = match closed {
            Some((ticket, closed)) if (closed.channel, closed.id) == (number, id) => (Some(ticket), None),
            other => (None, other),
        };
        match self.binding(number)? {
            Binding::Channel(channel) => {
                let peer = self.peer.clone();
                channel.run(Command::Acknowledge { peer, call, id, requester, ticket: along }, batch);
            }
            Binding::Refused(_) => self.peer.send(Acknowledged { call, result: Acknowledgement::Done }, batch),
        }
        other.map_or(Ok(()), |(ticket, closed)| self.let_go(ticket, &closed, batch))
    }

    /// Stops following under a number that stands for nothing any more.
    fn let_go(&self, number: TicketNumber, closed: &Ticket, batch: &mut Batch) -> Result<(), Fault> {
        if let Binding::Channel(channel) = self.binding(closed.channel)? {
            channel.run(Command::Detach { peer: self.peer.id(), ticket: number, id: closed.id }, batch);
        }
        Ok(())
    }

    pub(super) fn cancel(&mut self, cancel: &Cancel, batch: &mut Batch) -> Result<(), Fault> {
        let Cancel { call, channel, id } = *cancel;
        match self.binding(channel)? {
            Binding::Channel(channel) => channel.run(Command::Cancel { peer: self.peer.clone(), call, id }, batch),
            Binding::Refused(_) => {
                self.peer.send(Cancelled { call, result: Cancellation::UnknownTicket }, batch);
            }
        }
        Ok(())
    }

    /// The requester's mailbox on the channel's own reply channel.
    fn address(
        &mut self,
        requester: roundtrip_protocol::RequesterNumber,
        channel: ChannelNumber,
    ) -> Result<MailboxHandle, Refusal> {
        if let Some(known) = self.addresses.get(&(requester, channel)) {
            return Ok(known.clone());
        }
        let Some(Binding::Channel(entry)) = self.channels.get(&channel) else {
            return Err(Refusal::new(RefusalCode::Invalid, "the channel number stands for no channel"));
        };
        let reply_channel = entry.plan.reply_channel.clone();
        let mailbox = self.mailbox(requester, &reply_channel)?;
        self.addresses.insert((requester, channel), mailbox.clone());
        Ok(mailbox)
    }

    /// The requester's mailbox on a reply channel.
    pub(super) fn mailbox(
        &self,
        requester: roundtrip_protocol::RequesterNumber,
        reply_channel: &roundtrip_protocol::ChannelName,
    ) -> Result<MailboxHandle, Refusal> {
        let Some(Requester { name, is_unnamed }) = self.requesters.get(&requester) else {
            return Err(Refusal::new(RefusalCode::Invalid, "the requester number stands for no requester"));
        };
        self.shared.channels.reply_channel(reply_channel)?;
        let address = Address { reply_channel: reply_channel.clone(), requester: name.clone() };
        let mailbox = self.shared.mailboxes.mailbox(&address, *is_unnamed)?;
        if *is_unnamed {
            self.shared.unnamed.add_mailbox(name, &mailbox);
        }
        Ok(mailbox)
    }

    pub(super) fn check_drain(&self, batch: &Batch) -> Result<(), Refusal> {
        match self.shared.draining.remaining_ms(batch.now) {
            None => Ok(()),
            Some(remaining_ms) => {
                let message = "the broker is stopping: submit to the next one";
                Err(Refusal::passing(RefusalCode::Draining, message, remaining_ms.max(RETRY_AFTER_MS)))
            }
        }
    }

    /// Whether the ticket has its number now; if not, the question was refused.
    fn open_ticket(&self, number: TicketNumber, ticket: Ticket, batch: &mut Batch) -> Result<bool, Fault> {
        let most = self.shared.limits.open;
        let opened = self.peer.open(|open| {
            if open.ticket(number).is_none() && !open.has_room_for_ticket() {
                return Ok(false);
            }
            open.open_ticket(number, ticket).map(|()| true)
        });
        match opened {
            Ok(true) => Ok(true),
            Ok(false) => {
                let message = format!("a connection follows at most {most} requests at once: let go of some first");
                let refusal = Refusal::passing(RefusalCode::BrokerFull, message, RETRY_AFTER_MS);
                self.peer.send(Refused { ticket: number, refusal }, batch);
                Ok(false)
            }
            Err(InUse) => Err(Fault::number_in_use("ticket", number)),
        }
    }
}

fn refusal_of(unread: Unread) -> Refusal {
    match unread {
        Unread::Refused(refusal) => refusal,
        Unread::Answered(_) | Unread::Unwanted => {
            Refusal::new(RefusalCode::Invalid, "the channel's number was bound after the payload was on its way")
        }
    }
}

fn check_texts(operation: &str, label: &Label) -> Result<(), Refusal> {
    if operation.len() > MAX_OPERATION {
        let found = operation.len();
        let message = format!("the name of an operation has at most {MAX_OPERATION} bytes, this one has {found}");
        return Err(Refusal::new(RefusalCode::Invalid, message));
    }
    let found = encoded_len(label);
    if found > MAX_LABEL {
        let message = format!("content type and headers take at most {MAX_LABEL} bytes, these take {found}");
        return Err(Refusal::new(RefusalCode::Invalid, message));
    }
    Ok(())
}

/// How many bytes a label takes in a header: each text has its length before it.
pub(super) fn encoded_len(label: &Label) -> usize {
    const LENGTH: usize = 8;
    2 * LENGTH + label.bytes() + label.headers.0.len() * 2 * LENGTH
}

pub(super) const fn max_label() -> usize {
    MAX_LABEL
}

/// Names a key with what it is used for. The fingerprint is no secret and keeps nobody out: it tells a slip from a repetition.
fn key(
    text: String,
    requester: Option<RequesterName>,
    operation: &str,
    label: &Label,
    payload: &Bytes,
) -> Result<Key, Refusal> {
    if text.is_empty() || text.len() > MAX_KEY {
        let message = format!("an idempotency key has 1 to {MAX_KEY} bytes, this one has {}", text.len());
        return Err(Refusal::new(RefusalCode::Invalid, message));
    }
    // It is on disk beside the key: this hash is the same in every version of Rust.
    let mut hasher = SipHasher13::new();
    for text in [operation.as_bytes(), label.content_type.as_bytes(), payload] {
        hasher.write(&(text.len() as u64).to_le_bytes());
        hasher.write(text);
    }
    Ok(Key { requester, text, fingerprint: hasher.finish128().as_u128() })
}

fn take_place(mailbox: &MailboxHandle) -> Result<Place, Refusal> {
    mailbox.place().ok_or_else(|| mailbox_full(mailbox))
}

pub(super) fn mailbox_full(mailbox: &MailboxHandle) -> Refusal {
    let message = format!(
        "the requester has {} replies due or unacknowledged on this reply channel: acknowledge some first",
        mailbox.capacity()
    );
    Refusal::passing(RefusalCode::MailboxFull, message, RETRY_AFTER_MS)
}
