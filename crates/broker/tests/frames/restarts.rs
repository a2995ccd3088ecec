//! What a durable channel keeps when its broker dies, over a disk in memory that outlives it.

use std::time::Duration;

use roundtrip_broker::{Broker, BrokerBuilder, ChannelSettings, MemoryDisk};
use roundtrip_protocol::*;

use crate::wire::{Place, Way, Wire, channel, new_id, next, over_both, submission};

/// A disk, and the settings of every broker that is started over it.
struct Durable {
    disk: MemoryDisk,
    orders: ChannelSettings,
}

impl Durable {
    fn new() -> Self {
        Self::with(|orders| orders)
    }

    fn with(settings: impl FnOnce(ChannelSettings) -> ChannelSettings) -> Self {
        let orders = ChannelSettings::new("orders").backoff(Duration::from_millis(1), Duration::from_millis(1));
        Self { disk: MemoryDisk::default(), orders: settings(orders.durable(true)) }
    }

    fn builder(&self) -> BrokerBuilder {
        Broker::builder().channel(self.orders.clone()).data_in_memory(&self.disk)
    }

    async fn start(&self, way: Way) -> Place {
        way.start(self.builder()).await
    }
}

/// What was in this broker's memory is gone.
fn die(place: Place) {
    drop(place);
}

/// Has one request accepted.
async fn accepted(requester: &mut Wire, submit: Submit) -> RequestId {
    let id = submit.id;
    requester.send_with(submit, "soup").await;
    next!(requester, Accepted);
    id
}

async fn is_forgotten(wire: &mut Wire, id: RequestId) -> bool {
    wire.send(Attach { ticket: TicketNumber(99), channel: ChannelNumber(0), id }).await;
    next!(wire, Refused).0.refusal.code == RefusalCode::UnknownTicket
}

over_both! {
    async fn what_waits_is_delivered_whole_by_the_next_start(way) {
        let durable = Durable::new();
        let place = durable.start(way).await;
        let mut requester = place.requester("ward").await;
        let first = accepted(&mut requester, submission(1, new_id())).await;
        let urgent = accepted(&mut requester, Submit { priority: 9, ..submission(2, new_id()) }).await;
        let last = accepted(&mut requester, submission(3, new_id())).await;
        die(place);

        let place = durable.start(way).await;
        let mut service = place.service(3).await;
        for id in [urgent, first, last] {
            let (delivery, payload) = next!(service, Delivery);
            assert_eq!((delivery.token.id, delivery.attempt), (id, 1), "in the order in which they became waiting");
            assert_eq!((&delivery.operation[..], &payload[..]), ("cook", &b"soup"[..]));
            assert_eq!(delivery.label.content_type, "text/plain");
            assert_eq!(delivery.requester.as_str(), "ward");
        }
    }

    async fn a_delivery_that_the_broker_cut_off_does_not_count(way) {
        let durable = Durable::with(|orders| orders.max_attempts(1));
        let place = durable.start(way).await;
        let mut requester = place.requester("ward").await;
        let id = accepted(&mut requester, submission(1, new_id())).await;
        let mut service = place.service(1).await;
        let (cut_off, _) = next!(service, Delivery);
        die(place);

        let place = durable.start(way).await;
        let mut service = place.service(1).await;
        let (again, _) = next!(service, Delivery);
        assert_eq!((again.token.id, again.attempt), (id, 1));
        assert!(again.token.start > cut_off.token.start, "no token exists twice");
        assert_eq!(service.reply(cut_off.token, "").await, Answer::LeaseLost);
        assert_eq!(service.reply(again.token, "").await, Answer::Settled);
    }

    async fn counted_attempts_stay_counted(way) {
        let durable = Durable::with(|orders| orders.max_attempts(2));
        let place = durable.start(way).await;
        let mut requester = place.requester("ward").await;
        accepted(&mut requester, submission(1, new_id())).await;
        let mut service = place.service(1).await;
        let (delivery, _) = next!(service, Delivery);
        let retry = Settlement::Retry { problem: Problem::new("cold", "the stove is cold"), retry_after_ms: None };
        assert_eq!(service.settle(delivery.token, retry.clone(), "").await, Answer::Settled);
        die(place);

        let place = durable.start(way).await;
        let mut requester = place.requester("ward").await;
        assert_eq!(requester.open_mailbox(1, OpenMode::Take, 10).await, Opening::Opened);
        next!(requester, CaughtUp);
        let mut service = place.service(1).await;
        let (delivery, _) = next!(service, Delivery);
        assert_eq!((delivery.attempt, delivery.token.delivery), (2, 2));
        assert_eq!(service.settle(delivery.token, retry, "").await, Answer::Settled);
        let (reply, _) = next!(requester, Reply);
        assert_eq!((reply.ending.kind(), reply.attempts), (OutcomeKind::Dead, 2));
    }

    async fn an_outcome_is_told_to_whoever_comes_back_and_settled_stays_settled(way) {
        let durable = Durable::new();
        let place = durable.start(way).await;
        let mut requester = place.requester("ward").await;
        let id = accepted(&mut requester, submission(1, new_id())).await;
        let mut service = place.service(1).await;
        let (delivery, _) = next!(service, Delivery);
        assert_eq!(service.reply(delivery.token, "hot soup").await, Answer::Settled);
        die(place);

        let place = durable.start(way).await;
        let mut service = place.service(1).await;
        assert_eq!(service.reply(delivery.token, "hot soup").await, Answer::Settled, "by the token that settled it");
        let mut requester = place.requester("ward").await;
        assert_eq!(requester.open_mailbox(1, OpenMode::Take, 10).await, Opening::Opened);
        let (reply, payload) = next!(requester, Reply);
        assert_eq!((reply.id, &reply.operation[..], &payload[..]), (id, "cook", &b"hot soup"[..]));
        assert_eq!(reply.ending, Ending::Replied(Label::default()));
        next!(requester, CaughtUp);
        assert_eq!(requester.acknowledge(id).await, Acknowledgement::Done);
        die(place);

        let place = durable.start(way).await;
        let mut requester = place.requester("ward").await;
        assert!(is_forgotten(&mut requester, id).await, "what was acknowledged does not return");
        let mut service = place.service(1).await;
        service.nothing_more().await;
        place.until(|orders| orders.retained == 0).await;
    }

    async fn a_key_is_one_request_across_starts(way) {
        let durable = Durable::new();
        let place = durable.start(way).await;
        let keyed = |ticket| Submit { key: Some("order-7".to_owned()), ..submission(ticket, new_id()) };
        let mut requester = place.requester("ward").await;
        let first = accepted(&mut requester, keyed(1)).await;
        die(place);

        let place = durable.start(way).await;
        let mut requester = place.requester("ward").await;
        requester.send_with(keyed(1), "soup").await;
        let (again, _) = next!(requester, Accepted);
        assert_eq!(again.duplicate.map(|duplicate| duplicate.id), Some(first));
        assert_eq!(requester.refused(keyed(2), "salad").await.code, RefusalCode::KeyConflict);
        let mut service = place.service(1).await;
        let (delivery, _) = next!(service, Delivery);
        assert_eq!(service.reply(delivery.token, "done").await, Answer::Settled);
        next!(requester, Outcome);
        assert_eq!(requester.acknowledge(first).await, Acknowledgement::Done);
        die(place);

        let place = durable.start(way).await;
        let mut requester = place.requester("ward").await;
        requester.send_with(keyed(1), "soup").await;
        let (again, _) = next!(requester, Accepted);
        assert_eq!(again.duplicate.map(|duplicate| duplicate.id), Some(first), "acknowledged, and known by its key");
        let (_, payload) = next!(requester, Outcome);
        assert_eq!(&payload[..], b"done");
    }

    async fn delays_and_deadlines_go_on(way) {
        let durable = Durable::new();
        let place = durable.start(way).await;
        let mut requester = place.requester("ward").await;
        let hour = 3_600_000;
        let scheduled = accepted(&mut requester, Submit { delay_ms: hour, ..submission(1, new_id()) }).await;
        let limited = accepted(&mut requester, Submit { deadline_ms: Some(hour), ..submission(2, new_id()) }).await;
        let short = accepted(&mut requester, Submit { deadline_ms: Some(200), ..submission(3, new_id()) }).await;
        die(place);

        let place = durable.start(way).await;
        let mut requester = place.requester("ward").await;
        let state = requester.attach(1, scheduled).await;
        assert!(matches!(state.state, RequestState::Scheduled { in_ms } if in_ms <= hour), "{:?}", state.state);
        let state = requester.attach(2, limited).await;
        assert!(state.remaining_ms.is_some_and(|remaining| remaining <= hour), "{:?}", state.remaining_ms);
        requester.attach(3, short).await;
        let (outcome, _) = next!(requester, Outcome);
        assert_eq!((outcome.ticket, outcome.ending), (TicketNumber(3), Ending::Expired));
    }

    async fn parts_are_kept_until_they_are_acknowledged(way) {
        let durable = Durable::new();
        let place = durable.start(way).await;
        let mut requester = place.requester("ward").await;
        let id = accepted(&mut requester, submission(1, new_id())).await;
        let mut service = place.service(1).await;
        let (delivery, _) = next!(service, Delivery);
        for (number, part) in [(1, "starter"), (2, "main"), (3, "dessert")] {
            assert_eq!(service.add_part(delivery.token, number, part).await, Answer::PartKept);
        }
        requester
            .send(AcknowledgeParts {
                ticket: TicketNumber(1),
                requester: RequesterNumber(0),
                delivery: delivery.token.delivery,
                through: 1,
            })
            .await;
        assert_eq!(service.reply(delivery.token, "bill").await, Answer::Settled);
        next!(requester, Outcome);
        die(place);

        let place = durable.start(way).await;
        let mut requester = place.requester("ward").await;
        requester.attach(1, id).await;
        next!(requester, Outcome);
        requester.send(FollowParts { ticket: TicketNumber(1), delivery: 0, after: 0, window: 9 }).await;
        let (from, _) = next!(requester, PartsFrom);
        assert_eq!((from.delivery, from.first), (1, 2));
        for expected in ["main", "dessert"] {
            let (_, payload) = next!(requester, Part);
            assert_eq!(&payload[..], expected.as_bytes());
        }
        next!(requester, Outcome);
    }

    async fn dead_letters_are_kept_whole_and_redriven(way) {
        let durable = Durable::new();
        let place = durable.start(way).await;
        let mut requester = place.requester("ward").await;
        let id = accepted(&mut requester, submission(1, new_id())).await;
        let mut service = place.service(1).await;
        let (delivery, _) = next!(service, Delivery);
        let poison = Settlement::Reject(Problem::new("poison", "it boils over"));
        assert_eq!(service.settle(delivery.token, poison, "").await, Answer::Settled);
        next!(requester, Outcome);
        assert_eq!(requester.acknowledge(id).await, Acknowledgement::Done);
        die(place);

        let place = durable.start(way).await;
        let mut wire = place.requester("ward").await;
        wire.send(ListDeadLetters { call: Call(1), channel: ChannelNumber(0), after: None, most: 10 }).await;
        let (list, _) = next!(wire, DeadLetters);
        let [letter] = &list.letters[..] else { panic!("one letter is there, not {}", list.letters.len()) };
        assert_eq!((letter.id, &letter.operation[..], letter.reason), (id, "cook", DeadReason::Rejected));
        assert_eq!(letter.last.as_ref().map(|last| &last.code[..]), Some("poison"));
        wire.send(ReadDeadLetter { call: Call(2), channel: ChannelNumber(0), id }).await;
        let (read, payload) = next!(wire, DeadLetter);
        assert_eq!(&payload[..], b"soup");
        assert_eq!(read.letter.unwrap().reply_channel, Some(channel("orders_reply")));
        wire.send(RedriveDeadLetter { call: Call(3), channel: ChannelNumber(0), id }).await;
        let Redrive::Accepted(new_id) = next!(wire, Redriven).0.result else { panic!("it is redriven") };
        die(place);

        let place = durable.start(way).await;
        place.until(|orders| orders.waiting == 1 && orders.dead == 0).await;
        let mut service = place.service(1).await;
        let (delivery, payload) = next!(service, Delivery);
        assert_eq!((delivery.token.id, delivery.redrive_of, delivery.attempt), (new_id, Some(id), 1));
        assert_eq!(&payload[..], b"soup");
    }

    async fn what_was_cancelled_stays_cancelled(way) {
        let durable = Durable::new();
        let place = durable.start(way).await;
        let mut requester = place.requester("ward").await;
        let id = accepted(&mut requester, submission(1, new_id())).await;
        let mut other = place.requester("office").await;
        assert_eq!(other.cancel(id).await, Cancellation::Cancelled);
        die(place);

        let place = durable.start(way).await;
        let mut requester = place.requester("ward").await;
        requester.attach(1, id).await;
        assert_eq!(next!(requester, Outcome).0.ending, Ending::Cancelled);
        assert_eq!(requester.cancel(id).await, Cancellation::Ended(OutcomeKind::Cancelled));
    }

    async fn a_channel_in_memory_beside_it_forgets(way) {
        let durable = Durable::new();
        let builder = || durable.builder().channel(ChannelSettings::new("errands"));
        let place = way.start(builder()).await;
        let mut requester = place.requester("ward").await;
        requester.bind(1, "errands").await;
        let errand = accepted(&mut requester, Submit { channel: ChannelNumber(1), ..submission(1, new_id()) }).await;
        die(place);

        let place = way.start(builder()).await;
        let mut requester = place.connect().await;
        requester.bind(0, "errands").await;
        assert!(is_forgotten(&mut requester, errand).await);
    }

    async fn a_channel_that_is_on_disk_is_there_whatever_is_declared_now(way) {
        let durable = Durable::new();
        let place = durable.start(way).await;
        let mut requester = place.requester("ward").await;
        let id = accepted(&mut requester, submission(1, new_id())).await;
        die(place);

        let undeclared = Broker::builder().on_unknown(roundtrip_broker::OnUnknown::Refuse);
        let place = way.start(undeclared.data_in_memory(&durable.disk)).await;
        let mut service = place.service(1).await;
        let (delivery, _) = next!(service, Delivery);
        assert_eq!(delivery.token.id, id);
        assert_eq!(service.reply(delivery.token, "").await, Answer::Settled);
        die(place);

        let place = way.start(Broker::builder().data_in_memory(&durable.disk)).await;
        let mut requester = place.requester("ward").await;
        requester.attach(1, id).await;
        next!(requester, Outcome);
    }

    async fn a_drain_leaves_what_waits_to_the_next_start(way) {
        let durable = Durable::new();
        let place = durable.start(way).await;
        let mut requester = place.requester("ward").await;
        let worked_on = accepted(&mut requester, submission(1, new_id())).await;
        let waiting = accepted(&mut requester, submission(2, new_id())).await;
        let mut service = place.service(1).await;
        let (delivery, _) = next!(service, Delivery);
        let shutdown = tokio::spawn(place.broker.shutdown());
        next!(service, Drain);
        next!(requester, Drain);
        assert_eq!(service.reply(delivery.token, "done").await, Answer::Settled, "what is under way may be settled");
        assert_eq!(next!(requester, Outcome).0.ticket, TicketNumber(1));
        service.is_closed_with(ErrorCode::Stopping).await;
        requester.is_closed_with(ErrorCode::Stopping).await;
        drop((requester, service));
        let report = shutdown.await.unwrap();
        assert_eq!((report.failed, report.unacknowledged, report.kept), (0, 0, 1));

        let place = durable.start(way).await;
        let mut service = place.service(2).await;
        let (delivery, _) = next!(service, Delivery);
        assert_eq!((delivery.token.id, delivery.attempt), (waiting, 1));
        let mut requester = place.requester("ward").await;
        requester.attach(1, worked_on).await;
        next!(requester, Outcome);
    }

    async fn an_unnamed_requesters_outcome_waits_for_it_to_come_back(way) {
        let durable = Durable::new();
        let place = durable.start(way).await;
        let mut requester = place.connect().await;
        requester.bind(0, "orders").await;
        requester.introduce(0, "anonymous-1", true).await;
        let id = accepted(&mut requester, submission(1, new_id())).await;
        let mut service = place.service(1).await;
        let (delivery, _) = next!(service, Delivery);
        assert_eq!(service.reply(delivery.token, "done").await, Answer::Settled);
        die(place);

        let place = durable.start(way).await;
        let mut requester = place.connect().await;
        requester.introduce(0, "anonymous-1", true).await;
        assert_eq!(requester.open_mailbox(1, OpenMode::Take, 10).await, Opening::Opened);
        let (reply, _) = next!(requester, Reply);
        assert_eq!(reply.id, id);
    }

    async fn what_the_disk_does_not_keep_is_shown_to_nobody_and_refused(way) {
        let durable = Durable::new();
        let place = durable.start(way).await;
        let mut requester = place.requester("ward").await;
        let kept = accepted(&mut requester, submission(1, new_id())).await;
        let mut service = place.service(1).await;
        let (delivery, _) = next!(service, Delivery);

        durable.disk.set_full(true);
        let lost = new_id();
        requester.submit_as(2, lost, "soup").await;
        requester.is_closed_with(ErrorCode::Storage).await;
        service.is_closed_with(ErrorCode::Storage).await;

        let mut requester = place.requester("ward").await;
        let refusal = requester.refused(submission(1, lost), "soup").await;
        assert_eq!(refusal.code, RefusalCode::Storage);
        assert!(refusal.retry_after_ms.is_some(), "it passes");
        assert!(is_forgotten(&mut requester, lost).await, "a refused one leaves nothing behind");
        assert_eq!(requester.attach(2, kept).await.state, RequestState::Waiting);

        durable.disk.set_full(false);
        let again = loop {
            tokio::task::yield_now().await;
            let id = new_id();
            requester.send_with(submission(3, id), "soup").await;
            match requester.next().await.header {
                Header::Accepted(_) => break id,
                Header::Refused(refused) => assert_eq!(refused.refusal.code, RefusalCode::Storage),
                other => panic!("an answer was due, but {other:?}"),
            }
        };
        let mut service = place.service(2).await;
        for id in [kept, again] {
            let (delivery, _) = next!(service, Delivery);
            assert_eq!((delivery.token.id, delivery.attempt), (id, 1), "the delivery that ended does not count");
            assert_eq!(service.reply(delivery.token, "").await, Answer::Settled);
        }
        assert_eq!(service.reply(delivery.token, "").await, Answer::LeaseLost);
    }

    async fn a_ticket_number_that_is_used_again_is_told_nothing_of_the_request_before(way) {
        let durable = Durable::new();
        let place = durable.start(way).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(8).await;
        for round in 0..50 {
            let (left, followed) = (new_id(), new_id());
            requester.submit_as(1, left, "left").await;
            requester.send(Detach { ticket: TicketNumber(1) }).await;
            requester.submit_as(1, followed, "followed").await;
            for _ in 0..2 {
                let (delivery, payload) = next!(service, Delivery);
                assert_eq!(service.reply(delivery.token, payload).await, Answer::Settled);
            }
            // Of the one that was let go, at the most what had been told before.
            let payload = loop {
                let frame = requester.next().await;
                match frame.header {
                    Header::Accepted(_) => {}
                    Header::Outcome(_) => break frame.payload,
                    other => panic!("{other:?}"),
                }
            };
            assert_eq!(&payload[..], b"followed", "round {round}");
            requester.send(Detach { ticket: TicketNumber(1) }).await;
        }
    }

    async fn nothing_is_left_when_everything_is_acknowledged(way) {
        let durable = Durable::with(|orders| orders);
        let place = durable.start(way).await;
        let at_start = place.broker.memory_in_use();
        let mut requester = place.requester("ward").await;
        let mut service = place.service(8).await;
        for round in 0..20 {
            let id = accepted(&mut requester, submission(round, new_id())).await;
            let (delivery, _) = next!(service, Delivery);
            assert_eq!(service.reply(delivery.token, vec![7; 20_000]).await, Answer::Settled);
            next!(requester, Outcome);
            assert_eq!(requester.acknowledge(id).await, Acknowledgement::Done);
            requester.send(Detach { ticket: TicketNumber(round) }).await;
        }
        requester.send(Close {}).await;
        service.send(Close {}).await;
        next!(requester, Close);
        next!(service, Close);
        drop((requester, service));
        place.until_connections(0).await;
        assert_eq!(place.broker.memory_in_use(), at_start);
    }
}

#[tokio::test]
async fn a_durable_channel_without_a_place_to_keep_it_is_refused_at_the_start() {
    let started = Broker::builder().channel(ChannelSettings::new("orders").durable(true)).start();
    let error = started.expect_err("there is nowhere to keep it").to_string();
    assert!(error.contains("channel orders is durable"), "{error}");
}
