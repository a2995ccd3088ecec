//! `channels`: what is there.

use serde_json::{Value, json};

use crate::stage::{BrokerProgram, Program};

#[tokio::test]
async fn each_channel_is_one_object_on_one_line() {
    let broker = BrokerProgram::start().await;
    assert_eq!(broker.run(&["channels", "--json"]).await.with_exit(0).stdout, "");
    broker.run(&["request", "b_request", "1", "--no-wait", "--requester", "test"]).await.with_exit(0);
    broker.run(&["request", "b_request", "2", "--no-wait", "--requester", "test"]).await.with_exit(0);
    let _service = broker.serve("a_request", &["cat"]).await;
    let mut figures: Vec<Value> = broker.channels().await;
    let oldest = figures[1]["oldest_ms"].take();
    assert!(oldest.as_u64().is_some_and(|oldest| oldest > 0), "{oldest}");
    let figures_of = |channel: &str, waiting: u64, services: u64, oldest: Value| {
        json!({
            "channel": channel, "waiting": waiting, "scheduled": 0, "in_flight": 0, "services": services, "retained": 0,
            "dead": 0, "oldest_ms": oldest, "paused_ms": 0, "stale": 0,
        })
    };
    assert_eq!(figures, [figures_of("a_request", 0, 1, json!(0)), figures_of("b_request", 2, 0, Value::Null)]);
    let plain = broker.run(&["channels"]).await.with_exit(0).stdout;
    assert!(plain.contains("a_request") && plain.contains("b_request"), "{plain}");
}

#[tokio::test]
async fn without_a_broker_it_says_how_to_start_one() {
    let ended = Program::start(&["channels", "--broker", "127.0.0.1:1"]).ended().await.with_exit(4);
    assert!(ended.stderr.contains("127.0.0.1:1"), "{}", ended.stderr);
    assert!(ended.stderr.contains("roundtrip broker"), "{}", ended.stderr);
    assert_eq!(ended.stderr.trim_end().lines().count(), 1, "one clear sentence: {}", ended.stderr);
}
