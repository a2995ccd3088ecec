//! `drain`: stopping a broker from elsewhere.

use crate::stage::{BrokerProgram, Folder, appears, begin_and_wait};

#[tokio::test]
async fn an_idle_broker_is_gone_at_once() {
    let broker = BrokerProgram::start().await;
    let drained = broker.run(&["drain"]).await.with_exit(0);
    assert!(drained.stdout.starts_with(&format!("the broker at {} is gone after ", broker.address)), "{drained:?}");
    broker.program.ended().await.with_exit(0);
}

#[tokio::test]
async fn work_in_flight_is_answered_before_the_broker_goes() {
    let folder = Folder::new();
    let broker = BrokerProgram::start().await;
    let script = begin_and_wait(&folder, "echo done");
    let _service = broker.serve("work_request", &["sh", "-c", &script]).await;
    let request = broker.command(&["request", "work_request", "please"]);
    appears(&folder.path("begun")).await;
    let mut drain = broker.command(&["drain"]);
    drain.stderr.line(|line| line.contains("requests without an outcome: 1")).await;
    folder.write("go-on", "");
    assert_eq!(request.ended().await.with_exit(0).stdout.trim_end(), "done");
    drain.ended().await.with_exit(0);
    broker.program.ended().await.with_exit(0);
}

#[tokio::test]
async fn what_is_open_after_the_drain_timeout_fails_and_the_broker_says_how_much() {
    let folder = Folder::new();
    let broker = BrokerProgram::configured(&folder, "on_unknown = \"create\"\ndrain_timeout = \"100ms\"").await;
    let request = broker.command(&["request", "work_request", "please", "--json"]);
    broker.until("work_request", |figures| figures["waiting"] == 1).await;
    broker.run(&["drain"]).await.with_exit(0);
    let object = request.ended().await.with_exit(1).object();
    assert_eq!(object["problem"]["code"], "broker_stopped", "{object}");
    let ended = broker.program.ended().await.with_exit(6);
    assert!(ended.stderr.contains("accepted requests that failed with it: 1"), "{}", ended.stderr);
}
