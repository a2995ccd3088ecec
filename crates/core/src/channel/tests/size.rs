use super::super::request::{Request, Stage};
use super::super::slots::Slot;
use super::*;

/// Handles as large as a broker's: two words for a message and for a place.
#[derive(Debug)]
struct Words;

impl Handles for Words {
    type Request = (u64, u64);
    type Answer = u64;
    type Part = u64;
    type Place = WordsPlace;
    type Peer = TestPeer;
}

#[derive(Debug, Clone)]
struct WordsPlace {
    _mailbox: Rc<Cell<bool>>,
    _number: u64,
}

impl Place for WordsPlace {
    fn has_mailbox(&self) -> bool {
        true
    }
}

#[test]
fn a_request_takes_144_bytes_and_its_stage_two_words() {
    assert_eq!(size_of::<Time>(), 8);
    assert_eq!(size_of::<Stage<Words>>(), 16);
    assert_eq!(size_of::<Option<Request<Words>>>(), 144);
    assert_eq!(size_of::<Slot>(), 4);
}
