//! The way back to idle: whatever became of a request, the broker holds nothing of it in the end.

use std::time::Duration;

use roundtrip_broker::{Broker, BrokerBuilder, ChannelSettings};
use roundtrip_protocol::*;

use crate::wire::{Place, Way, Wire, new_id, next, over_both, submission};

const LARGE: usize = 100_000;

/// Channels are made on first use, and forgotten when nothing is left in them.
fn forgetful() -> BrokerBuilder {
    let moment = Duration::from_millis(1);
    Broker::builder().defaults(ChannelSettings::for_undeclared().retention(moment).backoff(moment, moment))
}

/// Runs a story twice and counts what is left of it.
async fn leaves_nothing(way: Way, builder: BrokerBuilder, story: impl AsyncFn(&Place, &mut Wire, &mut Wire)) {
    let place = way.start(builder).await;
    for _ in 0..2 {
        let before = place.broker.memory_in_use();
        let mut requester = place.requester("ward").await;
        let mut service = place.service(10).await;
        story(&place, &mut requester, &mut service).await;
        drop((requester, service));
        place.until_connections(0).await;
        place.until_no_channels().await;
        assert_eq!(place.broker.memory_in_use(), before);
    }
}

async fn submit(requester: &mut Wire, service: &mut Wire, submit: Submit) -> Token {
    requester.send_with(submit, vec![1; LARGE]).await;
    next!(requester, Accepted);
    next!(service, Delivery).0.token
}

over_both! {
    async fn after_a_cancellation(way) {
        leaves_nothing(way, forgetful(), async |_, requester, service| {
            let token = submit(requester, service, submission(1, new_id())).await;
            let waiting = new_id();
            service.send(Credit { service: ServiceNumber(0), credit: 0 }).await;
            service.nothing_more().await;
            requester.send_with(submission(2, waiting), vec![1; LARGE]).await;
            next!(requester, Accepted);
            for id in [token.id, waiting] {
                requester.send(Cancel { call: Call(1), channel: ChannelNumber(0), id }).await;
                next!(requester, Outcome);
                next!(requester, Cancelled);
            }
        }).await;
    }

    async fn after_a_deadline(way) {
        leaves_nothing(way, forgetful(), async |_, requester, _| {
            let expiring = |ticket| Submit { deadline_ms: Some(2), delay_ms: 1, ..submission(ticket, new_id()) };
            for ticket in 1..=2 {
                requester.send_with(expiring(ticket), vec![1; LARGE]).await;
                next!(requester, Accepted);
                let (outcome, _) = next!(requester, Outcome);
                assert_eq!(outcome.ending, Ending::Expired);
            }
        }).await;
    }

    async fn after_parts_that_nobody_acknowledged(way) {
        leaves_nothing(way, forgetful(), async |_, requester, service| {
            let token = submit(requester, service, submission(1, new_id())).await;
            for number in 1..=3 {
                assert_eq!(service.add_part(token, number, vec![2; LARGE]).await, Answer::PartKept);
            }
            service.reply(token, vec![3; LARGE]).await;
            next!(requester, Outcome);
        }).await;
    }

    async fn after_a_key(way) {
        leaves_nothing(way, forgetful(), async |_, requester, service| {
            let keyed = |ticket| Submit { key: Some("k".repeat(200)), ..submission(ticket, new_id()) };
            let token = submit(requester, service, keyed(1)).await;
            requester.send_with(keyed(2), vec![1; LARGE]).await;
            next!(requester, Accepted);
            service.reply(token, vec![3; LARGE]).await;
            next!(requester, Outcome);
            next!(requester, Outcome);
        }).await;
    }

    async fn after_a_one_way_request(way) {
        leaves_nothing(way, forgetful(), async |_, requester, service| {
            let one_way = Submit { reply: ReplyTo::Nowhere, ..submission(1, new_id()) };
            let token = submit(requester, service, one_way).await;
            service.reply(token, vec![3; LARGE]).await;
            next!(requester, Outcome);
        }).await;
    }

    async fn after_a_throttle_and_a_release(way) {
        let defaults = ChannelSettings::for_undeclared().max_throttle(Duration::from_millis(1));
        let moment = Duration::from_millis(1);
        let builder = Broker::builder().defaults(defaults.retention(moment).backoff(moment, moment));
        leaves_nothing(way, builder, async |_, requester, service| {
            let token = submit(requester, service, submission(1, new_id())).await;
            service.settle(token, Settlement::Throttle { retry_after_ms: 1 }, "").await;
            let (delivery, _) = next!(service, Delivery);
            service.settle(delivery.token, Settlement::Release, "").await;
            let (delivery, _) = next!(service, Delivery);
            service.reply(delivery.token, vec![3; LARGE]).await;
            next!(requester, Outcome);
        }).await;
    }

    async fn after_dead_letters_that_were_redriven_or_purged(way) {
        leaves_nothing(way, forgetful(), async |place, requester, service| {
            let mut ids = Vec::new();
            for ticket in 1..=2 {
                let token = submit(requester, service, submission(ticket, new_id())).await;
                service.settle(token, Settlement::Reject(Problem::new("poison", "")), "").await;
                next!(requester, Outcome);
                ids.push(token.id);
            }
            place.until(|figures| figures.dead == 2 && figures.retained == 0).await;
            let held = place.broker.memory_in_use();
            assert!(held > 2 * LARGE, "a letter holds its payload");
            let channel = ChannelNumber(0);
            requester.send(RedriveDeadLetter { call: Call(1), channel, id: ids[0] }).await;
            next!(requester, Redriven);
            requester.send(PurgeDeadLetter { call: Call(1), channel, id: ids[1] }).await;
            next!(requester, Purged);
            assert!(place.broker.memory_in_use() < held, "a purged letter holds none");
            let (delivery, _) = next!(service, Delivery);
            service.reply(delivery.token, vec![3; LARGE]).await;
        }).await;
    }
}

over_both! {
    async fn outcomes_that_were_fetched_and_are_in_no_mailbox_go_where_memory_is_short(way) {
        let place = way.start(Broker::builder().memory(4_000_000)).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(10).await;
        let mut kept = Vec::new();
        for ticket in 0..6 {
            let id = new_id();
            let one_way = Submit { reply: ReplyTo::Nowhere, ..submission(ticket, id) };
            let token = submit(&mut requester, &mut service, one_way).await;
            service.reply(token, vec![3; 400_000]).await;
            let (_, payload) = next!(requester, Outcome);
            assert_eq!(payload.len(), 400_000);
            kept.push(id);
        }
        drop(service);
        place.until(|figures| figures.services == 0).await;
        let large = || submission(20, new_id());
        assert_eq!(requester.refused(large(), vec![1; 700_000]).await.code, RefusalCode::BrokerFull);
        requester.send(Detach { ticket: TicketNumber(0) }).await;
        requester.nothing_more().await;
        requester.send_with(large(), vec![1; 700_000]).await;
        next!(requester, Accepted);
        for (number, id) in kept.into_iter().enumerate() {
            let ticket = TicketNumber(30 + number as u32);
            requester.send(Attach { ticket, channel: ChannelNumber(0), id }).await;
            if number == 0 {
                let (refused, _) = next!(requester, Refused);
                assert_eq!(refused.refusal.code, RefusalCode::UnknownTicket);
            } else {
                next!(requester, State);
                next!(requester, Outcome);
            }
        }
    }

    async fn a_payload_goes_with_the_outcome_or_with_the_dead_letter(way) {
        const PAYLOAD: usize = 2_000_000;
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(10).await;
        let mut tokens = Vec::new();
        for ticket in 1..=2 {
            requester.submit(ticket, vec![1; PAYLOAD]).await;
            next!(requester, Accepted);
            let (delivery, payload) = next!(service, Delivery);
            assert_eq!(payload.len(), PAYLOAD);
            tokens.push(delivery.token);
        }
        let held = |payloads: usize| {
            let found = place.broker.memory_in_use() / PAYLOAD;
            assert_eq!(found, payloads, "payloads in memory, while no outcome is acknowledged");
        };
        held(2);
        assert_eq!(service.reply(tokens[0], "").await, Answer::Settled);
        held(1);
        let reject = Settlement::Reject(Problem::new("poison", ""));
        assert_eq!(service.settle(tokens[1], reject, "").await, Answer::Settled);
        held(1);
        requester.send(PurgeDeadLetter { call: Call(1), channel: ChannelNumber(0), id: tokens[1].id }).await;
        next!(requester, Outcome);
        next!(requester, Outcome);
        next!(requester, Purged);
        held(0);
    }

    async fn what_an_idempotency_key_takes_is_counted(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        requester.submit(1, "").await;
        next!(requester, Accepted);
        let taken = |before: usize| place.broker.memory_in_use() - before;
        let before = place.broker.memory_in_use();
        requester.submit(2, "").await;
        next!(requester, Accepted);
        let plain = taken(before);
        let before = place.broker.memory_in_use();
        requester.send(Submit { key: Some("k".repeat(256)), ..submission(3, new_id()) }).await;
        next!(requester, Accepted);
        assert!(taken(before) >= plain + 2 * 256, "it stands with its request, and among the channel's keys");
    }
}
