//! Something to ask for, and a service that answers it.

use roundtrip::{Context, Failure, Operation};
use serde::{Deserialize, Serialize};

/// Asks for twice the number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Double {
    pub(crate) number: u64,
}

/// Why there is no double.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum NotDoubled {
    TooLarge { largest: u64 },
}

impl Double {
    pub(crate) const REPLIES: &'static str = "double_reply";

    pub(crate) fn of(number: u64) -> Self {
        Self { number }
    }
}

impl Operation for Double {
    const NAME: &'static str = "double";
    const CHANNEL: &'static str = "double_request";
    type Reply = u64;
    type Error = NotDoubled;
}

/// The handler that does what is asked.
pub(crate) async fn doubled(command: Double, _: Context) -> Result<u64, Failure<NotDoubled>> {
    let largest = u64::MAX / 2;
    command.number.checked_mul(2).ok_or_else(|| Failure::fail(NotDoubled::TooLarge { largest }))
}
