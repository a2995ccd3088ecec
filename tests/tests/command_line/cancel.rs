//! `cancel`, and a request whose sender does not want it any more.

use crate::stage::{BrokerProgram, Folder, Program, Signal, appears, begin_and_wait};

#[tokio::test]
async fn a_waiting_request_is_cancelled_from_anywhere() {
    let broker = BrokerProgram::start().await;
    let ticket = broker.submit(&["work_request", "please", "--requester", "test"]).await;
    let attached = broker.command(&["attach", &ticket, "--json"]);
    assert_eq!(broker.run(&["cancel", &ticket]).await.with_exit(0).stdout, "cancelled\n");
    let object = attached.ended().await.with_exit(1).object();
    assert_eq!(object["outcome"], "cancelled");
    assert_eq!(object["problem"]["type"], "urn:roundtrip:problem:cancelled", "{object}");
    let again = broker.run(&["cancel", &ticket]).await.with_exit(0);
    assert_eq!(again.stdout, "cancelled\n", "it is, whoever was first");
}

#[tokio::test]
async fn a_service_at_work_on_a_cancelled_request_ends_its_command_and_goes_on() {
    let folder = Folder::new();
    let broker = BrokerProgram::start().await;
    let (mut service, ticket) = at_work(&broker, &folder).await;
    let attached = broker.command(&["attach", &ticket]);
    broker.run(&["cancel", &ticket]).await.with_exit(0);
    let ended = attached.ended().await.with_exit(1);
    assert_eq!(ended.stderr.trim_end(), "cancelled after 1 attempt: somebody cancelled it");
    appears(&folder.path("told")).await;
    service.stderr.line(|line| line == format!("{ticket}: cancelled; ending its command")).await;

    folder.write("go-on", "");
    let next = broker.run(&["request", "work_request", "again"]).await.with_exit(0);
    assert_eq!(next.stdout.trim_end(), "done", "its place is free again");
}

#[tokio::test]
async fn the_command_of_an_expired_request_is_ended() {
    let folder = Folder::new();
    let broker = BrokerProgram::start().await;
    let mut service = slow_service(&broker, &folder).await;
    let mut milliseconds = 500;
    // On a busy machine a deadline may pass before the command has begun: then the next one is longer.
    while !folder.path("begun").exists() {
        let deadline = format!("{milliseconds}ms");
        let terms = ["--requester", "test", "--deadline", &deadline];
        let ticket = broker.submit(&[&["work_request", "please"][..], &terms].concat()).await;
        let expired = broker.run(&["attach", &ticket]).await.with_exit(1);
        assert!(expired.stderr.contains("its deadline passed"), "{}", expired.stderr);
        milliseconds *= 2;
    }
    appears(&folder.path("told")).await;
    service.stderr.line(|line| line.ends_with(": its deadline passed; ending its command")).await;
}

/// A service with one place, whose command has begun with the request of this ticket and tells when it is told to end.
async fn at_work(broker: &BrokerProgram, folder: &Folder) -> (Program, String) {
    let service = slow_service(broker, folder).await;
    let ticket = broker.submit(&["work_request", "please", "--requester", "test"]).await;
    appears(&folder.path("begun")).await;
    (service, ticket)
}

/// A service with one place, whose command tells that it has begun, and when it is told to end.
async fn slow_service(broker: &BrokerProgram, folder: &Folder) -> Program {
    let trap = format!("trap \"echo > '{}'; exit 1\" TERM", folder.path("told").display());
    let script = format!("{trap}; {}", begin_and_wait(folder, "echo done"));
    let service = broker.command(&["serve", "work_request", "--concurrency", "1", "--", "sh", "-c", &script]);
    broker.until("work_request", |figures| figures["services"] == 1).await;
    service
}

#[tokio::test]
async fn an_outcome_that_was_first_stays() {
    let broker = BrokerProgram::start().await;
    let _service = broker.serve("work_request", &["echo", "done"]).await;
    let ticket = broker.submit(&["work_request", "please", "--requester", "test"]).await;
    broker.run(&["attach", &ticket]).await.with_exit(0);
    let late = broker.run(&["cancel", &ticket]).await.with_exit(1);
    assert_eq!(late.stdout, "replied\n");
    assert_eq!(late.stderr.trim_end(), format!("{ticket} had its outcome before: replied"));
    broker.run(&["attach", &ticket]).await.with_exit(0);
}

#[tokio::test]
async fn ctrl_c_cancels_the_request_of_a_sender_who_said_so() {
    let broker = BrokerProgram::start().await;
    let arguments = ["request", "work_request", "please", "--requester", "test", "--cancel-on-interrupt", "--json"];
    let request = broker.command(&arguments);
    broker.until("work_request", |figures| figures["waiting"] == 1).await;
    request.signal(Signal::INT);
    let ended = request.ended().await.with_exit(130);
    assert_eq!(ended.object()["outcome"], "cancelled");
    let replies = ["replies", "--requester", "test", "--reply-channel", "work_reply"];
    assert_eq!(broker.run(&replies).await.with_exit(0).stdout, "", "what was printed is acknowledged");
}

#[tokio::test]
async fn an_unknown_ticket_exits_with_5_and_what_is_none_with_2() {
    let broker = BrokerProgram::start().await;
    broker.run(&["cancel", "work_request:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11"]).await.with_exit(5);
    broker.run(&["cancel", "nonsense"]).await.with_exit(2);
}
