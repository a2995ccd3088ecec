//! The terms of a request: deadline, priority, delay, idempotency key, no reply wanted.

use crate::stage::{BrokerProgram, Folder};

#[tokio::test]
async fn a_request_that_nobody_serves_in_time_expires() {
    let broker = BrokerProgram::start().await;
    let ended = broker.run(&["request", "work_request", "please", "--deadline", "50ms"]).await.with_exit(1);
    assert_eq!(ended.stderr.trim_end(), "expired after 0 attempts: its deadline passed");
    assert_eq!(ended.stdout, "");
    let ended = broker.run(&["request", "work_request", "please", "--deadline", "50ms", "--json"]).await.with_exit(1);
    let object = ended.object();
    assert_eq!(object["outcome"], "expired");
    assert_eq!(object["problem"]["type"], "urn:roundtrip:problem:expired", "{object}");
}

#[tokio::test]
async fn a_higher_priority_goes_first() {
    let folder = Folder::new();
    let broker = BrokerProgram::start().await;
    for (payload, priority) in [("last", "0"), ("second", "4"), ("first", "9")] {
        broker.submit(&["work_request", payload, "--priority", priority, "--requester", "test"]).await;
    }
    let default = broker.submit(&["work_request", "third", "--requester", "test"]).await;
    let order = folder.path("order");
    let script = format!("{{ cat; echo; }} >> '{}'", order.display());
    let arguments = ["serve", "work_request", "--concurrency", "1", "--", "sh", "-c", &script];
    let _service = broker.command(&arguments);
    broker.run(&["attach", &default]).await.with_exit(0);
    broker.until("work_request", |figures| figures["retained"] == 4).await;
    assert_eq!(std::fs::read_to_string(order).unwrap(), "first\nsecond\nthird\nlast\n");
}

#[tokio::test]
async fn a_delayed_request_is_scheduled_and_then_served() {
    let broker = BrokerProgram::start().await;
    let _service = broker.serve("work_request", &["echo", "done"]).await;
    let later = broker.submit(&["work_request", "please", "--delay", "1h"]).await;
    let status = broker.status(&later).await;
    assert_eq!(status["state"], "scheduled", "{status}");
    assert!(status["in_ms"].as_u64().is_some_and(|remaining| remaining > 3_000_000), "{status}");
    let soon = broker.run(&["request", "work_request", "please", "--delay", "50ms"]).await.with_exit(0);
    assert_eq!(soon.stdout.trim_end(), "done");
}

#[tokio::test]
async fn a_delay_beyond_the_deadline_is_refused() {
    let broker = BrokerProgram::start().await;
    let arguments = ["request", "work_request", "please", "--delay", "2h", "--deadline", "1h"];
    let refused = broker.run(&arguments).await.with_exit(3);
    assert!(refused.stderr.contains("invalid"), "{}", refused.stderr);
}

#[tokio::test]
async fn the_same_key_is_the_same_request() {
    let broker = BrokerProgram::start().await;
    let keyed = ["work_request", "please", "--requester", "letters", "--idempotency-key", "letter 7"];
    let first = broker.submit(&keyed).await;
    assert_eq!(broker.submit(&keyed).await, first);
    let other = ["request", "work_request", "other", "--requester", "letters", "--idempotency-key", "letter 7"];
    let refused = broker.run(&other).await.with_exit(3);
    assert!(refused.stderr.contains("key_conflict"), "{}", refused.stderr);

    let _service = broker.serve("work_request", &["echo", "done"]).await;
    let again = broker.run(&[&["request", "--json"][..], &keyed].concat()).await.with_exit(0);
    assert!(again.stderr.contains(&first), "it says whose outcome that is: {}", again.stderr);
    assert_eq!(again.object()["ticket"], first.as_str());
    assert_eq!(again.object()["payload"], "done\n");
}

#[tokio::test]
async fn a_request_that_wants_no_reply_is_in_no_mailbox() {
    let broker = BrokerProgram::start().await;
    let _service = broker.serve("work_request", &["echo", "done"]).await;
    let sent =
        broker.run(&["request", "work_request", "please", "--one-way", "--requester", "letters"]).await.with_exit(0);
    let ticket = sent.stdout.trim_end();
    assert_eq!(broker.run(&["attach", ticket]).await.with_exit(0).stdout.trim_end(), "done");
    let replies = ["replies", "--requester", "letters", "--reply-channel", "work_reply"];
    assert_eq!(broker.run(&replies).await.with_exit(0).stdout, "");
}
