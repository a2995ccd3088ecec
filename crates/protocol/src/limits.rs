//! The sizes that both ends agree on.

/// The protocol version that this crate speaks.
pub const VERSION: u16 = 1;

/// The longest header of any frame, in bytes: 64 KiB.
pub const MAX_HEADER: usize = 64 * 1024;

/// The longest header of the frame that opens a connection, in bytes: whoever sends more has not read the protocol.
pub const HELLO_LIMIT: usize = 4 * 1024;

/// The priority of a request that names none; 9 goes first, 0 last.
pub const DEFAULT_PRIORITY: u8 = 4;

/// The highest priority.
pub const MAX_PRIORITY: u8 = 9;

/// The longest idempotency key, in bytes.
pub const MAX_KEY: usize = 256;

/// What one end takes from the other in a single frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest header, in bytes.
    pub max_header: usize,
    /// The longest payload, in bytes.
    pub max_payload: usize,
}

impl Limits {
    /// The limits of a connection whose handshake is not done: small headers, no payload.
    pub const HANDSHAKE: Self = Self { max_header: HELLO_LIMIT, max_payload: 0 };

    /// The limits of a connection that takes payloads up to `max_payload` bytes.
    #[must_use]
    pub const fn with_max_payload(max_payload: usize) -> Self {
        Self { max_header: MAX_HEADER, max_payload }
    }
}
