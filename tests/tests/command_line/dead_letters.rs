//! `dead-letters`: what is dead, and what can be done with it.

use serde_json::json;

use crate::stage::{BrokerProgram, Folder, Program};

/// A broker whose channel gives each request one attempt, with a service that fails each so that another might help.
async fn broker_with_a_failing_service(folder: &Folder) -> (BrokerProgram, Program) {
    let configuration =
        "[[channel]]\nname = \"work_request\"\nmax_attempts = 1\nbackoff = { first = \"1ms\", max = \"1ms\" }";
    let broker = BrokerProgram::configured(folder, configuration).await;
    let service = broker.serve("work_request", &["sh", "-c", "cat >/dev/null; exit 75"]).await;
    (broker, service)
}

/// Sends a request that dies, and gives its ticket.
async fn dies(broker: &BrokerProgram, payload: &str) -> String {
    let arguments = ["request", "work_request", payload, "--operation", "draw", "--requester", "letters", "--json"];
    let object = broker.run(&arguments).await.with_exit(1).object();
    assert_eq!(object["outcome"], "dead", "{object}");
    assert_eq!(object["problem"]["code"], "attempts_exhausted", "{object}");
    assert_eq!(object["problem"]["last"]["code"], "try_again", "{object}");
    object["ticket"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn they_are_listed_oldest_first_and_shown_whole() {
    let folder = Folder::new();
    let (broker, _service) = broker_with_a_failing_service(&folder).await;
    let none = broker.run(&["dead-letters", "list", "work_request"]).await.with_exit(0);
    assert_eq!((none.stdout.as_str(), none.stderr.trim_end()), ("", "work_request has no dead letters"));

    let (first, second) = (dies(&broker, "{\"page\": 1}").await, dies(&broker, "two").await);
    let listed = broker.run(&["dead-letters", "list", "work_request", "--json"]).await.with_exit(0).objects();
    let tickets: Vec<_> = listed.iter().map(|letter| letter["ticket"].as_str().unwrap()).collect();
    assert_eq!(tickets, [&first, &second]);
    let letter = &listed[0];
    assert_eq!((&letter["operation"], &letter["requester"]), (&json!("draw"), &json!("letters")));
    assert_eq!((&letter["reason"], &letter["attempts"]), (&json!("attempts_exhausted"), &json!(1)));
    assert_eq!((&letter["bytes"], &letter["last"]["code"]), (&json!(11), &json!("try_again")));
    assert!(letter.get("payload").is_none(), "a list shows no payloads: {letter}");
    let plain = broker.run(&["dead-letters", "list", "work_request"]).await.with_exit(0).stdout;
    assert_eq!(plain.lines().count(), 3, "a heading and two rows: {plain}");

    let id = second.rsplit(':').next().unwrap();
    let shown = broker.run(&["dead-letters", "show", "work_request", id]).await.with_exit(0);
    assert_eq!(shown.stdout, "two", "the payload as it is");
    assert!(shown.stderr.contains(&second) && shown.stderr.contains("attempts_exhausted"), "{}", shown.stderr);
    let shown = broker.run(&["dead-letters", "show", "work_request", &first, "--json"]).await.with_exit(0).object();
    assert_eq!((&shown["payload"], &shown["reply_channel"]), (&json!({"page": 1}), &json!("work_reply")));
    broker.until("work_request", |figures| figures["dead"] == 2).await;
}

#[tokio::test]
async fn a_redriven_letter_is_a_new_request_that_can_be_answered() {
    let folder = Folder::new();
    let (broker, service) = broker_with_a_failing_service(&folder).await;
    let (first, second) = (dies(&broker, "one").await, dies(&broker, "two").await);
    drop(service);
    broker.until("work_request", |figures| figures["services"] == 0).await;
    let redriven = broker.run(&["dead-letters", "redrive", "work_request", &first]).await.with_exit(0).stdout;
    let (letter, ticket) = redriven.trim_end().split_once('\t').unwrap();
    assert_eq!(letter, first);
    assert_eq!(broker.status(ticket).await["redrive_of"], first.as_str());
    let all = broker.run(&["dead-letters", "redrive", "work_request", "--all", "--json"]).await.with_exit(0).object();
    assert_eq!(all["letter"], second.as_str());

    let _service = broker.serve("work_request", &["tr", "a-z", "A-Z"]).await;
    assert_eq!(broker.run(&["attach", ticket]).await.with_exit(0).stdout, "ONE");
    assert_eq!(broker.run(&["attach", all["ticket"].as_str().unwrap()]).await.with_exit(0).stdout, "TWO");
    let none = broker.run(&["dead-letters", "redrive", "work_request", "--all"]).await.with_exit(0);
    assert_eq!(none.stderr.trim_end(), "work_request has no dead letters");
}

#[tokio::test]
async fn purged_letters_are_gone() {
    let folder = Folder::new();
    let (broker, _service) = broker_with_a_failing_service(&folder).await;
    let mut tickets = Vec::new();
    for payload in ["one", "two", "three"] {
        tickets.push(dies(&broker, payload).await);
    }
    let purged = broker.run(&["dead-letters", "purge", "work_request", &tickets[0]]).await.with_exit(0);
    assert_eq!(purged.stdout.trim_end(), tickets[0]);
    let again = broker.run(&["dead-letters", "purge", "work_request", &tickets[0], &tickets[1]]).await.with_exit(5);
    assert_eq!(again.stdout.trim_end(), tickets[1], "the unknown one does not keep it from the other");
    assert!(again.stderr.contains(&tickets[0]), "{}", again.stderr);
    let all = broker.run(&["dead-letters", "purge", "work_request", "--all", "--json"]).await.with_exit(0);
    assert_eq!(all.object()["letter"], tickets[2].as_str());
    broker.until("work_request", |figures| figures["dead"] == 0).await;
}

#[tokio::test]
async fn a_redrive_without_room_is_refused_and_the_letter_stays() {
    let folder = Folder::new();
    let configuration = "[[channel]]\nname = \"work_request\"\nmax_attempts = 1\ncapacity = 1\nno_service = \"wait\"\n\
                         backoff = { first = \"1ms\", max = \"1ms\" }";
    let broker = BrokerProgram::configured(&folder, configuration).await;
    let service = broker.serve("work_request", &["sh", "-c", "cat >/dev/null; exit 75"]).await;
    let ticket = dies(&broker, "one").await;
    drop(service);
    broker.until("work_request", |figures| figures["services"] == 0).await;
    broker.submit(&["work_request", "fills it", "--requester", "test"]).await;
    let refused = broker.run(&["dead-letters", "redrive", "work_request", &ticket]).await.with_exit(3);
    assert!(refused.stderr.contains("channel_full"), "{}", refused.stderr);
    broker.run(&["dead-letters", "show", "work_request", &ticket]).await.with_exit(0);
}

#[tokio::test]
async fn a_ticket_of_another_channel_is_a_usage_error() {
    let broker = BrokerProgram::start().await;
    let elsewhere = "other_request:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11";
    let ended = broker.run(&["dead-letters", "show", "work_request", elsewhere]).await.with_exit(2);
    assert!(ended.stderr.contains("work_request"), "{}", ended.stderr);
    broker.run(&["dead-letters", "purge", "work_request"]).await.with_exit(2);
    broker.run(&["dead-letters", "purge", "work_request", "nonsense"]).await.with_exit(2);
    broker.run(&["dead-letters", "show", "work_request", "0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11"]).await.with_exit(5);
}
