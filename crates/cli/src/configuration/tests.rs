//! Files that are good, and what is said of those that are not.

use std::collections::BTreeMap;
use std::env::VarError;

use super::settings::{Key, Settings};
use super::*;

const GOOD: &str = r#"
listen = "127.0.0.1:0"
memory = "2GiB"
max_open = 100

[defaults]
capacity = 5_000
lease = "30s"
rate = { per_second = 0.5, burst = 1 }

[[channel]]
name = "patient_summary_request"
reply_channel = "summaries"
max_in_flight = 8
rate = { per_second = 20, burst = 40 }
no_service = "refuse"
operations = ["generate_patient_summary", "say \"a\\b\u0000\""]
attempt_timeout = "1.5s"
max_payload = 1000

[[channel]]
name = "other"
backoff = { first = "1s", max = "1s" }
"#;

fn read(text: &str) -> Configuration {
    Configuration::of_text(text).unwrap_or_else(|mistakes| panic!("{mistakes:?}\n{text}"))
}

/// What is said of a bad file, a line a mistake.
fn said(text: &str) -> String {
    let mistakes = Configuration::of_text(text).expect_err(text);
    mistakes.iter().map(|mistake| mistake.in_file(&"f.toml")).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_channel_has_what_it_says_and_otherwise_what_the_defaults_say() {
    let configuration = read(GOOD);
    let [summaries, other] = &configuration.channels[..] else { panic!("{configuration:?}") };
    assert_eq!(summaries.name.as_str(), "patient_summary_request");
    assert_eq!(summaries.keys.max_in_flight.map(|most| most.0), Some(8));
    assert_eq!(summaries.keys.rate.map(|rate| (rate.per_second, rate.burst)), Some((20.0, 40)));
    assert_eq!((summaries.keys.capacity, summaries.keys.max_attempts.0), (5_000, 5));
    assert_eq!(other.keys.rate.map(|rate| (rate.per_second, rate.burst)), Some((0.5, 1)));
    assert_eq!(configuration.broker.memory.0.0, 2 << 30);
    assert_eq!(configuration.broker.max_connections, 20_000);
}

#[test]
fn a_file_refuses_what_it_does_not_declare_unless_it_says_otherwise() {
    assert_eq!(read("").broker.on_unknown, OnUnknown::Refuse);
    assert_eq!(read("on_unknown = \"create\"").broker.on_unknown, OnUnknown::Create);
    assert_eq!(Configuration::default().broker.on_unknown, OnUnknown::Create);
}

#[test]
fn what_is_printed_reads_back_to_the_same() {
    for configuration in [Configuration::default(), read(""), read(GOOD)] {
        let printed = configuration.to_text();
        assert_eq!(read(&printed), configuration, "{printed}");
    }
}

#[test]
fn every_key_is_printed_with_its_comment_and_every_example_is_good() {
    fn examined<S: Settings + Default>(keys: &[Key<S>], table: &str, printed: &str) {
        for key in keys {
            assert!(printed.contains(&format!("{} = ", key.name)), "{} in {printed}", key.name);
            assert!(key.comment.iter().all(|line| line.starts_with(' ') && line.trim().len() > 3), "{}", key.name);
            let text = format!("{table}\n{} = {}", key.name, (key.example)());
            assert!(Configuration::of_text(&text).is_ok(), "{text}: {}", said(&text));
        }
    }
    let printed = Configuration::default().to_text();
    examined(BrokerKeys::KEYS, "", &printed);
    examined(ChannelKeys::KEYS, "[defaults]", &printed);
    examined(ChannelKeys::KEYS, "[[channel]]\nname = \"a\"", &printed);
}

#[test]
fn what_is_not_set_in_the_printed_file_can_be_set_by_taking_away_the_mark() {
    let printed = Configuration::default().to_text();
    let uncommented: Vec<&str> = printed
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.contains(" = ") || rest.starts_with('[') => rest,
            _ => line,
        })
        .collect();
    assert_eq!(read(&uncommented.join("\n")).channels(), 1);
}

#[test]
fn sizes_and_durations_have_units() {
    for (text, bytes) in
        [("0", 0), ("1048576", 1 << 20), ("\"512B\"", 512), ("\"64KiB\"", 64 << 10), ("\"3GiB\"", 3 << 30)]
    {
        assert_eq!(read(&format!("max_payload = {text}")).broker.max_payload.0, bytes, "{text}");
    }
    for (text, millis) in [("0s", 0), ("500ms", 500), ("1.5s", 1_500), ("5m", 300_000), ("24h", 86_400_000)] {
        let read = read(&format!("drain_timeout = \"{text}\""));
        assert_eq!(read.drain_timeout().as_millis(), millis, "{text}");
    }
}

#[test]
fn a_bad_file_is_told_with_line_key_what_was_expected_and_what_came() {
    const DURATION: &str = r#"a duration of at most ten years, such as "500ms", "30s", "5m" or "24h""#;
    const SIZE: &str = r#"a size such as "64KiB", "16MiB", "1GiB", or a number of bytes"#;
    let all_of_a_table = ChannelKeys::KEYS.iter().map(|key| key.name).collect::<Vec<_>>().join(", ");
    let bad = [
        // Values of the wrong kind.
        ("listen = 7420", r#"f.toml:1: listen: expected an address and a port such as "127.0.0.1:7420", found 7420"#.into()),
        (
            "listen = \"localhost\"",
            r#"f.toml:1: listen: expected an address and a port such as "127.0.0.1:7420", found "localhost""#.into(),
        ),
        ("memory = \"1GB\"", format!(r#"f.toml:1: memory: expected {SIZE}, found "1GB""#)),
        ("\nmemory = -5", format!("f.toml:2: memory: expected {SIZE}, found -5")),
        ("memory = \"99999999999GiB\"", format!(r#"f.toml:1: memory: expected {SIZE}, found "99999999999GiB""#)),
        ("memory = 0", r#"f.toml:1: memory: expected more than nothing, such as "16MiB", found 0"#.into()),
        ("heartbeat = 5", format!("f.toml:1: heartbeat: expected {DURATION}, found 5")),
        ("drain_timeout = \"soon\"", format!(r#"f.toml:1: drain_timeout: expected {DURATION}, found "soon""#)),
        ("drain_timeout = \"999999999h\"", format!(r#"f.toml:1: drain_timeout: expected {DURATION}, found "999999999h""#)),
        ("max_open = 1.5", "f.toml:1: max_open: expected a whole number from 0 to 4294967295, found 1.5".into()),
        ("max_channels = true", "f.toml:1: max_channels: expected a whole number such as 10000, found true".into()),
        ("on_unknown = \"make\"", r#"f.toml:1: on_unknown: expected "create" or "refuse", found "make""#.into()),
        ("on_unknown = 2026-11-24", r#"f.toml:1: on_unknown: expected "create" or "refuse", found the date 2026-11-24"#.into()),
        // Values that make no sense.
        ("[defaults]\n\nlease = \"0s\"", r#"f.toml:3: [defaults] lease: expected more than nothing, such as "30s", found "0s""#.into()),
        ("[defaults]\nmax_attempts = 0", "f.toml:2: [defaults] max_attempts: expected more than nothing, such as 100, found 0".into()),
        (
            "[defaults]\nrate = { per_second = 0, burst = 1 }",
            "f.toml:2: [defaults] rate.per_second: expected a number from 0.000001 to 1000000000, found 0".into(),
        ),
        (
            "[defaults]\nrate = { per_second = 1, burst = 0 }",
            "f.toml:2: [defaults] rate.burst: expected more than nothing, such as 100, found 0".into(),
        ),
        (
            "[defaults]\nrate = { per_second = nan, burst = 1 }",
            "f.toml:2: [defaults] rate.per_second: expected a number from 0.000001 to 1000000000, found nan".into(),
        ),
        (
            "[defaults]\nrate = { per_second = 1 }",
            "f.toml:2: [defaults] rate.burst: expected a value such as 100, found nothing".into(),
        ),
        (
            "[defaults]\nrate = { per_second = 1, bursts = 1 }",
            "f.toml:2: [defaults] rate.bursts: expected burst, found the key bursts".into(),
        ),
        (
            "[defaults]\nrate = 20",
            "f.toml:2: [defaults] rate: expected { per_second = 20, burst = 40 }, found 20".into(),
        ),
        (
            "[defaults]\nbackoff = { first = \"2s\", max = \"1s\" }",
            r#"f.toml:2: [defaults] backoff.max: expected at least first, which is "2s", found "1s""#.into(),
        ),
        (
            "[defaults]\noperations = [\"a\", 1]",
            r#"f.toml:2: [defaults] operations: expected a list of texts such as ["first", "second"], found a list"#.into(),
        ),
        (
            "[defaults]\nno_service = \"fail\"",
            r#"f.toml:2: [defaults] no_service: expected "wait" or "refuse", found "fail""#.into(),
        ),
        // Keys that are not there, or elsewhere.
        ("listne = \"127.0.0.1:1\"", "f.toml:1: expected a known key, found listne: did you mean listen?".into()),
        ("[default]", "f.toml:1: expected a known key, found default: did you mean defaults?".into()),
        (
            "lease = \"1s\"",
            "f.toml:1: lease is a channel's: expected it below [defaults] or a [[channel]], found it at the top of the file"
                .into(),
        ),
        (
            "[defaults]\nmemory = \"1GiB\"",
            "f.toml:2: [defaults]: memory is the broker's own: expected it at the top of the file, found it below [defaults]"
                .into(),
        ),
        (
            "[[channel]]\nname = \"a\"\nleese = \"1s\"",
            r#"f.toml:3: [[channel]] "a": expected a known key, found leese: did you mean lease?"#.into(),
        ),
        (
            "[[channel]]\nname = \"a\"\nweather = \"fine\"",
            format!(r#"f.toml:3: [[channel]] "a": expected one of name, {all_of_a_table}, found weather"#),
        ),
        // Channels.
        (
            "\n[[channel]]\nlease = \"1s\"",
            "f.toml:2: [[channel]]: expected the channel's name, such as name = \"patient_summary_request\", found none".into(),
        ),
        (
            "[[channel]]\nname = \"no name\"",
            "f.toml:2: [[channel]] name: expected the name of a channel (a name is segments of A-Z a-z 0-9 _ - with single \
             dots between them; byte 2 is ' '), found \"no name\""
                .into(),
        ),
        (
            "[[channel]]\nname = 1",
            r#"f.toml:2: [[channel]] name: expected the name of a channel such as "patient_summary_request", found 1"#.into(),
        ),
        (
            "[[channel]]\nname = \"a\"\n[[channel]]\nname = \"a\"",
            r#"f.toml:4: [[channel]] "a" name: expected each channel once, found it in line 2 too"#.into(),
        ),
        (
            "[channel]\nname = \"a\"",
            "f.toml:1: channel: expected two brackets, [[channel]], and one such table for each channel, found a table".into(),
        ),
        ("channel = [1]", "f.toml:1: channel: expected a table: [[channel]], found 1".into()),
        ("defaults = 1", "f.toml:1: defaults: expected a table: [defaults], found 1".into()),
        // What is no TOML.
        ("memory = ", "f.toml:1: this is not TOML: string values must be quoted, expected literal string".into()),
        ("listen = \"127.0.0.1:1", "f.toml:1: this is not TOML: invalid basic string, expected `\"`".into()),
        ("memory = 1\nmemory = 2", "f.toml:2: this is not TOML: duplicate key".into()),
    ];
    for (text, expected) in bad {
        assert_eq!(said(text), expected, "{text}");
    }
}

#[test]
fn a_name_without_room_for_its_reply_channel_is_told() {
    let name = "a".repeat(128);
    let told = said(&format!("[[channel]]\nname = \"{name}\""));
    assert!(told.starts_with("f.toml:2: [[channel]] \"aaa") && told.contains("expected a reply_channel"), "{told}");
    assert_eq!(read(&format!("[[channel]]\nname = \"{name}\"\nreply_channel = \"b\"")).channels(), 1);
}

#[test]
fn every_mistake_is_told_in_the_order_of_the_lines() {
    let told = said("[[channel]]\nname = \"a\"\nretention = 1\ncapacity = \"x\"\n[defaults]\nleas = 1");
    let lines: Vec<&str> = told.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(lines, ["f.toml:3:", "f.toml:4:", "f.toml:6:"], "{told}");
}

#[test]
fn the_environment_goes_before_the_file_and_sets_the_brokers_own_keys_alone() {
    let environment = |set: &[(&'static str, &'static str)]| {
        let set: BTreeMap<_, _> = set.iter().copied().collect();
        move |name: &str| set.get(name).map(|text| (*text).to_owned()).ok_or(VarError::NotPresent)
    };
    let mut configuration = read(GOOD);
    let set = [("ROUNDTRIP_LISTEN", "127.0.0.1:9"), ("ROUNDTRIP_MEMORY", "4096"), ("ROUNDTRIP_LEASE", "1s")];
    environment::read(&mut configuration.broker, environment(&set)).unwrap();
    assert_eq!(configuration.listen().port(), 9);
    assert_eq!(configuration.broker.memory.0.0, 4096);
    assert_eq!((&configuration.defaults, &configuration.channels), (&read(GOOD).defaults, &read(GOOD).channels));

    let bad =
        environment::read(&mut configuration.broker, environment(&[("ROUNDTRIP_HEARTBEAT", "often")])).unwrap_err();
    assert!(bad.starts_with("ROUNDTRIP_HEARTBEAT: expected a duration") && bad.ends_with("found \"often\""), "{bad}");
}

#[test]
fn what_is_said_here_by_default_is_what_the_broker_does_by_default() {
    let (ours, theirs) = (ChannelKeys::default().settings("a"), roundtrip::broker::ChannelSettings::new("a"));
    assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
    let (ours, theirs) = (BrokerKeys::default().builder(), roundtrip::broker::Broker::builder());
    assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
}

#[test]
fn what_is_listed_is_read_item_by_item() {
    let callers = read("hosts = [\"Broker.Example\"]\ncors_origins = [\"https://ward.example:443\"]").callers();
    assert_eq!(callers.hosts[0].to_string(), "broker.example");
    assert_eq!(callers.origins[0].to_string(), "https://ward.example");
    let told = said("hosts = \"broker.example\"");
    assert!(told.ends_with("expected a list such as [\"broker.example\"], found \"broker.example\""), "{told}");
    let told = said("cors_origins = [\"ward.example\"]");
    assert!(told.contains("an origin is http:// or https://") && told.ends_with("found \"ward.example\""), "{told}");
}

#[test]
fn every_key_reaches_the_broker() {
    let broker = [
        ("memory", "1"),
        ("data", "\"folder\""),
        ("disk", "1"),
        ("on_unknown", "\"create\""),
        ("max_channels", "1"),
        ("max_connections", "1"),
        ("max_mailboxes", "1"),
        ("mailbox_capacity", "1"),
        ("max_open", "1"),
        ("max_payload", "1"),
        ("heartbeat", "\"1s\""),
        ("drain_timeout", "\"1s\""),
    ];
    let channel = [
        ("reply_channel", "\"b\""),
        ("durable", "true"),
        ("capacity", "1"),
        ("lease", "\"1s\""),
        ("max_lease", "\"1s\""),
        ("attempt_timeout", "\"1s\""),
        ("max_attempts", "1"),
        ("max_releases", "1"),
        ("max_throttle", "\"1s\""),
        ("max_in_flight", "1"),
        ("rate", "{ per_second = 1, burst = 1 }"),
        ("no_service", "\"refuse\""),
        ("operations", "[]"),
        ("content_types", "[\"text/plain\"]"),
        ("backoff", "{ first = \"1s\", max = \"1s\" }"),
        ("default_deadline", "\"1s\""),
        ("retention", "\"1s\""),
        ("max_keys", "1"),
        ("max_payload", "1"),
        ("reply_room", "1"),
        ("parts_room", "1"),
        ("max_dead_letters", "1"),
        ("max_dead_letter_bytes", "1"),
        ("dead_letter_age", "\"1s\""),
    ];
    fn reaches<S: Settings>(table: &str, values: &[(&str, &str)], besides: &[&str]) {
        let builder = |text: &str| format!("{:?}", read(text).builder());
        for key in S::KEYS.iter().filter(|key| !besides.contains(&key.name)) {
            let (name, value) = values.iter().find(|(name, _)| *name == key.name).expect(key.name);
            assert_ne!(builder(&format!("{table}\n{name} = {value}")), builder(table), "{table} {name}");
        }
    }
    // Where it listens is told to the broker when it runs, and who may ask over HTTP to the gateway.
    reaches::<BrokerKeys>("", &broker, &["listen", "http", "hosts", "cors_origins"]);
    reaches::<ChannelKeys>("[defaults]", &channel, &[]);
    reaches::<ChannelKeys>("[[channel]]\nname = \"a\"", &channel, &[]);
}
