//! Many parties at once on several threads: nothing is lost, doubled, left behind or locked up.

use std::collections::HashMap;
use std::sync::Arc;

use roundtrip_broker::Broker;
use roundtrip_protocol::*;
use tokio::task::JoinSet;

use crate::wire::{Place, Way, next};

const REQUESTERS: u32 = 8;
const SERVICES: u32 = 4;
const ROUNDS: u32 = 12;
const AT_ONCE: u32 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_in_process() {
    crowd(Way::InProcess).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_over_tcp() {
    crowd(Way::Tcp).await;
}

async fn crowd(way: Way) {
    let place = Arc::new(way.start(Broker::builder()).await);
    let before = place.broker.memory_in_use();
    let mut services = JoinSet::new();
    for _ in 0..SERVICES {
        services.spawn(serve(Arc::clone(&place)));
    }
    let mut requesters = JoinSet::new();
    for number in 0..REQUESTERS {
        requesters.spawn(ask(Arc::clone(&place), number));
    }
    while let Some(done) = requesters.join_next().await {
        done.unwrap();
    }
    services.shutdown().await;
    place.until_connections(0).await;
    assert!(place.broker.channels().is_empty());
    assert_eq!(place.broker.memory_in_use(), before);
}

/// Echoes for ever, and loses its connection now and then.
async fn serve(place: Arc<Place>) {
    loop {
        let mut wire = place.service(8).await;
        for _ in 0..100 {
            let frame = wire.next().await;
            match frame.header {
                Header::Delivery(delivery) => {
                    let (call, channel) = (Call(1), ChannelNumber(0));
                    let settlement = Settlement::Reply(Label::default());
                    wire.send_with(Settle { call, channel, token: delivery.token, settlement }, frame.payload).await;
                }
                Header::Answered(answered) => assert_eq!(answered.answer, Answer::Settled),
                other => panic!("{other:?}"),
            }
        }
        wire.send(Close {}).await;
        while wire.receive().await.is_ok() {}
    }
}

/// Submits a few at once, each by its ticket or through the mailbox, over a new connection each round.
async fn ask(place: Arc<Place>, number: u32) {
    let name = format!("requester-{number}");
    for round in 0..ROUNDS {
        let mut wire = place.requester(&name).await;
        assert_eq!(wire.open_mailbox(0, OpenMode::Take, AT_ONCE).await, Opening::Opened);
        let mut open = HashMap::new();
        for ticket in 0..AT_ONCE {
            let payload = format!("{number} {round} {ticket}").into_bytes();
            let id = wire.submit(ticket, payload.clone()).await;
            if ticket % 2 == 1 {
                wire.send(Detach { ticket: TicketNumber(ticket) }).await;
            }
            open.insert(id, (ticket, payload));
        }
        let ids: HashMap<u32, RequestId> = open.iter().map(|(id, (ticket, _))| (*ticket, *id)).collect();
        let mut unacknowledged = AT_ONCE;
        while unacknowledged > 0 {
            let frame = wire.next().await;
            let id = match frame.header {
                // Before it was let go of, an outcome may have come by ticket: then it comes through the mailbox too.
                Header::Outcome(outcome) if outcome.ticket.0 % 2 == 1 => continue,
                Header::Outcome(outcome) => ids[&outcome.ticket.0],
                Header::Reply(reply) => reply.id,
                Header::Acknowledged(acknowledged) => {
                    assert_eq!(acknowledged.result, Acknowledgement::Done);
                    unacknowledged -= 1;
                    continue;
                }
                Header::Accepted(_) | Header::CaughtUp(_) => continue,
                other => panic!("{other:?}"),
            };
            let (_, payload) = open.remove(&id).expect("each request is answered once");
            assert_eq!(frame.payload, payload);
            let (call, channel, requester) = (Call(2), ChannelNumber(0), RequesterNumber(0));
            wire.send(Acknowledge { call, channel, id, requester, ticket: None }).await;
        }
        assert!(open.is_empty());
        wire.send(Close {}).await;
        next!(wire, Close);
    }
}
