//! `gateway` and `broker --http`: where they listen, what they carry, and how they stop.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::stage::{BrokerProgram, Folder, LIMIT, Program, Signal};

/// One call over HTTP on a connection of its own, and all of its answer.
pub(crate) async fn call(address: &str, host: &str, line: &str, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(LIMIT, stream.read_to_string(&mut answer)).await.expect("no answer").unwrap();
    answer
}

/// Submits as the page in `docs` does, and reads the reply under the place that was answered.
pub(crate) async fn shouts(address: &str) {
    let accepted = call(address, address, "POST /v1/channels/shout_request/requests", "", "hello").await;
    assert!(accepted.starts_with("HTTP/1.1 202 "), "{accepted}");
    let place = accepted.lines().find_map(|line| line.strip_prefix("location: ")).expect("a place").to_owned();
    let reply = call(address, address, &format!("GET {place}/reply?wait=60"), "", "").await;
    assert!(reply.starts_with("HTTP/1.1 200 ") && reply.contains("\r\nroundtrip-outcome: replied\r\n"), "{reply}");
    assert!(reply.ends_with("HELLO"), "{reply}");
}

/// A broker that listens for HTTP too, and where.
pub(crate) async fn open_for_http() -> (BrokerProgram, String) {
    let arguments = ["broker", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--json"];
    let mut program = Program::start(&arguments);
    let ready: Value = serde_json::from_str(&program.stdout.line(|_| true).await).unwrap();
    let (address, http) = (ready["listen"].as_str().unwrap(), ready["http"].as_str().unwrap());
    (BrokerProgram { address: address.to_owned(), program }, http.to_owned())
}

/// A gateway for a broker, and where it listens.
async fn gateway(broker: &BrokerProgram, arguments: &[&str]) -> (Program, String) {
    let mut program = broker.command(&[&["gateway", "--listen", "127.0.0.1:0", "--json"], arguments].concat());
    let ready: Value = serde_json::from_str(&program.stdout.line(|_| true).await).unwrap();
    assert_eq!(ready["event"], "ready");
    let address = ready["listen"].as_str().unwrap().to_owned();
    (program, address)
}

#[tokio::test]
async fn a_gateway_carries_requests_to_a_broker_elsewhere_and_ends_in_peace() {
    let broker = BrokerProgram::start().await;
    let _service = broker.serve("shout_request", &["tr", "a-z", "A-Z"]).await;
    let (gateway, address) = gateway(&broker, &[]).await;
    shouts(&address).await;
    gateway.signal(Signal::TERM);
    let ended = gateway.ended().await.with_exit(0);
    assert_eq!(ended.stdout.lines().count(), 1, "{}", ended.stdout);
}

#[tokio::test]
async fn a_broker_carries_http_itself_and_says_where_on_its_one_line() {
    let mut program = Program::start(&[
        "broker",
        "--listen",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
        "--host",
        "broker.example",
        "--json",
    ]);
    let ready: Value = serde_json::from_str(&program.stdout.line(|_| true).await).unwrap();
    let address = ready["listen"].as_str().unwrap().to_owned();
    let http = ready["http"].as_str().unwrap().to_owned();
    let broker = BrokerProgram { program, address };
    let _service = broker.serve("shout_request", &["tr", "a-z", "A-Z"]).await;
    shouts(&http).await;
    assert!(call(&http, "broker.example", "GET /readyz", "", "").await.starts_with("HTTP/1.1 200 "));
    assert!(call(&http, "attacker.example", "GET /readyz", "", "").await.starts_with("HTTP/1.1 421 "));
    broker.program.signal(Signal::TERM);
    let ended = broker.program.ended().await.with_exit(0);
    assert_eq!(ended.stdout.lines().count(), 1, "{}", ended.stdout);
}

#[tokio::test]
async fn the_file_may_say_it_all_and_the_environment_too() {
    let folder = Folder::new();
    let file = "http = \"127.0.0.1:0\"\nhosts = [\"broker.example\"]\ncors_origins = [\"https://ward.example\"]\n";
    let path = folder.write("roundtrip.toml", file);
    let arguments = ["broker", "--listen", "127.0.0.1:0", "--config", path.to_str().unwrap(), "--json"];
    let mut program = Program::with(&arguments, |command| {
        command.env("ROUNDTRIP_HOSTS", "[\"other.example\"]");
    });
    let ready: Value = serde_json::from_str(&program.stdout.line(|_| true).await).unwrap();
    let http = ready["http"].as_str().unwrap();
    assert!(call(http, "other.example", "GET /readyz", "", "").await.starts_with("HTTP/1.1 200 "));
    assert!(call(http, "broker.example", "GET /readyz", "", "").await.starts_with("HTTP/1.1 421 "));
    let answer = call(http, http, "GET /readyz", "Origin: https://ward.example\r\n", "").await;
    assert!(answer.contains("\r\naccess-control-allow-origin: https://ward.example\r\n"), "{answer}");
}

#[tokio::test]
async fn who_may_ask_means_nothing_where_nobody_listens() {
    for arguments in [["--host", "broker.example"], ["--cors-origin", "https://ward.example"]] {
        let refused = Program::start(&[&["broker", "--listen", "127.0.0.1:0"], &arguments[..]].concat());
        let refused = refused.ended().await.with_exit(2);
        assert!(refused.stderr.contains("--http"), "{}", refused.stderr);
    }
}

#[tokio::test]
async fn for_people_both_places_stand_on_one_line() {
    let mut broker = Program::start(&["broker", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
    let line = broker.stdout.line(|_| true).await;
    assert!(line.contains("http://127.0.0.1:") && !line.ends_with(":0"), "{line}");
}

#[tokio::test]
async fn an_address_that_others_can_reach_must_be_insisted_on() {
    for arguments in
        [&["gateway", "--listen", "0.0.0.0:0"][..], &["broker", "--listen", "127.0.0.1:0", "--http", "0.0.0.0:0"]]
    {
        let refused = Program::start(arguments).ended().await.with_exit(2);
        assert!(refused.stderr.contains("--insecure") && refused.stderr.contains("0.0.0.0:0"), "{}", refused.stderr);
        assert_eq!(refused.stdout, "");
    }
    let mut insisted =
        Program::start(&["broker", "--listen", "127.0.0.1:0", "--http", "0.0.0.0:0", "--insecure", "--json"]);
    insisted.stdout.line(|line| line.contains("\"http\"")).await;
    let warning = insisted.stderr.line(|_| true).await;
    assert!(warning.contains("warning") && warning.contains("0.0.0.0:0"), "{warning}");
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let broker = BrokerProgram::start().await;
    let taken = &broker.address;
    for arguments in [&["gateway", "--listen", taken][..], &["broker", "--listen", "127.0.0.1:0", "--http", taken]] {
        let ended = broker.run(arguments).await.with_exit(4);
        assert!(ended.stderr.contains(taken.as_str()), "{}", ended.stderr);
    }
}
