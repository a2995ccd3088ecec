//! Thousands who wait over HTTP, with the broker in a process of its own.

use roundtrip_tests::skip;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::http::{call, open_for_http, shouts};

const POLLS: usize = 10_000;

/// What else this process holds.
const BESIDE: u64 = 500;

/// How many requests they wait for.
const REQUESTS: usize = 10;

/// Far more than one takes, so that no other than each poll's own memory is found with it.
const EACH_KIB: u64 = 128;

#[tokio::test]
async fn ten_thousand_who_wait_harm_nobody_and_are_all_answered() {
    if !may_hold(POLLS as u64 + BESIDE) {
        return;
    }
    let (broker, http) = open_for_http().await;
    let _service = broker.serve("shout_request", &["tr", "a-z", "A-Z"]).await;
    shouts(&http).await;
    let mut places = Vec::new();
    for _ in 0..REQUESTS {
        let accepted = call(&http, &http, "POST /v1/channels/slow_request/requests", "", "work").await;
        places.push(accepted.lines().find_map(|line| line.strip_prefix("location: ")).expect("a place").to_owned());
    }
    let before = resident_kib(broker.program.id());
    let mut polls = Vec::new();
    for nth in 0..POLLS {
        polls.push(tokio::spawn(poll(http.clone(), format!("{}/reply?wait=60", places[nth % REQUESTS]))));
    }
    shouts(&http).await;
    for _ in 0..REQUESTS {
        let taken = call(&http, &http, "POST /v1/channels/slow_request/deliveries?wait=60", "", "").await;
        let delivery = taken.lines().find_map(|line| line.strip_prefix("roundtrip-delivery: ")).expect("a delivery");
        let settled = call(&http, &http, &format!("POST {delivery}/reply"), "", "done").await;
        assert!(settled.starts_with("HTTP/1.1 204 "), "{settled}");
    }
    for poll in polls {
        poll.await.unwrap();
    }
    shouts(&http).await;
    let grown = resident_kib(broker.program.id()).saturating_sub(before);
    assert!(grown < EACH_KIB * POLLS as u64, "{grown} KiB for {POLLS}");
}

/// Waits on one connection until the outcome is there.
async fn poll(address: String, path: String) {
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let line = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    loop {
        stream.write_all(line.as_bytes()).await.unwrap();
        let mut answer = String::new();
        while !answer.contains("\r\n\r\n") || !is_whole(&answer) {
            let mut bytes = [0; 2048];
            let read = stream.read(&mut bytes).await.unwrap();
            assert_ne!(read, 0, "the line was cut: {answer}");
            answer.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
        if answer.starts_with("HTTP/1.1 200 ") {
            assert!(answer.ends_with("\r\n\r\ndone"), "{answer}");
            return;
        }
        assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    }
}

fn is_whole(answer: &str) -> bool {
    let (head, body) = answer.split_once("\r\n\r\n").expect("its head is there");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    body.len() >= length.parse::<usize>().unwrap()
}

/// Whether this process may hold so many descriptors. Says so loudly where it may not.
fn may_hold(wanted: u64) -> bool {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let is_allowed = maximum.is_none_or(|maximum| maximum >= wanted);
    if is_allowed && current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).unwrap();
    }
    if !is_allowed {
        let needed = format!("{wanted} open files are needed, and the hard limit is lower: raise it (ulimit -Hn)");
        skip(&needed, "nobody saw whether thousands who wait harm anybody");
    }
    is_allowed
}

/// How much memory a process has in use; nothing where the system does not tell it this way.
fn resident_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}
