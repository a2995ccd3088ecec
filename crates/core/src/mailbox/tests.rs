//! The mailbox by sequences of calls, with entries and connections that are plain numbers.

use super::*;
use crate::time::Time;

#[derive(Debug, Clone, Copy)]
struct TestPeer {
    id: u64,
    room: bool,
}

impl Peer for TestPeer {
    fn id(&self) -> PeerId {
        PeerId(self.id)
    }

    fn last_heard(&self) -> Time {
        Time::NEVER
    }

    fn has_room(&self) -> bool {
        self.room
    }
}

#[derive(Default)]
struct World {
    mailbox: Mailbox<u32, TestPeer>,
    notices: Notices<TestPeer>,
}

impl World {
    /// A mailbox with outcomes in it.
    fn with(entries: impl IntoIterator<Item = u32>) -> Self {
        let mut world = Self::default();
        for entry in entries {
            world.mailbox.handle_post(entry);
        }
        world
    }

    fn open(&mut self, peer: u64, mode: OpenMode, window: u32) -> Opened {
        let peer = TestPeer { id: peer, room: true };
        self.mailbox.handle_open(peer, MailboxNumber(1), mode, window, &mut self.notices)
    }

    /// What is offered until nothing is: to whom, and what.
    fn offers(&mut self) -> Vec<(u64, u32)> {
        std::iter::from_fn(|| self.mailbox.poll_offer(&mut self.notices))
            .map(|(peer, _, entry)| (peer.id, entry))
            .collect()
    }

    /// What was noticed since the last call: who, and what.
    fn notices(&mut self) -> Vec<(u64, Notice)> {
        self.notices.drain(..).map(|(peer, _, notice)| (peer.id, notice)).collect()
    }
}

fn reader(peer: u64) -> ReaderId {
    ReaderId { peer: PeerId(peer), mailbox: MailboxNumber(1) }
}

#[test]
fn the_holder_is_offered_what_is_there_and_what_comes_in_order() {
    let mut world = World::with([3, 1, 2]);
    assert_eq!(world.open(1, OpenMode::Take, 10), Opened::Opened);
    assert_eq!(world.offers(), [(1, 3), (1, 1), (1, 2)]);
    assert!(world.offers().is_empty(), "each once");
    world.mailbox.handle_post(7);
    assert_eq!(world.offers(), [(1, 7)]);
}

#[test]
fn what_was_not_acknowledged_is_offered_to_the_next_reader_again() {
    let mut world = World::with([1, 2]);
    world.open(1, OpenMode::Take, 10);
    world.offers();
    world.mailbox.handle_unpost(&1);
    world.mailbox.handle_peer_gone(PeerId(1));
    assert_eq!(world.open(2, OpenMode::IfFree, 10), Opened::Opened);
    assert_eq!(world.offers(), [(2, 2)]);
}

#[test]
fn taking_a_mailbox_tells_the_former_holder_and_ends_it() {
    let mut world = World::with([1]);
    world.open(1, OpenMode::Take, 0);
    world.offers();
    world.notices();
    assert_eq!(world.open(2, OpenMode::Take, 10), Opened::Opened);
    assert_eq!(world.notices(), [(1, Notice::Taken)]);
    world.mailbox.handle_window(reader(1), 10);
    assert_eq!(world.offers(), [(2, 1)]);
}

#[test]
fn a_held_mailbox_is_not_opened_if_only_wanted_free() {
    let mut world = World::with([1]);
    world.open(1, OpenMode::IfFree, 10);
    assert_eq!(world.open(2, OpenMode::IfFree, 10), Opened::Held);
    assert_eq!(world.offers(), [(1, 1)]);
    assert_eq!(world.notices(), [(1, Notice::CaughtUp)]);
}

#[test]
fn a_mailbox_is_free_again_when_its_holder_closes_or_is_gone() {
    let mut world = World::default();
    world.open(1, OpenMode::Take, 10);
    world.mailbox.handle_close(reader(1));
    assert_eq!(world.open(2, OpenMode::IfFree, 10), Opened::Opened);
    world.mailbox.handle_peer_gone(PeerId(2));
    assert!(world.mailbox.is_unread());
    assert_eq!(world.open(3, OpenMode::IfFree, 10), Opened::Opened);
}

#[test]
fn a_follower_is_offered_everything_and_disturbs_no_holder() {
    let mut world = World::with([1]);
    world.open(1, OpenMode::Take, 10);
    assert_eq!(world.open(2, OpenMode::Follow, 10), Opened::Opened);
    world.mailbox.handle_post(2);
    assert_eq!(world.offers(), [(1, 1), (1, 2), (2, 1), (2, 2)]);
    assert_eq!(world.notices(), [(1, Notice::CaughtUp), (2, Notice::CaughtUp)]);
}

#[test]
fn a_follower_holds_nothing_and_stays_when_the_mailbox_is_taken() {
    let mut world = World::default();
    world.open(1, OpenMode::Follow, 10);
    assert_eq!(world.open(2, OpenMode::IfFree, 10), Opened::Opened);
    assert_eq!(world.open(3, OpenMode::Take, 10), Opened::Opened);
    assert_eq!(world.notices(), [(2, Notice::Taken)]);
    world.mailbox.handle_post(1);
    assert_eq!(world.offers(), [(1, 1), (3, 1)]);
}

#[test]
fn a_closing_follower_leaves_the_holder_its_mailbox() {
    let mut world = World::default();
    world.open(1, OpenMode::Take, 10);
    world.open(2, OpenMode::Follow, 10);
    world.mailbox.handle_close(reader(2));
    assert_eq!(world.open(3, OpenMode::IfFree, 10), Opened::Held);
}

#[test]
fn a_reader_is_offered_no_more_than_its_window() {
    let mut world = World::with([1, 2, 3]);
    world.open(1, OpenMode::Take, 2);
    assert_eq!(world.offers(), [(1, 1), (1, 2)]);
    world.mailbox.handle_window(reader(1), 1);
    assert_eq!(world.offers(), [(1, 3)]);
}

#[test]
fn a_window_never_overflows() {
    let mut world = World::with([1]);
    world.open(1, OpenMode::Take, u32::MAX);
    world.mailbox.handle_window(reader(1), u32::MAX);
    assert_eq!(world.offers(), [(1, 1)]);
}

#[test]
fn what_was_skipped_uses_no_window() {
    let mut world = World::with([1, 2]);
    world.open(1, OpenMode::Take, 1);
    assert_eq!(world.offers(), [(1, 1)]);
    world.mailbox.handle_skipped(reader(1));
    assert_eq!(world.offers(), [(1, 2)]);
}

#[test]
fn a_reader_whose_connection_has_no_room_holds_up_nobody_else() {
    let mut world = World::with([1]);
    let full = TestPeer { id: 1, room: false };
    world.mailbox.handle_open(full, MailboxNumber(1), OpenMode::Take, 10, &mut world.notices);
    world.open(2, OpenMode::Follow, 10);
    assert_eq!(world.offers(), [(2, 1)]);
    assert_eq!(world.notices(), [(2, Notice::CaughtUp)], "the other has not caught up");
}

#[test]
fn what_is_gone_is_offered_to_nobody() {
    let mut world = World::with([1, 2, 3]);
    world.mailbox.handle_unpost(&2);
    world.mailbox.handle_unpost(&9);
    assert_eq!(world.mailbox.len(), 2);
    world.open(1, OpenMode::Take, 10);
    assert_eq!(world.offers(), [(1, 1), (1, 3)]);
    world.mailbox.handle_unpost(&1);
    world.mailbox.handle_unpost(&3);
    assert!(world.mailbox.is_empty());
}

#[test]
fn a_reposted_outcome_is_offered_again_on_that_connection_alone_and_first() {
    let mut world = World::with([1, 2]);
    world.open(1, OpenMode::Take, 10);
    world.open(2, OpenMode::Follow, 10);
    world.offers();
    world.mailbox.handle_post(3);
    world.mailbox.handle_repost(PeerId(1), &1);
    assert_eq!(world.offers(), [(1, 1), (1, 3), (2, 3)]);
}

#[test]
fn a_reposted_outcome_that_was_not_offered_yet_is_offered_once() {
    let mut world = World::with([1]);
    world.open(1, OpenMode::Take, 0);
    world.mailbox.handle_repost(PeerId(1), &1);
    world.mailbox.handle_window(reader(1), 10);
    assert_eq!(world.offers(), [(1, 1)]);
}

#[test]
fn a_reposted_outcome_that_is_gone_is_not_offered() {
    let mut world = World::with([1]);
    world.open(1, OpenMode::Take, 10);
    world.offers();
    world.mailbox.handle_repost(PeerId(1), &1);
    world.mailbox.handle_unpost(&1);
    world.mailbox.handle_repost(PeerId(1), &1);
    assert!(world.offers().is_empty());
}

#[test]
fn a_reader_has_caught_up_once_when_all_that_was_there_was_offered() {
    let mut world = World::with([1, 2]);
    world.open(1, OpenMode::Take, 1);
    world.mailbox.handle_post(3);
    assert_eq!(world.offers(), [(1, 1)]);
    assert!(world.notices().is_empty());
    world.mailbox.handle_window(reader(1), 1);
    assert_eq!(world.offers(), [(1, 2)]);
    assert_eq!(world.notices(), [(1, Notice::CaughtUp)], "the third came later, and has to wait for the window");
    world.mailbox.handle_window(reader(1), 1);
    assert_eq!(world.offers(), [(1, 3)]);
    assert!(world.notices().is_empty());
}

#[test]
fn a_reader_has_caught_up_before_it_is_offered_what_came_later() {
    let mut world = World::with([1]);
    world.open(1, OpenMode::Take, 10);
    world.mailbox.handle_post(2);
    assert_eq!(world.mailbox.poll_offer(&mut world.notices).map(|(_, _, entry)| entry), Some(1));
    assert!(world.notices().is_empty());
    assert_eq!(world.mailbox.poll_offer(&mut world.notices).map(|(_, _, entry)| entry), Some(2));
    assert_eq!(world.notices(), [(1, Notice::CaughtUp)]);
}

#[test]
fn an_empty_mailbox_has_caught_up_at_once_even_without_window() {
    let mut world = World::default();
    world.open(1, OpenMode::Take, 0);
    assert!(world.offers().is_empty());
    assert_eq!(world.notices(), [(1, Notice::CaughtUp)]);
}

#[test]
fn a_reader_has_caught_up_when_the_rest_of_what_was_there_is_gone() {
    let mut world = World::with([1, 2]);
    world.open(1, OpenMode::Take, 1);
    world.offers();
    world.mailbox.handle_unpost(&2);
    world.offers();
    assert_eq!(world.notices(), [(1, Notice::CaughtUp)]);
}

#[test]
fn a_mailbox_that_ends_tells_every_reader() {
    let mut world = World::with([1]);
    world.open(1, OpenMode::Take, 0);
    world.open(2, OpenMode::Follow, 0);
    world.mailbox.handle_end(&mut world.notices);
    assert_eq!(world.notices(), [(1, Notice::Ended), (2, Notice::Ended)]);
    assert!(world.mailbox.is_unread());
    assert!(world.offers().is_empty());
}

#[test]
fn all_readers_of_a_connection_that_is_gone_are_gone() {
    let mut world = World::with([1]);
    world.open(1, OpenMode::Take, 10);
    let peer = TestPeer { id: 1, room: true };
    world.mailbox.handle_open(peer, MailboxNumber(2), OpenMode::Follow, 10, &mut world.notices);
    world.mailbox.handle_peer_gone(PeerId(1));
    assert!(world.offers().is_empty());
    assert!(world.mailbox.is_unread());
}
