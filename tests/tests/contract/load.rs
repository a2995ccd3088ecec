//! Many at once, and large beside small.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use roundtrip::{Message, RefusalCode};
use tokio::task::JoinSet;

use crate::stage::{Double, Stage, Way, both_ways, doubled, quick};

both_ways! {
    of_a_thousand_requests_at_once_each_gets_its_own_outcome_once,
    a_large_payload_goes_both_ways_beside_small_ones,
    a_payload_over_the_channels_limit_is_refused_and_the_connection_goes_on,
    a_reply_over_the_channels_limit_does_not_end_the_service,
}

const LARGE: usize = 16 * 1024 * 1024;

async fn of_a_thousand_requests_at_once_each_gets_its_own_outcome_once(way: Way) {
    let stage = Stage::open(way).await;
    let handled = Arc::new(AtomicU32::new(0));
    let mut services = Vec::new();
    for _ in 0..3 {
        let counter = Arc::clone(&handled);
        let service = stage.client().await.service(move |command: Double, _| {
            counter.fetch_add(1, Ordering::Relaxed);
            async move { Ok(command.number * 2) }
        });
        services.push(service.spawn());
    }
    let client = stage.client().await;
    let mut asked = JoinSet::new();
    for number in 0..1000 {
        let requester = client.requester(format!("requester-{}", number % 7));
        asked.spawn(async move {
            let ticket = requester.submit(Double::of(number)).await.unwrap();
            assert_eq!(ticket.await, Ok(2 * number));
        });
    }
    while let Some(ended) = asked.join_next().await {
        ended.unwrap();
    }
    stage.until_nothing_is_kept().await;
    for requester in 0..7 {
        let mut replies = client.requester(format!("requester-{requester}")).replies(Double::REPLIES).await.unwrap();
        assert!(replies.next_there().await.is_none(), "no outcome comes a second time");
    }
    assert_eq!(handled.load(Ordering::Relaxed), 1000, "nothing died, so nothing was done twice");
}

async fn a_large_payload_goes_both_ways_beside_small_ones(way: Way) {
    let stage = Stage::open(way).await;
    let service =
        stage.client().await.raw_service("echo_request", async |request, _| Ok(Message::new(request.payload)));
    let _service = service.spawn();
    let doubling = stage.client().await;
    let _doubling = doubling.service(doubled).spawn();

    let client = stage.client().await;
    let large = Bytes::from((0..LARGE).map(|at| (at * 31 + at / 251) as u8).collect::<Vec<_>>());
    let requester = client.requester("large");
    let message = Message::new(large.clone());
    let whole = tokio::spawn(async move { requester.submit_raw("echo_request", "", message).await.unwrap().await });
    let small = client.requester("small");
    for number in 0..200 {
        assert_eq!(small.call(Double::of(number)).await, Ok(2 * number));
    }
    let outcome = whole.await.unwrap().unwrap();
    assert!(outcome.payload == large, "{} bytes came back, other ones", outcome.payload.len());
}

async fn a_payload_over_the_channels_limit_is_refused_and_the_connection_goes_on(way: Way) {
    let stage = Stage::with_channels(way, quick().max_payload(1000)).await;
    let client = stage.client().await;
    let mut events = client.events();
    let service =
        client.raw_service("size_request", async |request, _| Ok(Message::new(request.payload.len().to_string())));
    let _service = service.spawn();
    let requester = client.requester("test");
    let refused = requester.submit_raw("size_request", "", Message::new(vec![7; 1001])).await.err().unwrap();
    assert_eq!(refused.code(), Some(RefusalCode::TooLarge));
    assert_eq!(refused.retry_after(), None);
    let outcome = requester.submit_raw("size_request", "", Message::new(vec![7; 1000])).await.unwrap().await.unwrap();
    assert_eq!(outcome.payload, "1000");

    client.close().await;
    let mut told = Vec::new();
    while let Some(event) = events.next().await {
        told.push(event);
    }
    let disconnected = told.iter().filter(|event| **event == roundtrip::ConnectionEvent::Connected).count();
    assert_eq!(disconnected, 1, "it was the same connection all the time: {told:?}");
}

async fn a_reply_over_the_channels_limit_does_not_end_the_service(way: Way) {
    let stage = Stage::with_channels(way, quick().max_payload(1000)).await;
    let client = stage.client().await;
    let service = client.raw_service("fill_request", async |request, _| {
        let size = String::from_utf8_lossy(&request.payload).parse()?;
        Ok(Message::new(vec![7; size]))
    });
    let _service = service.spawn();
    let requester = client.requester("test");
    let outcome = requester.submit_raw("fill_request", "", Message::new("1001")).await.unwrap().await.unwrap();
    assert_eq!(outcome.kind(), roundtrip::OutcomeKind::Failed, "{outcome:?}");
    let outcome = requester.submit_raw("fill_request", "", Message::new("1000")).await.unwrap().await.unwrap();
    assert_eq!(outcome.payload.len(), 1000);
}
