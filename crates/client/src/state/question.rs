//! What a client asks the broker by number: what each question says, and what becomes of it when its connection breaks.

use roundtrip_protocol::{
    Acknowledge, Acknowledgement, Answer, Call, Cancel, Cancellation, ChannelFigures, ChannelNumber, DeadLetterContent,
    DeadLetterEntry, Header, ListChannels, ListDeadLetters, PurgeDeadLetter, ReadDeadLetter, Redrive,
    RedriveDeadLetter, Refusal, Renew, RequestDrain, RequestId, RequesterNumber, TicketNumber, Token,
};

use bytes::Bytes;

use super::delivery::{DeliveryKey, PartKey};

/// What the broker said to a question.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CallAnswer {
    Acknowledged(Acknowledgement),
    Answered(Answer),
    Cancelled(Cancellation),
    Channels(Vec<ChannelFigures>),
    DeadLetters {
        letters: Vec<DeadLetterEntry>,
        more: bool,
    },
    DeadLetter(Option<Box<(DeadLetterContent, Bytes)>>),
    /// `repeated`: the question was asked over a former connection too, which may have done it.
    Redriven {
        result: Redrive,
        repeated: bool,
    },
    /// `repeated`: the question was asked over a former connection too, which may have done it.
    Purged {
        was_there: bool,
        repeated: bool,
    },
    /// Why the broker does not drain, if it does not.
    Draining(Option<Refusal>),
    /// The broker refuses the channel that the question is about.
    Refused(Refusal),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Question {
    Acknowledge {
        requester: RequesterNumber,
        channel: ChannelNumber,
        id: RequestId,
    },
    Cancel {
        channel: ChannelNumber,
        id: RequestId,
    },
    Renew {
        channel: ChannelNumber,
        token: Token,
    },
    /// Belongs to its delivery, which asks again over the next connection.
    Settle {
        delivery: DeliveryKey,
        token: Token,
    },
    /// Belongs to its delivery, which asks again over the next connection.
    TakeBack {
        delivery: DeliveryKey,
        token: Token,
    },
    /// Belongs to its part, which is added again over the next connection.
    AddPart {
        part: PartKey,
    },
    Channels,
    DeadLetters {
        channel: ChannelNumber,
        after: Option<RequestId>,
        most: u32,
    },
    DeadLetter {
        channel: ChannelNumber,
        id: RequestId,
    },
    Redrive {
        channel: ChannelNumber,
        id: RequestId,
    },
    Purge {
        channel: ChannelNumber,
        id: RequestId,
    },
    Drain,
}

impl Question {
    /// Whether the broker is told even if nobody wants the answer, over another connection if need be.
    pub(super) fn is_owed(self) -> bool {
        matches!(self, Self::Acknowledge { .. } | Self::Cancel { .. })
    }

    /// Whether a delivery asks it, which knows by itself when to ask again.
    pub(super) fn is_of_delivery(self) -> bool {
        matches!(self, Self::Settle { .. } | Self::TakeBack { .. } | Self::AddPart { .. })
    }

    /// The channel whose number stands in it.
    pub(super) fn channel(self) -> Option<ChannelNumber> {
        match self {
            Self::Acknowledge { channel, .. }
            | Self::Cancel { channel, .. }
            | Self::Renew { channel, .. }
            | Self::DeadLetters { channel, .. }
            | Self::DeadLetter { channel, .. }
            | Self::Redrive { channel, .. }
            | Self::Purge { channel, .. } => Some(channel),
            Self::Settle { .. } | Self::TakeBack { .. } | Self::AddPart { .. } | Self::Channels | Self::Drain => None,
        }
    }

    /// Whether its answer cannot say that the channel was refused.
    pub(super) fn is_about_dead_letters(self) -> bool {
        matches!(self, Self::DeadLetters { .. } | Self::DeadLetter { .. } | Self::Redrive { .. } | Self::Purge { .. })
    }

    /// What to send for it; none for those of a delivery. With an acknowledgement a ticket may be let go of.
    pub(super) fn header(self, call: Call, along: Option<TicketNumber>) -> Option<Header> {
        Some(match self {
            Self::Acknowledge { requester, channel, id } => {
                Acknowledge { call, channel, id, requester, ticket: along }.into()
            }
            Self::Cancel { channel, id } => Cancel { call, channel, id }.into(),
            Self::Renew { channel, token } => Renew { call, channel, token }.into(),
            Self::Channels => ListChannels { call }.into(),
            Self::DeadLetters { channel, after, most } => ListDeadLetters { call, channel, after, most }.into(),
            Self::DeadLetter { channel, id } => ReadDeadLetter { call, channel, id }.into(),
            Self::Redrive { channel, id } => RedriveDeadLetter { call, channel, id }.into(),
            Self::Purge { channel, id } => PurgeDeadLetter { call, channel, id }.into(),
            Self::Drain => RequestDrain { call }.into(),
            Self::Settle { .. } | Self::TakeBack { .. } | Self::AddPart { .. } => return None,
        })
    }
}
