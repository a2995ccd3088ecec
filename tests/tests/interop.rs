//! Clients that somebody else wrote: plain Python, from `docs/wire-v1.md` alone, against the real binary.
//!
//! Without python3 in the path these tests say that they were skipped; with `ROUNDTRIP_NO_SKIP=1` they fail.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::io::{BufRead, BufReader, Lines};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};

use roundtrip_tests::skip;
use rustix::process::{Pid, Signal, kill_process};

#[test]
fn the_python_tables_agree_with_the_vectors_and_with_the_page() {
    let Some(python) = Python::found() else { return };
    assert_done(&python.script("test_vectors.py").output().unwrap());
}

#[test]
fn the_broker_does_what_the_page_says() {
    let Some(python) = Python::found() else { return };
    let broker = Broker::start();
    assert_done(&python.script("test_broker.py").env("ROUNDTRIP_BROKER", &broker.address).output().unwrap());
}

#[test]
fn a_python_requester_is_answered_by_a_python_service() {
    let Some(python) = Python::found() else { return };
    let broker = Broker::start();
    let service = PythonService::start(&python, &broker, "greetings", 2);
    for requester in ["first", "second"] {
        let output = python
            .script("submit.py")
            .args(["--broker", &broker.address, "--requester", requester, "greetings", "{\"greeting\": \"grüß dich\"}"])
            .output()
            .unwrap();
        assert_done(&output);
        assert_eq!(text(&output.stdout), "{\"GREETING\": \"GRÜSS DICH\"}\n");
        assert!(text(&output.stderr).starts_with("ticket greetings:"), "{}", text(&output.stderr));
    }
    service.ends();
}

#[test]
fn a_python_requester_is_sent_the_parts_of_a_python_service() {
    let Some(python) = Python::found() else { return };
    let broker = Broker::start();
    let service = PythonService::start(&python, &broker, "greetings", 1);
    let output =
        python.script("submit.py").args(["--broker", &broker.address, "greetings", "good\nday"]).output().unwrap();
    assert_done(&output);
    assert_eq!(text(&output.stdout), "GOOD\nDAY\n");
    let stderr = text(&output.stderr);
    let parts: Vec<_> = stderr.lines().filter(|line| line.starts_with("part ")).collect();
    assert_eq!(parts, ["part 1 GOOD", "part 2 DAY"]);
    service.ends();
}

#[test]
fn a_python_requester_that_asks_again_under_its_key_is_answered_from_the_first_request() {
    let Some(python) = Python::found() else { return };
    let broker = Broker::start();
    let service = PythonService::start(&python, &broker, "greetings", 1);
    for is_duplicate in [false, true] {
        let output = python
            .script("submit.py")
            .args(["--broker", &broker.address, "--requester", "ward-7", "--idempotency-key", "4711"])
            .args(["greetings", "good night"])
            .output()
            .unwrap();
        assert_done(&output);
        assert_eq!(text(&output.stdout), "GOOD NIGHT\n");
        assert_eq!(text(&output.stderr).starts_with("duplicate: "), is_duplicate, "{}", text(&output.stderr));
    }
    service.ends();
}

#[test]
fn a_python_requester_whose_deadline_passes_is_told_so() {
    let Some(python) = Python::found() else { return };
    let broker = Broker::start();
    let arguments = ["--broker", &broker.address, "--deadline", "0.01", "greetings", "good morning"];
    let output = python.script("submit.py").args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr).lines().last(), Some("error: expired"));
}

#[test]
fn a_python_requester_that_is_interrupted_cancels_its_request() {
    let Some(python) = Python::found() else { return };
    let broker = Broker::start();
    let mut command = python.script("submit.py");
    command.args(["--broker", &broker.address, "greetings", "good morning"]);
    let mut requester = Ended(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let mut told = BufReader::new(requester.0.stderr.take().unwrap()).lines();
    assert!(told.next().unwrap().unwrap().starts_with("ticket greetings:"));
    kill_process(Pid::from_child(&requester.0), Signal::INT).unwrap();
    assert_eq!(told.last().unwrap().unwrap(), "error: cancelled");
    assert_eq!(requester.0.wait().unwrap().code(), Some(1));
}

#[test]
fn a_python_requester_is_answered_by_a_command() {
    let Some(python) = Python::found() else { return };
    let broker = Broker::start();
    let _service = Ended(
        roundtrip(&["serve", "greetings", "--broker", &broker.address, "--", "tr", "a-z", "A-Z"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let output =
        python.script("submit.py").args(["--broker", &broker.address, "greetings", "good morning"]).output().unwrap();
    assert_done(&output);
    assert_eq!(text(&output.stdout).trim_end(), "GOOD MORNING");
}

#[test]
fn the_command_line_is_answered_by_a_python_service() {
    let Some(python) = Python::found() else { return };
    let broker = Broker::start();
    let service = PythonService::start(&python, &broker, "greetings", 1);
    let output = roundtrip(&["request", "greetings", "good evening", "--broker", &broker.address]).output().unwrap();
    assert_done(&output);
    assert_eq!(text(&output.stdout).trim_end(), "GOOD EVENING");
    service.ends();
}

#[test]
fn a_python_service_that_gets_what_it_cannot_read_fails_it_in_one_clear_line() {
    let Some(python) = Python::found() else { return };
    let broker = Broker::start();
    let service = PythonService::start(&python, &broker, "greetings", 1);
    let file = std::env::temp_dir().join(format!("roundtrip-interop-{}", std::process::id()));
    std::fs::write(&file, b"\xff\xfe").unwrap();
    let data = format!("@{}", file.display());
    let output = roundtrip(&["request", "greetings", &data, "--broker", &broker.address]).output().unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("invalid_payload"), "{}", text(&output.stderr));
    service.ends();
}

#[test]
fn a_python_client_without_a_broker_says_so_in_one_line() {
    let Some(python) = Python::found() else { return };
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for script in ["submit.py", "serve.py"] {
        let mut command = python.script(script);
        command.args(["--broker", &nobody.to_string(), "greetings"]);
        if script == "submit.py" {
            command.arg("hello");
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(4));
        assert_eq!(text(&output.stdout), "");
        assert_eq!(text(&output.stderr).lines().count(), 1, "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains(&nobody.to_string()));
    }
}

/// A Python that was found.
struct Python;

impl Python {
    fn found() -> Option<Self> {
        let version = Command::new("python3").arg("--version").output();
        if version.is_ok_and(|output| output.status.success()) {
            return Some(Self);
        }
        skip("python3 is needed and does not run: install it", "no client of another language was tested");
        None
    }

    fn script(&self, name: &str) -> Command {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("interop").join(name);
        let mut command = Command::new("python3");
        command.arg("-B").arg(path).env("PYTHONUTF8", "1").stdin(Stdio::null());
        command
    }
}

/// A broker in a process of its own, on a free port. It ends with the test.
struct Broker {
    address: String,
    _process: Ended,
}

impl Broker {
    fn start() -> Self {
        let mut process = Ended(
            roundtrip(&["broker", "--listen", "127.0.0.1:0", "--json"])
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        );
        let mut lines = BufReader::new(process.0.stdout.take().unwrap()).lines();
        let line = lines.next().expect("the broker says when it is ready").unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(ready["event"], "ready", "{line}");
        let address = ready["listen"].as_str().unwrap().to_owned();
        assert!(address.parse::<SocketAddr>().is_ok(), "{line}");
        Self { address, _process: process }
    }
}

/// `serve.py`, which ends by itself after a number of requests.
struct PythonService {
    process: Ended,
    settled: Lines<BufReader<ChildStdout>>,
    count: usize,
    _stderr: Lines<BufReader<ChildStderr>>,
}

impl PythonService {
    fn start(python: &Python, broker: &Broker, channel: &str, count: usize) -> Self {
        let mut command = python.script("serve.py");
        command.args(["--broker", &broker.address, channel, "--count", &count.to_string()]);
        let mut process = Ended(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
        let mut stderr = BufReader::new(process.0.stderr.take().unwrap()).lines();
        assert_eq!(stderr.next().unwrap().unwrap(), format!("serving {channel}"));
        let settled = BufReader::new(process.0.stdout.take().unwrap()).lines();
        Self { process, settled, count, _stderr: stderr }
    }

    fn ends(mut self) {
        assert!(self.process.0.wait().unwrap().success());
        assert_eq!(self.settled.count(), self.count, "a line for each request");
    }
}

/// A process that ends with the test, however that ends.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _already_ended = self.0.kill();
        let _status = self.0.wait();
    }
}

fn roundtrip(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roundtrip-under-test"));
    command.args(arguments).env_remove("ROUNDTRIP_BROKER").stdin(Stdio::null());
    command
}

fn assert_done(output: &Output) {
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}\n{stdout}\n{stderr}", output.status);
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
