//! What a channel does with requests, deliveries and outcomes.
mod command;
mod effect;
mod settings;

pub use command::{Command, ServiceInstance, Settling};
pub use effect::{Change, Effect, Ending, Outcome, Tell, What};
pub use settings::Settings;

use roundtrip_protocol::RequestId;

use crate::handles::Handles;
use crate::time::{Now, Time};

/// A channel.
#[derive(Debug)]
pub struct Channel<H: Handles> { _signatures: std::marker::PhantomData<H> }

/// The channel's figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Requests in the queue or backing off.
    pub waiting: usize,
    /// Deliveries with services.
    pub in_flight: usize,
    /// Subscriptions.
    pub services: usize,
    /// Outcomes kept.
    pub retained: usize,
}

impl<H: Handles> Channel<H> {
    /// An empty channel; `start` is the broker's start number, which stands in every token.
    #[must_use]
    pub fn new(settings: Settings, start: u64) -> Self { unimplemented!() }
    /// Does what is due at `now`, then the command.
    pub fn handle(&mut self, now: Now, command: Command<H>, effects: &mut Vec<Effect<H>>) { unimplemented!() }
    /// Does what is due at `now`.
    pub fn handle_deadline(&mut self, now: Now, effects: &mut Vec<Effect<H>>) { unimplemented!() }
    /// When something is due next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> { unimplemented!() }
    /// The outcome of a request, for a reader of a mailbox. None if it is gone, or if `reader` follows the request.
    #[must_use]
    pub fn outcome(&self, id: RequestId, reader: crate::PeerId) -> Reading<'_, H> { unimplemented!() }
    /// The channel's figures.
    #[must_use]
    pub fn figures(&self) -> Figures { unimplemented!() }
    /// Whether it holds nothing and serves nobody: it can be forgotten.
    #[must_use]
    pub fn is_idle(&self) -> bool { unimplemented!() }
}

/// What a reader of a mailbox finds under an entry.
#[derive(Debug)]
pub enum Reading<'a, H: Handles> {
    /// The outcome, and the request that it ends.
    Outcome {
        /// The outcome.
        outcome: &'a Outcome<H>,
        /// The request's message while the outcome is kept.
        request: &'a H::Request,
    },
    /// The reader's connection follows the request itself: skip it.
    Followed,
    /// It is gone.
    Gone,
}
