//! How a frame becomes bytes and back. The only place in the project that knows bincode.

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use bytes::{BufMut, BytesMut};

use crate::frame::Header;
use crate::limits::{Limits, MAX_HEADER};

/// How many bytes stand before a frame's header: length, type, header length.
pub const PREFIX_LEN: usize = 8;

/// How many bytes the length field has, which does not count itself.
const LENGTH_LEN: usize = 4;

/// What a header may claim of memory while it is decoded: its bytes, and what lists of texts need beside them.
const DECODE_BUDGET: usize = 4 * MAX_HEADER;

const ENCODING: Configuration<LittleEndian, Fixint, Limit<DECODE_BUDGET>> =
    bincode::config::standard().with_little_endian().with_fixed_int_encoding().with_limit::<DECODE_BUDGET>();

/// Why bytes are not a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The header is over the limit. Where the frame ends cannot be trusted.
    #[error("a header has at most {limit} bytes on this connection, this one says {found}")]
    HeaderTooLong {
        /// What the length field says, in bytes.
        found: usize,
        /// The connection's limit, in bytes.
        limit: usize,
    },
    /// The payload is over the connection's limit. It is not read, so the connection ends.
    #[error("a payload has at most {limit} bytes on this connection, this one says {found}: send less")]
    PayloadTooLong {
        /// What the length fields say, in bytes.
        found: usize,
        /// The connection's limit, in bytes.
        limit: usize,
    },
    /// The lengths contradict each other.
    #[error("a frame of {length} bytes cannot hold its own prefix and a header of {header}")]
    Lengths {
        /// What the length field says, in bytes.
        length: usize,
        /// What the header length field says, in bytes.
        header: usize,
    },
    /// A type that this version does not know. The frame can be skipped.
    #[error("no frame of version 1 has type {0:#04x}")]
    UnknownType(u8),
    /// The header ends too early, or a field holds what it cannot hold.
    #[error("the header of {frame} does not decode: {why}")]
    Header {
        /// The frame.
        frame: &'static str,
        /// What is wrong. It never holds bytes of the frame.
        why: &'static str,
    },
}

impl DecodeError {
    /// Whether the next frame can be found after this error.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::UnknownType(_))
    }
}

/// The first eight bytes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    /// The frame's type number.
    pub type_number: u8,
    /// How many bytes of header follow.
    pub header_len: usize,
    /// How many bytes of payload follow the header.
    pub payload_len: usize,
}

impl Prefix {
    /// Reads the first eight bytes of a frame and holds its lengths against the limits.
    ///
    /// # Errors
    ///
    /// The lengths contradict each other or are over the limits.
    pub fn read(bytes: [u8; PREFIX_LEN], limits: Limits) -> Result<Self, DecodeError> {
        let [l0, l1, l2, l3, type_number, h0, h1, h2] = bytes;
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        let header = u32::from_le_bytes([h0, h1, h2, 0]) as usize;
        let rest = length.checked_sub(PREFIX_LEN - LENGTH_LEN).and_then(|rest| rest.checked_sub(header));
        let Some(payload) = rest else { return Err(DecodeError::Lengths { length, header }) };
        if header > limits.max_header {
            return Err(DecodeError::HeaderTooLong { found: header, limit: limits.max_header });
        }
        if payload > limits.max_payload {
            return Err(DecodeError::PayloadTooLong { found: payload, limit: limits.max_payload });
        }
        Ok(Self { type_number, header_len: header, payload_len: payload })
    }
}

/// Reads a header of the given type. Bytes beyond the fields that this version knows are skipped.
///
/// # Errors
///
/// The type is unknown, or the header does not decode.
pub fn decode_header(type_number: u8, bytes: &[u8]) -> Result<Header, DecodeError> {
    Header::read(type_number, bytes)
}

/// Writes everything of a frame that stands before its payload of `payload_len` bytes.
///
/// The caller has held header and payload against the limits of the other end; see
/// [`Header::encoded_len`](crate::Header::encoded_len).
pub fn encode_prefix_and_header(header: &Header, payload_len: usize, to: &mut BytesMut) {
    let start = to.len();
    to.put_bytes(0, PREFIX_LEN);
    header.write(to);
    let header_len = to.len() - start - PREFIX_LEN;
    let length = PREFIX_LEN - LENGTH_LEN + header_len + payload_len;
    debug_assert!(header_len < 1 << 24 && length <= u32::MAX as usize, "lengths are checked before a frame is sent");
    let [h0, h1, h2, _] = (header_len as u32).to_le_bytes();
    let [l0, l1, l2, l3] = (length as u32).to_le_bytes();
    to[start..start + PREFIX_LEN].copy_from_slice(&[l0, l1, l2, l3, header.type_number(), h0, h1, h2]);
}

impl Header {
    /// How many bytes the header takes on the wire.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let mut bytes = BytesMut::new();
        self.write(&mut bytes);
        bytes.len()
    }
}

pub(crate) fn write<T: bincode::Encode>(fields: &T, to: &mut BytesMut) {
    let written = bincode::encode_into_writer(fields, Appender(to), ENCODING);
    debug_assert!(written.is_ok(), "appending to memory does not fail");
}

pub(crate) fn read<'de, T: bincode::BorrowDecode<'de, ()>>(
    frame: &'static str,
    bytes: &'de [u8],
) -> Result<T, DecodeError> {
    match bincode::borrow_decode_from_slice(bytes, ENCODING) {
        Ok((fields, _beyond)) => Ok(fields),
        Err(error) => Err(DecodeError::Header { frame, why: reason(&error) }),
    }
}

/// What a person needs of bincode's error, without any byte of the frame.
fn reason(error: &bincode::error::DecodeError) -> &'static str {
    use bincode::error::DecodeError as E;
    match error {
        E::UnexpectedEnd { .. } => "it ends before its last field",
        E::LimitExceeded => "a length in it is absurd",
        E::UnexpectedVariant { .. } => "a choice in it is unknown",
        E::Utf8 { .. } => "a text in it is not UTF-8",
        E::InvalidBooleanValue(_) => "a flag in it is neither 0 nor 1",
        E::Other(what) => what,
        _ => "a field in it holds what it cannot hold",
    }
}

struct Appender<'a>(&'a mut BytesMut);

impl bincode::enc::write::Writer for Appender<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), bincode::error::EncodeError> {
        self.0.put_slice(bytes);
        Ok(())
    }
}
