//! `broker`: where it listens, and how it stops.

use crate::stage::{BrokerProgram, Folder, Program, Signal, appears, begin_and_wait};

#[tokio::test]
async fn it_says_where_it_listens_and_nothing_else() {
    let broker = BrokerProgram::start().await;
    let port: u16 = broker.address.rsplit(':').next().unwrap().parse().unwrap();
    assert_ne!(port, 0);
    broker.run(&["request", "any_request", "hello", "--no-wait"]).await.with_exit(0);
    let mut broker = broker.program;
    broker.signal(Signal::TERM);
    broker.stderr.line(|_| true).await;
    broker.signal(Signal::TERM);
    let ended = broker.ended().await;
    assert_eq!(ended.stdout.lines().count(), 1, "{}", ended.stdout);
}

#[tokio::test]
async fn for_people_it_says_so_on_one_line() {
    let mut broker = Program::start(&["broker", "--listen", "127.0.0.1:0"]);
    let line = broker.stdout.line(|_| true).await;
    assert!(line.contains("127.0.0.1:"), "{line}");
    assert!(!line.contains("127.0.0.1:0 "), "the port that it took, not the one it was asked for: {line}");
}

#[tokio::test]
async fn an_address_that_others_can_reach_must_be_insisted_on() {
    let refused = Program::start(&["broker", "--listen", "0.0.0.0:0"]).ended().await.with_exit(2);
    assert!(refused.stderr.contains("--insecure"), "{}", refused.stderr);
    assert_eq!(refused.stdout, "");

    let mut insisted = Program::start(&["broker", "--listen", "0.0.0.0:0", "--insecure", "--json"]);
    insisted.stdout.line(|line| line.contains("\"ready\"")).await;
    let warning = insisted.stderr.line(|_| true).await;
    assert!(warning.to_lowercase().contains("warning"), "{warning}");
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let broker = BrokerProgram::start().await;
    let second = Program::start(&["broker", "--listen", &broker.address]).ended().await.with_exit(4);
    assert!(second.stderr.contains(&broker.address), "{}", second.stderr);
}

#[tokio::test]
async fn an_address_that_is_none_is_a_usage_error() {
    for address in ["nonsense", "127.0.0.1", "127.0.0.1:99999"] {
        Program::start(&["broker", "--listen", address]).ended().await.with_exit(2);
    }
}

#[tokio::test]
async fn an_idle_broker_ends_at_once_when_told_to() {
    for signal in [Signal::TERM, Signal::INT] {
        let broker = BrokerProgram::start().await;
        broker.program.signal(signal);
        broker.program.ended().await.with_exit(0);
    }
}

#[tokio::test]
async fn it_drains_so_that_work_in_flight_is_answered() {
    let folder = Folder::new();
    let mut broker = BrokerProgram::start().await;
    let script = begin_and_wait(&folder, "echo done");
    let _service = broker.serve("work_request", &["sh", "-c", &script]).await;
    let request = broker.command(&["request", "work_request", "please"]);
    appears(&folder.path("begun")).await;

    broker.program.signal(Signal::TERM);
    broker.program.stderr.line(|_| true).await;
    let late = broker.run(&["request", "work_request", "late"]).await;
    assert!(matches!(late.exit, Some(3 | 4)), "{late:?}");
    folder.write("go-on", "");
    assert_eq!(request.ended().await.with_exit(0).stdout.trim_end(), "done");
    broker.program.ended().await.with_exit(0);
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once_and_it_says_that_requests_failed() {
    let mut broker = BrokerProgram::start().await;
    let mut request = broker.command(&["request", "nobody_request", "please"]);
    broker.until("nobody_request", |figures| figures["waiting"] == 1).await;
    broker.program.signal(Signal::TERM);
    broker.program.stderr.line(|_| true).await;
    broker.program.signal(Signal::TERM);
    broker.program.ended().await.with_exit(6);

    request.stderr.line(|line| line.contains(&broker.address)).await; // It waits for the broker to come back.
    let _second = BrokerProgram::listening_on(&broker.address).await;
    request.ended().await.with_exit(5); // That one has never heard of its ticket.
}
