//! Asking where a request is.

use std::sync::Arc;
use std::time::Duration;

use roundtrip_protocol::{Progress, RequestId, RequestState, State, Ticket as TicketId};

use crate::requester::Introduced;
use crate::state::TicketKey;
use crate::wait::WaitError;

/// Where a request is, as the broker saw it when it was asked.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TicketState {
    /// Where.
    pub state: RequestState,
    /// About how many requests go before it; 0 unless it waits.
    pub ahead: u64,
    /// How many services its channel has.
    pub services: u32,
    /// Counted attempts so far.
    pub attempts: u32,
    /// What remained until the deadline; none when it has its outcome.
    pub remaining: Option<Duration>,
    /// The dead letter that the request was made of, if it was.
    pub redrive_of: Option<RequestId>,
    /// The latest progress of the delivery in flight.
    pub progress: Option<Progress>,
}

impl TicketState {
    pub(crate) fn of(told: State) -> Self {
        Self {
            state: told.state,
            ahead: told.ahead,
            services: told.services,
            attempts: told.attempts,
            remaining: told.remaining_ms.map(Duration::from_millis),
            redrive_of: told.redrive_of,
            progress: told.progress,
        }
    }
}

/// Asks by an attachment of its own, which the broker answers with the state of that moment.
pub(crate) async fn ask(requester: &Arc<Introduced>, id: &TicketId) -> Result<TicketState, WaitError> {
    let key = requester.link.with(|state| state.attach(requester.key, id));
    let asked = Asked { requester, key };
    requester.link.wait(|state, waker| state.poll_state(asked.key, waker)).await.map_err(WaitError::of)
}

struct Asked<'a> {
    requester: &'a Introduced,
    key: TicketKey,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.requester.link.with(|state| state.release_ticket(self.key));
    }
}
