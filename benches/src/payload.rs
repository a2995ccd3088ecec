//! What requests and replies carry: a number, and bytes that follow from it, so that a reply that is not its request's
//! does not pass for it.

use bytes::Bytes;

/// Where the number ends.
const NUMBER: usize = size_of::<u64>();

/// The payload of this number, at least as long as that.
pub(crate) fn make(number: u64, size: usize) -> Bytes {
    let mut bytes = vec![filling(number); size.max(NUMBER)];
    bytes[..NUMBER].copy_from_slice(&number.to_le_bytes());
    Bytes::from(bytes)
}

/// The number of a payload that is whole.
pub(crate) fn number(payload: &[u8], size: usize) -> Option<u64> {
    let (head, rest) = payload.split_first_chunk::<NUMBER>()?;
    let number = u64::from_le_bytes(*head);
    let is_whole = payload.len() == size.max(NUMBER) && rest.iter().all(|byte| *byte == filling(number));
    is_whole.then_some(number)
}

fn filling(number: u64) -> u8 {
    (number % 251) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_tells_its_number() {
        assert_eq!(number(&make(70_000, 128), 128), Some(70_000));
    }

    #[test]
    fn a_payload_that_is_cut_or_changed_tells_none() {
        let whole = make(7, 128).to_vec();
        assert_eq!(number(&whole[..127], 128), None);
        let mut changed = whole;
        changed[100] ^= 1;
        assert_eq!(number(&changed, 128), None);
    }
}
