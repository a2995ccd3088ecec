//! `serve`: any command as a service.

#[cfg(target_os = "linux")]
use crate::stage::processes;
use crate::stage::{BrokerProgram, Folder, Program, Signal, appears, begin_and_wait};

#[tokio::test]
async fn a_request_whose_service_is_killed_is_answered_by_another() {
    let folder = Folder::new();
    let broker = BrokerProgram::start().await;
    let script = begin_and_wait(&folder, "echo first");
    let first = broker.serve("work_request", &["sh", "-c", &script]).await;
    let request = broker.command(&["request", "work_request", "please", "--json"]);
    appears(&folder.path("begun")).await;
    first.signal(Signal::KILL);
    let _second = broker.command(&["serve", "work_request", "--", "echo", "second"]);
    let ended = request.ended().await.with_exit(0);
    let outcome: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(outcome["outcome"], "replied");
    assert_eq!(outcome["attempts"], 2);
    assert_eq!(outcome["payload"], "second\n");
    folder.write("go-on", ""); // For the command, if nothing had ended it.
}

#[tokio::test]
async fn a_service_that_is_told_to_stop_ends_what_it_has_begun() {
    let folder = Folder::new();
    let broker = BrokerProgram::start().await;
    let script = begin_and_wait(&folder, "echo done");
    let service = broker.serve("work_request", &["sh", "-c", &script]).await;
    let request = broker.command(&["request", "work_request", "please"]);
    appears(&folder.path("begun")).await;
    service.signal(Signal::TERM);
    folder.write("go-on", "");
    assert_eq!(request.ended().await.with_exit(0).stdout.trim_end(), "done");
    service.ended().await.with_exit(0);
}

#[tokio::test]
async fn exit_75_is_tried_again() {
    let folder = Folder::new();
    let broker = BrokerProgram::start().await;
    let once = folder.path("once");
    let script = format!("cat >/dev/null; test -e '{0}' && echo done || {{ echo > '{0}'; exit 75; }}", once.display());
    let _service = broker.serve("work_request", &["sh", "-c", &script]).await;
    let ended = broker.run(&["request", "work_request", "please", "--json"]).await.with_exit(0);
    let outcome: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(outcome["attempts"], 2);
    assert_eq!(outcome["payload"], "done\n");
}

#[tokio::test]
async fn a_failing_command_tells_the_last_lines_of_its_standard_error() {
    let broker = BrokerProgram::start().await;
    let script = "i=0; while test $i -lt 500; do i=$((i+1)); echo line $i >&2; done; exit 1";
    let _service = broker.serve("work_request", &["sh", "-c", script]).await;
    let ended = broker.run(&["request", "work_request", "please"]).await.with_exit(1);
    assert!(ended.stderr.contains("line 500"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("line 100\n"), "the last lines alone: {}", ended.stderr);
}

#[tokio::test]
async fn a_command_that_does_not_read_its_input_is_no_error() {
    let broker = BrokerProgram::start().await;
    let _service = broker.serve("work_request", &["echo", "done"]).await;
    let arguments = ["request", "work_request", "-", "--broker", &broker.address];
    let large = Program::reading(&arguments, vec![b'x'; 4 << 20], |_| {});
    assert_eq!(large.ended().await.with_exit(0).stdout.trim_end(), "done");
}

#[tokio::test]
async fn a_command_that_is_not_there_is_named() {
    let broker = BrokerProgram::start().await;
    let ended = broker.run(&["serve", "work_request", "--", "no-such-command-anywhere"]).await;
    assert_eq!(ended.exit, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("no-such-command-anywhere"), "{}", ended.stderr);
}

#[tokio::test]
async fn the_request_is_described_in_the_environment() {
    let broker = BrokerProgram::start().await;
    let script = "cat >/dev/null; env | grep ^ROUNDTRIP_ | sort";
    let _service = broker.serve("work_request", &["sh", "-c", script]).await;
    let arguments = ["request", "work_request", "x", "--operation", "draw", "--requester", "letters"];
    let environment = broker.run(&arguments).await.with_exit(0).stdout;
    for expected in ["=draw", "=letters", "=1", "=work_request"] {
        assert!(environment.lines().any(|line| line.ends_with(expected)), "{expected} in {environment}");
    }
    let remaining =
        environment.lines().find_map(|line| line.strip_prefix("ROUNDTRIP_REMAINING_MS=")).expect("a deadline");
    assert!(remaining.parse::<u64>().is_ok_and(|remaining| remaining > 3_600_000), "the default one: {remaining}");

    let arguments = ["request", "work_request", "x", "--deadline", "1h"];
    let environment = broker.run(&arguments).await.with_exit(0).stdout;
    let remaining =
        environment.lines().find_map(|line| line.strip_prefix("ROUNDTRIP_REMAINING_MS=")).expect("a deadline");
    assert!(remaining.parse::<u64>().is_ok_and(|remaining| remaining <= 3_600_000), "its own: {remaining}");
}

#[tokio::test]
async fn a_lost_lease_ends_the_command() {
    let folder = Folder::new();
    let broker = BrokerProgram::start().await;
    let script = format!(
        "trap \"echo > '{}'; exit 1\" TERM; {}",
        folder.path("told").display(),
        begin_and_wait(&folder, "echo done")
    );
    let _service = broker.serve("work_request", &["sh", "-c", &script]).await;
    broker.run(&["request", "work_request", "please", "--no-wait", "--requester", "test"]).await.with_exit(0);
    appears(&folder.path("begun")).await;
    let address = broker.address.clone();
    broker.program.signal(Signal::KILL);
    broker.program.ended().await;
    let second = BrokerProgram::listening_on(&address).await; // It knows nothing of the delivery.
    appears(&folder.path("told")).await;
    folder.write("go-on", "");
    let reply = second.run(&["request", "work_request", "again"]).await.with_exit(0);
    assert_eq!(reply.stdout.trim_end(), "done", "the service goes on");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_command_that_does_not_end_when_asked_to_is_killed() {
    let folder = Folder::new();
    let broker = BrokerProgram::start().await;
    let (id, go_on) = (folder.path("id"), folder.path("go-on"));
    let script = format!(
        "trap '' TERM; cat >/dev/null; echo $$ > '{0}.new'; mv '{0}.new' '{0}'; until test -e '{1}'; do sleep 0.02; done",
        id.display(),
        go_on.display()
    );
    let _service = broker.serve("work_request", &["sh", "-c", &script]).await;
    broker.run(&["request", "work_request", "please", "--no-wait"]).await.with_exit(0);
    appears(&id).await;
    let command: u32 = std::fs::read_to_string(&id).unwrap().trim().parse().unwrap();
    let address = broker.address.clone();
    broker.program.signal(Signal::KILL);
    broker.program.ended().await;
    let _second = BrokerProgram::listening_on(&address).await;
    processes::end(&[command]).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_command_of_a_service_that_is_killed_ends_and_all_that_it_has_started() {
    let folder = Folder::new();
    let broker = BrokerProgram::start().await;
    let (begun, id) = (folder.path("begun"), folder.path("id"));
    let script = format!(
        "cat >/dev/null; sleep 1000 & echo $$ $! > '{0}'; mv '{0}' '{1}'; wait; sleep 1000",
        id.display(),
        begun.display()
    );
    let service = broker.serve("work_request", &["sh", "-c", &script]).await;
    broker.run(&["request", "work_request", "please", "--no-wait"]).await.with_exit(0);
    appears(&begun).await;
    let ids = std::fs::read_to_string(&begun).unwrap();
    let ids: Vec<u32> = ids.split_whitespace().map(|id| id.parse().unwrap()).collect();
    assert_eq!(ids.len(), 2);
    service.signal(Signal::KILL);
    processes::end(&ids).await;
}

#[tokio::test]
async fn it_waits_for_a_broker_that_is_not_there_yet() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    drop(taken);
    let arguments = ["serve", "shout_request", "--broker", &address, "--", "tr", "a-z", "A-Z"];
    let mut service = Program::start(&arguments);
    let line = service.stderr.line(|_| true).await;
    assert!(line.contains(&address), "{line}");
    let broker = BrokerProgram::listening_on(&address).await;
    assert_eq!(broker.run(&["request", "shout_request", "hello"]).await.with_exit(0).stdout.trim_end(), "HELLO");
}
