//! What there is to type after `roundtrip dead-letters`.

use std::str::FromStr;

use clap::{Args, Subcommand};
use roundtrip::{ChannelName, RequestId, TicketError, TicketId};

use super::BrokerAddress;

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetters {
    /// List them, oldest first.
    #[command(after_help = "Example:\n  roundtrip dead-letters list patient_summary_request --json")]
    List(ListLetters),
    /// Show them whole: what is known of each on standard error, its payload on standard output.
    #[command(after_help = "Example:\n  roundtrip dead-letters show patient_summary_request \
        0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11")]
    Show(Letters),
    /// Make a new request of each, and print its ticket behind the letter's. Where there is no room the letter stays.
    #[command(after_help = "Example:\n  roundtrip dead-letters redrive patient_summary_request --all")]
    Redrive(Letters),
    /// Forget them, and print the ticket of each.
    #[command(after_help = "Example:\n  roundtrip dead-letters purge patient_summary_request \
        0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11")]
    Purge(Letters),
}

#[derive(Debug, Args)]
pub(crate) struct ListLetters {
    /// The request channel.
    #[arg(value_name = "CHANNEL")]
    pub(crate) channel: ChannelName,
    /// Print objects, one a line: ticket, operation, requester, reason, attempts, deliveries, bytes, accepted_ms_ago,
    /// died_ms_ago and last: the error of the last attempt, if it told one.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) broker: BrokerAddress,
}

#[derive(Debug, Args)]
pub(crate) struct Letters {
    /// The request channel.
    #[arg(value_name = "CHANNEL")]
    pub(crate) channel: ChannelName,
    /// Which: tickets, CHANNEL:ID, or ids alone.
    #[arg(value_name = "TICKET", required_unless_present = "all", conflicts_with = "all")]
    pub(crate) letters: Vec<LetterId>,
    /// All that are there now.
    #[arg(long)]
    pub(crate) all: bool,
    /// Print objects, one a line.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) broker: BrokerAddress,
}

/// A dead letter by its ticket, or by its id alone.
#[derive(Debug, Clone)]
pub(crate) struct LetterId {
    channel: Option<ChannelName>,
    id: RequestId,
}

impl LetterId {
    /// The letter's id; none if its ticket is another channel's.
    pub(crate) fn on(&self, channel: &ChannelName) -> Option<RequestId> {
        self.channel.as_ref().is_none_or(|own| own == channel).then_some(self.id)
    }
}

impl FromStr for LetterId {
    type Err = TicketError;

    fn from_str(text: &str) -> Result<Self, TicketError> {
        if !text.contains(':') {
            return Ok(Self { channel: None, id: text.parse()? });
        }
        let TicketId { channel, id } = text.parse()?;
        Ok(Self { channel: Some(channel), id })
    }
}
