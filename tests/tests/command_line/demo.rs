//! `demo`: the product's claim, shown on real patients while processes are killed.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::stage::{Ended, Folder, Program};
#[cfg(target_os = "linux")]
use crate::stage::{Signal, processes};

#[tokio::test]
async fn ten_patients_get_their_summary_although_processes_are_killed() {
    let folder = Folder::new();
    let ended = demo(&folder, &["demo", "--json"]).ended().await.with_exit(0);
    let patients = patients(&ended);
    assert_eq!(patients.len(), 10);
    assert!(patients.iter().any(|patient| patient["attempts"].as_u64().unwrap() > 1), "somebody died");
    for patient in &patients {
        assert_eq!(patient["outcome"], "replied");
        assert_is_document_of(&folder, patient);
    }
    let ids: BTreeSet<_> = patients.iter().map(|patient| patient["patientId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 10);
    let sum = Sum::of(&ended);
    assert_eq!((sum.accepted, sum.outcomes, sum.lost, sum.doubled), (10, 10, 0, 0));
    assert!(sum.redelivered >= 1);
    assert_eq!(std::fs::read_dir(folder.path("summaries")).unwrap().count(), 10, "nothing but the summaries");
}

#[tokio::test]
async fn two_patients_are_enough_for_it() {
    let folder = Folder::new();
    let ended = demo(&folder, &["demo", "--patients", "2", "--json", "--output", "here"]).ended().await.with_exit(0);
    let patients = patients(&ended);
    assert_eq!(patients.len(), 2);
    for patient in &patients {
        assert!(patient["file"].as_str().unwrap().contains("here"), "{patient}");
        assert_is_document_of(&folder, patient);
    }
    let sum = Sum::of(&ended);
    assert_eq!((sum.accepted, sum.outcomes, sum.lost, sum.doubled), (2, 2, 0, 0));
    assert!(sum.redelivered >= 1);
}

#[tokio::test]
async fn the_broker_may_die_as_well() {
    let folder = Folder::new();
    let temporary = folder.path("temporary");
    std::fs::create_dir(&temporary).unwrap();
    let program = Program::with(&["demo", "--patients", "4", "--kill-broker", "--json"], |command| {
        command.current_dir(folder.root()).env("TMPDIR", &temporary);
    });
    let ended = program.ended().await.with_exit(0);
    assert_eq!(patients(&ended).len(), 4);
    patients(&ended).iter().for_each(|patient| assert_is_document_of(&folder, patient));
    let sum = Sum::of(&ended);
    assert_eq!((sum.accepted, sum.outcomes, sum.lost, sum.doubled), (4, 4, 0, 0));
    for line in ["broker      gets SIGKILL", "broker      is dead", "broker      is back on its port"] {
        assert!(ended.stderr.contains(line), "{line}: {}", ended.stderr);
    }
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0, "its data folder is gone with it");
}

#[tokio::test]
async fn calm_it_kills_nobody() {
    let folder = Folder::new();
    let ended = demo(&folder, &["demo", "--patients", "1", "--calm", "--json"]).ended().await.with_exit(0);
    assert_eq!(patients(&ended).len(), 1);
    let sum = Sum::of(&ended);
    assert_eq!((sum.accepted, sum.outcomes, sum.lost, sum.doubled), (1, 1, 0, 0));
}

#[tokio::test]
async fn a_file_that_is_no_patient_is_named_and_refused() {
    let folder = Folder::new();
    let data = folder.path("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("shopping-list.json"), "{\"milk\": 2}").unwrap();
    let ended = demo(&folder, &["demo", "--ehr-data", "data"]).ended().await;
    assert!(ended.exit.is_some_and(|exit| exit != 0), "{ended:?}");
    assert!(ended.stderr.contains("shopping-list.json"), "{}", ended.stderr);
    assert!(!folder.path("summaries").exists(), "it was refused before anything was done");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let folder = Folder::new();
    let ended = demo(&folder, &["demo", "--ehr-data", "not-there"]).ended().await;
    assert!(ended.exit.is_some_and(|exit| exit != 0), "{ended:?}");
    assert!(ended.stderr.contains("not-there"), "{}", ended.stderr);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn its_children_end_when_it_is_killed() {
    let folder = Folder::new();
    let program = demo(&folder, &["demo"]);
    let children = its_children(&program).await;
    program.signal(Signal::KILL);
    program.ended().await;
    processes::end(&children).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn its_children_end_when_it_is_interrupted() {
    let folder = Folder::new();
    let program = demo(&folder, &["demo"]);
    let children = its_children(&program).await;
    program.signal(Signal::INT);
    program.ended().await.with_exit(130);
    processes::end(&children).await;
}

#[tokio::test]
async fn another_folder_of_the_same_form_works_too() {
    let folder = Folder::new();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/patient-summary/patients");
    let sample = std::fs::read_dir(samples).unwrap().map(|entry| entry.unwrap().path()).min().unwrap();
    std::fs::create_dir(folder.path("data")).unwrap();
    std::fs::copy(&sample, folder.path("data").join("somebody.json")).unwrap();
    let ended = demo(&folder, &["demo", "--ehr-data", "data", "--json"]).ended().await.with_exit(0);
    let patients = patients(&ended);
    assert_eq!(patients.len(), 1);
    assert_is_document_of(&folder, &patients[0]);
}

/// The services and the consumer, once all of them have been started.
#[cfg(target_os = "linux")]
async fn its_children(program: &Program) -> Vec<u32> {
    loop {
        let children = processes::children_of(program.id());
        if children.len() >= 3 {
            return children;
        }
        tokio::task::yield_now().await;
    }
}

fn demo(folder: &Folder, arguments: &[&str]) -> Program {
    Program::with(arguments, |command| {
        command.current_dir(folder.root());
    })
}

fn patients(ended: &Ended) -> Vec<Value> {
    let object = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("one object a line: {line}"));
    ended.stdout.lines().map(object).collect()
}

fn assert_is_document_of(folder: &Folder, patient: &Value) {
    let id = patient["patientId"].as_str().unwrap();
    let file = folder.root().join(patient["file"].as_str().unwrap());
    assert_eq!(file.file_name(), Some(Path::new(&format!("{id}.json")).as_os_str()));
    let bundle: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(bundle["resourceType"], "Bundle");
    assert_eq!(bundle["type"], "document");
    let entries = bundle["entry"].as_array().unwrap();
    assert_eq!(entries[0]["resource"]["resourceType"], "Composition");
    let subjects = entries.iter().filter(|entry| entry["resource"]["resourceType"] == "Patient");
    assert_eq!(subjects.count(), 1);
}

/// The line that adds up.
#[derive(Debug)]
struct Sum {
    accepted: u64,
    outcomes: u64,
    lost: u64,
    doubled: u64,
    redelivered: u64,
}

impl Sum {
    fn of(ended: &Ended) -> Self {
        let mut lines = ended.stderr.lines().chain(ended.stdout.lines());
        let line = lines.find(|line| line.contains("accepted ") && line.contains("lost "));
        let line = line.unwrap_or_else(|| panic!("no line adds up: {ended:?}"));
        let words: Vec<_> = line.split_whitespace().collect();
        let figure = |name: &str| {
            let at = words.iter().position(|word| *word == name).unwrap_or_else(|| panic!("no {name} in {line}"));
            words[at + 1].parse().unwrap_or_else(|_| panic!("no figure behind {name} in {line}"))
        };
        Self {
            accepted: figure("accepted"),
            outcomes: figure("outcomes"),
            lost: figure("lost"),
            doubled: figure("doubled"),
            redelivered: figure("redelivered"),
        }
    }
}
