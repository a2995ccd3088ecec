//! `status`: where a request is.

use serde_json::json;

use crate::stage::{BrokerProgram, Folder, appears, begin_and_wait};

#[tokio::test]
async fn it_says_where_a_request_is_from_its_acceptance_to_its_outcome() {
    let folder = Folder::new();
    let broker = BrokerProgram::start().await;
    let named = ["--requester", "test"];
    broker.submit(&[&["work_request", "first", "--deadline", "1h"][..], &named].concat()).await;
    let second = broker.submit(&[&["work_request", "second", "--deadline", "1h"][..], &named].concat()).await;
    let waiting = broker.status(&second).await;
    assert_eq!(waiting["state"], "waiting");
    assert_eq!((&waiting["ahead"], &waiting["services"], &waiting["attempts"]), (&json!(1), &json!(0), &json!(0)));
    assert!(waiting["remaining_ms"].as_u64().is_some_and(|left| left > 3_000_000 && left <= 3_600_000), "{waiting}");
    let plain = broker.run(&["status", &second]).await.with_exit(0).stdout;
    assert!(
        plain.starts_with("waiting for a service, about 1 before it; 0 attempts; its channel has 0 services; "),
        "{plain}"
    );

    let script = format!("echo '::progress 0.5 halfway' >&2; {}", begin_and_wait(&folder, "echo done"));
    let _service = broker.serve("work_request", &["sh", "-c", &script]).await;
    appears(&folder.path("begun")).await;
    let mut attached = broker.command(&["attach", &second]);
    attached.stderr.line(|line| line.contains("halfway")).await;
    let working = broker.status(&second).await;
    assert_eq!(
        (&working["state"], &working["delivery"], &working["attempt"]),
        (&json!("in_flight"), &json!(1), &json!(1))
    );
    assert_eq!(working["progress"], json!({"fraction": 0.5, "stage": "halfway", "note": ""}));
    let plain = broker.run(&["status", &second]).await.with_exit(0).stdout;
    assert!(plain.starts_with("in flight, attempt 1, delivery 1; ") && plain.contains("halfway"), "{plain}");

    folder.write("go-on", "");
    attached.ended().await.with_exit(0);
    let ended = broker.status(&second).await;
    assert_eq!(
        (&ended["state"], &ended["outcome"], &ended["attempts"]),
        (&json!("ended"), &json!("replied"), &json!(1))
    );
    assert!(ended.get("remaining_ms").is_none(), "{ended}");
}

#[tokio::test]
async fn an_unknown_ticket_exits_with_5_and_what_is_none_with_2() {
    let broker = BrokerProgram::start().await;
    broker.run(&["status", "work_request:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11"]).await.with_exit(5);
    broker.run(&["status", "nonsense"]).await.with_exit(2);
}
