//! Tickets and the requesters that keep them: attached to from anywhere, and told once what they asked for.

use roundtrip::{AcknowledgeError, Message, OutcomeError, RefusalCode, RequestState, SubmitError, TicketId, WaitError};

use crate::stage::{Double, Stage, Way, Witness, both_ways, doubled};

both_ways! {
    an_awaited_ticket_is_acknowledged,
    an_outcome_that_was_only_read_stays,
    a_ticket_is_attached_to_from_another_client,
    who_attaches_acknowledges_nothing_of_another_requester,
    the_same_ticket_submitted_again_is_the_same_request,
    an_unknown_ticket_ends_every_wait,
    a_name_that_is_none_is_told_where_it_is_used,
    a_ticket_of_another_channel_is_not_submitted_under,
}

async fn an_awaited_ticket_is_acknowledged(way: Way) {
    let stage = Stage::open(way).await;
    let client = stage.client().await;
    let _service = client.service(doubled).spawn();

    let ticket = client.requester("test").submit(Double::of(1)).await.unwrap();
    assert_eq!(ticket.await, Ok(2));
    stage.until_nothing_is_kept().await;
}

async fn an_outcome_that_was_only_read_stays(way: Way) {
    let stage = Stage::open(way).await;
    let client = stage.client().await;
    let _service = client.service(doubled).spawn();

    let ticket = client.requester("test").submit(Double::of(1)).await.unwrap();
    assert_eq!(ticket.outcome().await, Ok(2));
    stage.until("double_request", |figures| figures.retained == 1).await;
    ticket.acknowledge().await.unwrap();
    stage.until_nothing_is_kept().await;
}

async fn a_ticket_is_attached_to_from_another_client(way: Way) {
    let stage = Stage::open(way).await;
    let first = stage.client().await;
    let id = first.requester("test").submit(Double::of(21)).await.unwrap().id().clone();
    first.close().await;

    let written = id.to_string();
    let second = stage.client().await;
    let before = second.requester("test").attach::<Double>(written.parse::<TicketId>().unwrap());
    assert_eq!(before.state().await.unwrap().state, RequestState::Waiting);
    let _service = second.service(doubled).spawn();
    assert_eq!(before.outcome().await, Ok(42));

    let after = stage.client().await.requester("test").attach::<Double>(id);
    assert_eq!(after.await, Ok(42));
    stage.until_nothing_is_kept().await;
}

async fn who_attaches_acknowledges_nothing_of_another_requester(way: Way) {
    let stage = Stage::open(way).await;
    let client = stage.client().await;
    let _service = client.service(doubled).spawn();
    let ticket = client.requester("owner").submit(Double::of(21)).await.unwrap();

    let other = stage.client().await;
    let attached = other.requester("other").attach::<Double>(ticket.id().clone());
    assert_eq!(attached.outcome().await, Ok(42));
    assert_eq!(attached.acknowledge().await, Err(AcknowledgeError::Forbidden));
    assert_eq!(attached.await, Ok(42));
    other.close().await;

    stage.until("double_request", |figures| figures.retained == 1).await;
    assert_eq!(ticket.await, Ok(42));
    stage.until_nothing_is_kept().await;
}

async fn the_same_ticket_submitted_again_is_the_same_request(way: Way) {
    let stage = Stage::open(way).await;
    let client = stage.client().await;
    let witness = Witness::new();
    let service = client.service(witness.holding());
    let _service = service.spawn();

    let requester = client.requester("test");
    let id = requester.new_ticket::<Double>().unwrap();
    let first = requester.submit(Double::of(21)).under(id.clone()).await.unwrap();
    witness.begun().await;
    let elsewhere = stage.client().await.requester("test");
    let second = elsewhere.submit(Double::of(21)).under(id.clone()).await.unwrap();
    witness.let_go(1);
    assert_eq!(first.outcome().await, Ok(42));
    assert_eq!(second.outcome().await, Ok(42));
    let third = requester.submit(Double::of(21)).under(id).await.unwrap();
    assert_eq!(third.await, Ok(42));
    assert_eq!(witness.unseen().await, 0, "one request, one handler");
}

async fn an_unknown_ticket_ends_every_wait(way: Way) {
    let stage = Stage::open(way).await;
    let requester = stage.client().await.requester("test");
    let ticket = requester.attach::<Double>(requester.new_ticket::<Double>().unwrap());
    assert_eq!(ticket.progress().next().await, None);
    assert_eq!(ticket.state().await.unwrap_err(), WaitError::UnknownTicket);
    assert_eq!(ticket.await, Err(OutcomeError::Wait(WaitError::UnknownTicket)));
}

async fn a_name_that_is_none_is_told_where_it_is_used(way: Way) {
    let stage = Stage::open(way).await;
    let client = stage.client().await;
    let submitted = client.requester("no name").submit(Double::of(1)).await;
    assert!(matches!(submitted, Err(SubmitError::Name(_))), "{submitted:?}");
    let submitted = client.requester("test").submit_raw("no channel", "", Message::new("")).await;
    assert!(matches!(submitted, Err(SubmitError::Name(_))));
    let service = client.raw_service("no channel", async |_, _| Ok(Message::new("")));
    assert!(service.run().await.is_err());
}

async fn a_ticket_of_another_channel_is_not_submitted_under(way: Way) {
    let stage = Stage::open(way).await;
    let requester = stage.client().await.requester("test");
    let other = requester.new_raw_ticket("other_request".parse().unwrap());
    let submitted = requester.submit(Double::of(1)).under(other).await;
    assert!(matches!(submitted, Err(SubmitError::OtherChannel { .. })), "{submitted:?}");

    let id = requester.new_ticket::<Double>().unwrap();
    let _mine = requester.submit(Double::of(1)).under(id.clone()).await.unwrap();
    let stolen = stage.client().await.requester("other").submit(Double::of(1)).under(id).await;
    assert_eq!(stolen.unwrap_err().code(), Some(RefusalCode::Invalid), "an id belongs to one requester");
}
