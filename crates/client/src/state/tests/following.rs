//! Reading the parts of a request: each once and in order, whatever the connections do.

use super::*;
use crate::parts::PartEvent;

struct Reader {
    scene: Scene,
    ticket: TicketNumber,
}

impl Reader {
    /// A stream whose broker begins with delivery 1.
    fn begun() -> Self {
        let mut reader = Self::behind(PartPlace::default());
        reader.says_from(1, 1);
        reader
    }

    fn behind(behind: PartPlace) -> Self {
        let mut scene = Scene::connected();
        let requester = scene.requester();
        let new = NewParts { requester, request: ticket(1), of: None, behind, acknowledges: true };
        let ticket = scene.state.follow_parts(&new);
        assert_eq!(scene.names(), ["Bind", "Attach", "FollowParts"]);
        scene.hear(state_of(ticket, RequestState::Waiting));
        Self { scene, ticket }
    }

    fn says_from(&mut self, delivery: u32, first: u32) {
        self.scene.hear(PartsFrom { ticket: self.ticket, delivery, first });
    }

    fn says(&mut self, delivery: u32, number: u32) {
        self.scene.hear_with(Part { ticket: self.ticket, delivery, number, label: Label::default() }, "section");
    }

    fn next(&mut self) -> Poll<Option<PartEvent>> {
        self.scene.state.poll_part_event(self.ticket, Waker::noop())
    }

    fn reads(&mut self, delivery: u32, number: u32) {
        match self.next() {
            Poll::Ready(Some(PartEvent::Part(part))) => assert_eq!((part.delivery, part.number), (delivery, number)),
            other => panic!("expected part {number} of delivery {delivery}, got {other:?}"),
        }
    }

    fn reads_restarted(&mut self, delivery: u32) {
        assert_eq!(self.next(), Poll::Ready(Some(PartEvent::Restarted { delivery })));
    }

    fn reads_gone(&mut self, first: u32) {
        assert_eq!(self.next(), Poll::Ready(Some(PartEvent::Gone { first })));
    }

    /// What the next connection is asked for.
    fn reconnect(&mut self) -> FollowParts {
        self.scene.break_connection();
        self.scene.connect();
        let frames = self.scene.frames();
        let asked = frames.iter().find_map(|frame| match frame.header {
            Header::FollowParts(asked) => Some(asked),
            _ => None,
        });
        self.scene.hear(state_of(self.ticket, RequestState::Waiting));
        asked.expect("the parts are asked for again")
    }
}

#[test]
fn parts_come_in_order_and_the_outcome_ends_them() {
    let mut reader = Reader::begun();
    assert_eq!(reader.next(), Poll::Pending);
    reader.says(1, 1);
    reader.says(1, 2);
    reader.scene.hear(replied(reader.ticket));
    reader.reads(1, 1);
    reader.reads(1, 2);
    assert_eq!(reader.next(), Poll::Ready(None));
    assert_eq!(reader.scene.state.parts_failure(reader.ticket), None);
}

#[test]
fn a_part_is_acknowledged_when_the_next_is_asked_for() {
    let mut reader = Reader::begun();
    reader.says(1, 1);
    reader.reads(1, 1);
    assert!(reader.scene.names().is_empty(), "it may still be in the reader's hands");
    assert_eq!(reader.next(), Poll::Pending);
    let requester = RequesterNumber(0);
    let expected = AcknowledgeParts { ticket: reader.ticket, requester, delivery: 1, through: 1 };
    let frames = reader.scene.frames();
    assert_eq!(frames.last().unwrap().header, Header::AcknowledgeParts(expected));
    assert_eq!(reader.next(), Poll::Pending);
    assert!(reader.scene.names().is_empty(), "once is enough");
}

#[test]
fn who_only_follows_acknowledges_nothing() {
    let mut reader = Reader::begun();
    reader.scene.state.keep_parts(reader.ticket);
    reader.says(1, 1);
    reader.reads(1, 1);
    assert_eq!(reader.next(), Poll::Pending);
    assert!(reader.scene.names().is_empty());
}

#[test]
fn a_stream_goes_on_behind_the_last_part_that_came_and_says_again_what_was_handled() {
    let mut reader = Reader::begun();
    reader.says(1, 1);
    reader.says(1, 2);
    reader.reads(1, 1);
    reader.reads(1, 2);
    reader.says(1, 3);
    let asked = reader.reconnect();
    assert_eq!((asked.delivery, asked.after, asked.window), (1, 3, 15), "one is there and unread");
    reader.says_from(1, 4);
    reader.says(1, 4);
    reader.reads(1, 3);
    reader.reads(1, 4);
}

#[test]
fn what_was_handled_is_said_again_on_the_next_connection() {
    let mut reader = Reader::begun();
    reader.says(1, 1);
    reader.reads(1, 1);
    assert_eq!(reader.next(), Poll::Pending);
    reader.scene.break_connection();
    reader.scene.connect();
    assert_eq!(reader.scene.names(), ["Bind", "Attach", "FollowParts", "Introduce", "AcknowledgeParts"]);
}

#[test]
fn another_delivery_voids_what_came_before_and_tells_so() {
    let mut reader = Reader::begun();
    reader.says(1, 1);
    reader.says(1, 2);
    reader.reads(1, 1);
    reader.says_from(2, 1);
    reader.says(2, 1);
    reader.reads_restarted(2);
    reader.reads(2, 1);
}

#[test]
fn another_delivery_is_no_news_to_one_who_was_given_nothing() {
    let mut reader = Reader::begun();
    reader.says(1, 1);
    reader.says_from(2, 1);
    reader.says(2, 1);
    reader.reads(2, 1);
}

#[test]
fn two_deliveries_that_began_unseen_are_told_as_one() {
    let mut reader = Reader::begun();
    reader.says(1, 1);
    reader.reads(1, 1);
    reader.says_from(2, 1);
    reader.says(2, 1);
    reader.says_from(3, 1);
    reader.says(3, 1);
    reader.reads_restarted(3);
    reader.reads(3, 1);
}

#[test]
fn a_delivery_that_began_while_the_connection_was_broken_is_told() {
    let mut reader = Reader::begun();
    reader.says(1, 1);
    reader.reads(1, 1);
    let asked = reader.reconnect();
    assert_eq!((asked.delivery, asked.after), (1, 1));
    reader.says_from(2, 1);
    reader.reads_restarted(2);
}

#[test]
fn parts_that_are_gone_are_told() {
    let mut reader = Reader::begun();
    reader.says(1, 1);
    reader.reads(1, 1);
    reader.says_from(1, 5);
    reader.says(1, 5);
    reader.reads_gone(5);
    reader.reads(1, 5);
}

#[test]
fn a_stream_begins_behind_the_part_that_its_reader_names() {
    let mut reader = Reader::behind(PartPlace { delivery: 1, number: 3 });
    reader.says_from(1, 4);
    reader.says(1, 4);
    reader.reads(1, 4);
}

#[test]
fn a_stream_that_begins_behind_a_part_of_an_earlier_delivery_restarts() {
    let mut reader = Reader::behind(PartPlace { delivery: 1, number: 3 });
    reader.says_from(2, 2);
    reader.says(2, 2);
    reader.reads_restarted(2);
    reader.reads_gone(2);
    reader.reads(2, 2);
}

#[test]
fn the_window_is_given_back_as_parts_are_read_or_void() {
    let mut reader = Reader::begun();
    for number in 1..=16 {
        reader.says(1, number);
    }
    assert!(reader.scene.names().is_empty());
    for number in 1..=8 {
        reader.reads(1, number);
    }
    let more = |frames: &[Frame]| match frames.iter().map(|frame| &frame.header).find(|h| h.name() == "PartsWindow") {
        Some(Header::PartsWindow(window)) => window.more,
        _ => 0,
    };
    assert_eq!(more(&reader.scene.frames()), 8);
    reader.says_from(2, 1);
    assert_eq!(more(&reader.scene.frames()), 8, "the eight that were not read");
}

#[test]
fn an_outcome_that_was_told_before_the_parts_were_asked_for_does_not_end_them() {
    let mut reader = Reader::behind(PartPlace::default());
    reader.scene.hear(replied(reader.ticket));
    reader.says_from(1, 1);
    reader.says(1, 1);
    reader.scene.hear(replied(reader.ticket));
    reader.reads(1, 1);
    assert_eq!(reader.next(), Poll::Ready(None));
}

#[test]
fn a_request_that_is_forgotten_before_its_parts_were_asked_for_ends_the_stream() {
    let mut reader = Reader::behind(PartPlace::default());
    reader.scene.hear(replied(reader.ticket));
    assert_eq!(reader.next(), Poll::Pending);
    let Header::Ping(ping) = reader.scene.next_sent() else { panic!("it asks whether anything is to come") };
    reader.scene.hear(Pong { nonce: ping.nonce });
    assert_eq!(reader.next(), Poll::Ready(None));
}

#[test]
fn an_unknown_ticket_ends_the_stream_and_is_told() {
    let mut reader = Reader::begun();
    reader.says(1, 1);
    reader.scene.break_connection();
    reader.scene.connect();
    let refusal = Refusal::new(RefusalCode::UnknownTicket, "unknown");
    reader.scene.hear(Refused { ticket: reader.ticket, refusal: refusal.clone() });
    reader.reads(1, 1);
    assert_eq!(reader.next(), Poll::Ready(None));
    assert_eq!(reader.scene.state.parts_failure(reader.ticket), Some(TicketFailure::Refused(refusal)));
}

#[test]
fn a_stream_leaves_the_request_when_it_ends_or_is_dropped() {
    let mut ended = Reader::begun();
    ended.scene.hear(replied(ended.ticket));
    assert_eq!(ended.next(), Poll::Ready(None));
    assert_eq!(ended.scene.names(), ["Detach"]);
    ended.scene.state.release_parts(ended.ticket);
    assert!(ended.scene.state.tickets.is_empty());

    let mut dropped = Reader::begun();
    dropped.scene.state.release_parts(dropped.ticket);
    assert_eq!(dropped.scene.names(), ["Detach", "Ping"]);
}

#[test]
fn the_outcome_is_acknowledged_when_the_stream_of_its_parts_is_read() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let of = scene.open_ticket(requester, 1);
    let new =
        NewParts { requester, request: ticket(1), of: Some(of), behind: PartPlace::default(), acknowledges: true };
    let parts = scene.state.follow_parts(&new);
    scene.hear(state_of(parts, RequestState::Waiting));
    scene.hear(PartsFrom { ticket: parts, delivery: 1, first: 1 });
    scene.hear(replied(of));
    scene.frames();
    scene.state.acknowledge_ticket(of);
    assert!(scene.names().is_empty(), "the broker would forget the parts with it");
    scene.hear(replied(parts));
    assert_eq!(scene.state.poll_part_event(parts, Waker::noop()), Poll::Ready(None));
    assert_eq!(scene.names(), ["Acknowledge", "Detach"]);
}

/// A broker of one request that adds parts, begins deliveries anew and keeps what is not acknowledged, as the contract
/// says it in the plainest way.
struct PartsBroker {
    delivery: u32,
    added: u32,
    acknowledged: u32,
    /// The number that the follower is sent next, and how many it may be sent.
    cursor: Option<(u32, u32)>,
}

impl PartsBroker {
    fn add(&mut self) {
        self.added += 1;
    }

    fn begin_delivery(&mut self, reader: &mut Reader) {
        self.delivery += 1;
        (self.added, self.acknowledged) = (0, 0);
        if let Some((next, _)) = &mut self.cursor {
            *next = 1;
            reader.says_from(self.delivery, 1);
        }
    }

    /// Takes what the client sent, and sends what it may.
    fn turn(&mut self, reader: &mut Reader) {
        for frame in reader.scene.frames() {
            match frame.header {
                Header::FollowParts(asked) => {
                    let behind = if asked.delivery == self.delivery { asked.after } else { 0 };
                    let next = behind.max(self.acknowledged) + 1;
                    self.cursor = Some((next, asked.window));
                    reader.scene.hear(state_of(reader.ticket, RequestState::Waiting));
                    reader.says_from(self.delivery, next);
                }
                Header::PartsWindow(window) => self.cursor.as_mut().expect("it follows").1 += window.more,
                Header::AcknowledgeParts(done) if done.delivery == self.delivery => {
                    assert!(done.through <= self.added, "nobody handled what was never added");
                    self.acknowledged = self.acknowledged.max(done.through);
                }
                _ => {}
            }
        }
        while let Some((next, window)) =
            self.cursor.as_mut().filter(|(next, window)| *next <= self.added && *window > 0)
        {
            reader.says(self.delivery, *next);
            *next += 1;
            *window -= 1;
        }
    }
}

#[test]
fn no_part_is_left_out_or_doubled_whatever_the_connections_and_deliveries_do() {
    for seed in 1..300u64 {
        let mut random = seed;
        let mut roll = |sides: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % sides
        };
        let mut reader = Reader::behind(PartPlace::default());
        reader.says_from(1, 1);
        let mut broker = PartsBroker { delivery: 1, added: 0, acknowledged: 0, cursor: Some((1, 16)) };
        let mut last = PartPlace::default();
        let mut read = |reader: &mut Reader, seed: u64| match reader.next() {
            Poll::Ready(Some(PartEvent::Part(part))) => {
                let follows = part.number == last.number + 1 && (part.delivery == last.delivery || last.number == 0);
                assert!(follows, "seed {seed}: {part:?} behind {last:?}");
                last = PartPlace { delivery: part.delivery, number: part.number };
                true
            }
            Poll::Ready(Some(PartEvent::Restarted { delivery })) => {
                assert!(last.number > 0 && delivery > last.delivery, "seed {seed}: restarted behind {last:?}");
                last = PartPlace { delivery, number: 0 };
                true
            }
            Poll::Ready(other) => panic!("seed {seed}: {other:?} behind {last:?}"),
            Poll::Pending => false,
        };
        for _ in 0..400 {
            match roll(100) {
                0..45 => broker.add(),
                45..85 => drop(read(&mut reader, seed)),
                85..95 => broker.turn(&mut reader),
                95..98 => {
                    reader.scene.break_connection();
                    reader.scene.connect();
                    broker.cursor = None;
                }
                _ => broker.begin_delivery(&mut reader),
            }
        }
        loop {
            broker.turn(&mut reader);
            if !read(&mut reader, seed) {
                break;
            }
        }
        broker.turn(&mut reader);
        if broker.added > 0 {
            assert_eq!(
                last,
                PartPlace { delivery: broker.delivery, number: broker.added },
                "seed {seed}: all were read"
            );
        }
        assert_eq!(broker.acknowledged, broker.added, "seed {seed}: all were acknowledged");
    }
}
