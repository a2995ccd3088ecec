//! What the simulated parties say: payloads that name the request and the delivery that they belong to, and are as long
//! as they are meant to be.

use bytes::Bytes;
use roundtrip_client::Message;
use roundtrip_protocol::RequestId;

use super::chance::mix;

const NAMED: usize = 20;

/// A reply, or a part, of a delivery.
pub(crate) fn of_delivery(id: RequestId, delivery: u32, bytes: usize) -> Message {
    let mut payload = Vec::with_capacity(NAMED + bytes);
    payload.extend_from_slice(id.as_bytes());
    payload.extend_from_slice(&delivery.to_le_bytes());
    payload.resize(NAMED + bytes, delivery as u8);
    Message::new(Bytes::from(payload))
}

/// The payload of a request.
pub(crate) fn of_request(bytes: usize) -> Message {
    Message::new(Bytes::from(vec![0x5a; bytes]))
}

/// Which request and delivery a payload names; none if it is no payload of [`of_delivery`].
pub(crate) fn read(payload: &[u8]) -> Option<(RequestId, u32)> {
    let (id, rest) = payload.split_first_chunk::<16>()?;
    let (delivery, filling) = rest.split_first_chunk::<4>()?;
    let delivery = u32::from_le_bytes(*delivery);
    filling.iter().all(|byte| *byte == delivery as u8).then(|| (RequestId::from_bytes(*id), delivery))
}

/// A number that tells payloads from each other.
pub(crate) fn fingerprint(payload: &[u8]) -> u64 {
    let head = payload.iter().take(NAMED).fold(0, |sum: u64, byte| mix(sum ^ u64::from(*byte)));
    mix(head ^ payload.len() as u64)
}
