//! What a submission asks for beside its payload: priority, delay, deadline, no reply; and what its channel takes.

use roundtrip_broker::{Broker, ChannelSettings, NoService};
use roundtrip_protocol::*;

use crate::wire::{Way, new_id, next, over_both, submission};

fn orders() -> ChannelSettings {
    ChannelSettings::new("orders")
}

over_both! {
    async fn the_highest_priority_goes_first_and_within_it_the_oldest(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        let mut ids = Vec::new();
        for (ticket, priority) in [0, DEFAULT_PRIORITY, 9, DEFAULT_PRIORITY, 9].into_iter().enumerate() {
            ids.push(new_id());
            requester.send(Submit { priority, ..submission(ticket as u32, ids[ticket]) }).await;
            next!(requester, Accepted);
        }
        let ahead = requester.attach(7, ids[3]).await.ahead;
        assert!((3..=4).contains(&ahead), "about: two of a higher priority, and one or two in its own, not {ahead}");
        let mut service = place.service(5).await;
        for index in [2, 4, 1, 3, 0] {
            let (delivery, _) = next!(service, Delivery);
            assert_eq!(delivery.token.id, ids[index]);
        }
    }

    async fn terms_that_contradict_the_contract_are_invalid(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        let ordinary = || submission(1, new_id());
        for (what, wrong) in [
            ("priority", Submit { priority: 10, ..ordinary() }),
            ("deadline", Submit { deadline_ms: Some(0), ..ordinary() }),
            ("delay", Submit { deadline_ms: Some(1_000), delay_ms: 1_000, ..ordinary() }),
            ("idempotency key", Submit { key: Some(String::new()), ..ordinary() }),
            ("idempotency key", Submit { key: Some("k".repeat(MAX_KEY + 1)), ..ordinary() }),
        ] {
            let refusal = requester.refused(wrong, "").await;
            assert_eq!((refusal.code, refusal.retry_after_ms), (RefusalCode::Invalid, None));
            assert!(refusal.message.contains(what), "{}", refusal.message);
        }
        assert_eq!(place.broker.channels()[0].waiting, 0);
        requester.send(Submit { key: Some("k".repeat(MAX_KEY)), priority: 9, ..ordinary() }).await;
        next!(requester, Accepted);
    }

    async fn a_delayed_request_is_scheduled_and_takes_a_place_in_the_channel(way) {
        let place = way.start(Broker::builder().channel(orders().capacity(1))).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(1).await;
        let id = new_id();
        requester.send(Submit { delay_ms: 3_600_000, ..submission(1, id) }).await;
        next!(requester, Accepted);
        service.nothing_more().await;
        let state = requester.attach(2, id).await;
        let RequestState::Scheduled { in_ms } = state.state else { panic!("its delay is an hour") };
        assert!((3_500_000..=3_600_000).contains(&in_ms));
        let day = 24 * 3_600_000;
        assert!(state.remaining_ms.is_some_and(|left| left > day), "the default deadline counts from the delay's end");
        place.until(|figures| figures.scheduled == 1 && figures.waiting == 0).await;
        assert_eq!(requester.refused(submission(3, new_id()), "").await.code, RefusalCode::ChannelFull);
    }

    async fn the_state_tells_what_remains_and_how_many_services_there_are(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(1).await;
        let id = new_id();
        requester.send(Submit { deadline_ms: Some(600_000), ..submission(1, id) }).await;
        next!(requester, Accepted);
        let (delivery, _) = next!(service, Delivery);
        assert!((500_000..=600_000).contains(&delivery.remaining_ms));
        let state = requester.attach(2, id).await;
        assert_eq!(state.state, RequestState::InFlight { delivery: 1, attempt: 1 });
        assert_eq!((state.services, state.attempts, state.ahead, state.redrive_of), (1, 1, 0, None));
        assert!(state.remaining_ms.is_some_and(|left| (500_000..=600_000).contains(&left)));
        service.reply(delivery.token, "").await;
        next!(requester, Outcome);
        next!(requester, Outcome);
        let state = requester.attach(3, id).await;
        assert_eq!((state.state, state.remaining_ms), (RequestState::Ended(OutcomeKind::Replied), None));
        next!(requester, Outcome);
    }

    async fn a_channel_may_refuse_while_it_has_no_service(way) {
        let place = way.start(Broker::builder().channel(orders().no_service(NoService::Refuse))).await;
        let mut requester = place.requester("ward").await;
        let refusal = requester.refused(submission(1, new_id()), "").await;
        assert_eq!(refusal.code, RefusalCode::NoService);
        assert!(refusal.retry_after_ms.is_some(), "one may come");
        let mut service = place.service(1).await;
        requester.submit(1, "").await;
        let (accepted, _) = next!(requester, Accepted);
        assert_eq!(accepted.services, 1);
        next!(service, Delivery);
        service.send(Close {}).await;
        next!(service, Close);
        assert_eq!(requester.refused(submission(2, new_id()), "").await.code, RefusalCode::NoService);
    }

    async fn a_channel_takes_only_the_operations_and_content_types_that_it_lists(way) {
        let settings = orders().operations(["cook", "bake"]).content_types(["text/plain"]);
        let place = way.start(Broker::builder().channel(settings)).await;
        let mut requester = place.requester("ward").await;
        let wrong = Submit { operation: "fry".into(), ..submission(1, new_id()) };
        let refusal = requester.refused(wrong, "").await;
        assert_eq!(refusal.code, RefusalCode::UnknownOperation);
        assert!(refusal.message.contains("cook, bake"), "{}", refusal.message);
        let label = Label { content_type: "application/pdf".into(), ..Label::default() };
        let refusal = requester.refused(Submit { label, ..submission(1, new_id()) }, "").await;
        assert_eq!(refusal.code, RefusalCode::UnknownContentType);
        assert!(refusal.message.contains("text/plain"), "{}", refusal.message);
        requester.submit(1, "").await;
        next!(requester, Accepted);
    }

    async fn a_one_way_request_is_in_no_mailbox_and_its_outcome_under_its_ticket(way) {
        let place = way.start(Broker::builder().mailbox_capacity(1)).await;
        let mut requester = place.requester("ward").await;
        assert_eq!(requester.open_mailbox(0, OpenMode::Take, 10).await, Opening::Opened);
        next!(requester, CaughtUp);
        let mut ids = Vec::new();
        for ticket in 0..3 {
            ids.push(new_id());
            requester.send(Submit { reply: ReplyTo::Nowhere, ..submission(ticket, ids[ticket as usize]) }).await;
            next!(requester, Accepted);
            requester.send(Detach { ticket: TicketNumber(ticket) }).await;
        }
        let mut service = place.service(3).await;
        for _ in 0..3 {
            let (delivery, _) = next!(service, Delivery);
            service.reply(delivery.token, "done").await;
        }
        place.until(|figures| figures.retained == 3).await;
        requester.nothing_more().await;
        requester.attach(9, ids[0]).await;
        let (outcome, payload) = next!(requester, Outcome);
        assert_eq!((outcome.ticket, payload.as_ref()), (TicketNumber(9), &b"done"[..]));

        let mut anybody = place.requester("passer-by").await;
        assert_eq!(anybody.acknowledge(ids[0]).await, Acknowledgement::Done);
        place.until(|figures| figures.retained == 2).await;
    }

    async fn max_in_flight_holds_across_services(way) {
        let place = way.start(Broker::builder().channel(orders().max_in_flight(2))).await;
        let mut requester = place.requester("ward").await;
        let mut services = [place.service(5).await, place.service(5).await];
        for ticket in 0..3 {
            requester.submit(ticket, "").await;
            next!(requester, Accepted);
        }
        place.until(|figures| figures.in_flight == 2 && figures.waiting == 1).await;
        let (first, _) = next!(services[0], Delivery);
        next!(services[1], Delivery);
        for service in &mut services {
            service.nothing_more().await;
        }
        services[0].reply(first.token, "").await;
        place.until(|figures| figures.in_flight == 2 && figures.waiting == 0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_delayed_request_is_delivered_when_its_delay_is_over() {
    let place = Way::InProcess.start(Broker::builder()).await;
    let mut requester = place.requester("ward").await;
    let mut service = place.service(1).await;
    let start = tokio::time::Instant::now();
    requester.send(Submit { delay_ms: 10_000, deadline_ms: Some(15_000), ..submission(1, new_id()) }).await;
    next!(requester, Accepted);
    let (delivery, _) = next!(service, Delivery);
    assert_eq!((start.elapsed().as_secs(), delivery.remaining_ms), (10, 5_000));
}

#[tokio::test(start_paused = true)]
async fn a_channel_shows_the_age_of_its_oldest_waiting_request() {
    let place = Way::InProcess.start(Broker::builder()).await;
    let mut requester = place.requester("ward").await;
    requester.submit(1, "").await;
    next!(requester, Accepted);
    tokio::time::advance(std::time::Duration::from_secs(90)).await;
    requester.submit(2, "").await;
    next!(requester, Accepted);
    assert_eq!(place.broker.channels()[0].oldest_ms, 90_000);
}
