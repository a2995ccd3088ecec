//! What is told of a folder that tests have filled through the storage.

use roundtrip_protocol::DeadReason;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::{DataError, DataFolder, Finding, OpenError};
use crate::storage::tests::disk::TestFolder;
use crate::storage::tests::words;
use crate::storage::{ChannelRow, Facts, NewOutcome, Row, Storage, StoredTried, Write};

const CHANNEL: ChannelRow = ChannelRow(4);

const fn row(number: u64) -> Row {
    Row::new(CHANNEL, number)
}

/// One request that waits, one that is scheduled, one that backs off with two parts, one that has its reply, one that
/// failed, and one that is dead.
fn filled() -> TestFolder {
    let folder = TestFolder::new();
    let mut storage = folder.open();
    storage.begin(70, 1_764_293_645_678).unwrap();
    let name = "summary_request".parse().unwrap();
    let scheduled = Facts { order: None, until_ms: Some(1_764_293_700_000), ..words::facts(row(2)) };
    let tried = StoredTried {
        order: 3,
        until_ms: Some(1_764_293_650_000),
        deliveries: 2,
        attempts: 1,
        releases: 1,
        last: Some(words::problem(3)),
    };
    let part = |number| {
        let row = row(20 + u64::from(number));
        Write::AddPart { request: self::row(3), delivery: 2, number, row, part: words::part(number.into()) }
    };
    let dead = NewOutcome::Dead { reason: DeadReason::Rejected, last: None };
    let writes = [
        Write::AddChannel { channel: CHANNEL, name },
        words::accept(words::facts(row(1))),
        words::accept(scheduled),
        words::accept(words::facts(row(3))),
        words::accept(words::facts(row(4))),
        words::accept(words::facts(row(8))),
        words::accept(words::facts(row(6))),
        Write::Move { row: row(3), tried: Box::new(tried) },
        part(1),
        part(2),
        words::end(row(4), 1_764_293_646_000, NewOutcome::Replied(words::answer(12))),
        words::end(row(8), 1_764_293_646_000, NewOutcome::Failed(words::answer(13))),
        words::end(row(6), 1_764_293_646_000, dead),
    ];
    storage.commit(1_764_293_650_000, &writes).unwrap();
    folder
}

fn opened(folder: &TestFolder) -> DataFolder {
    DataFolder::open(folder.path()).unwrap()
}

fn exported(folder: &TestFolder) -> Vec<Value> {
    let mut lines = Vec::new();
    let count = opened(folder).export(&mut lines).unwrap();
    let text = String::from_utf8(lines).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len() as u64, count);
    lines
}

fn findings(folder: &TestFolder, sql: &str) -> Vec<Finding> {
    Connection::open(folder.database()).unwrap().execute_batch(sql).unwrap();
    opened(folder).check().unwrap()
}

#[test]
fn a_folder_as_it_was_written_is_sound() {
    assert_eq!(opened(&filled()).check().unwrap(), []);
}

#[test]
fn each_damage_is_found_where_it_is_and_says_nothing_of_what_stands_there() {
    let damages = [
        ("UPDATE request SET bytes = 0 WHERE row & 0xff = 1", 1, "table request"),
        ("UPDATE tried SET attempts = 9", 3, "table tried"),
        ("UPDATE outcome SET since_ms = 0 WHERE kind = 'failed'", 8, "table outcome"),
        ("UPDATE letter SET deliveries = 0", 6, "table letter"),
        ("UPDATE part SET bytes = 0 WHERE number = 2", 3, "table part"),
        ("UPDATE body SET payload = x'' WHERE row & 0xff = 1", 1, "table body"),
        ("DELETE FROM body WHERE row & 0xff = 2", 2, "the message of an open request is missing"),
        ("DELETE FROM body WHERE row & 0xff = 6", 6, "the message of a dead letter is missing"),
        ("DELETE FROM body WHERE row & 0xff = 5", 4, "the answer of an outcome is missing"),
        ("DELETE FROM body WHERE row & 0xff = 22", 3, "the body of a part is missing"),
        ("DELETE FROM part WHERE number = 1", 21, "nothing refers to this body"),
    ];
    for (sql, number, what) in damages {
        let found = findings(&filled(), sql);
        let [Finding { channel: Some(channel), row: Some(found_row), what: said, request }] = &found[..] else {
            panic!("{sql}: {found:?}")
        };
        assert_eq!((channel.as_str(), *found_row), ("summary_request", row(number).0), "{sql}");
        assert_eq!(request.is_some(), number < 10, "{sql}");
        assert!(said.contains(what), "{sql}: {said}");
    }
}

#[test]
fn what_belongs_to_nothing_is_found() {
    let found = findings(&filled(), "DELETE FROM request; DELETE FROM channel");
    let count = |what: &str| found.iter().filter(|finding| finding.what.contains(what)).count();
    assert_eq!(count("it was tried, and is no request"), 1);
    assert_eq!(count("the outcome of no request"), 3);
    assert_eq!(count("the dead letter of no request"), 1);
    assert_eq!(count("parts of no request"), 1);
    assert_eq!(count("nothing refers to this body"), 4);
    let found = findings(&filled(), "UPDATE channel SET name = 'another'; UPDATE meta SET start = 1");
    assert!(found.iter().any(|finding| finding.what.contains("the name of channel number 4")), "{found:?}");
    assert!(found.iter().any(|finding| finding.what.contains("the number of the last start")), "{found:?}");
    let found = findings(&filled(), "DELETE FROM channel");
    assert!(found.iter().any(|finding| finding.what == "channel number 4 has requests and no name"), "{found:?}");
}

#[test]
fn a_page_that_is_damaged_is_found_and_the_rest_is_checked() {
    let folder = filled();
    let mut database = std::fs::read(folder.database()).unwrap();
    let page = 4096 * (database.len() / 4096 - 1);
    database[page] = 0x77;
    std::fs::write(folder.database(), database).unwrap();
    let found = opened(&folder).check().unwrap();
    assert!(found.iter().any(|finding| finding.what.starts_with("the database: ")), "{found:?}");
}

#[test]
fn everything_is_counted_by_channel() {
    let folder = filled();
    let stats = opened(&folder).stats().unwrap();
    assert_eq!((stats.format, stats.last_start), (1, Some(70)));
    assert_eq!(stats.last_commit_ms, Some(1_764_293_650_000));
    assert_eq!(stats.database_bytes, u64::from(stats.pages) * u64::from(stats.page_bytes));
    let [channel] = &stats.channels[..] else { panic!("{stats:?}") };
    assert_eq!(channel.channel.as_ref().unwrap().as_str(), "summary_request");
    assert_eq!((channel.waiting, channel.scheduled, channel.ended, channel.dead, channel.parts), (2, 1, 3, 1, 2));
    let payloads = [1, 2, 3, 6].map(|number| words::message_text(number).len()).iter().sum::<usize>() as u64;
    assert!(channel.bytes > payloads, "{channel:?}");
}

#[test]
fn everything_is_exported_with_what_was_asked_and_answered() {
    let lines = exported(&filled());
    let of = |number: u64, kind: &str| {
        let id = words::id(row(number)).to_string();
        lines.iter().find(|line| line["id"] == *id && line["kind"] == kind).unwrap()
    };
    assert_eq!(lines.len(), 7);
    let waiting = of(1, "request");
    assert_eq!(waiting["state"], "waiting");
    assert_eq!(waiting["channel"], "summary_request");
    assert_eq!(waiting["requester"], "ward-1");
    assert_eq!(waiting["operation"], "operation_1");
    assert_eq!(waiting["accepted"], "2025-11-28T00:00:00.001Z");
    assert_eq!(waiting["payload"], words::message_text(1));
    assert_eq!(waiting["headers"], json!({ "header-0": "value 1" }));
    assert_eq!(of(2, "request")["state"], "scheduled");
    assert_eq!(of(2, "request")["until"], "2025-11-28T01:35:00.000Z");
    let tried = of(3, "request");
    assert_eq!((&tried["state"], &tried["attempts"]), (&json!("backing_off"), &json!(1)));
    assert_eq!(tried["last"]["code"], "code_3");
    assert_eq!(tried["parts"][1]["payload"], "part 2");
    let replied = &of(4, "request")["outcome"];
    assert_eq!((&replied["kind"], &replied["content_type"]), (&json!("replied"), &json!("text/plain")));
    assert!(replied["payload"].as_str().unwrap().starts_with("answer 12 "));
    let failed = &of(8, "request")["outcome"];
    assert_eq!((&failed["kind"], &failed["code"]), (&json!("failed"), &json!("code_13")));
    assert_eq!(of(6, "request")["outcome"], json!({ "kind": "dead", "reason": "rejected" }));
    let letter = of(6, "dead_letter");
    assert_eq!(letter["reason"], "rejected");
    assert_eq!(letter["died"], "2025-11-28T01:34:06.000Z");
    assert_eq!(letter["payload"], words::message_text(6));
}

#[test]
fn what_is_damaged_is_exported_as_far_as_it_goes() {
    let folder = filled();
    Connection::open(folder.database())
        .unwrap()
        .execute_batch(
            "UPDATE request SET priority = 9 WHERE row & 0xff = 1; UPDATE body SET payload = x'' WHERE row & 0xff = 2",
        )
        .unwrap();
    let lines = exported(&folder);
    assert_eq!(lines.len(), 7);
    let damaged = lines.iter().find(|line| line["kind"] == "damaged").unwrap();
    assert_eq!(damaged["id"], words::id(row(1)).to_string());
    assert_eq!(damaged["payload"], words::message_text(1));
    let without = lines.iter().find(|line| line["missing"] == "damaged").unwrap();
    assert_eq!(without["id"], words::id(row(2)).to_string());
}

#[test]
fn a_folder_is_taken_from_nobody_and_not_made() {
    let folder = filled();
    let broker = folder.open();
    assert!(matches!(DataFolder::open(folder.path()), Err(OpenError::InUse { .. })));
    drop(broker);
    let none = TestFolder::new();
    assert!(matches!(DataFolder::open(none.path()), Err(OpenError::NoData { .. })));
    std::fs::create_dir(none.path()).unwrap();
    assert!(matches!(DataFolder::open(none.path()), Err(OpenError::NoData { .. })));
    assert_eq!(std::fs::read_dir(none.path()).unwrap().count(), 0);
}

#[test]
fn an_export_that_is_not_taken_says_so() {
    let mut closed = std::io::Cursor::new([0; 100]);
    let error = opened(&filled()).export(&mut closed.get_mut().as_mut_slice()).unwrap_err();
    assert!(matches!(error, DataError::Write(_)), "{error:?}");
}
