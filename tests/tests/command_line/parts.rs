//! Parts: what a command adds with `::part`, and what `--parts` shows of it.

use serde_json::{Value, json};

use crate::stage::{BrokerProgram, Folder, appears, begin_and_wait};

const THREE: &str = "for i in 1 2 3; do echo \"::part {\\\"section\\\":$i}\" >&2; done";

#[tokio::test]
async fn parts_are_printed_as_they_come_before_the_reply() {
    let folder = Folder::new();
    let broker = BrokerProgram::start().await;
    let script = format!("{THREE}; {}", begin_and_wait(&folder, "echo done"));
    let _service = broker.serve("work_request", &["sh", "-c", &script]).await;
    let mut request = broker.command(&["request", "work_request", "please", "--parts"]);
    for section in 1..=3 {
        assert_eq!(request.stdout.line(|_| true).await, format!("{{\"section\":{section}}}"));
    }
    folder.write("go-on", "");
    assert!(request.ended().await.with_exit(0).stdout.ends_with("}\ndone\n"));
}

#[tokio::test]
async fn with_json_each_part_is_an_object_and_the_outcome_is_the_last() {
    let broker = BrokerProgram::start().await;
    let _service =
        broker.serve("work_request", &["sh", "-c", &format!("{THREE}; echo '::part text' >&2; echo done")]).await;
    let ended = broker.run(&["request", "work_request", "please", "--parts", "--json"]).await.with_exit(0);
    let [parts @ .., outcome] = &ended.objects()[..] else { panic!("{}", ended.stdout) };
    let part =
        |number: u32, payload: Value| json!({"event": "part", "delivery": 1, "number": number, "payload": payload});
    let mut told = parts.to_vec();
    for part in &mut told[..3] {
        assert_eq!(part.as_object_mut().unwrap().remove("content_type"), Some(json!("application/json")));
    }
    let sections = [1, 2, 3].map(|number| part(number, json!({"section": number})));
    assert_eq!(told[..3], sections);
    assert_eq!(told[3..], [part(4, json!("text"))]);
    assert_eq!((&outcome["outcome"], &outcome["payload"]), (&json!("replied"), &json!("done\n")));
}

#[tokio::test]
async fn whoever_attaches_sees_the_parts_too_and_takes_none() {
    let folder = Folder::new();
    let broker = BrokerProgram::start().await;
    let script = format!("{THREE}; {}", begin_and_wait(&folder, "echo done"));
    let _service = broker.serve("work_request", &["sh", "-c", &script]).await;
    let ticket = broker.submit(&["work_request", "please", "--requester", "test"]).await;
    appears(&folder.path("begun")).await;
    let mut attached = [&ticket, &ticket].map(|ticket| broker.command(&["attach", ticket, "--parts"]));
    for attached in &mut attached {
        attached.stdout.line(|line| line.contains("\"section\":3")).await;
    }
    folder.write("go-on", "");
    for attached in attached {
        assert_eq!(attached.ended().await.with_exit(0).stdout.lines().count(), 4);
    }
    let after = broker.run(&["attach", &ticket, "--parts", "--wait", "0s"]).await.with_exit(0);
    assert_eq!(after.stdout.lines().count(), 4, "they stay until the outcome is acknowledged: {}", after.stdout);
}

#[tokio::test]
async fn parts_that_begin_again_are_said_so() {
    let folder = Folder::new();
    let broker = BrokerProgram::start().await;
    let once = folder.path("once");
    let script =
        format!("{THREE}; cat >/dev/null; test -e '{0}' && echo done || {{ echo > '{0}'; exit 75; }}", once.display());
    let _service = broker.serve("work_request", &["sh", "-c", &script]).await;
    let ended = broker.run(&["request", "work_request", "please", "--parts", "--json"]).await.with_exit(0);
    let events: Vec<Value> =
        ended.objects().iter().map(|object| json!([object["event"], object["delivery"]])).collect();
    let of = |event: &str, delivery: u32| json!([event, delivery]);
    let mut expected = vec![of("part", 1); 3];
    expected.push(of("restarted", 2));
    expected.extend(vec![of("part", 2); 3]);
    expected.push(json!([null, null]));
    assert_eq!(events, expected, "{}", ended.stdout);
}

#[tokio::test]
async fn a_command_that_adds_more_parts_than_there_is_room_for_is_not_held_up_by_who_does_not_look() {
    let broker = BrokerProgram::start().await;
    // Three times the room that a channel has for parts.
    let script = "line=$(head -c 100000 /dev/zero | tr '\\0' x); for i in $(seq 32); do echo \"::part $line\" >&2; done; echo done";
    let _service = broker.serve("work_request", &["sh", "-c", script]).await;
    let ended = broker.run(&["request", "work_request", "please"]).await.with_exit(0);
    assert_eq!(ended.stdout, "done\n");
}

#[tokio::test]
async fn a_part_that_is_too_large_fails_the_request_and_is_not_left_out() {
    let folder = Folder::new();
    let configuration = "[defaults]\nparts_room = 100\n[[channel]]\nname = \"work_request\"";
    let broker = BrokerProgram::configured(&folder, configuration).await;
    let script = "line=$(head -c 1000 /dev/zero | tr '\\0' x); echo \"::part $line\" >&2; echo done";
    let _service = broker.serve("work_request", &["sh", "-c", script]).await;
    let ended = broker.run(&["request", "work_request", "please", "--json"]).await.with_exit(1);
    assert_eq!(ended.object()["problem"]["code"], "part_not_added", "{}", ended.stdout);
}
