//! The face that any language uses: requests over HTTP, their state and their outcomes, with nothing but curl.
//!
//! A [`Gateway`] is a client of the broker like any other, so that it runs beside a broker in the same process or far
//! from it. It keeps nothing but who holds a mailbox: what it answers is what the broker says, and a request goes on
//! whoever hangs up. It decides
//! nothing of the contract and looks into no payload but a failure's, for the status that its service wants.
//!
//! | call | what it does |
//! |---|---|
//! | `POST /v1/channels/{channel}/requests` | submits; 202 with `Location`, or the outcome if `Prefer: wait=N` asked for it |
//! | `GET /v1/requests/{ticket}` | where the request is; 303 to its reply once it has its outcome; `?wait=N` |
//! | `GET /v1/requests/{ticket}/reply` | the outcome; 202 while there is none; `?wait=N` |
//! | `GET /v1/requests/{ticket}/events` | progress, parts and the outcome as server-sent events |
//! | `DELETE /v1/requests/{ticket}` | cancels |
//! | `POST /v1/requests/{ticket}/acknowledge` | says that the outcome was handled |
//! | `POST /v1/channels/{channel}/deliveries` | takes one request to work on, for a lease; `?wait=N&lease=N` |
//! | `POST /v1/deliveries/{delivery}/…` | `reply`, `fail`, `reject`, `release`, `throttle`, `stopped` settle it; `renew`, `progress` and `part` go on with it |
//! | `GET /v1/mailboxes/{reply_channel}/{requester}/replies` | lists the replies in a mailbox; `?wait=N`, `?after=TICKET`; with `?open=if_free` or `?open=take` holds it and gives the oldest |
//! | `DELETE /v1/mailboxes/{reply_channel}/{requester}/replies/{ticket}` | says that the reply was handled |
//! | `GET /healthz`, `GET /readyz` | it is there; it can take requests |
//! | `GET /openapi.json` | all of this, for programs |
//!
//! `docs/http.md` tells the headers and what is refused how.

mod acknowledge;
mod answer;
mod body;
mod cancel;
mod delivery;
mod document;
mod events;
mod field;
mod gateway;
mod guard;
mod host;
mod line;
mod mailbox;
mod meta;
mod origin;
mod outcome;
mod path;
mod preference;
mod problem;
mod query;
mod readiness;
mod refusal;
mod reply;
mod requester;
mod seconds;
mod serve;
mod status;
mod submission;
mod wait;

pub use gateway::{Gateway, GatewayBuilder};
pub use host::{Host, HostError};
pub use origin::{Origin, OriginError};
