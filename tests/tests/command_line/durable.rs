//! `broker --data`: what it is told, what it refuses, and what is there after it died.

use crate::stage::{BrokerProgram, Folder, Program, Signal};

/// Starts a broker that keeps its channels in the folder `data` of this one.
async fn with_data(folder: &Folder, address: &str) -> BrokerProgram {
    let data = folder.path("data");
    let data = data.to_str().expect("the folder has a name of plain text");
    BrokerProgram::ready(Program::start(&["broker", "--listen", address, "--data", data, "--json"])).await
}

#[tokio::test]
async fn what_was_accepted_is_there_after_sigkill() {
    let folder = Folder::new();
    let broker = with_data(&folder, "127.0.0.1:0").await;
    let ticket = broker.submit(&["shout_request", "hello"]).await;
    broker.program.signal(Signal::KILL);
    broker.program.ended().await;

    let broker = with_data(&folder, &broker.address).await;
    assert_eq!(broker.status(&ticket).await["state"], "waiting");
    let _service = broker.serve("shout_request", &["tr", "a-z", "A-Z"]).await;
    assert_eq!(broker.run(&["attach", &ticket]).await.with_exit(0).stdout.trim_end(), "HELLO");
    broker.program.signal(Signal::KILL);
    broker.program.ended().await;

    let broker = with_data(&folder, &broker.address).await;
    assert_eq!(
        broker.run(&["attach", &ticket]).await.with_exit(0).stdout.trim_end(),
        "HELLO",
        "nobody acknowledged it"
    );
}

#[tokio::test]
async fn a_broker_that_is_stopped_says_what_it_keeps_and_nothing_has_failed() {
    let folder = Folder::new();
    let broker = with_data(&folder, "127.0.0.1:0").await;
    for payload in ["one", "two"] {
        broker.submit(&["work_request", payload]).await;
    }
    broker.program.signal(Signal::TERM);
    let ended = broker.program.ended().await.with_exit(0);
    assert!(ended.stderr.contains("kept 2 for the next start"), "{}", ended.stderr);

    let broker = with_data(&folder, &broker.address).await;
    broker.until("work_request", |figures| figures["waiting"] == 2).await;
}

#[tokio::test]
async fn a_second_signal_keeps_what_is_durable_and_fails_what_is_not() {
    let folder = Folder::new();
    let data = folder.path("data");
    let file = format!(
        "data = {:?}\n[[channel]]\nname = \"kept_request\"\n[[channel]]\nname = \"lost_request\"\ndurable = false\n",
        data.to_str().unwrap()
    );
    let mut broker = BrokerProgram::configured(&folder, &file).await;
    for channel in ["kept_request", "lost_request"] {
        broker.submit(&[channel, "please"]).await;
    }
    broker.program.signal(Signal::TERM);
    broker.program.stderr.line(|line| line.starts_with("draining")).await;
    broker.program.signal(Signal::TERM);
    let ended = broker.program.ended().await.with_exit(6);
    let last = ended.stderr.lines().last().unwrap_or_default();
    assert_eq!(last, "stopped; kept 1 for the next start; accepted requests that failed with it: 1");
}

#[tokio::test]
async fn a_durable_channel_without_a_folder_is_an_error_that_says_what_to_do() {
    let folder = Folder::new();
    for (text, whose) in [
        ("[[channel]]\nname = \"a\"\ndurable = true\n", "channel a"),
        ("[defaults]\ndurable = true\n[[channel]]\nname = \"a\"\ndurable = false\n", "[defaults]"),
    ] {
        let file = folder.write("broker.toml", text);
        let file = file.to_str().unwrap();
        for arguments in [&["broker", "--config", file][..], &["broker", "--config", file, "--check"]] {
            let bad = Program::start(arguments).ended().await.with_exit(2);
            assert!(bad.stderr.starts_with(&format!("durable = true of {whose}: ")), "{}", bad.stderr);
            assert!(bad.stderr.contains("--data DIR"), "{}", bad.stderr);
        }
        Program::start(&["broker", "--config", file, "--check", "--data", "data"]).ended().await.with_exit(0);
    }
}

#[tokio::test]
async fn checking_and_printing_touch_no_folder() {
    let folder = Folder::new();
    let data = folder.path("data");
    let data = data.to_str().unwrap();
    let file = folder.write("broker.toml", format!("data = {data:?}\ndisk = \"1GiB\"\n[defaults]\ndurable = true\n"));
    let file = file.to_str().unwrap();
    Program::start(&["broker", "--config", file, "--check"]).ended().await.with_exit(0);
    let printed = Program::start(&["broker", "--config", file, "--print-config", "--disk", "2GiB"]);
    let printed = printed.ended().await.with_exit(0).stdout;
    for line in [&format!("data = {data:?}")[..], "disk = \"2GiB\"", "durable = true"] {
        assert!(printed.lines().any(|printed| printed == line), "{line}: {printed}");
    }
    assert!(!folder.path("data").exists());
}

#[tokio::test]
async fn the_folder_comes_from_a_flag_before_the_environment() {
    let printed = Program::with(&["broker", "--print-config"], |command| {
        command.env("ROUNDTRIP_DATA", "there").env("ROUNDTRIP_DISK", "3GiB");
    });
    let printed = printed.ended().await.with_exit(0).stdout;
    assert!(printed.contains("\ndata = \"there\"\n") && printed.contains("\ndisk = \"3GiB\"\n"), "{printed}");
    let printed = Program::with(&["broker", "--print-config", "--data", "here"], |command| {
        command.env("ROUNDTRIP_DATA", "there");
    });
    let printed = printed.ended().await.with_exit(0).stdout;
    assert!(printed.contains("\ndata = \"here\"\n"), "{printed}");
    for wrong in [&["--data", ""][..], &["--disk", "much"], &["--disk", "0"]] {
        Program::start(&[&["broker", "--print-config"], wrong].concat()).ended().await.with_exit(2);
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_named() {
    let folder = Folder::new();
    let file = folder.write("file", "this is no folder");
    let file = file.to_str().unwrap();
    let bad = Program::start(&["broker", "--listen", "127.0.0.1:0", "--data", file]).ended().await.with_exit(2);
    assert!(bad.stderr.contains(file), "{}", bad.stderr);
    assert_eq!(bad.stdout, "");
}

#[tokio::test]
async fn a_second_broker_is_kept_out_of_the_folder_of_the_first() {
    let folder = Folder::new();
    let first = with_data(&folder, "127.0.0.1:0").await;
    let data = folder.path("data");
    let second = Program::start(&["broker", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()]);
    let second = second.ended().await.with_exit(2);
    assert!(second.stderr.contains(data.to_str().unwrap()), "{}", second.stderr);
    first.submit(&["work_request", "the first goes on"]).await;
}

#[tokio::test]
async fn a_full_disk_refuses_new_work_keeps_what_is_there_and_recovers_when_there_is_room() {
    let folder = Folder::new();
    let broker = with_data(&folder, "127.0.0.1:0").await;
    let payload = "x".repeat(20_000);
    let first = broker.submit(&["work_request", &payload]).await;
    let size = folder.path("data").read_dir().unwrap().map(|file| file.unwrap().metadata().unwrap().len()).max();
    broker.program.limit_files(size.map(|largest| largest + 60_000));

    let refused = loop {
        let asked = broker.run(&["request", "--no-wait", "work_request", &payload]).await;
        if asked.exit != Some(0) {
            break asked;
        }
    };
    let refused = refused.with_exit(3);
    assert!(refused.stderr.contains("storage: the channel is durable"), "{}", refused.stderr);
    assert_eq!(broker.status(&first).await["state"], "waiting");

    broker.program.limit_files(None);
    let last = loop {
        let asked = broker.run(&["request", "--no-wait", "work_request", &payload]).await;
        match asked.exit {
            Some(0) => break asked.stdout.trim_end().to_owned(),
            _ => drop(asked.with_exit(3)),
        }
    };
    let _service = broker.serve("work_request", &["wc", "-c"]).await;
    for ticket in [first, last] {
        assert_eq!(broker.run(&["attach", &ticket]).await.with_exit(0).stdout.trim(), "20000");
    }
}
