//! `/openapi.json`: what it says is so. That every answer is as it says is asked by schemathesis, in the workspace's tests.

use std::collections::BTreeSet;

use reqwest::{Method, Response};
use roundtrip_client::{Failure, Message};
use serde_json::Value;

use crate::stage::{Stage, header};

async fn described(stage: &Stage) -> Value {
    let response = stage.get("/openapi.json").await;
    assert_eq!(header(&response, "content-type"), "application/json");
    response.json().await.unwrap()
}

/// Method and path of each call that is described.
fn calls(described: &Value) -> BTreeSet<(String, String)> {
    let paths = described["paths"].as_object().unwrap();
    let methods = |path: &Value| path.as_object().unwrap().keys().map(|name| name.to_uppercase()).collect::<Vec<_>>();
    paths.iter().flat_map(|(path, item)| methods(item).into_iter().map(|method| (method, path.clone()))).collect()
}

#[tokio::test]
async fn the_page_has_a_row_for_each_call_that_is_described_and_for_no_other() {
    let page = include_str!("../../../../docs/http.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let rows =
        rows.filter_map(|(call, _)| call.split_once(" /")).map(|(method, path)| (method.into(), format!("/{path}")));
    assert_eq!(calls(&described(&Stage::new().await).await), rows.collect());
}

#[tokio::test]
async fn each_path_takes_the_methods_that_are_described_and_no_other() {
    let stage = Stage::new().await;
    let calls = calls(&described(&stage).await);
    for path in calls.iter().map(|(_, path)| path) {
        let response = stage.call(Method::TRACE, path).send().await.unwrap();
        assert_eq!(response.status(), 405, "{path}");
        // Whatever is read can be asked for its headers alone.
        let taken =
            header(&response, "allow").split(',').filter(|method| *method != "HEAD").map(str::to_owned).collect();
        let named =
            calls.iter().filter(|(_, of)| of == path).map(|(method, _)| method.clone()).collect::<BTreeSet<_>>();
        assert_eq!(named, taken, "{path}");
    }
}

#[tokio::test]
async fn each_call_has_a_name_of_its_own() {
    let described = described(&Stage::new().await).await;
    let paths = described["paths"].as_object().unwrap().values();
    let names: Vec<_> =
        paths.flat_map(|path| path.as_object().unwrap().values()).map(|it| &it["operationId"]).collect();
    let different: BTreeSet<_> = names.iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(different.len(), names.len(), "{names:?}");
}

#[tokio::test]
async fn it_is_of_this_version_and_refers_to_nothing_that_is_not_there() {
    let described = described(&Stage::new().await).await;
    assert_eq!(described["info"]["version"], env!("CARGO_PKG_VERSION"));
    let mut within = vec![&described];
    while let Some(value) = within.pop() {
        if let Some(place) = value["$ref"].as_str() {
            assert!(described.pointer(&place[1..]).is_some(), "{place}");
        }
        within.extend(value.as_object().into_iter().flat_map(|members| members.values()));
        within.extend(value.as_array().into_iter().flatten());
    }
}

#[tokio::test]
async fn the_examples_of_problems_are_what_is_answered() {
    let stage = Stage::new().await;
    let described = described(&stage).await;
    let _failing = stage
        .serve("failing_request", |_, _| async {
            Err(Failure::fail(Message::new(r#"{"unknown": "patient"}"#).content_type("application/json")))
        })
        .await;
    let _rejecting = stage.serve("poison_request", |_, _| async { Err(Failure::reject("poison")) }).await;
    let cancelled = stage.submit("nobody_request", "hello").await;
    stage.call(Method::DELETE, &cancelled).send().await.unwrap();
    let late = stage.post("/v1/channels/nobody_request/requests").header("roundtrip-deadline", "0.001");

    let reply = async |path: String| stage.get(&format!("{path}/reply?wait=60")).await;
    let answers = [
        reply(cancelled).await,
        reply(stage.submit("failing_request", "hello").await).await,
        reply(stage.submit("poison_request", "hello").await).await,
        late.header("prefer", "wait=60").send().await.unwrap(),
    ];
    let answered = &described["paths"]["/v1/requests/{ticket}/reply"]["get"]["responses"];
    for answer in answers {
        let example = &answered[answer.status().as_str()]["content"]["application/problem+json"]["example"];
        assert_eq!(&json(answer).await, example);
    }
    let unknown = stage.get("/v1/requests/shout_request:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11").await;
    assert_eq!(json(unknown).await, described["components"]["schemas"]["Problem"]["example"]);
}

async fn json(response: Response) -> Value {
    response.json().await.unwrap()
}
