//! Who gets which request: first in, first out, to whoever has credit.

use roundtrip::{Message, RefusalCode};

use crate::stage::{Double, Stage, Way, Witness, both_ways, doubled, quick};

both_ways! {
    requests_are_delivered_in_the_order_of_their_acceptance,
    a_service_gets_no_more_than_its_concurrency,
    services_on_one_channel_share_the_work,
    a_full_channel_refuses_and_says_when_to_try_again,
    a_service_that_stops_gracefully_ends_what_it_has_begun,
    channels_are_listed_with_their_figures,
}

async fn requests_are_delivered_in_the_order_of_their_acceptance(way: Way) {
    let stage = Stage::open(way).await;
    let client = stage.client().await;
    let requester = client.requester("test");
    let mut asked = Vec::new();
    for number in 0..50 {
        asked.push(requester.submit(Double::of(number)).await.unwrap());
    }
    let witness = Witness::new();
    let handler = witness.clone();
    let service = client.service(move |command: Double, job| {
        handler.seen(&job);
        async move { Ok(command.number * 2) }
    });
    let _service = service.concurrency(1).spawn();
    for ticket in asked {
        assert_eq!(witness.begun().await.ticket(), ticket.id());
    }
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

async fn services_on_one_channel_share_the_work(way: Way) {
    let stage = Stage::open(way).await;
    let (left, right) = (Witness::new(), Witness::new());
    let mut services = Vec::new();
    for witness in [&left, &right] {
        services.push(stage.client().await.service(witness.holding()).concurrency(1).spawn());
    }
    let requester = stage.client().await.requester("test");
    let first = requester.submit(Double::of(1)).await.unwrap();
    let second = requester.submit(Double::of(2)).await.unwrap();
    let (begun_left, begun_right) = (left.begun().await, right.begun().await);
    assert_ne!(begun_left.ticket(), begun_right.ticket());
    left.let_go(1);
    right.let_go(1);
    assert_eq!((first.await, second.await), (Ok(2), Ok(4)));
}

async fn a_full_channel_refuses_and_says_when_to_try_again(way: Way) {
    let stage = Stage::with_channels(way, quick().capacity(2)).await;
    let client = stage.client().await;
    let requester = client.requester("test");
    let kept = [requester.submit(Double::of(1)).await.unwrap(), requester.submit(Double::of(2)).await.unwrap()];
    let refused = requester.submit(Double::of(3)).await.unwrap_err();
    assert_eq!(refused.code(), Some(RefusalCode::ChannelFull));
    assert!(refused.retry_after().is_some());

    let _service = client.service(doubled).spawn();
    for (number, ticket) in kept.into_iter().enumerate() {
        assert_eq!(ticket.await, Ok(2 * (number as u64 + 1)));
    }
    assert_eq!(requester.call(Double::of(3)).await, Ok(6), "there is room again");
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
