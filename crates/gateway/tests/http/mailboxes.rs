//! A requester's mailbox, to who follows it and to who holds it.

use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use roundtrip_broker::Broker;
use roundtrip_client::{Failure, Message, RepliesError};
use roundtrip_gateway::Gateway;
use serde_json::{Value, json};

use crate::stage::{Stage, header, refusal};

const MAILBOX: &str = "/v1/mailboxes/a_reply/night-shift/replies";

/// Submits under the name of the mailbox's requester, and gives the ticket.
async fn submit(stage: &Stage, payload: &'static str) -> String {
    let call = stage.post("/v1/channels/a_request/requests").header("roundtrip-requester", "night-shift");
    let call = call.header("roundtrip-operation", "shout").body(payload);
    let response = call.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    header(&response, "location")["/v1/requests/".len()..].to_owned()
}

/// Submits, and waits until there is an outcome.
async fn answered(stage: &Stage, payload: &'static str) -> String {
    let ticket = submit(stage, payload).await;
    assert_eq!(stage.get(&format!("/v1/requests/{ticket}?wait=60")).await.status(), StatusCode::SEE_OTHER);
    ticket
}

async fn list(stage: &Stage, query: &str) -> Vec<String> {
    let response = stage.get(&format!("{MAILBOX}{query}")).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "content-type"), "application/json");
    let listed: Vec<Value> = response.json().await.unwrap();
    listed.iter().map(|reply| reply["ticket"].as_str().unwrap().to_owned()).collect()
}

/// A call of a holder, under its name if it has one.
async fn hold(stage: &Stage, query: &str, holder: Option<&str>) -> Response {
    let call = stage.call(Method::GET, &format!("{MAILBOX}{query}"));
    holder.into_iter().fold(call, |call, name| call.header("roundtrip-holder", name)).send().await.unwrap()
}

/// Opens an empty mailbox, and gives the holder's name.
async fn opened(stage: &Stage, query: &str) -> String {
    let response = hold(stage, query, None).await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    header(&response, "roundtrip-holder").to_owned()
}

async fn acknowledge(stage: &Stage, path: &str) {
    assert_eq!(stage.call(Method::DELETE, path).send().await.unwrap().status(), StatusCode::NO_CONTENT);
}

/// Waits until nobody holds the mailbox.
async fn until_free(stage: &Stage) {
    let requester = stage.client.requester("night-shift");
    while let Err(error) = requester.replies("a_reply").if_free().await {
        assert_eq!(error, RepliesError::Held);
    }
}

#[tokio::test]
async fn a_list_has_what_is_there_oldest_first_and_takes_nothing() {
    let stage = Stage::new().await;
    let _service = stage.shout("a_request").await;
    let first = answered(&stage, "one").await;
    let second = answered(&stage, "two").await;
    let response = stage.get(MAILBOX).await;
    let expected = json!([
        {"ticket": first, "channel": "a_request", "operation": "shout", "outcome": "replied"},
        {"ticket": second, "channel": "a_request", "operation": "shout", "outcome": "replied"},
    ]);
    assert!(!response.headers().contains_key("roundtrip-outcome"));
    assert_eq!(response.json::<Value>().await.unwrap(), expected);
    assert_eq!(list(&stage, "?wait=60").await, [first, second]);
}

#[tokio::test]
async fn a_list_waits_for_the_first_reply_and_is_empty_when_there_is_none() {
    let stage = Stage::with(Broker::builder(), Gateway::builder().longest_wait(Duration::from_millis(50))).await;
    assert_eq!(list(&stage, "").await, Vec::<String>::new());
    assert_eq!(list(&stage, "?wait=60").await, Vec::<String>::new());

    let stage = Stage::new().await;
    let ticket = submit(&stage, "one").await;
    let answer = async {
        stage.shout("a_request").await.detach();
    };
    let (listed, ()) = tokio::join!(list(&stage, "?wait=60"), answer);
    assert_eq!(listed, [ticket]);
}

#[tokio::test]
async fn a_list_goes_on_behind_a_ticket_and_from_the_oldest_where_that_was_acknowledged() {
    let stage = Stage::new().await;
    let _service = stage.shout("a_request").await;
    let first = answered(&stage, "one").await;
    let second = answered(&stage, "two").await;
    let third = answered(&stage, "three").await;
    assert_eq!(list(&stage, &format!("?after={first}")).await, [second.clone(), third.clone()]);
    assert_eq!(list(&stage, &format!("?after={third}")).await, Vec::<String>::new());
    acknowledge(&stage, &format!("{MAILBOX}/{first}")).await;
    assert_eq!(list(&stage, &format!("?after={first}")).await, [second, third]);
}

#[tokio::test]
async fn a_list_behind_the_last_ticket_waits_for_the_next() {
    let stage = Stage::new().await;
    let service = stage.shout("a_request").await;
    let first = answered(&stage, "one").await;
    service.stop().await.unwrap();
    let second = submit(&stage, "two").await;
    let query = format!("?wait=60&after={first}");
    let answer = async {
        stage.shout("a_request").await.detach();
    };
    let (listed, ()) = tokio::join!(list(&stage, &query), answer);
    assert_eq!(listed, [second]);
}

#[tokio::test]
async fn a_list_has_at_most_a_hundred() {
    let stage = Stage::new().await;
    let _service = stage.shout("a_request").await;
    for _ in 0..101 {
        submit(&stage, "one").await;
    }
    stage.until("a_request", |figures| figures.retained == 101).await;
    let page = list(&stage, "").await;
    assert_eq!(page.len(), 100);
    let rest = list(&stage, &format!("?after={}", page[99])).await;
    assert_eq!(rest.len(), 1);
    assert!(!page.contains(&rest[0]));
}

#[tokio::test]
async fn a_holder_is_given_the_payload_with_its_ticket_and_where_to_acknowledge_it() {
    let stage = Stage::new().await;
    let _service = stage.shout("a_request").await;
    let ticket = answered(&stage, "hello").await;
    let response = hold(&stage, "?open=if_free", None).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "roundtrip-ticket"), ticket);
    assert_eq!(header(&response, "roundtrip-outcome"), "replied");
    assert_eq!(header(&response, "roundtrip-reply"), format!("{MAILBOX}/{ticket}"));
    assert_eq!(header(&response, "content-type"), "text/plain");
    assert_eq!(header(&response, "roundtrip-holder").len(), 32);
    assert_eq!(response.text().await.unwrap(), "HELLO");
}

#[tokio::test]
async fn an_outcome_that_is_no_reply_is_given_with_the_status_that_it_has_by_ticket() {
    let stage = Stage::new().await;
    let _service = stage
        .serve("a_request", |_, _| async {
            Err(Failure::fail(Message::new(r#"{"status": 404}"#).content_type("application/json")))
        })
        .await;
    let ticket = answered(&stage, "hello").await;
    let response = hold(&stage, "?open=if_free", None).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(header(&response, "roundtrip-outcome"), "failed");
    assert_eq!(header(&response, "roundtrip-ticket"), ticket);
    header(&response, "roundtrip-holder");
    let problem: Value = response.json().await.unwrap();
    let by_ticket: Value = stage.get(&format!("/v1/requests/{ticket}/reply")).await.json().await.unwrap();
    assert_eq!(problem, by_ticket);
}

#[tokio::test]
async fn a_reply_is_given_again_until_it_is_acknowledged_and_then_the_next_is() {
    let stage = Stage::new().await;
    let _service = stage.shout("a_request").await;
    answered(&stage, "one").await;
    answered(&stage, "two").await;
    let first = hold(&stage, "?open=if_free", None).await;
    let holder = header(&first, "roundtrip-holder").to_owned();
    let again = hold(&stage, "?open=if_free", Some(&holder)).await;
    assert_eq!(header(&again, "roundtrip-reply"), header(&first, "roundtrip-reply"));
    assert_eq!(header(&again, "roundtrip-holder"), holder);
    assert_eq!(again.text().await.unwrap(), "ONE");

    let path = header(&first, "roundtrip-reply");
    acknowledge(&stage, path).await;
    acknowledge(&stage, path).await;
    let second = hold(&stage, "?wait=60", Some(&holder)).await;
    let path = header(&second, "roundtrip-reply").to_owned();
    assert_eq!(second.text().await.unwrap(), "TWO");
    acknowledge(&stage, &path).await;
    let none = hold(&stage, "?open=if_free", Some(&holder)).await;
    assert_eq!(none.status(), StatusCode::NO_CONTENT);
    assert_eq!(header(&none, "roundtrip-holder"), holder);
}

#[tokio::test]
async fn a_holder_may_ask_for_what_is_behind_a_reply_that_it_was_given() {
    let stage = Stage::new().await;
    let _service = stage.shout("a_request").await;
    let first = answered(&stage, "one").await;
    let second = answered(&stage, "two").await;
    let given = hold(&stage, "?open=if_free", None).await;
    assert_eq!(header(&given, "roundtrip-ticket"), first);
    let holder = header(&given, "roundtrip-holder");
    let next = hold(&stage, &format!("?after={first}"), Some(holder)).await;
    assert_eq!(header(&next, "roundtrip-ticket"), second);
    let none = hold(&stage, &format!("?after={second}"), Some(holder)).await;
    assert_eq!(none.status(), StatusCode::NO_CONTENT);
    acknowledge(&stage, &format!("{MAILBOX}/{second}")).await;
    let oldest = hold(&stage, &format!("?after={second}"), Some(holder)).await;
    assert_eq!(header(&oldest, "roundtrip-ticket"), first);

    let query = format!("?wait=60&after={first}");
    let (next, third) = tokio::join!(hold(&stage, &query, Some(holder)), answered(&stage, "three"));
    assert_eq!(header(&next, "roundtrip-ticket"), third);
}

#[tokio::test]
async fn what_was_acknowledged_by_ticket_is_not_given_again() {
    let stage = Stage::new().await;
    let _service = stage.shout("a_request").await;
    let ticket = answered(&stage, "one").await;
    let given = hold(&stage, "?open=if_free", None).await;
    let call = stage.post(&format!("/v1/requests/{ticket}/acknowledge")).header("roundtrip-requester", "night-shift");
    assert_eq!(call.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    let next = hold(&stage, "", Some(header(&given, "roundtrip-holder"))).await;
    assert_eq!(next.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_holder_waits_for_the_next_reply() {
    let stage = Stage::new().await;
    submit(&stage, "one").await;
    let holder = opened(&stage, "?open=if_free").await;
    let answer = async {
        stage.shout("a_request").await.detach();
    };
    let (response, ()) = tokio::join!(hold(&stage, "?wait=60", Some(&holder)), answer);
    assert_eq!(response.text().await.unwrap(), "ONE");
}

#[tokio::test]
async fn a_reply_is_acknowledged_by_who_does_not_hold_and_only_under_its_requesters_name() {
    let stage = Stage::new().await;
    let service = stage.shout("a_request").await;
    let ticket = answered(&stage, "one").await;
    opened_by_another(&stage).await;
    let foreign = format!("/v1/mailboxes/a_reply/day-shift/replies/{ticket}");
    refusal(stage.call(Method::DELETE, &foreign).send().await.unwrap(), 403, "forbidden").await;
    acknowledge(&stage, &format!("{MAILBOX}/{ticket}")).await;
    assert_eq!(list(&stage, "").await, Vec::<String>::new());

    service.stop().await.unwrap();
    let open = submit(&stage, "two").await;
    let early = stage.call(Method::DELETE, &format!("{MAILBOX}/{open}"));
    refusal(early.send().await.unwrap(), 409, "no_outcome_yet").await;
}

async fn opened_by_another(stage: &Stage) {
    assert_eq!(hold(stage, "?open=if_free", None).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_mailbox_has_one_holder_and_a_follower_disturbs_it_not() {
    let stage = Stage::new().await;
    let holder = opened(&stage, "?open=if_free").await;
    refusal(hold(&stage, "?open=if_free", None).await, 409, "mailbox_taken").await;
    refusal(hold(&stage, "", Some("0123456789abcdef0123456789abcdef")).await, 409, "mailbox_taken").await;
    let native = stage.client.requester("night-shift").replies("a_reply").if_free().await;
    assert_eq!(native.err(), Some(RepliesError::Held));
    assert_eq!(list(&stage, "").await, Vec::<String>::new());
    assert_eq!(hold(&stage, "?open=if_free", Some(&holder)).await.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn who_takes_a_mailbox_displaces_its_holder_who_is_told_while_it_waits_and_when_it_calls() {
    let stage = Stage::new().await;
    let former = opened(&stage, "?open=if_free").await;
    let waiting = hold(&stage, "?wait=60", Some(&former));
    let taking = opened(&stage, "?open=take");
    let (waited, holder) = tokio::join!(waiting, taking);
    refusal(waited, 409, "mailbox_taken").await;
    refusal(hold(&stage, "?open=if_free", Some(&former)).await, 409, "mailbox_taken").await;
    assert_eq!(hold(&stage, "?open=take", Some(&holder)).await.status(), StatusCode::NO_CONTENT);

    // By a client that has nothing to do with HTTP too.
    let waiting = hold(&stage, "?wait=60", Some(&holder));
    let (waited, native) =
        tokio::join!(waiting, async { stage.client.requester("night-shift").replies("a_reply").await });
    let native = native.unwrap();
    refusal(waited, 409, "mailbox_taken").await;
    refusal(hold(&stage, "", Some(&holder)).await, 409, "mailbox_taken").await;
    refusal(hold(&stage, "?open=if_free", None).await, 409, "mailbox_taken").await;
    drop(native);
}

#[tokio::test]
async fn a_taken_mailbox_gives_again_what_its_former_holder_did_not_acknowledge() {
    let stage = Stage::new().await;
    let _service = stage.shout("a_request").await;
    let ticket = answered(&stage, "one").await;
    hold(&stage, "?open=if_free", None).await;
    let response = hold(&stage, "?open=take", None).await;
    assert_eq!(header(&response, "roundtrip-ticket"), ticket);
}

#[tokio::test]
async fn a_lease_that_ends_closes_the_mailbox_and_its_holder_may_come_back() {
    let stage = Stage::new().await;
    let holder = opened(&stage, "?open=if_free&lease=1").await;
    until_free(&stage).await;
    let back = hold(&stage, "?lease=1", Some(&holder)).await;
    assert_eq!(back.status(), StatusCode::NO_CONTENT);
    assert_eq!(header(&back, "roundtrip-holder"), holder);
    until_free(&stage).await;
    let other = opened(&stage, "?open=if_free").await;
    refusal(hold(&stage, "?open=if_free", Some(&holder)).await, 409, "mailbox_taken").await;
    assert_eq!(hold(&stage, "?open=if_free", Some(&other)).await.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_lease_does_not_run_out_while_a_call_waits_and_runs_when_it_hung_up() {
    let gateway = Gateway::builder().longest_wait(Duration::from_millis(1_500));
    let stage = Stage::with(Broker::builder(), gateway).await;
    let holder = opened(&stage, "?open=if_free&lease=1").await;
    let waited = hold(&stage, "?wait=60&lease=1", Some(&holder)).await;
    assert_eq!(waited.status(), StatusCode::NO_CONTENT);
    refusal(hold(&stage, "?open=if_free", None).await, 409, "mailbox_taken").await;

    let call = format!("GET {MAILBOX}?wait=60&open=take&lease=1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    drop(stage.connect(&call).await);
    until_free(&stage).await;
}

#[tokio::test]
async fn a_restarted_gateway_knows_no_holder_and_opens_the_mailbox_for_it_again() {
    let stage = Stage::new().await;
    let unknown = "0123456789abcdef0123456789abcdef";
    let response = hold(&stage, "", Some(unknown)).await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert_eq!(header(&response, "roundtrip-holder"), unknown);
    refusal(hold(&stage, "?open=if_free", None).await, 409, "mailbox_taken").await;
}

#[tokio::test]
async fn no_more_mailboxes_are_held_than_there_is_room_for() {
    let stage = Stage::with(Broker::builder(), Gateway::builder().held_mailboxes(1)).await;
    opened(&stage, "?open=if_free").await;
    let other = stage.get("/v1/mailboxes/a_reply/day-shift/replies?open=if_free").await;
    header(&other, "retry-after");
    refusal(other, 503, "gateway_full").await;
    assert_eq!(stage.get("/v1/mailboxes/a_reply/day-shift/replies").await.status(), StatusCode::OK);
    opened(&stage, "?open=take").await;
}

#[tokio::test]
async fn a_call_that_is_not_as_it_has_to_be_is_told_and_not_repeated() {
    let stage = Stage::new().await;
    let queries = [
        "?open=secret",
        "?lease=5",
        "?open=if_free&lease=0",
        "?open=if_free&lease=3601",
        "?open=if_free&after=secret",
        "?after=secret",
        "?wait=61",
        "?wait=1&wait=1",
        "?secret=1",
    ];
    for query in queries {
        let problem = refusal(stage.get(&format!("{MAILBOX}{query}")).await, 400, "invalid").await;
        assert!(!problem.to_string().contains("secret"), "{query}: {problem}");
    }
    let problem = refusal(hold(&stage, "", Some("secret")).await, 400, "invalid").await;
    assert!(!problem.to_string().contains("secret"), "{problem}");
    refusal(stage.get("/v1/mailboxes/no%20name/night-shift/replies").await, 400, "invalid").await;
    refusal(stage.get("/v1/mailboxes/a_reply/%FF/replies").await, 400, "invalid").await;
    refusal(stage.call(Method::DELETE, &format!("{MAILBOX}/nonsense")).send().await.unwrap(), 400, "invalid").await;
}
