//! What happens to a request, as server-sent events.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use roundtrip_broker::{Broker, ChannelSettings};
use roundtrip_client::{Client, Failure, Message, Part, PartEvent};
use roundtrip_gateway::Gateway;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::stage::{LIMIT, Stage, header, refusal};

const UNKNOWN: &str = "/v1/requests/a_request:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11/events";

/// A stream that is read as its standard says, by hand.
struct Events {
    response: Response,
    read: Vec<u8>,
}

#[derive(Debug, PartialEq)]
struct Event {
    name: String,
    id: Option<String>,
    data: Value,
}

impl Events {
    async fn of(stage: &Stage, path: &str) -> Self {
        Self::behind(stage, path, None).await
    }

    async fn behind(stage: &Stage, path: &str, last: Option<&str>) -> Self {
        let call = stage.call(Method::GET, &format!("{path}/events"));
        let call = last.into_iter().fold(call, |call, id| call.header("last-event-id", id));
        Self::in_answer(call.send().await.unwrap()).await
    }

    /// Reads until the stream has said that it is there.
    async fn in_answer(response: Response) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(&response, "content-type"), "text/event-stream");
        assert_eq!(header(&response, "cache-control"), "no-store");
        let mut events = Self { response, read: Vec::new() };
        assert_eq!(events.block().await.unwrap(), ": open");
        events
    }

    async fn next(&mut self) -> Option<Event> {
        let block = self.block().await?;
        let (mut name, mut id, mut data) = (None, None, Vec::new());
        for line in block.split('\n') {
            match line.split_once(": ").unwrap() {
                ("event", value) => name = Some(value.to_owned()),
                ("id", value) => id = Some(value.to_owned()),
                ("data", value) => data.push(value),
                (field, _) => panic!("there is no field {field}"),
            }
        }
        Some(Event { name: name.unwrap(), id, data: serde_json::from_str(&data.join("\n")).unwrap() })
    }

    async fn expect(&mut self, name: &str, id: Option<&str>, data: Value) {
        let expected = Event { name: name.into(), id: id.map(Into::into), data };
        assert_eq!(self.next().await, Some(expected));
    }

    /// What stands before the next empty line.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.windows(2).position(|bytes| bytes == b"\n\n") {
                let block = String::from_utf8(self.read[..end].to_vec()).unwrap();
                self.read.drain(..end + 2);
                return Some(block);
            }
            match self.response.chunk().await.unwrap() {
                Some(chunk) => self.read.extend_from_slice(&chunk),
                None => return None,
            }
        }
    }
}

/// A service that adds three parts and then waits until it may answer.
async fn three_parts(stage: &Stage) -> Arc<Notify> {
    let may_answer = Arc::new(Notify::new());
    let waits = Arc::clone(&may_answer);
    let service = stage
        .serve("a_request", move |_, job| {
            let waits = Arc::clone(&waits);
            async move {
                for text in ["one", "two", "three"] {
                    job.part(Message::new(text).content_type("text/plain")).await?;
                }
                waits.notified().await;
                Ok(Message::new("done"))
            }
        })
        .await;
    service.detach();
    may_answer
}

fn text(number: u32, text: &str) -> Value {
    json!({"delivery": 1, "number": number, "content_type": "text/plain", "text": text})
}

fn done() -> Value {
    json!({"outcome": "replied", "attempts": 1, "content_type": "", "text": "done"})
}

#[tokio::test]
async fn a_stream_opens_before_anything_happens_and_ends_with_the_outcome() {
    let stage = Stage::new().await;
    let path = stage.submit("a_request", "hello").await;
    let mut events = Events::of(&stage, &path).await;
    let may_answer = three_parts(&stage).await;
    events.expect("part", Some("1.1"), text(1, "one")).await;
    events.expect("part", Some("1.2"), text(2, "two")).await;
    events.expect("part", Some("1.3"), text(3, "three")).await;
    may_answer.notify_one();
    events.expect("outcome", Some("outcome"), done()).await;
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn the_latest_progress_is_told_without_an_id_and_told_again_to_who_comes_later() {
    let stage = Stage::new().await;
    let path = stage.submit("a_request", "hello").await;
    let mut events = Events::of(&stage, &path).await;
    let _service = stage
        .serve("a_request", |_, job| async move {
            job.progress(0.25, "labs");
            job.note(0.5, "medications", "7 of 14");
            std::future::pending().await
        })
        .await;
    let latest = json!({"fraction": 0.5, "stage": "medications", "note": "7 of 14"});
    loop {
        let event = events.next().await.unwrap();
        assert_eq!((event.name.as_str(), event.id), ("progress", None));
        if event.data == latest {
            break;
        }
    }
    Events::of(&stage, &path).await.expect("progress", None, latest).await;
}

#[tokio::test]
async fn a_payload_is_told_as_json_as_text_or_in_base64() {
    let stage = Stage::new().await;
    let _service = stage
        .serve("a_request", |_, job| async move {
            job.part(Message::new("{\n\"dose\": 1.10}\n").content_type("application/fhir+json").header("ward", "7"))
                .await?;
            job.part(Message::new("a\nb\r\n").content_type("text/plain; charset=utf-8")).await?;
            job.part(Message::new(&b"\x00\x01\xff"[..]).content_type("application/octet-stream")).await?;
            Ok(Message::new(&b"\xff\xfe"[..]).content_type("image/png"))
        })
        .await;
    let path = stage.submit("a_request", "hello").await;
    let mut events = Events::of(&stage, &path).await;
    let data = json!({"delivery": 1, "number": 1, "content_type": "application/fhir+json", "headers": {"ward": "7"},
        "json": {"dose": 1.1}});
    events.expect("part", Some("1.1"), data).await;
    let data = json!({"delivery": 1, "number": 2, "content_type": "text/plain; charset=utf-8", "text": "a\nb\r\n"});
    events.expect("part", Some("1.2"), data).await;
    let data = json!({"delivery": 1, "number": 3, "content_type": "application/octet-stream", "base64": "AAH/"});
    events.expect("part", Some("1.3"), data).await;
    let data = json!({"outcome": "replied", "attempts": 1, "content_type": "image/png", "base64": "//4="});
    events.expect("outcome", Some("outcome"), data).await;
}

#[tokio::test]
async fn a_new_delivery_makes_the_parts_before_it_void_and_says_so() {
    let broker = Broker::builder().channel(ChannelSettings::new("a_request").backoff(Duration::from_millis(1), LIMIT));
    let stage = Stage::with(broker, Gateway::builder()).await;
    let may_fail = Arc::new(Notify::new());
    let waits = Arc::clone(&may_fail);
    let _service = stage
        .serve("a_request", move |_, job| {
            let waits = Arc::clone(&waits);
            async move {
                job.part(Message::new("again").content_type("text/plain")).await?;
                if job.attempt() == 1 {
                    waits.notified().await;
                    return Err(Failure::retry("the laboratory is closed"));
                }
                Ok(Message::new("done"))
            }
        })
        .await;
    let path = stage.submit("a_request", "hello").await;
    let mut events = Events::of(&stage, &path).await;
    events.expect("part", Some("1.1"), text(1, "again")).await;
    may_fail.notify_one();
    events.expect("restarted", Some("2.0"), json!({"delivery": 2})).await;
    let again = json!({"delivery": 2, "number": 1, "content_type": "text/plain", "text": "again"});
    events.expect("part", Some("2.1"), again.clone()).await;
    let done = json!({"outcome": "replied", "attempts": 2, "content_type": "", "text": "done"});
    events.expect("outcome", Some("outcome"), done.clone()).await;

    // Whoever was away meanwhile is told the same, and whoever knew of the delivery only what followed.
    let mut away = Events::behind(&stage, &path, Some("1.1")).await;
    away.expect("restarted", Some("2.0"), json!({"delivery": 2})).await;
    away.expect("part", Some("2.1"), again.clone()).await;
    let mut knew = Events::behind(&stage, &path, Some("2.0")).await;
    knew.expect("part", Some("2.1"), again).await;
    knew.expect("outcome", Some("outcome"), done).await;
}

#[tokio::test]
async fn a_stream_that_broke_off_goes_on_behind_the_last_id() {
    let stage = Stage::new().await;
    let may_answer = three_parts(&stage).await;
    let path = stage.submit("a_request", "hello").await;
    let mut events = Events::of(&stage, &path).await;
    events.expect("part", Some("1.1"), text(1, "one")).await;
    drop(events);
    let mut events = Events::behind(&stage, &path, Some("1.1")).await;
    events.expect("part", Some("1.2"), text(2, "two")).await;
    events.expect("part", Some("1.3"), text(3, "three")).await;
    may_answer.notify_one();
    events.expect("outcome", Some("outcome"), done()).await;
    Events::behind(&stage, &path, Some("1.3")).await.expect("outcome", Some("outcome"), done()).await;
}

#[tokio::test]
async fn behind_the_outcome_there_is_nothing_and_no_other_try() {
    let stage = Stage::new().await;
    let _service = stage.shout("a_request").await;
    let path = stage.submit("a_request", "hello").await;
    let mut events = Events::of(&stage, &path).await;
    let outcome = events.next().await.unwrap();
    let call = stage.call(Method::GET, &format!("{path}/events")).header("last-event-id", outcome.id.unwrap());
    let response = call.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn parts_that_their_requester_acknowledged_are_gone_and_the_first_that_is_left_is_told() {
    let stage = Stage::new().await;
    let may_answer = three_parts(&stage).await;
    let call = stage.post("/v1/channels/a_request/requests").header("roundtrip-requester", "night-shift");
    let response = call.send().await.unwrap();
    let path = header(&response, "location");
    let ticket = stage.client.requester("night-shift").attach_raw(path["/v1/requests/".len()..].parse().unwrap());
    let mut parts = ticket.parts();
    for expected in 1..=3 {
        let Some(PartEvent::Part(Part { number, .. })) = parts.next().await else { panic!("there are three parts") };
        assert_eq!(number, expected);
    }
    drop(parts);
    // Asking for the third said that the second was handled. What is asked behind it is answered behind it.
    ticket.state().await.unwrap();

    let mut events = Events::of(&stage, path).await;
    events.expect("gone", None, json!({"first": 3})).await;
    events.expect("part", Some("1.3"), text(3, "three")).await;
    let mut events = Events::behind(&stage, path, Some("1.2")).await;
    events.expect("part", Some("1.3"), text(3, "three")).await;
    may_answer.notify_one();
    events.expect("outcome", Some("outcome"), done()).await;
}

#[tokio::test]
async fn who_reads_and_hangs_up_acknowledges_nothing_and_cancels_nothing() {
    let stage = Stage::new().await;
    let may_answer = three_parts(&stage).await;
    let call = stage.post("/v1/channels/a_request/requests").header("roundtrip-requester", "night-shift");
    let response = call.send().await.unwrap();
    let path = header(&response, "location");
    for _ in 0..2 {
        let mut events = Events::of(&stage, path).await;
        for (number, part) in [(1, "one"), (2, "two"), (3, "three")] {
            events.expect("part", Some(&format!("1.{number}")), text(number, part)).await;
        }
    }
    may_answer.notify_one();
    let reply = stage.get(&format!("{path}/reply?wait=60")).await;
    assert_eq!(header(&reply, "roundtrip-outcome"), "replied");
    Events::of(&stage, path).await.expect("part", Some("1.1"), text(1, "one")).await;
    let mut replies = stage.client.requester("night-shift").replies("a_reply").await.unwrap();
    assert_eq!(format!("/v1/requests/{}", replies.next().await.unwrap().unwrap().ticket), path);
}

#[tokio::test]
async fn an_outcome_that_is_no_reply_is_told_with_its_problem() {
    let stage = Stage::new().await;
    let _service = stage
        .serve("a_request", |_, _| async {
            Err(Failure::fail(Message::new(r#"{"status": 404}"#).content_type("application/json")))
        })
        .await;
    let path = stage.submit("a_request", "hello").await;
    let outcome = Events::of(&stage, &path).await.next().await.unwrap();
    assert_eq!((outcome.name.as_str(), &outcome.data["outcome"]), ("outcome", &"failed".into()));
    assert_eq!(outcome.data["attempts"], 1);
    let reply: Value = stage.get(&format!("{path}/reply")).await.json().await.unwrap();
    assert_eq!(outcome.data["problem"], reply);
}

#[tokio::test]
async fn a_ticket_that_the_broker_does_not_know_has_no_stream() {
    let stage = Stage::new().await;
    refusal(stage.get(UNKNOWN).await, 404, "unknown_ticket").await;
    let call = stage.call(Method::GET, UNKNOWN).header("last-event-id", "1.1");
    refusal(call.send().await.unwrap(), 404, "unknown_ticket").await;
}

#[tokio::test]
async fn an_id_that_was_never_told_is_bad_input_and_not_repeated() {
    let stage = Stage::new().await;
    let path = stage.submit("a_request", "hello").await;
    for id in ["secret", "1", "1.2.3", "-1.0"] {
        let call = stage.call(Method::GET, &format!("{path}/events")).header("last-event-id", id);
        let problem = refusal(call.send().await.unwrap(), 400, "invalid").await;
        assert!(!problem.to_string().contains("secret"), "{problem}");
    }
    refusal(stage.get(&format!("{path}/events?wait=1")).await, 400, "invalid").await;
}

#[tokio::test]
async fn a_gateway_that_stops_ends_its_streams() {
    let stage = Stage::new().await;
    let path = stage.submit("a_request", "hello").await;
    let gateway = Gateway::builder().build(Client::new(stage.broker.as_ref().unwrap().connect()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(gateway.serve_until(listener, stop.clone().cancelled_owned()));
    let response = reqwest::get(format!("http://{address}{path}/events")).await.unwrap();
    let mut events = Events::in_answer(response).await;
    stop.cancel();
    assert_eq!(events.next().await, None);
    tokio::time::timeout(LIMIT, serving).await.unwrap().unwrap();
}
