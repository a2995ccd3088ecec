//! Connections: greetings, numbers, silence, garbage.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use roundtrip_broker::Broker;
use roundtrip_protocol::*;
use roundtrip_transport::{AdmitAll, Arrival, Reader, WriteQueue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::wire::{Way, channel, hello, new_id, new_instance, next, over_both, submission};

over_both! {
    async fn a_connection_begins_with_hello(way) {
        let place = way.start(Broker::builder()).await;
        let mut wire = place.dial().await;
        wire.send(Ping { nonce: 1 }).await;
        let error = wire.is_closed_with(ErrorCode::HandshakeExpected).await;
        assert_eq!(error.frame, 0x04);
        assert_eq!(place.broker.garbage(), 1);
    }

    async fn an_unknown_version_is_answered_with_both_sides(way) {
        let place = way.start(Broker::builder()).await;
        let mut wire = place.dial().await;
        wire.send(Hello { lowest: 7, highest: 9, ..hello(new_instance(), 1) }).await;
        let error = wire.is_closed_with(ErrorCode::UnsupportedVersion).await;
        assert!(error.message.contains("version 1") && error.message.contains("7 to 9"), "{}", error.message);
    }

    async fn the_highest_version_that_both_speak_is_agreed(way) {
        let place = way.start(Broker::builder().max_open(77)).await;
        let mut wire = place.dial().await;
        wire.send(Hello { lowest: 0, highest: 9, ..hello(new_instance(), 1) }).await;
        let (welcome, _) = next!(wire, Welcome);
        assert_eq!((welcome.version, welcome.max_open), (1, 77));
        assert_ne!(welcome.start, 0);
        assert_eq!(welcome.heartbeat_ms, if way == Way::Tcp { 5000 } else { 0 });
    }

    async fn a_later_connection_of_an_instance_ends_the_earlier_one(way) {
        let place = way.start(Broker::builder()).await;
        let instance = new_instance();
        let mut first = place.connect_as(instance, 5).await;
        first.bind(0, "orders").await;
        first.introduce(0, "ward", false).await;
        assert_eq!(first.open_mailbox(0, OpenMode::Take, 1).await, Opening::Opened);
        next!(first, CaughtUp);

        // Its mailbox is free by the time that anything from the second is handled.
        let mut second = place.connect_as(instance, 6).await;
        second.introduce(0, "ward", false).await;
        assert_eq!(second.open_mailbox(0, OpenMode::IfFree, 1).await, Opening::Opened);
        first.is_closed_with(ErrorCode::Superseded).await;

        for late in [6, 4] {
            let mut wire = place.dial().await;
            wire.send(hello(instance, late)).await;
            wire.is_closed_with(ErrorCode::Superseded).await;
        }
        drop((first, second));
        place.until_connections(0).await;
        let mut late = place.dial().await;
        late.send(hello(instance, 6)).await;
        late.is_closed_with(ErrorCode::Superseded).await;
        place.connect_as(instance, 7).await;
    }

    async fn a_number_that_stands_for_nothing_costs_the_connection_alone(way) {
        let place = way.start(Broker::builder()).await;
        let mut innocent = place.requester("ward").await;
        let mut wire = place.connect().await;
        wire.send(submission(1, new_id())).await;
        wire.is_closed_with(ErrorCode::BadNumber).await;
        let mut wire = place.connect().await;
        wire.bind(0, "orders").await;
        wire.send(Bind { number: ChannelNumber(0), channel: channel("orders") }).await;
        wire.is_closed_with(ErrorCode::BadNumber).await;
        innocent.submit(1, "").await;
        next!(innocent, Accepted);
    }

    async fn a_ticket_number_in_use_is_a_fault(way) {
        let place = way.start(Broker::builder()).await;
        let mut wire = place.requester("ward").await;
        wire.submit(1, "").await;
        next!(wire, Accepted);
        wire.submit(1, "").await;
        wire.is_closed_with(ErrorCode::BadNumber).await;
        place.until(|figures| figures.waiting == 1).await;
    }

    async fn a_frame_in_the_wrong_direction_is_skipped(way) {
        let place = way.start(Broker::builder()).await;
        let mut wire = place.connect().await;
        wire.send(Accepted { ticket: TicketNumber(1), services: 0, duplicate: None }).await;
        let (error, _) = next!(wire, Error);
        assert_eq!((error.code, error.frame, error.closes), (ErrorCode::UnexpectedFrame, 0x11, false));
        wire.send(hello(new_instance(), 1)).await;
        let (error, _) = next!(wire, Error);
        assert_eq!((error.code, error.closes), (ErrorCode::UnexpectedFrame, false));
        wire.nothing_more().await;
    }

    async fn a_payload_on_a_frame_that_takes_none_closes_the_connection(way) {
        let place = way.start(Broker::builder()).await;
        let mut wire = place.connect().await;
        wire.send_with(Ping { nonce: 1 }, "surprise").await;
        wire.is_closed_with(ErrorCode::MalformedFrame).await;
    }

    async fn a_connection_too_many_is_told_so(way) {
        let place = way.start(Broker::builder().max_connections(1)).await;
        let first = place.connect().await;
        let mut second = place.dial().await;
        second.is_closed_with(ErrorCode::BrokerFull).await;
        drop(first);
        place.until_connections(0).await;
        place.connect().await;
    }

    async fn what_a_connection_may_have_open_is_bounded(way) {
        let place = way.start(Broker::builder().max_open(2)).await;
        let mut wire = place.requester("ward").await;
        for ticket in 1..=2 {
            wire.submit(ticket, "").await;
            next!(wire, Accepted);
        }
        wire.submit(3, "").await;
        let (refused, _) = next!(wire, Refused);
        assert_eq!((refused.ticket, refused.refusal.code), (TicketNumber(3), RefusalCode::BrokerFull));
        wire.send(Detach { ticket: TicketNumber(1) }).await;
        wire.submit(3, "").await;
        next!(wire, Accepted);

        wire.bind(1, "others").await;
        wire.send(Bind { number: ChannelNumber(2), channel: channel("more") }).await;
        wire.is_closed_with(ErrorCode::TooMany).await;

        let mut greedy = place.connect().await;
        greedy.bind(0, "orders").await;
        let (service, channel, hold) = (ServiceNumber(0), ChannelNumber(0), Hold::Connection);
        greedy.send(Subscribe { service, channel, credit: 3, hold, lease_ms: None }).await;
        greedy.is_closed_with(ErrorCode::TooMany).await;
    }

    async fn a_cut_connection_ends(way) {
        let place = way.start(Broker::builder()).await;
        let mut wire = place.service(1).await;
        place.broker.cut_connections();
        wire.ends().await;
        place.broker.until(<[_]>::is_empty).await;
    }

    async fn when_the_broker_is_gone_so_are_its_connections(way) {
        let place = way.start(Broker::builder()).await;
        let mut wire = place.requester("ward").await;
        let connector = place.connector();
        drop(place);
        wire.ends().await;
        assert!(connector.connect().await.is_err());
    }
}

#[tokio::test]
async fn garbage_on_the_port_is_answered_and_nobody_else_notices() {
    let place = Way::Tcp.start(Broker::builder()).await;
    let mut innocent = place.requester("ward").await;
    let garbage: [&[u8]; 4] =
        [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", &[0xff; 64], &[0; 16], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"];
    for bytes in garbage {
        let mut stream = TcpStream::connect(place.address.unwrap()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer[4], 0x03, "an Error frame");
    }
    assert_eq!(place.broker.garbage(), 4);
    innocent.submit(1, "").await;
    next!(innocent, Accepted);
    assert_eq!(place.broker.connections(), 1);
}

#[tokio::test]
async fn a_frame_type_of_a_later_version_is_skipped_whole() {
    let place = Way::Tcp.start(Broker::builder()).await;
    let mut stream = TcpStream::connect(place.address.unwrap()).await.unwrap();
    let mut queue = WriteQueue::new();
    queue.push(Frame::from(hello(new_instance(), 1))).unwrap();
    stream.write_all_buf(&mut queue).await.unwrap();
    let mut reader = Reader::new(stream, AdmitAll, Limits::with_max_payload(0));
    let mut arrivals = VecDeque::new();
    reader.next_batch(&mut arrivals).await.unwrap();
    assert!(matches!(header_of(arrivals.pop_front()), Header::Welcome(_)));

    let unknown = [14, 0, 0, 0, 0x7f, 4, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
    reader.stream_mut().write_all(&unknown).await.unwrap();
    queue.push(Frame::from(Ping { nonce: 5 })).unwrap();
    reader.stream_mut().write_all_buf(&mut queue).await.unwrap();
    while arrivals.len() < 2 {
        reader.next_batch(&mut arrivals).await.unwrap();
    }
    let Header::Error(error) = header_of(arrivals.pop_front()) else { panic!("the frame was unknown") };
    assert_eq!((error.code, error.frame, error.closes), (ErrorCode::UnknownFrame, 0x7f, false));
    assert_eq!(header_of(arrivals.pop_front()), Header::Pong(Pong { nonce: 5 }));
}

fn header_of(arrival: Option<Arrival<(), Infallible>>) -> Header {
    match arrival {
        Some(Arrival::Frame(incoming)) => incoming.into_frame().header,
        other => panic!("a frame was due, but {other:?}"),
    }
}

#[tokio::test]
async fn a_silent_connection_is_ended_and_a_speaking_one_is_not() {
    let place = Way::Tcp.start(Broker::builder().heartbeat(Duration::from_millis(500))).await;
    let mut silent = place.service(1).await;
    let mut speaking = place.connect().await;
    let said = async {
        let mut every = tokio::time::interval(Duration::from_millis(50));
        loop {
            every.tick().await;
            speaking.send(Pong { nonce: 0 }).await;
        }
    };
    tokio::select! {
        _ = silent.is_closed_with(ErrorCode::Silent) => {}
        () = said => {}
    }
    speaking.nothing_more().await;
}

#[tokio::test]
async fn the_broker_says_something_every_heartbeat() {
    let place = Way::Tcp.start(Broker::builder().heartbeat(Duration::from_millis(200))).await;
    let mut wire = place.connect().await;
    let mut frames = VecDeque::new();
    std::future::poll_fn(|context| wire.connection.poll_receive(context, &mut frames)).await.unwrap();
    assert!(matches!(frames[0].header, Header::Ping(_)));
}

#[tokio::test(start_paused = true)]
async fn whoever_says_nothing_at_all_is_disconnected() {
    let place = Way::Tcp.start(Broker::builder()).await;
    let mut wire = place.dial().await;
    let start = tokio::time::Instant::now();
    wire.is_closed_with(ErrorCode::HandshakeExpected).await;
    assert!(start.elapsed() >= Duration::from_secs(10));
}

#[tokio::test]
async fn a_large_payload_of_one_does_not_hold_up_another() {
    let place = Way::Tcp.start(Broker::builder()).await;
    let mut large = place.requester("large").await;
    let mut small = place.requester("small").await;
    let payload = Bytes::from(vec![42; 16 * 1024 * 1024]);
    let sending = large.submit(1, payload.clone());
    let quick = async {
        for ticket in 0..20 {
            small.submit(ticket, "x").await;
            next!(small, Accepted);
        }
    };
    tokio::join!(sending, quick);
    next!(large, Accepted);
    let mut service = place.service(100).await;
    let mut lengths = Vec::new();
    for _ in 0..21 {
        let (delivery, payload) = next!(service, Delivery);
        lengths.push(payload.len());
        assert_eq!(service.reply(delivery.token, payload).await, Answer::Settled);
    }
    lengths.sort_unstable();
    assert_eq!(lengths.last(), Some(&payload.len()));
    let (_, reply) = next!(large, Outcome);
    assert!(reply == payload, "the reply is the payload, to the last byte");
}
