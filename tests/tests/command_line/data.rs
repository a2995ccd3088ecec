//! `data`: what is in the folder of a broker that is stopped.

use std::fs::{self, File};

use crate::stage::{Folder, Program};

/// As if a disk had lost the database's first page.
fn break_database(folder: &Folder) {
    folder.write("roundtrip.sqlite3", [0x55; 8192]);
}

fn named(folder: &Folder) -> &str {
    folder.root().to_str().unwrap()
}

#[tokio::test]
async fn without_data_each_command_says_which_folder_it_looked_in() {
    let folder = Folder::new();
    for command in ["check", "stats", "export"] {
        for path in [named(&folder), "/nowhere/at/all"] {
            let ended = Program::start(&["data", command, path]).ended().await.with_exit(2);
            assert_eq!(ended.stdout, "");
            assert!(ended.stderr.contains("there is no data in") && ended.stderr.contains(path), "{}", ended.stderr);
            assert_eq!(ended.stderr.trim_end().lines().count(), 1, "one clear sentence: {}", ended.stderr);
        }
    }
    assert_eq!(fs::read_dir(folder.root()).unwrap().count(), 0, "looking makes nothing");
}

#[tokio::test]
async fn a_folder_that_a_broker_has_is_left_alone() {
    let folder = Folder::new();
    break_database(&folder);
    let lock = File::create(folder.path("lock")).unwrap();
    lock.lock().unwrap();
    let ended = Program::start(&["data", "check", named(&folder)]).ended().await.with_exit(2);
    assert!(ended.stderr.contains("in use by another broker: stop that first"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_database_that_is_none_any_more_is_damage() {
    let folder = Folder::new();
    break_database(&folder);
    for command in ["check", "stats", "export"] {
        let ended = Program::start(&["data", command, named(&folder)]).ended().await.with_exit(1);
        assert!(ended.stderr.contains("is no SQLite database, or is damaged"), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn a_folder_has_to_be_named() {
    Program::start(&["data", "check"]).ended().await.with_exit(2);
    Program::start(&["data"]).ended().await.with_exit(2);
}
