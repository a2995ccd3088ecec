//! The services in `docs/http.md`, in other languages, as they stand there.
//!
//! Without their interpreter in the path these tests say that they were skipped; with `ROUNDTRIP_NO_SKIP=1` they fail.

use std::process::Stdio;

use roundtrip_tests::skip;
use tokio::process::{Child, Command};

use crate::http::{call, open_for_http};
use crate::stage::Folder;

const PAGE: &str = include_str!("../../../docs/http.md");

#[tokio::test]
async fn the_python_service_works() {
    works("python3", "python", "service.py").await;
}

#[tokio::test]
async fn the_node_service_works() {
    works("node", "js", "service.mjs").await;
}

/// Runs the page's service of a language: it replies, fails what it cannot read, and what it has when it is killed is
/// worked on by the next.
async fn works(interpreter: &str, language: &str, name: &str) {
    if !is_there(interpreter).await {
        return;
    }
    let folder = Folder::new();
    let file = folder.write(name, service(language));
    let (broker, http) = open_for_http().await;
    let start = || {
        let mut command = Command::new(interpreter);
        command.arg(&file).arg(format!("http://{http}")).stdin(Stdio::null()).kill_on_drop(true);
        command.spawn().expect("it is there")
    };
    let first: Child = start();
    let reply = ask(&http, "grüß dich", 60).await;
    assert!(reply.contains("\r\nroundtrip-outcome: replied\r\n") && reply.ends_with("GRÜSS DICH"), "{reply}");
    assert!(reply.contains("\r\ncontent-type: text/plain; charset=utf-8\r\n"), "{reply}");
    let failed = ask(&http, "", 60).await;
    assert!(failed.contains("\r\nroundtrip-outcome: failed\r\n") && failed.contains("nothing_to_shout"), "{failed}");

    drop(first);
    broker.until("shout_request", |figures| figures["services"] == 0).await;
    let waiting = ask(&http, "later", 0).await;
    let place = waiting.lines().find_map(|line| line.strip_prefix("location: ")).expect("a place").to_owned();
    let _second = start();
    let reply = call(&http, &http, &format!("GET {place}/reply?wait=60"), "", "").await;
    assert!(reply.ends_with("LATER"), "{reply}");
}

/// Whether a program is in the path. Says so loudly where it is not.
async fn is_there(program: &str) -> bool {
    let found =
        Command::new(program).arg("--version").stdout(Stdio::null()).status().await.is_ok_and(|it| it.success());
    if !found {
        skip(&format!("{program} is needed and does not run: install it"), "the page's service for it was not tried");
    }
    found
}

/// The page's only program in a language.
fn service(language: &str) -> &'static str {
    let begin = format!("```{language}\n");
    let mut programs = PAGE.split(begin.as_str()).skip(1);
    let program = programs.next().and_then(|rest| rest.split_once("```")).expect("the page has a program in it").0;
    assert!(programs.next().is_none(), "the page has one program in {language}");
    program
}

/// Submits, and gives what is answered within that many seconds.
async fn ask(http: &str, text: &str, wait: u32) -> String {
    let line = "POST /v1/channels/shout_request/requests";
    call(http, http, line, &format!("Prefer: wait={wait}\r\n"), text).await
}
