//! The Roundtrip client: requesters and services.
//!
//! A [`Client`] speaks to one broker over whatever a [`Connect`] leads to: TCP by [`Client::connect`], a broker in this
//! process or a transport of your own by [`Client::new`]. It reconnects by itself, and what it was asked to do survives
//! a broken connection: submissions are neither doubled nor lost, handlers go on, replies come.
//!
//! This crate never stores anything: what shall survive the process is a [`TicketId`] that you keep.

mod acknowledge;
mod call;
mod cancel;
mod channels;
mod client;
mod connect;
mod context;
mod dead_letter;
mod drain;
mod driver;
mod events;
mod failure;
mod handler;
mod held;
mod id;
mod link;
mod message;
mod operation;
mod outcome;
mod part;
mod parts;
mod problem;
mod progress;
mod pull;
mod question;
mod replies;
mod requester;
mod service;
#[cfg(feature = "simulation")]
#[doc(hidden)]
pub mod simulation;
mod state;
mod status;
mod stop;
mod submit;
mod test_delivery;
mod ticket;
mod wait;
mod worker;

pub use acknowledge::AcknowledgeError;
pub use call::{Call, CallError};
pub use cancel::{CancelError, Cancellation};
pub use channels::ListChannelsError;
pub use client::{Client, ClientBuilder};
pub use connect::{ConnectBuilder, ConnectError};
pub use context::Context;
pub use dead_letter::{DeadLetter, DeadLetterError, DeadLetterPage, DeadLetters};
pub use drain::DrainError;
pub use events::{ConnectionEvent, Events};
pub use failure::{Failure, RawFailure};
pub use handler::Request;
pub use held::{DeliveryToken, DeliveryTokenError, HeldDelivery, SettleError};
pub use message::Message;
pub use operation::Operation;
pub use outcome::{Outcome, OutcomeError};
pub use part::PartError;
pub use parts::{InvalidPart, Part, PartEvent, Parts};
pub use problem::{ProblemDetails, ProblemExtensions};
pub use progress::ProgressUpdates;
pub use pull::{PullError, Pulled, Puller};
pub use replies::{OpenReplies, Replies, RepliesError, Reply};
pub use requester::Requester;
pub use service::{Service, ServiceError, ServiceHandle};
pub use status::TicketState;
pub use submit::{Submit, SubmitError, SubmitRaw};
pub use test_delivery::TestDelivery;
pub use ticket::{RawTicket, Ticket};
pub use wait::WaitError;

pub use roundtrip_protocol::{
    ChannelFigures, ChannelName, DeadLetterEntry, DeadReason, Ending, Frame, Headers, Limits, NameError, OpenMode,
    OutcomeKind, Problem, Progress, Refusal, RefusalCode, RequestId, RequestState, RequesterName, StopReason,
    Ticket as TicketId, TicketError,
};
pub use roundtrip_transport::{Broken, Connect, Connecting, Connection};
