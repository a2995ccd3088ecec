//! How bytes become frames: lengths are checked before anything is allocated, a header is decoded once it is whole,
//! and a payload is read only into room that somebody gave for it.
//!
//! This part never reads a socket and never keeps more of a frame than its header beyond the payload's own memory.

use std::convert::Infallible;
use std::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use roundtrip_protocol::{DecodeError, Frame, Header, Limits, PREFIX_LEN, Prefix, decode_header};
use tokio_util::codec::Decoder;

use crate::connection::Broken;

/// Decides about a payload before it is read.
pub trait Admission {
    /// What an admitted payload holds on to: a share of a memory limit, given back when it is dropped.
    type Room;
    /// Why a payload is thrown away.
    type Why;

    /// Admits the payload of `payload_len` bytes that follows `header`, or has it thrown away as it arrives. Asked
    /// once for every frame of a known type, with 0 for one without a payload.
    ///
    /// # Errors
    ///
    /// The reason, which travels on with the header.
    fn admit(&mut self, header: &Header, payload_len: usize) -> Result<Self::Room, Self::Why>;
}

/// Admits whatever is within the limits.
#[derive(Debug, Clone, Copy, Default)]
pub struct AdmitAll;

impl Admission for AdmitAll {
    type Room = ();
    type Why = Infallible;

    fn admit(&mut self, _header: &Header, _payload_len: usize) -> Result<(), Infallible> {
        Ok(())
    }
}

/// What arrived, whole.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "the large variant is every frame, the small one hardly ever comes")]
pub enum Arrival<R, W> {
    /// A frame of a known type.
    Frame(Incoming<R, W>),
    /// A frame of a type that this version does not know, skipped whole.
    Unknown {
        /// Its type.
        type_number: u8,
    },
}

/// What arrives where `A` decides about payloads.
pub type ArrivalFor<A> = Arrival<<A as Admission>::Room, <A as Admission>::Why>;

/// A frame as it arrived.
pub struct Incoming<R, W> {
    /// What is meant.
    pub header: Header,
    /// The payload in memory of its own, exactly as large as it is, and its room; or why it was thrown away.
    pub payload: Result<(Bytes, R), W>,
}

impl Incoming<(), Infallible> {
    /// The frame, where every payload is admitted.
    #[must_use]
    pub fn into_frame(self) -> Frame {
        let Ok((payload, ())) = self.payload;
        Frame { header: self.header, payload }
    }
}

/// Tells the payload's length alone: it may hold patients' data.
impl<R, W: fmt::Debug> fmt::Debug for Incoming<R, W> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let payload_len = self.payload.as_ref().map(|(payload, _)| payload.len());
        out.debug_struct("Incoming").field("header", &self.header).field("payload_len", &payload_len).finish()
    }
}

/// Takes frames from bytes. The first error is final: it comes again on every later call.
///
/// ```
/// use bytes::{BufMut, BytesMut};
/// use roundtrip_protocol::{Frame, Limits, Ping};
/// use roundtrip_transport::{AdmitAll, Arrival, FrameCodec, WriteQueue};
/// use tokio_util::codec::Decoder;
///
/// let mut queue = WriteQueue::new();
/// queue.push(Frame::from(Ping { nonce: 7 }))?;
/// let mut bytes = BytesMut::new();
/// bytes.put(queue);
///
/// let mut codec = FrameCodec::new(AdmitAll, Limits::HANDSHAKE);
/// let Some(Arrival::Frame(incoming)) = codec.decode(&mut bytes)? else { panic!("a whole frame was there") };
/// assert_eq!(incoming.into_frame(), Frame::from(Ping { nonce: 7 }));
/// # Ok::<(), roundtrip_transport::Broken>(())
/// ```
pub struct FrameCodec<A: Admission> {
    admission: A,
    limits: Limits,
    state: State<A::Room, A::Why>,
}

enum State<R, W> {
    /// A frame begins, and its header is not there whole.
    Start,
    Payload {
        header: Header,
        room: R,
        payload: Vec<u8>,
        left: usize,
    },
    Skip {
        left: usize,
        skipped: Skipped<W>,
    },
    Failed(DecodeError),
}

#[allow(clippy::large_enum_variant, reason = "the state around it is as large: it holds a header elsewhere too")]
enum Skipped<W> {
    Refused { header: Header, why: W },
    Unknown { type_number: u8 },
}

impl<A: Admission> FrameCodec<A> {
    /// A codec at the start of a stream.
    pub const fn new(admission: A, limits: Limits) -> Self {
        Self { admission, limits, state: State::Start }
    }

    /// Sets the limits of the frames whose headers were not decoded yet.
    pub const fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Who decides about payloads.
    pub const fn admission_mut(&mut self) -> &mut A {
        &mut self.admission
    }

    /// How many bytes are allocated for a payload that has not arrived whole.
    #[must_use]
    pub const fn allocated(&self) -> usize {
        match &self.state {
            State::Payload { payload, .. } => payload.capacity(),
            _ => 0,
        }
    }

    /// Room for the rest of a payload, so that a large one need not pass through a read buffer. The codec's source
    /// must be empty: what it holds comes first.
    pub(crate) fn payload_room(&mut self) -> Option<PayloadRoom<'_>> {
        match &mut self.state {
            State::Payload { payload, left, .. } if *left > 0 => Some(PayloadRoom { payload, left }),
            _ => None,
        }
    }

    /// Takes a frame that is there whole; of one that is not, what is there of it. None: more is needed.
    fn start(&mut self, source: &mut BytesMut) -> Result<Option<ArrivalFor<A>>, DecodeError> {
        let Some(bytes) = source.first_chunk::<PREFIX_LEN>() else { return Ok(None) };
        let Prefix { type_number, header_len, payload_len } = Prefix::read(*bytes, self.limits)?;
        if !KNOWN[type_number as usize] {
            source.advance(PREFIX_LEN);
            self.state = State::Skip { left: header_len + payload_len, skipped: Skipped::Unknown { type_number } };
            return self.go_on(source);
        }
        let payload_at = PREFIX_LEN + header_len;
        let Some(bytes) = source.get(PREFIX_LEN..payload_at) else {
            source.reserve(payload_at - source.len());
            return Ok(None);
        };
        let header = decode_header(type_number, bytes)?;
        let admitted = self.admission.admit(&header, payload_len);
        if let Some(payload) = source.get(payload_at..payload_at + payload_len) {
            let payload = admitted.map(|room| (Bytes::copy_from_slice(payload), room));
            source.advance(payload_at + payload_len);
            return Ok(Some(Arrival::Frame(Incoming { header, payload })));
        }
        source.advance(payload_at);
        self.state = match admitted {
            Ok(room) => State::Payload { header, room, payload: Vec::with_capacity(payload_len), left: payload_len },
            Err(why) => State::Skip { left: payload_len, skipped: Skipped::Refused { header, why } },
        };
        self.go_on(source)
    }

    /// Goes on with a frame that did not arrive in one piece.
    fn go_on(&mut self, source: &mut BytesMut) -> Result<Option<ArrivalFor<A>>, DecodeError> {
        let left = match &mut self.state {
            State::Start => return Ok(None),
            State::Failed(error) => return Err(error.clone()),
            State::Payload { payload, left, .. } => {
                let arrived = (*left).min(source.len());
                payload.extend_from_slice(&source[..arrived]);
                source.advance(arrived);
                *left -= arrived;
                *left
            }
            State::Skip { left, .. } => {
                let arrived = (*left).min(source.len());
                source.advance(arrived);
                *left -= arrived;
                *left
            }
        };
        if left > 0 {
            return Ok(None);
        }
        Ok(match std::mem::replace(&mut self.state, State::Start) {
            State::Payload { header, room, payload, .. } => {
                Some(Arrival::Frame(Incoming { header, payload: Ok((Bytes::from(payload), room)) }))
            }
            State::Skip { skipped: Skipped::Refused { header, why }, .. } => {
                Some(Arrival::Frame(Incoming { header, payload: Err(why) }))
            }
            State::Skip { skipped: Skipped::Unknown { type_number }, .. } => Some(Arrival::Unknown { type_number }),
            State::Start | State::Failed(_) => None,
        })
    }
}

impl<A: Admission> Decoder for FrameCodec<A> {
    type Item = ArrivalFor<A>;
    type Error = Broken;

    fn decode(&mut self, source: &mut BytesMut) -> Result<Option<Self::Item>, Broken> {
        let decoded = if matches!(self.state, State::Start) { self.start(source) } else { self.go_on(source) };
        decoded.map_err(|error| {
            self.state = State::Failed(error.clone());
            Broken::Protocol(error)
        })
    }

    /// Between two frames the stream may end; in the middle of one that is an error.
    fn decode_eof(&mut self, source: &mut BytesMut) -> Result<Option<Self::Item>, Broken> {
        match self.decode(source)? {
            Some(arrival) => Ok(Some(arrival)),
            None if matches!(self.state, State::Start) && source.is_empty() => Ok(None),
            None => Err(Broken::Io(std::io::Error::new(
                std::io::ErrorKind::UnexpectedEof,
                "the connection ended in the middle of a frame",
            ))),
        }
    }
}

impl<A: Admission> fmt::Debug for FrameCodec<A> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Start => "between frames, or in a header",
            State::Payload { .. } => "in a payload",
            State::Skip { .. } => "skipping",
            State::Failed(_) => "failed",
        };
        out.debug_struct("FrameCodec").field("limits", &self.limits).field("state", &state).finish_non_exhaustive()
    }
}

/// The part of a payload's memory that its bytes have not filled yet.
pub(crate) struct PayloadRoom<'a> {
    payload: &'a mut Vec<u8>,
    left: &'a mut usize,
}

impl PayloadRoom<'_> {
    /// How many bytes of the payload are still to come.
    pub(crate) const fn left(&self) -> usize {
        *self.left
    }

    /// Lets `read` append at most what is left, and takes note of how much it did.
    pub(crate) fn fill<T>(self, read: impl FnOnce(&mut bytes::buf::Limit<&mut Vec<u8>>) -> T) -> T {
        let before = self.payload.len();
        let result = read(&mut (&mut *self.payload).limit(*self.left));
        *self.left -= self.payload.len() - before;
        result
    }
}

/// Which type numbers this version knows.
const KNOWN: [bool; 256] = {
    let mut known = [false; 256];
    let mut at = 0;
    while at < Header::TYPES.len() {
        known[Header::TYPES[at].0 as usize] = true;
        at += 1;
    }
    known
};

#[cfg(test)]
mod tests;
