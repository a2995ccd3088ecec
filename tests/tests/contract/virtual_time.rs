//! A paused clock works through the broker in this process and its clients: what takes hours takes no time.

use std::time::Duration;

use roundtrip::broker::ChannelSettings;
use roundtrip::{Broker, Client, Failure, Message, OutcomeError, SettleError, WaitError};
use tokio::time::Instant;

use crate::stage::{Double, doubled};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn minutes_of_backoff_pass_at_once() {
    let settings = ChannelSettings::for_undeclared().backoff(5 * MINUTE, HOUR).max_attempts(4);
    let broker = Broker::builder().defaults(settings).start().unwrap();
    let client = Client::new(broker.connect());
    let service =
        client.service(
            async |command: Double, job| {
                if job.attempt() < 4 { Err(Failure::retry("not yet")) } else { Ok(command.number * 2) }
            },
        );
    let _service = service.spawn();
    let began = Instant::now();
    assert_eq!(client.requester("test").call(Double::of(21)).await, Ok(42));
    let (took, least) = (began.elapsed(), (5 + 10 + 20) * MINUTE);
    assert!(took >= least, "jitter only lengthens: {took:?} for at least {least:?}");
    assert!(took < 2 * least, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn the_time_that_a_service_asks_for_passes_before_the_next_attempt() {
    let broker = Broker::builder().start().unwrap();
    let client = Client::new(broker.connect());
    let service = client.service(async |command: Double, job| {
        if job.attempt() == 1 { Err(Failure::retry("busy").after(2 * HOUR)) } else { Ok(command.number * 2) }
    });
    let _service = service.spawn();
    let began = Instant::now();
    assert_eq!(client.requester("test").call(Double::of(21)).await, Ok(42));
    assert!(began.elapsed() >= 2 * HOUR);
    assert!(began.elapsed() < 3 * HOUR);
}

#[tokio::test(start_paused = true)]
async fn a_handler_at_work_for_days_keeps_its_lease() {
    let broker = Broker::builder().start().unwrap();
    let client = Client::new(broker.connect());
    let service = client.service(async |command: Double, _| {
        tokio::time::sleep(72 * HOUR).await;
        Ok(command.number * 2)
    });
    let _service = service.spawn();
    let ticket = client.requester("test").submit(Double::of(21)).deadline(96 * HOUR).await.unwrap().into_raw();
    let outcome = ticket.await.unwrap();
    assert_eq!((outcome.attempts, outcome.decode::<Double>()), (1, Ok(42)));
}

#[tokio::test(start_paused = true)]
async fn a_delivery_by_lease_is_kept_by_renewal_alone() {
    let broker = Broker::builder().start().unwrap();
    let client = Client::new(broker.connect());
    let ticket = client.requester("test").submit_raw("job_request", "", Message::new("")).await.unwrap();
    let puller = client.pull("job_request");
    let renewed = puller.take(1, HOUR).await.unwrap().remove(0);
    for _ in 0..10 {
        tokio::time::sleep(renewed.lease() * 9 / 10).await;
        renewed.renew().await.unwrap();
    }
    tokio::time::sleep(renewed.lease() + MINUTE).await;
    assert_eq!(renewed.renew().await, Err(SettleError::LeaseLost));
    assert_eq!(renewed.reply(Message::new("too late")).await, Err(SettleError::LeaseLost));
    let again = puller.take(1, HOUR).await.unwrap().remove(0);
    assert_eq!((again.attempt(), again.delivery()), (2, 2), "a lost lease counts");
    again.reply(Message::new("in time")).await.unwrap();
    assert_eq!(ticket.await.unwrap().payload, "in time");
}

#[tokio::test(start_paused = true)]
async fn an_outcome_is_forgotten_when_its_retention_has_passed() {
    let broker = Broker::builder().start().unwrap();
    let client = Client::new(broker.connect());
    let _service = client.service(doubled).spawn();
    let requester = client.requester("test");
    let ticket = requester.submit(Double::of(21)).await.unwrap();
    assert_eq!(ticket.outcome().await, Ok(42));
    let id = ticket.id().clone();
    drop(ticket);
    tokio::time::sleep(HOUR - MINUTE).await;
    assert_eq!(requester.attach::<Double>(id.clone()).outcome().await, Ok(42));
    tokio::time::sleep(2 * MINUTE).await;
    broker.until(|channels| channels.iter().all(|figures| figures.retained == 0)).await;
    assert_eq!(requester.attach::<Double>(id).await, Err(OutcomeError::Wait(WaitError::UnknownTicket)));
}

#[tokio::test(start_paused = true)]
async fn a_ticket_that_nobody_answers_waits_for_days() {
    let broker = Broker::builder().start().unwrap();
    let client = Client::new(broker.connect());
    let ticket = client.requester("test").submit(Double::of(21)).deadline(96 * HOUR).await.unwrap();
    let waited = tokio::time::timeout(48 * HOUR, ticket.outcome()).await;
    assert!(waited.is_err());
    let _service = client.service(doubled).spawn();
    assert_eq!(ticket.await, Ok(42));
}
