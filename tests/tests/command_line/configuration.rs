//! `broker --config`: what a file says is done, and what is wrong with it is said.

use crate::stage::{BrokerProgram, Folder, Program};

const FILE: &str = r#"
listen = "127.0.0.1:1"

[defaults]
max_payload = 10

[[channel]]
name = "patient_summary_request"
capacity = 1
operations = ["summarise"]

[[channel]]
name = "large_request"
max_payload = "1MiB"
no_service = "refuse"
"#;

#[tokio::test]
async fn the_broker_does_what_its_file_says() {
    let folder = Folder::new();
    let broker = BrokerProgram::configured(&folder, FILE).await;
    let refused = broker.run(&["request", "patient_summary_request", "over ten bytes", "--no-wait"]).await.with_exit(3);
    assert!(refused.stderr.contains("too_large"), "the defaults hold: {}", refused.stderr);
    let refused = broker.run(&["request", "large_request", "over ten bytes", "--no-wait"]).await.with_exit(3);
    assert!(refused.stderr.contains("no_service"), "its own limit holds, and nobody serves it: {}", refused.stderr);
    let refused = broker.run(&["request", "patient_summary_request", "x", "--operation", "draw"]).await.with_exit(3);
    assert!(refused.stderr.contains("unknown_operation"), "{}", refused.stderr);
    let summarise = ["patient_summary_request", "x", "--operation", "summarise"];
    broker.submit(&summarise).await;
    let refused = broker.run(&[&["request", "--no-wait"][..], &summarise].concat()).await.with_exit(3);
    assert!(refused.stderr.contains("channel_full"), "{}", refused.stderr);
}

#[tokio::test]
async fn with_a_file_a_channel_that_it_does_not_declare_is_refused_and_the_nearest_is_named() {
    let folder = Folder::new();
    let broker = BrokerProgram::configured(&folder, FILE).await;
    let refused = broker.run(&["request", "paitent_summary_request", "x"]).await.with_exit(3);
    assert!(refused.stderr.contains("patient_summary_request"), "{}", refused.stderr);
    let open = BrokerProgram::configured(&folder, &format!("on_unknown = \"create\"\n{FILE}")).await;
    open.run(&["request", "other_request", "x", "--no-wait"]).await.with_exit(0);
}

#[tokio::test]
async fn checking_reads_the_file_and_starts_nothing() {
    let folder = Folder::new();
    let file = folder.write("broker.toml", FILE);
    let file = file.to_str().unwrap();
    let good = Program::start(&["broker", "--config", file, "--check"]).ended().await.with_exit(0);
    assert_eq!(good.stdout, format!("{file} is good: 2 channels\n"));
    folder.write("broker.toml", "[[channel]]\nname = \"a\"\n");
    let good = Program::start(&["broker", "--config", file, "--check"]).ended().await.with_exit(0);
    assert_eq!(good.stdout, format!("{file} is good: 1 channel\n"));
}

#[tokio::test]
async fn every_mistake_in_a_file_is_told_with_its_line_and_nothing_is_started() {
    let folder = Folder::new();
    let file = folder.write("broker.toml", "memory = \"1GB\"\n\n[[channel]]\nname = \"a\"\nleese = \"30s\"\n");
    let file = file.to_str().unwrap();
    for arguments in [&["broker", "--config", file][..], &["broker", "--config", file, "--check"]] {
        let bad = Program::start(arguments).ended().await.with_exit(2);
        assert_eq!(bad.stdout, "");
        let [memory, lease] = bad.stderr.lines().collect::<Vec<_>>()[..] else { panic!("{}", bad.stderr) };
        assert_eq!(
            memory,
            format!(
                "{file}:1: memory: expected a size such as \"64KiB\", \"16MiB\", \"1GiB\", or a number of bytes, found \"1GB\""
            )
        );
        assert_eq!(
            lease,
            format!("{file}:5: [[channel]] \"a\": expected a known key, found leese: did you mean lease?")
        );
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_named() {
    let folder = Folder::new();
    let bytes = folder.write("bytes.toml", b"listen = \"\xff\"");
    for file in [&folder.path("missing.toml"), &bytes, folder.root()] {
        let file = file.to_str().unwrap();
        let bad = Program::start(&["broker", "--config", file, "--check"]).ended().await.with_exit(2);
        assert!(bad.stderr.contains(file) && bad.stderr.lines().count() == 1, "{}", bad.stderr);
    }
}

#[tokio::test]
async fn what_is_printed_is_a_file_that_says_the_same() {
    let folder = Folder::new();
    let file = folder.write("broker.toml", FILE);
    let printed =
        Program::start(&["broker", "--config", file.to_str().unwrap(), "--print-config"]).ended().await.with_exit(0);
    assert!(printed.stdout.contains("\nmax_payload = 10\n"), "{}", printed.stdout);
    assert!(printed.stdout.contains("\ndrain_timeout = \"30s\"\n"), "the defaults stand there too: {}", printed.stdout);
    let again = folder.write("again.toml", &printed.stdout);
    let again = again.to_str().unwrap();
    let same = Program::start(&["broker", "--config", again, "--print-config"]).ended().await.with_exit(0);
    assert_eq!(same.stdout, printed.stdout);
    Program::start(&["broker", "--config", again, "--check"]).ended().await.with_exit(0);

    let defaults = Program::start(&["broker", "--print-config"]).ended().await.with_exit(0).stdout;
    let defaults = folder.write("defaults.toml", defaults);
    Program::start(&["broker", "--config", defaults.to_str().unwrap(), "--check"]).ended().await.with_exit(0);
}

#[tokio::test]
async fn a_flag_goes_before_the_environment_and_that_before_the_file() {
    let folder = Folder::new();
    let file = folder.write("broker.toml", FILE);
    let file = file.to_str().unwrap();
    let listens_on = async |arguments: &[&str], environment: &[(&str, &str)]| {
        let arguments = [&["broker", "--print-config"], arguments].concat();
        let program = Program::with(&arguments, |command| {
            command.envs(environment.iter().copied());
        });
        let printed = program.ended().await.with_exit(0).stdout;
        let line = printed.lines().find(|line| line.starts_with("listen = ")).expect("it says where it listens");
        line.trim_start_matches("listen = ").trim_matches('"').to_owned()
    };
    let environment = [("ROUNDTRIP_LISTEN", "127.0.0.1:2")];
    assert_eq!(listens_on(&[], &[]).await, "127.0.0.1:7420");
    assert_eq!(listens_on(&["--config", file], &[]).await, "127.0.0.1:1");
    assert_eq!(listens_on(&["--config", file], &environment).await, "127.0.0.1:2");
    assert_eq!(listens_on(&["--config", file, "--listen", "127.0.0.1:3"], &environment).await, "127.0.0.1:3");

    let bad = Program::with(&["broker"], |command| {
        command.env("ROUNDTRIP_MEMORY", "lots");
    });
    let bad = bad.ended().await.with_exit(2);
    assert!(bad.stderr.starts_with("ROUNDTRIP_MEMORY: expected a size"), "{}", bad.stderr);
}

#[tokio::test]
async fn the_patient_summarys_own_file_is_good() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/patient-summary/roundtrip.toml");
    Program::start(&["broker", "--config", file, "--check"]).ended().await.with_exit(0);
}
