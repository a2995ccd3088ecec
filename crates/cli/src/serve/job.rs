//! One request: the command is started, fed, listened to, and ended when its work is no longer wanted.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use roundtrip::{Context, Failure, Message, RawFailure, Request, StopReason};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use super::environment;
use super::group::{GRACE, Group};
use super::guard::Guard;
use super::program::Program;
use super::reports::{LastLines, Report};
use crate::output::tell;
use crate::payload::{content_type, printable};

/// What a command exits with when trying again later may help: `EX_TEMPFAIL`.
const TRY_AGAIN: i32 = 75;

/// The most that is taken of a reply, in bytes: what a broker takes at most.
const LONGEST_REPLY: u64 = 64 * 1024 * 1024;

/// The longest line that is read of standard error, in bytes.
const LONGEST_LINE: u64 = 1024 * 1024;

/// Runs the command for one request.
pub(super) async fn answer(
    program: Arc<Program>,
    guard: Arc<Guard>,
    request: Request,
    context: Context,
) -> Result<Message, RawFailure> {
    let mut child = match start(&program, &request, &context) {
        Ok(child) => child,
        Err(error) => {
            tell(&format!("{}: cannot start {}: {error}", context.ticket(), program.name.to_string_lossy()));
            return Err(Failure::retry(error).code("command_not_started"));
        }
    };
    // Dropped at whatever await, this handler takes the command's whole group with it.
    let group = Group::of(&child, guard);
    let ended = {
        let mut running = std::pin::pin!(run(&mut child, &request, &context));
        tokio::select! {
            ended = &mut running => ended,
            () = context.cancelled().cancelled() => {
                tell(&format!("{}: {}; ending its command", context.ticket(), no_longer_wanted(&context)));
                group.stop();
                tokio::time::timeout(GRACE, running).await.ok();
                return Err(Failure::release());
            }
        }
    };
    let Ended { status, reply, heard } = ended.map_err(|error| Failure::retry(error).code("command_lost"))?;
    group.has_ended();
    if reply.len() as u64 > LONGEST_REPLY {
        return Err(Failure::problem("reply_too_large", format!("the command's output is over {LONGEST_REPLY} bytes")));
    }
    match status.code() {
        Some(0) if heard.lost_part.is_some() => {
            Err(Failure::problem("part_not_added", heard.lost_part.unwrap_or_default()))
        }
        Some(0) => {
            let content_type = content_type(&reply);
            Ok(Message::new(reply).content_type(content_type))
        }
        Some(TRY_AGAIN) => Err(Failure::retry("the command asks to be tried again").code("try_again")),
        _ => Err(Failure::problem("command_failed", said(status, &heard.last))),
    }
}

struct Ended {
    status: ExitStatus,
    reply: Vec<u8>,
    heard: Heard,
}

/// What a command said on its standard error.
#[derive(Default)]
struct Heard {
    last: LastLines,
    /// Why the first part that could not be added was not.
    lost_part: Option<String>,
}

fn start(program: &Program, request: &Request, context: &Context) -> io::Result<Child> {
    let mut command = Command::new(&program.name);
    command.args(&program.arguments);
    environment::inherited().for_each(|name| {
        command.env_remove(name);
    });
    command.envs(environment::of(request, context));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own: Ctrl-C on the terminal reaches us alone, and what it starts can be ended with it.
    command.process_group(0).kill_on_drop(true).spawn()
}

/// Feeds the command and listens to it until it has ended.
async fn run(child: &mut Child, request: &Request, context: &Context) -> io::Result<Ended> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let reply = async {
        let mut reply = Vec::new();
        if let Some(stdout) = stdout {
            stdout.take(LONGEST_REPLY + 1).read_to_end(&mut reply).await?;
        }
        io::Result::Ok(reply)
    };
    let heard = async {
        match stderr {
            Some(stderr) => listen(stderr, context).await,
            None => Heard::default(),
        }
    };
    let ((), reply, heard, status) = tokio::join!(feed(stdin, &request.payload), reply, heard, child.wait());
    Ok(Ended { status: status?, reply: reply?, heard })
}

/// A command that does not read its input, or not all of it, has its reasons.
async fn feed(stdin: Option<ChildStdin>, payload: &[u8]) {
    if let Some(mut stdin) = stdin {
        stdin.write_all(payload).await.ok();
    }
}

/// Reports progress, adds parts and keeps the last lines. What is neither goes on to our own standard error, where the
/// command's would be. While there is no room for a part, nothing more is read.
async fn listen(stderr: impl AsyncRead + Unpin, context: &Context) -> Heard {
    let (mut lines, mut heard, mut line) = (BufReader::new(stderr), Heard::default(), Vec::new());
    loop {
        line.clear();
        let read = (&mut lines).take(LONGEST_LINE).read_until(b'\n', &mut line).await;
        if !read.is_ok_and(|read| read > 0) {
            return heard;
        }
        let whole = line.ends_with(b"\n") || (line.len() as u64) < LONGEST_LINE;
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\n', '\r']);
        match Report::read(text) {
            Report::Progress { fraction, stage } => context.progress(fraction, stage),
            Report::Part(part) => {
                let added = if whole { add(part, context).await } else { Err(too_long()) };
                heard.lost_part = heard.lost_part.or(added.err());
            }
            Report::Words => {
                tell(&printable(text));
                heard.last.push(text);
            }
        }
    }
}

async fn add(part: &str, context: &Context) -> Result<(), String> {
    let message = Message::new(part.to_owned()).content_type(content_type(part.as_bytes()));
    context.part(message).await.map(drop).map_err(|error| error.to_string())
}

fn too_long() -> String {
    format!("a line with a part has {LONGEST_LINE} bytes at most: write a shorter one, or several")
}

/// Why the command is ended.
fn no_longer_wanted(context: &Context) -> &'static str {
    match context.stop_reason() {
        Some(StopReason::Cancelled) => "cancelled",
        Some(StopReason::Expired) => "its deadline passed",
        Some(StopReason::AttemptTimeout) => "it took longer than the channel's attempt_timeout",
        Some(StopReason::LeaseLost) => "its lease was lost",
        Some(StopReason::BrokerStopped) => "the broker stopped",
        _ => "no longer wanted",
    }
}

fn said(status: ExitStatus, last: &LastLines) -> String {
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    };
    match last.text() {
        text if text.is_empty() => how,
        text => format!("{how}: {text}"),
    }
}
