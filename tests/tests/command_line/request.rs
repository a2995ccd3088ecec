//! `request` and `attach`: what they print, and how they exit.

use std::process::Stdio;

use serde_json::json;
use tokio::process::Command;

use crate::stage::{BrokerProgram, Ended, Folder, LIMIT, Program, Signal, appears, begin_and_wait};

#[tokio::test]
async fn the_reply_is_printed() {
    let broker = BrokerProgram::start().await;
    let _service = broker.serve("shout_request", &["tr", "a-z", "A-Z"]).await;
    let ended = broker.run(&["request", "shout_request", "hello"]).await.with_exit(0);
    assert_eq!(ended.stdout.trim_end(), "HELLO");
    broker.until("shout_request", |figures| figures["retained"] == 0).await;
}

#[tokio::test]
async fn the_payload_comes_from_a_file_or_from_standard_input() {
    let folder = Folder::new();
    let broker = BrokerProgram::start().await;
    let _service = broker.serve("shout_request", &["tr", "a-z", "A-Z"]).await;
    let file = folder.write("payload", "from a file");
    let at_file = format!("@{}", file.display());
    assert_eq!(broker.run(&["request", "shout_request", &at_file]).await.with_exit(0).stdout.trim_end(), "FROM A FILE");

    let arguments = ["request", "shout_request", "-", "--broker", &broker.address];
    let ended = Program::reading(&arguments, b"from a pipe".to_vec(), |_| {}).ended().await.with_exit(0);
    assert_eq!(ended.stdout.trim_end(), "FROM A PIPE");

    let missing = format!("@{}", folder.path("missing").display());
    let ended = broker.run(&["request", "shout_request", &missing]).await.with_exit(2);
    assert!(ended.stderr.contains("missing"), "it names the file: {}", ended.stderr);
}

#[tokio::test]
async fn with_json_the_outcome_is_one_object() {
    let broker = BrokerProgram::start().await;
    let _service = broker.serve("echo_request", &["cat"]).await;
    let arguments = ["request", "echo_request", "{\"number\": 7}", "--operation", "echo", "--json"];
    let object = broker.run(&arguments).await.with_exit(0).object();
    assert_eq!(object["outcome"], "replied");
    assert_eq!(object["attempts"], 1);
    assert_eq!(object["channel"], "echo_request");
    assert_eq!(object["payload"], json!({"number": 7}));
    assert!(object["ticket"].as_str().unwrap().starts_with("echo_request:"));

    let object = broker.run(&["request", "echo_request", "no json", "--json"]).await.with_exit(0).object();
    assert_eq!(object["payload"], "no json");
    let bytes = folder_of_bytes();
    let object = broker.run(&["request", "echo_request", &bytes.1, "--json"]).await.with_exit(0).object();
    assert_eq!(object["payload_base64"], "/wA=");
}

/// A folder with a file that is no text, and the argument that names it.
fn folder_of_bytes() -> (Folder, String) {
    let folder = Folder::new();
    let file = folder.write("bytes", b"\xff\0");
    let argument = format!("@{}", file.display());
    (folder, argument)
}

#[tokio::test]
async fn without_waiting_the_ticket_is_printed_alone_and_attach_waits_for_the_reply() {
    let folder = Folder::new();
    let broker = BrokerProgram::start().await;
    let ended =
        broker.run(&["request", "work_request", "please", "--no-wait", "--requester", "test"]).await.with_exit(0);
    let ticket = ended.stdout.trim_end();
    assert!(ticket.starts_with("work_request:"), "{ticket}");
    assert_eq!(ended.stdout.lines().count(), 1);

    broker.run(&["attach", ticket, "--wait", "0s"]).await.with_exit(124);
    let script = begin_and_wait(&folder, "echo done");
    let _service = broker.serve("work_request", &["sh", "-c", &script]).await;
    let attached = broker.command(&["attach", ticket]);
    appears(&folder.path("begun")).await;
    folder.write("go-on", "");
    assert_eq!(attached.ended().await.with_exit(0).stdout.trim_end(), "done");
    let again = broker.run(&["attach", ticket, "--wait", "0s", "--json"]).await.with_exit(0);
    assert_eq!(again.object()["outcome"], "replied", "reading acknowledges nothing");
}

#[tokio::test]
async fn a_request_without_a_requester_is_kept_under_its_ticket() {
    let broker = BrokerProgram::start().await;
    let ended = broker.run(&["request", "work_request", "please", "--no-wait"]).await.with_exit(0);
    let ticket = ended.stdout.trim_end();
    let waited = broker.run(&["request", "work_request", "please", "--wait", "10ms"]).await.with_exit(124);
    let _service = broker.serve("work_request", &["echo", "done"]).await;
    for ticket in [ticket, &ticket_in(&waited, "work_request")] {
        assert_eq!(broker.run(&["attach", ticket]).await.with_exit(0).stdout.trim_end(), "done");
        assert_eq!(broker.run(&["attach", ticket, "--wait", "0s"]).await.with_exit(0).stdout.trim_end(), "done");
    }
}

#[tokio::test]
async fn what_was_printed_is_acknowledged_and_what_was_not_stays() {
    let broker = BrokerProgram::start().await;
    let _service = broker.serve("work_request", &["echo", "done"]).await;
    let letters = ["--requester", "letters"];
    broker.run(&[&["request", "work_request", "printed"][..], &letters].concat()).await.with_exit(0);
    let left =
        broker.run(&[&["request", "work_request", "left", "--no-wait"][..], &letters].concat()).await.with_exit(0);
    broker.until("work_request", |figures| figures["retained"] == 1).await;
    let replies =
        broker.run(&[&["replies", "--reply-channel", "work_reply"][..], &letters].concat()).await.with_exit(0);
    assert_eq!(replies.stdout.lines().count(), 1, "{}", replies.stdout);
    assert!(replies.stdout.contains(left.stdout.trim_end()), "{}", replies.stdout);
}

#[tokio::test]
async fn a_wait_that_passes_leaves_the_request_and_prints_its_ticket() {
    let broker = BrokerProgram::start().await;
    let ended = broker
        .run(&["request", "work_request", "please", "--requester", "test", "--wait", "100ms"])
        .await
        .with_exit(124);
    let ticket = ticket_in(&ended, "work_request");
    let _service = broker.serve("work_request", &["echo", "done"]).await;
    assert_eq!(broker.run(&["attach", &ticket]).await.with_exit(0).stdout.trim_end(), "done");
}

#[tokio::test]
async fn ctrl_c_leaves_the_request_and_says_how_to_attach() {
    let broker = BrokerProgram::start().await;
    let request = broker.command(&["request", "work_request", "please", "--requester", "test"]);
    broker.until("work_request", |figures| figures["waiting"] == 1).await;
    request.signal(Signal::INT);
    let ended = request.ended().await.with_exit(130);
    assert!(ended.stderr.contains("roundtrip attach work_request:"), "{}", ended.stderr);
    let ticket = ticket_in(&ended, "work_request");
    let _service = broker.serve("work_request", &["echo", "done"]).await;
    assert_eq!(broker.run(&["attach", &ticket]).await.with_exit(0).stdout.trim_end(), "done");
}

#[tokio::test]
async fn other_outcomes_exit_with_1_and_say_why() {
    let broker = BrokerProgram::start().await;
    let _service = broker.serve("work_request", &["sh", "-c", "echo the printer is on fire >&2; exit 3"]).await;
    let ended = broker.run(&["request", "work_request", "please"]).await.with_exit(1);
    assert!(ended.stderr.contains("the printer is on fire"), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    let object = broker.run(&["request", "work_request", "please", "--json"]).await.with_exit(1).object();
    assert_eq!(object["outcome"], "failed");
    let problem = &object["problem"];
    assert_eq!(problem["type"], "urn:roundtrip:problem:command_failed", "{object}");
    assert!(problem["detail"].as_str().unwrap().contains("the printer is on fire"), "{object}");
}

#[tokio::test]
async fn what_the_broker_refuses_exits_with_3() {
    let broker = BrokerProgram::start().await;
    let arguments = ["request", "work_request", "-", "--broker", &broker.address];
    let ended = Program::reading(&arguments, vec![b'x'; 17 << 20], |_| {}).ended().await.with_exit(3);
    assert!(
        ended.stderr.contains("16777216") || ended.stderr.contains("16 MiB"),
        "it names the limit: {}",
        ended.stderr
    );
    let _service = broker.serve("work_request", &["wc", "-c"]).await;
    let arguments = ["request", "work_request", "-", "--broker", &broker.address];
    let ended = Program::reading(&arguments, vec![b'x'; 16 << 20], |_| {}).ended().await.with_exit(0);
    assert_eq!(ended.stdout.trim(), "16777216");
}

#[tokio::test]
async fn an_unknown_ticket_exits_with_5_and_what_is_no_ticket_with_2() {
    let broker = BrokerProgram::start().await;
    let unknown = "work_request:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11";
    broker.run(&["attach", unknown]).await.with_exit(5);
    broker.run(&["attach", unknown, "--wait", "0s"]).await.with_exit(5);
    broker.run(&["attach", "nonsense"]).await.with_exit(2);
}

#[tokio::test]
async fn a_mistake_in_the_command_line_exits_with_2() {
    for arguments in [
        &["request"][..],
        &["request", "no channel", "x"],
        &["request", "a", "x", "--wait", "5"],
        &["request", "a", "x", "--requester", "no name"],
        &["serve", "a"],
        &["replies"],
        &["frobnicate"],
        &["broker", "--frobnicate"],
    ] {
        let ended = Program::start(arguments).ended().await.with_exit(2);
        assert!(!ended.stderr.is_empty(), "{arguments:?}");
        assert_eq!(ended.stdout, "", "{arguments:?}");
    }
}

#[tokio::test]
async fn without_a_broker_every_command_says_so_and_exits_with_4() {
    let ticket = "work_request:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11";
    for arguments in [
        &["request", "work_request", "please"][..],
        &["request", "work_request", "please", "--no-wait"],
        &["attach", ticket],
        &["status", ticket],
        &["cancel", ticket],
        &["dead-letters", "list", "work_request"],
        &["drain"],
        &["replies", "--requester", "test", "--reply-channel", "work_reply"],
        &["channels"],
    ] {
        let ended = Program::start(&[arguments, &["--broker", "127.0.0.1:1"]].concat()).ended().await.with_exit(4);
        assert!(ended.stderr.contains("127.0.0.1:1") && ended.stderr.contains("roundtrip broker"), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn a_channel_without_a_service_is_said_so() {
    let broker = BrokerProgram::start().await;
    let _service = broker.serve("patient_summary_request", &["cat"]).await;
    let mut request = broker.command(&["request", "paitent_summary_request", "please"]);
    let line = request.stderr.line(|line| line.contains("no service")).await;
    assert!(line.contains("paitent_summary_request") && line.contains("patient_summary_request"), "{line}");
}

#[tokio::test]
async fn progress_is_told_on_standard_error() {
    let folder = Folder::new();
    let broker = BrokerProgram::start().await;
    let script = begin_and_wait(&folder, "echo done");
    let script = format!("echo '::progress 0.4 halfway there' >&2; {script}");
    let _service = broker.serve("work_request", &["sh", "-c", &script]).await;
    let mut request = broker.command(&["request", "work_request", "please"]);
    let line = request.stderr.line(|line| line.contains("halfway there")).await;
    assert!(line.contains("40"), "40 %: {line}");
    folder.write("go-on", "");
    assert_eq!(request.ended().await.with_exit(0).stdout.trim_end(), "done");
}

#[tokio::test]
async fn a_closed_pipe_ends_quietly() {
    let broker = BrokerProgram::start().await;
    let _service = broker.serve("work_request", &["sh", "-c", "cat >/dev/null; yes | head -c 4000000"]).await;
    let binary = env!("CARGO_BIN_EXE_roundtrip-under-test");
    let script = format!("{{ '{binary}' request work_request please; echo \"exit $?\" >&2; }} | head -c 1");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).env("ROUNDTRIP_BROKER", &broker.address).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(LIMIT, shell.output()).await.unwrap().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "y");
    assert_eq!(String::from_utf8_lossy(&output.stderr).trim_end(), "exit 0", "no word about the pipe");
}

#[tokio::test]
async fn every_command_has_an_example_in_its_help() {
    let alone = Program::start(&[]).ended().await;
    assert!(alone.stdout.contains("roundtrip demo"), "{alone:?}");
    for command in [
        "broker",
        "demo",
        "request",
        "replies",
        "attach",
        "status",
        "cancel",
        "dead-letters",
        "drain",
        "serve",
        "channels",
    ] {
        let help = Program::start(&[command, "--help"]).ended().await.with_exit(0).stdout;
        assert!(help.contains(&format!("roundtrip {command}")), "{help}");
    }
    let completions = Program::start(&["completions", "bash"]).ended().await.with_exit(0).stdout;
    assert!(completions.contains("roundtrip"));
}

/// The ticket that was printed, wherever it was.
fn ticket_in(ended: &Ended, channel: &str) -> String {
    let mut words = ended.stdout.split_whitespace().chain(ended.stderr.split_whitespace());
    let ticket = words.find(|word| word.starts_with(&format!("{channel}:")));
    ticket.unwrap_or_else(|| panic!("no ticket in {ended:?}")).trim_matches(['`', '.']).to_owned()
}
