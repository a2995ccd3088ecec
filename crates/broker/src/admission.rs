//! Decides about payloads before they are read: what is too large, or for which there is no memory, is thrown away as
//! it arrives, and the connection goes on.
//!
//! Frames are decoded ahead of their session, which may not have bound a channel yet when a payload for it comes. So
//! this part follows the bindings of a connection itself.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};
use roundtrip_protocol::{AddPart, Answer, ChannelNumber, Header, Refusal, RefusalCode, Settle, Settlement, Submit};
use roundtrip_transport::Admission;

use crate::disk::DISK_OVERHEAD;
use crate::memory::Room;
use crate::message::{KEY_OVERHEAD, PART_OVERHEAD, Part, REQUEST_OVERHEAD};
use crate::settings::PayloadLimits;
use crate::shared::Shared;

/// When to try again where there is no memory, in milliseconds.
const RETRY_AFTER_MS: u64 = 1_000;

/// Why a payload was not read.
#[derive(Debug)]
pub(crate) enum Unread {
    /// The submission that it belongs to is refused.
    Refused(Refusal),
    /// The settlement that it belongs to does not count.
    Answered(Answer),
    /// The frame takes none.
    Unwanted,
}

/// Decides for one connection.
pub(crate) struct Doorkeeper {
    shared: Arc<Shared>,
    channels: HashMap<ChannelNumber, PayloadLimits>,
}

impl Doorkeeper {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), channels: HashMap::new() }
    }

    fn has_room_for(&self, number: ChannelNumber) -> bool {
        self.channels.len() < self.shared.limits.open || self.channels.contains_key(&number)
    }

    fn submission(&self, submit: &Submit, payload_len: usize) -> Result<Room, Unread> {
        let Some(limits) = self.channels.get(&submit.channel) else { return nothing_of(payload_len) };
        if payload_len > limits.max_payload {
            let most = limits.max_payload;
            let message = format!("a payload on this channel has at most {most} bytes, this one has {payload_len}");
            return Err(Unread::Refused(Refusal::new(RefusalCode::TooLarge, message)));
        }
        let content = (submit.operation.len() + submit.label.bytes()).saturating_add(payload_len);
        let needed = REQUEST_OVERHEAD
            .saturating_add(content)
            .saturating_add(submit.key.as_ref().map_or(0, |key| KEY_OVERHEAD + 2 * key.len()));
        let (needed, on_disk) = if limits.is_durable {
            (needed, Some(DISK_OVERHEAD + content as u64 + limits.reply_room as u64))
        } else {
            (needed.saturating_add(limits.reply_room), None)
        };
        self.shared.room_for_request(needed, on_disk).map_err(Unread::Refused)
    }

    fn settlement(&self, settle: &Settle, payload_len: usize) -> Result<Room, Unread> {
        let Some(limits) = self.channels.get(&settle.channel) else { return nothing_of(payload_len) };
        let (texts, takes_payload) = match &settle.settlement {
            Settlement::Reply(label) => (label.bytes(), true),
            Settlement::Fail { problem, content_type } => {
                (problem.bytes() + content_type.as_ref().map_or(0, String::len), content_type.is_some())
            }
            Settlement::Retry { problem, .. } | Settlement::Reject(problem) => (problem.bytes(), false),
            Settlement::Release | Settlement::Throttle { .. } => (0, false),
        };
        if payload_len > 0 && !takes_payload {
            return Err(Unread::Answered(Answer::Invalid));
        }
        if payload_len > limits.max_payload {
            return Err(Unread::Answered(Answer::TooLarge { max_payload: limits.max_payload as u64 }));
        }
        let over = (payload_len + texts).saturating_sub(limits.reply_room);
        self.room_for_reply(limits, payload_len + texts, over)
    }

    /// Room for an answer or a part of so many bytes, which takes so much beyond what was set aside. What goes to the
    /// disk is in memory on its way there.
    fn room_for_reply(&self, limits: &PayloadLimits, bytes: usize, over: usize) -> Result<Room, Unread> {
        let busy = || Unread::Answered(Answer::MailboxBusy { retry_after_ms: RETRY_AFTER_MS });
        let needed = if limits.is_durable { bytes } else { over };
        if needed == 0 {
            return Ok(Room::nothing());
        }
        if limits.is_durable && self.shared.disk.as_ref().is_some_and(|disk| !disk.has_room_for_reply(over as u64)) {
            return Err(busy());
        }
        self.shared.memory.room_for_reply(needed).ok_or_else(busy)
    }

    fn part(&self, part: &AddPart, payload_len: usize) -> Result<Room, Unread> {
        let Some(limits) = self.channels.get(&part.channel) else { return nothing_of(payload_len) };
        let bytes = Part::bytes(&part.label, payload_len);
        if bytes > limits.parts_room {
            return Err(Unread::Answered(Answer::TooLarge { max_payload: limits.parts_room as u64 }));
        }
        self.room_for_reply(limits, PART_OVERHEAD + bytes, PART_OVERHEAD + bytes)
    }
}

impl Admission for Doorkeeper {
    type Room = Room;
    type Why = Unread;

    fn admit(&mut self, header: &Header, payload_len: usize) -> Result<Room, Unread> {
        match header {
            Header::Submit(submit) => self.submission(submit, payload_len),
            Header::Settle(settle) => self.settlement(settle, payload_len),
            Header::AddPart(part) => self.part(part, payload_len),
            Header::Bind(bind) if self.has_room_for(bind.number) => {
                self.channels.insert(bind.number, self.shared.channels.payload_limits(&bind.channel));
                nothing_of(payload_len)
            }
            _ => nothing_of(payload_len),
        }
    }
}

/// For a frame that takes no payload, or whose session will find that its channel number stands for nothing.
fn nothing_of(payload_len: usize) -> Result<Room, Unread> {
    if payload_len == 0 { Ok(Room::nothing()) } else { Err(Unread::Unwanted) }
}
