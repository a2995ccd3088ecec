//! `replies`: a mailbox, line by line.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::stage::{BrokerProgram, Program, Signal};

const READ: [&str; 5] = ["replies", "--requester", "letters", "--reply-channel", "shout_reply"];

/// A broker with so many answered requests of `letters`.
async fn answered(requests: usize) -> (BrokerProgram, BTreeSet<String>) {
    let broker = BrokerProgram::start().await;
    let mut tickets = BTreeSet::new();
    for number in 0..requests {
        let payload = format!("hello {number}");
        let arguments =
            ["request", "shout_request", &payload, "--requester", "letters", "--operation", "shout", "--no-wait"];
        tickets.insert(broker.run(&arguments).await.with_exit(0).stdout.trim_end().to_owned());
    }
    assert_eq!(tickets.len(), requests);
    let service = broker.serve("shout_request", &["tr", "a-z", "A-Z"]).await;
    broker.until("shout_request", |figures| figures["retained"] == requests).await;
    service.signal(Signal::TERM);
    service.ended().await.with_exit(0);
    (broker, tickets)
}

#[tokio::test]
async fn reading_takes_nothing() {
    let (broker, tickets) = answered(3).await;
    for _ in 0..2 {
        let plain = broker.run(&READ).await.with_exit(0).stdout;
        assert_eq!(plain.lines().count(), 3, "{plain}");
        for ticket in &tickets {
            assert_eq!(plain.lines().filter(|line| line.contains(ticket.as_str())).count(), 1, "{plain}");
        }
        assert!(plain.contains("HELLO 0"), "{plain}");
    }
    broker.until("shout_request", |figures| figures["retained"] == 3).await;
}

#[tokio::test]
async fn with_json_each_reply_is_an_object_and_taking_acknowledges() {
    let (broker, tickets) = answered(3).await;
    let read = broker.run(&[&READ[..], &["--json"]].concat()).await.with_exit(0);
    let taken = broker.run(&[&READ[..], &["--take", "--json"]].concat()).await.with_exit(0);
    for ended in [read, taken] {
        let objects: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let told: BTreeSet<_> = objects.iter().map(|object| object["ticket"].as_str().unwrap().to_owned()).collect();
        assert_eq!(told, tickets);
        assert_eq!(objects.len(), 3, "each ticket once");
        for object in objects {
            assert_eq!(object["channel"], "shout_request");
            assert_eq!(object["operation"], "shout");
            assert_eq!(object["outcome"], "replied");
            assert_eq!(object["attempts"], json!(1));
            assert!(object.get("payload").is_some() || object.get("payload_base64").is_some(), "{object}");
        }
    }
    let nothing = broker.run(&[&READ[..], &["--json"]].concat()).await.with_exit(0);
    assert_eq!(nothing.stdout, "", "what was taken was acknowledged");
}

#[tokio::test]
async fn following_goes_on_until_it_is_stopped() {
    let (broker, _) = answered(1).await;
    let mut following = broker.command(&[&READ[..], &["--follow"]].concat());
    assert!(following.stdout.line(|_| true).await.contains("HELLO 0"));
    let _service = broker.serve("shout_request", &["tr", "a-z", "A-Z"]).await;
    let arguments = ["request", "shout_request", "another", "--requester", "letters", "--no-wait"];
    broker.run(&arguments).await.with_exit(0);
    assert!(following.stdout.line(|_| true).await.contains("ANOTHER"));
    following.signal(Signal::INT);
    let ended = following.ended().await;
    assert!(matches!(ended.exit, Some(0 | 130)), "{ended:?}");
    assert_eq!(ended.stdout.lines().count(), 2);
}

#[tokio::test]
async fn following_waits_for_a_broker_that_is_not_there_yet() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let mut following = Program::start(&[&READ[..], &["--follow", "--broker", &free]].concat());
    following.stderr.line(|line| line.contains(&free)).await;
    let broker = BrokerProgram::listening_on(&free).await;
    let _service = broker.serve("shout_request", &["tr", "a-z", "A-Z"]).await;
    let arguments = ["request", "shout_request", "hello", "--requester", "letters", "--no-wait"];
    broker.run(&arguments).await.with_exit(0);
    assert!(following.stdout.line(|_| true).await.contains("HELLO"));
}
