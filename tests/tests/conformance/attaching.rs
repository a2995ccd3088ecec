//! Attaching: with a ticket alone, from anywhere, as many as like.

use roundtrip::{OutcomeKind, RequestId, RequestState, TicketId, WaitError};

use crate::Driver;
use crate::driver::{Party, Settle, Submission, Taken, Terms};
use crate::suite::{CHANNEL, REQUESTER, every_driver, opened, request, take, ticket, work};

every_driver! {
    any_party_can_ask_the_state,
    many_may_wait_for_one_outcome,
    reading_acknowledges_nothing,
    progress_reaches_anyone_attached,
    the_latest_progress_wins,
    a_ticket_that_the_broker_does_not_know_ends_every_wait,
    a_wait_goes_on_over_a_broken_connection,
}

async fn any_party_can_ask_the_state<D: Driver>() {
    let (driver, party) = opened::<D>(Terms::default()).await;
    let asked = ticket(&party, request("draw")).await;
    let stranger = driver.party().await;
    assert_eq!(stranger.state(&asked).await.unwrap().state, RequestState::Waiting);
    let taken = take(&party).await;
    let state = stranger.state(&asked).await.unwrap();
    assert_eq!(state.state, RequestState::InFlight { delivery: 1, attempt: 1 });
    taken.settle(Settle::Reply("drawn")).await.unwrap();
    let state = stranger.state(&asked).await.unwrap();
    assert_eq!((state.state, state.attempts), (RequestState::Ended(OutcomeKind::Replied), 1));
}

async fn many_may_wait_for_one_outcome<D: Driver>() {
    let (driver, party) = opened::<D>(Terms::default()).await;
    let asked = ticket(&party, request("draw")).await;
    let (second, third) = (driver.party().await, driver.party().await);
    let waits = async {
        tokio::join!(
            party.outcome(REQUESTER, &asked),
            second.outcome("second", &asked),
            third.outcome("third", &asked),
            third.outcome(REQUESTER, &asked),
        )
    };
    let (outcomes, ()) = tokio::join!(waits, work(&party, Settle::Reply("drawn")));
    for outcome in [outcomes.0, outcomes.1, outcomes.2, outcomes.3] {
        assert_eq!(outcome.unwrap().payload, "drawn");
    }
}

async fn reading_acknowledges_nothing<D: Driver>() {
    let (driver, party) = opened::<D>(Terms::default()).await;
    let asked = ticket(&party, request("draw")).await;
    work(&party, Settle::Reply("drawn")).await;
    for _ in 0..3 {
        assert_eq!(party.outcome(REQUESTER, &asked).await.unwrap().payload, "drawn");
    }
    driver.until(CHANNEL, |figures| figures.retained == 1).await;
}

async fn progress_reaches_anyone_attached<D: Driver>() {
    let (driver, party) = opened::<D>(Terms::default()).await;
    let asked = ticket(&party, request("draw")).await;
    let stranger = driver.party().await;
    let taken = take(&party).await;
    let (progress, ()) = tokio::join!(stranger.progress(&asked), async { taken.progress(0.5, "half of it") });
    let progress = progress.unwrap();
    assert_eq!((progress.fraction, progress.stage.as_str()), (0.5, "half of it"));
    taken.settle(Settle::Reply("drawn")).await.unwrap();
}

async fn the_latest_progress_wins<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let asked = ticket(&party, request("draw")).await;
    let taken = take(&party).await;
    taken.progress(0.2, "begun");
    taken.progress(0.8, "nearly there");
    taken.renew().await.unwrap(); // What was told before it has arrived.
    let progress = party.state(&asked).await.unwrap().progress.unwrap();
    assert_eq!(progress.stage, "nearly there");
}

async fn a_ticket_that_the_broker_does_not_know_ends_every_wait<D: Driver>() {
    let (_driver, party) = opened::<D>(Terms::default()).await;
    let known = ticket(&party, Submission { channel: CHANNEL, ..request("draw") }).await;
    let unknown = TicketId { channel: known.channel, id: RequestId::from_bytes([7; 16]) };
    assert_eq!(party.state(&unknown).await.unwrap_err(), WaitError::UnknownTicket);
    assert_eq!(party.outcome(REQUESTER, &unknown).await, Err(WaitError::UnknownTicket));
    assert_eq!(party.progress(&unknown).await, None);
}

async fn a_wait_goes_on_over_a_broken_connection<D: Driver>() {
    let (driver, party) = opened::<D>(Terms::default()).await;
    let asked = ticket(&party, request("draw")).await;
    let far = driver.party().await;
    far.state(&asked).await.unwrap();
    let meanwhile = async {
        far.vanish();
        work(&party, Settle::Reply("drawn")).await;
        far.come_back();
    };
    let (outcome, ()) = tokio::join!(far.outcome(REQUESTER, &asked), meanwhile);
    assert_eq!(outcome.unwrap().payload, "drawn");
}
