//! What requests and replies carry: which request it is, and bytes that follow from that, so that a reply that is not its
//! request's does not pass for it.

use bytes::{BufMut, Bytes, BytesMut};

/// Which request it is: its number within the run, and its place in the [`Book`](crate::book::Book).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) number: u64,
    pub(crate) slot: u32,
}

/// Where the mark ends.
const MARK: usize = size_of::<u64>() + size_of::<u32>();

impl Mark {
    /// The one that a payload begins with, whatever follows it.
    pub(crate) fn of(payload: &[u8]) -> Option<Self> {
        let (number, rest) = payload.split_first_chunk()?;
        let slot = rest.first_chunk()?;
        Some(Self { number: u64::from_le_bytes(*number), slot: u32::from_le_bytes(*slot) })
    }

    /// How long its payload is where one of `size` bytes is wanted.
    pub(crate) fn payload_len(size: usize) -> usize {
        size.max(MARK)
    }

    /// Appends its payload.
    pub(crate) fn put(self, size: usize, to: &mut BytesMut) {
        to.put_u64_le(self.number);
        to.put_u32_le(self.slot);
        to.put_bytes(self.filling(), Self::payload_len(size) - MARK);
    }

    fn filling(self) -> u8 {
        (self.number % 251) as u8
    }
}

/// The payload of this mark.
pub(crate) fn make(mark: Mark, size: usize) -> Bytes {
    let mut bytes = BytesMut::with_capacity(Mark::payload_len(size));
    mark.put(size, &mut bytes);
    bytes.freeze()
}

/// The mark of a payload that is whole.
pub(crate) fn read(payload: &[u8], size: usize) -> Option<Mark> {
    let mark = Mark::of(payload)?;
    let filling = mark.filling();
    // Without an early end the compiler compares many bytes at once, and the load stays ahead of the servers.
    let differs = payload[MARK..].iter().fold(0, |differs, byte| differs | (byte ^ filling));
    (payload.len() == Mark::payload_len(size) && differs == 0).then_some(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: Mark = Mark { number: 70_000, slot: 3 };

    #[test]
    fn a_payload_tells_its_mark() {
        assert_eq!(read(&make(MARK, 128), 128), Some(MARK));
        assert_eq!(read(&make(MARK, 1), 1), Some(MARK));
    }

    #[test]
    fn a_payload_that_is_cut_or_changed_tells_none() {
        let whole = make(MARK, 128).to_vec();
        assert_eq!(read(&whole[..127], 128), None);
        assert_eq!(read(&whole[..5], 128), None);
        let mut changed = whole;
        changed[100] ^= 1;
        assert_eq!(read(&changed, 128), None);
    }
}
