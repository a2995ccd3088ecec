//! What bounds a broker: it refuses and says what to do, and what it took for a request it gives back.

use roundtrip::broker::{ChannelSettings, OnUnknown};
use roundtrip::{Broker, ConnectionEvent, Message, RefusalCode, SubmitError};
use tokio::task::JoinSet;

use crate::stage::{Double, Stage, Way, both_ways, doubled, quick};

both_ways! {
    memory_returns_to_its_idle_level,
    a_broker_without_memory_refuses_and_what_it_has_is_answered,
    an_undeclared_channel_is_refused_with_the_nearest_name,
    a_payload_over_the_connections_limit_is_not_sent,
    an_undeclared_channel_is_forgotten_when_it_is_idle,
}

async fn memory_returns_to_its_idle_level(way: Way) {
    let stage = Stage::open(way).await;
    let client = stage.client().await;
    let _service = client.service(doubled).spawn();
    assert_eq!(client.requester("test").call(Double::of(1)).await, Ok(2));
    stage.until_nothing_is_kept().await;
    let idle = stage.broker.memory_in_use();

    let mut asked = JoinSet::new();
    for number in 0..500 {
        let requester = client.requester("test");
        asked.spawn(async move { requester.call(Double::of(number)).await });
    }
    while let Some(answered) = asked.join_next().await {
        assert!(answered.unwrap().is_ok());
    }
    stage.until_nothing_is_kept().await;
    while stage.broker.memory_in_use() > idle {
        client.channels().await.unwrap(); // A busy connection's buffers shrink as it gets quieter.
    }
}

async fn a_broker_without_memory_refuses_and_what_it_has_is_answered(way: Way) {
    let stage = Stage::with(way, Broker::builder().defaults(quick()).memory(8 << 20)).await;
    let client = stage.client().await;
    let requester = client.requester("test");
    let mut kept = Vec::new();
    let refused = loop {
        match requester.submit_raw("echo_request", "", Message::new(vec![7; 256 << 10])).await {
            Ok(ticket) => kept.push(ticket),
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused.code(), Some(RefusalCode::BrokerFull));
    assert!(refused.retry_after().is_some());
    assert!((16..32).contains(&kept.len()), "three quarters of 8 MiB hold up to 24: {}", kept.len());

    let service = client.raw_service("echo_request", async |request, _| Ok(Message::new(request.payload)));
    let _service = service.spawn();
    for ticket in kept {
        assert_eq!(ticket.await.unwrap().payload.len(), 256 << 10);
    }
    let again = requester.submit_raw("echo_request", "", Message::new(vec![7; 256 << 10])).await.unwrap();
    assert_eq!(again.await.unwrap().payload.len(), 256 << 10, "there is room again");
}

async fn an_undeclared_channel_is_refused_with_the_nearest_name(way: Way) {
    let declared = ChannelSettings::new("double_request");
    let stage = Stage::with(way, Broker::builder().channel(declared).on_unknown(OnUnknown::Refuse)).await;
    let client = stage.client().await;
    let requester = client.requester("test");
    let refused = requester.submit_raw("duoble_request", "", Message::new("")).await.err().unwrap();
    assert_eq!(refused.code(), Some(RefusalCode::UnknownChannel));
    assert!(refused.to_string().contains("double_request"), "{refused}");
    let service = client.raw_service("duoble_request", async |_, _| Ok(Message::new("")));
    assert!(matches!(service.run().await, Err(roundtrip::ServiceError::Refused(_))));

    let _service = client.service(doubled).spawn();
    assert_eq!(requester.call(Double::of(21)).await, Ok(42));
}

async fn a_payload_over_the_connections_limit_is_not_sent(way: Way) {
    let stage = Stage::with(way, Broker::builder().defaults(quick()).max_payload(1000)).await;
    let client = stage.client().await;
    let mut events = client.events();
    assert_eq!(events.next().await, Some(ConnectionEvent::Connected));
    let requester = client.requester("test");
    let refused = requester.submit_raw("echo_request", "", Message::new(vec![7; 1001])).await.err().unwrap();
    assert_eq!(refused, SubmitError::TooLarge { part: "payload", found: 1001, limit: 1000 });
    let service = client.raw_service("echo_request", async |request, _| Ok(Message::new(request.payload)));
    let _service = service.spawn();
    let ticket = requester.submit_raw("echo_request", "", Message::new(vec![7; 1000])).await.unwrap();
    assert_eq!(ticket.await.unwrap().payload.len(), 1000);
    client.close().await;
    assert!(!matches!(events.next().await, Some(ConnectionEvent::Connected)), "it was one connection all the time");
}

async fn an_undeclared_channel_is_forgotten_when_it_is_idle(way: Way) {
    let stage = Stage::open(way).await;
    let client = stage.client().await;
    let service = client.service(doubled).spawn();
    assert_eq!(client.requester("test").call(Double::of(21)).await, Ok(42));
    service.stop().await.unwrap();
    client.close().await;
    stage.broker.until(|channels| channels.is_empty()).await;
}
