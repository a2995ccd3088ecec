//! Who gets which request: first in, first out, to whoever has credit.

use roundtrip::Message;

use crate::stage::{Double, Stage, Way, Witness, both_ways, doubled};

both_ways! {
    a_service_gets_no_more_than_its_concurrency,
    a_service_that_stops_gracefully_ends_what_it_has_begun,
    channels_are_listed_with_their_figures,
}

async fn a_service_gets_no_more_than_its_concurrency(way: Way) {
    let stage = Stage::open(way).await;
    let client = stage.client().await;
    let witness = Witness::new();
    let service = client.service(witness.holding());
    let _service = service.concurrency(3).spawn();
    let requester = client.requester("test");
    let mut asked = Vec::new();
    for number in 0..10 {
        asked.push(requester.submit(Double::of(number)).await.unwrap());
    }
    for _ in 0..3 {
        witness.begun().await;
    }
    stage.until("double_request", |figures| figures.in_flight == 3 && figures.waiting == 7).await;
    assert_eq!(witness.unseen().await, 0);
    witness.let_go(10);
    for (number, ticket) in asked.into_iter().enumerate() {
        assert_eq!(ticket.await, Ok(2 * number as u64));
    }
}

async fn a_service_that_stops_gracefully_ends_what_it_has_begun(way: Way) {
    let stage = Stage::open(way).await;
    let client = stage.client().await;
    let witness = Witness::new();
    let service = client.service(witness.holding());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let signal = async move {
        stopped.await.ok();
    };
    let running = tokio::spawn(service.with_graceful_shutdown(signal).run());
    let requester = client.requester("test");
    let begun = requester.submit(Double::of(1)).await.unwrap();
    witness.begun().await;
    stop.send(()).unwrap();
    stage.until("double_request", |figures| figures.services == 0 || figures.in_flight == 1).await;
    witness.let_go(1);
    assert_eq!(running.await.unwrap(), Ok(()));
    assert_eq!(begun.await, Ok(2));

    let late = requester.submit(Double::of(2)).await.unwrap();
    stage.until("double_request", |figures| figures.services == 0 && figures.waiting == 1).await;
    let _second = client.service(doubled).spawn();
    assert_eq!(late.await, Ok(4));
}

async fn channels_are_listed_with_their_figures(way: Way) {
    let stage = Stage::open(way).await;
    let client = stage.client().await;
    let requester = client.requester("test");
    let _first = requester.submit_raw("a_request", "", Message::new("1")).await.unwrap();
    let _second = requester.submit_raw("b_request", "", Message::new("2")).await.unwrap();
    let service = client.raw_service("b_request", async |request, _| Ok(Message::new(request.payload)));
    let _service = service.spawn();
    stage.until("b_request", |figures| figures.services == 1 && figures.retained == 1).await;
    let channels = client.channels().await.unwrap();
    let names: Vec<_> = channels.iter().map(|figures| figures.channel.as_str()).collect();
    assert_eq!(names, ["a_request", "b_request"]);
    assert_eq!((channels[0].waiting, channels[0].in_flight, channels[0].services), (1, 0, 0));
}
