//! The command line `roundtrip`: reads arguments, starts things, prints.
//!
//! It decides nothing of the contract: every command is a client of the broker like any other, but for `data`, which
//! looks where a broker has stopped. One file a command; what several of them need stands beside them. Data goes to
//! standard output, all else to standard error.

mod arguments;
mod attach;
mod broker;
mod cancel;
mod channels;
mod color;
mod configuration;
mod connect;
mod data;
mod dead_letters;
mod demo;
mod descriptors;
mod drain;
mod duration;
mod exit;
mod gateway;
mod hint;
mod http;
mod lifeline;
mod loopback;
mod nearest;
mod output;
mod part;
mod payload;
mod ready;
mod record;
mod recovery;
mod replies;
mod request;
mod serve;
mod signal;
mod status;
mod waiting;

use std::future::Future;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use tracing_subscriber::EnvFilter;

use arguments::{Arguments, Command, FIRST_COMMANDS};
use color::Color;
use exit::{Exit, Quit};

/// Runs the command line of this process and says how it ended.
pub fn main() -> ExitCode {
    let command = Arguments::command().color(Color::of_arguments().choice());
    let arguments = match command.try_get_matches().and_then(|matches| Arguments::from_arg_matches(&matches)) {
        Ok(arguments) => arguments,
        Err(error) => {
            // A closed pipe is no reason to complain about a page of help.
            error.print().ok();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done }.into();
        }
    };
    install_log(arguments.color);
    match run(arguments) {
        Ok(exit) => exit.into(),
        Err(Quit::PipeClosed) => Exit::Done.into(),
        Err(Quit::Saying(exit, sentence)) => {
            output::tell(&sentence);
            exit.into()
        }
    }
}

fn run(arguments: Arguments) -> Result<Exit, Quit> {
    let color = arguments.color;
    let Some(command) = arguments.command else {
        return output::line(FIRST_COMMANDS).map(|()| Exit::Done);
    };
    match command {
        Command::Broker(broker) => on_runtime(broker::run(broker, color)),
        Command::Demo(demo) => on_runtime(demo::run(demo, color)),
        Command::Request(request) => on_runtime(request::run(request, color)),
        Command::Replies(replies) => on_runtime(replies::run(replies)),
        Command::Attach(attach) => on_runtime(attach::run(attach, color)),
        Command::Status(status) => on_runtime(status::run(status)),
        Command::Cancel(cancel) => on_runtime(cancel::run(cancel)),
        Command::DeadLetters(dead_letters) => on_runtime(dead_letters::run(dead_letters, color)),
        Command::Gateway(gateway) => on_runtime(gateway::run(gateway)),
        Command::Drain(drain) => on_runtime(drain::run(drain)),
        Command::Serve(serve) => on_runtime(serve::run(serve)),
        Command::ServeGuard => Ok(serve::guard::run()),
        Command::Channels(channels) => on_runtime(channels::run(channels, color)),
        Command::Data(data) => data::run(data, color),
        Command::Completions { shell } => completions(shell),
        Command::DemoBroker(broker) => on_runtime(demo::broker(broker)),
        Command::DemoService(service) => on_runtime(demo::service(service)),
        Command::DemoConsumer(consumer) => on_runtime(demo::consumer(consumer)),
    }
}

/// One thread: a broker's hot path is bound by it and not by locks, and everything else here only waits.
fn on_runtime(command: impl Future<Output = Result<Exit, Quit>>) -> Result<Exit, Quit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Quit::saying(Exit::OtherOutcome, format!("cannot start: {error}")))?;
    let ended = runtime.block_on(command);
    // What still reads standard input cannot be stopped, and nobody waits for it.
    runtime.shutdown_background();
    ended
}

fn completions(shell: clap_complete::Shell) -> Result<Exit, Quit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "roundtrip", &mut script);
    output::payload(&script).map(|()| Exit::Done)
}

fn install_log(color: Color) {
    let filter = EnvFilter::try_from_env("ROUNDTRIP_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(color.for_stderr().colored)
        .init();
}
