//! The command line: what there is to type, and its help.

mod data;
mod dead_letters;
mod gateway;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use roundtrip::{ChannelName, RequesterName, TicketId};
use roundtrip_gateway::{Host, Origin};

pub(crate) use data::{Data, Folder};
pub(crate) use dead_letters::{DeadLetters, Letters, ListLetters};
pub(crate) use gateway::Gateway;

use crate::color::Color;
use crate::configuration::Size;
use crate::duration;

/// What `roundtrip` alone prints.
pub(crate) const FIRST_COMMANDS: &str = "Roundtrip carries requests to services and brings every answer back.

  roundtrip demo                                     see it work: ten patient summaries, whatever dies on the way
  roundtrip broker                                   start a broker on 127.0.0.1:7420
  roundtrip serve shout_request -- tr a-z A-Z        make a command a service (and, in a third terminal:
                                                     roundtrip request shout_request hello)

`roundtrip --help` lists every command, `roundtrip COMMAND --help` has an example for each.";

const EXIT_STATUS: &str = "Exit status: 0 replied (other commands: done), 1 any other outcome, 2 usage, 3 refused, \
4 cannot connect (broker, gateway: cannot listen), 5 unknown ticket, 6 stopped with accepted requests failed, 124 --wait passed, \
130 Ctrl-C (broker, gateway, serve and replies --follow, stopped in good order: 0).
ROUNDTRIP_LOG sets what is logged to standard error: warn unless set, debug for more.";

/// A message broker for asynchronous request-reply: requests go out, and every accepted one comes back with one outcome.
#[derive(Debug, Parser)]
#[command(name = "roundtrip", version, after_help = EXIT_STATUS)]
pub(crate) struct Arguments {
    /// When to colour what people read. NO_COLOR is honoured.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN", hide_possible_values = true)]
    #[arg(help = "When to colour what people read: auto, always or never")]
    pub(crate) color: Color,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a broker. Ctrl-C or SIGTERM drains it, a second one stops it at once.
    #[command(
        after_help = "Example, with a free port for a program to read:\n  roundtrip broker --listen 127.0.0.1:0 --json\n\
        Example, whatever is accepted survives SIGKILL and power cuts:\n  roundtrip broker --data ./roundtrip-data\n\
        Example, a file to begin with, and a look at it before it is used:\n  \
        roundtrip broker --print-config > roundtrip.toml; roundtrip broker --config roundtrip.toml --check\n\
        Example, for curl and every language too:\n  roundtrip broker --http 127.0.0.1:7480\n\
        ROUNDTRIP_LISTEN, ROUNDTRIP_MEMORY and so on set the broker's own keys: a flag goes before the environment, that \
        before the file."
    )]
    Broker(Broker),
    /// See it work: ten patient summaries over TCP, while a service and the consumer are killed.
    #[command(after_help = "Example, two patients and one object for each:\n  roundtrip demo --patients 2 --json\n\
        Example, the broker dies as well:\n  roundtrip demo --kill-broker")]
    Demo(Demo),
    /// Send a request, wait for its outcome and print the reply.
    #[command(after_help = "Example:\n  roundtrip request patient_summary_request '{\"patientId\":\"afe4d0ff\"}' \
        --operation generate_patient_summary\nDATA that begins with @ or is - goes through standard input: \
        printf @home | roundtrip request CHANNEL -")]
    Request(Request),
    /// Print the replies in a requester's mailbox, one a line: each until it is acknowledged.
    #[command(
        after_help = "Example, each reply once, handled and forgotten:\n  roundtrip replies --requester night-shift \
        --reply-channel patient_summary_reply --take --follow --json"
    )]
    Replies(Replies),
    /// Wait for the outcome of a request by its ticket, from anywhere. Acknowledges nothing.
    #[command(after_help = "Example, to look and not wait:\n  roundtrip attach \
        patient_summary_request:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11 --wait 0s")]
    Attach(Attach),
    /// Say where a request is by its ticket, and wait for nothing.
    #[command(
        after_help = "Example:\n  roundtrip status patient_summary_request:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11 --json"
    )]
    Status(Status),
    /// End a request by its ticket, from anywhere: its outcome is cancelled, and a service at work on it is told to stop.
    #[command(
        after_help = "Example:\n  roundtrip cancel patient_summary_request:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11\n\
        Prints the outcome. Exit status: 0 it is cancelled, 1 the request had another outcome before."
    )]
    Cancel(Cancel),
    /// Look at a channel's dead letters, make requests of them again, or forget them.
    #[command(name = "dead-letters", subcommand)]
    #[command(after_help = "Example:\n  roundtrip dead-letters list patient_summary_request")]
    DeadLetters(DeadLetters),
    /// Make any command a service: the payload on its standard input, the reply on its standard output.
    #[command(after_help = "Example:\n  roundtrip serve shout_request -- tr a-z A-Z\n\
        The command sees ROUNDTRIP_CHANNEL, _TICKET, _OPERATION, _ATTEMPT, _DELIVERY, _REQUESTER, _CONTENT_TYPE, \
        _REMAINING_MS, and ROUNDTRIP_HEADER_NAME for each header. It exits with 0: its output is the reply; 75: try again \
        later; anything else: failed, with the last lines of its standard error. A line `::progress 0.4 text` there is \
        progress, a line `::part text` a part. When the request is cancelled or expires, or its lease is lost, the command \
        gets SIGTERM and 5 s, then SIGKILL, and all that it has started with it.")]
    Serve(Serve),
    /// Let programs of any language reach a broker over HTTP: requests, their state and their outcomes by curl.
    #[command(after_help = "Example:\n  roundtrip gateway --broker 127.0.0.1:7420 --listen 127.0.0.1:7480\n\
        Then, a request and its reply:\n  \
        curl -sH 'Prefer: wait=20' -d hello http://127.0.0.1:7480/v1/channels/shout_request/requests\n\
        Ctrl-C or SIGTERM lets it answer the calls that are under way, a second one stops it at once.")]
    Gateway(Gateway),
    /// Ask the broker to drain and stop, as Ctrl-C on it would, and wait until it is gone.
    #[command(after_help = "Example:\n  roundtrip drain --broker 127.0.0.1:7420")]
    Drain(Drain),
    /// List the channels with their figures.
    #[command(after_help = "Example:\n  roundtrip channels --json")]
    Channels(Channels),
    /// Look into the data folder of a broker that is stopped: is it sound, how much is in it, and what.
    #[command(subcommand)]
    #[command(after_help = "Example:\n  roundtrip data check ./data")]
    Data(Data),
    /// Print completions for a shell.
    #[command(
        after_help = "Example:\n  roundtrip completions bash > ~/.local/share/bash-completion/completions/roundtrip"
    )]
    Completions {
        /// For which shell.
        shell: Shell,
    },
    #[command(hide = true, name = crate::serve::guard::COMMAND)]
    ServeGuard,
    #[command(hide = true)]
    DemoBroker(DemoBroker),
    #[command(hide = true)]
    DemoService(DemoService),
    #[command(hide = true)]
    DemoConsumer(DemoConsumer),
}

/// Where the broker is.
#[derive(Debug, Args)]
pub(crate) struct BrokerAddress {
    /// The broker's address.
    #[arg(long = "broker", env = "ROUNDTRIP_BROKER", default_value = "127.0.0.1:7420", value_name = "ADDR")]
    pub(crate) address: String,
}

#[derive(Debug, Args)]
pub(crate) struct Broker {
    /// A TOML file with the broker's settings and its channels. Without one: defaults, and channels are made on first use.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Read the file, say whether it is good, and start nothing.
    #[arg(long, requires = "config", conflicts_with_all = ["print_config", "listen", "disk", "json"])]
    pub(crate) check: bool,
    /// Print the configuration in force as such a file, with comments and defaults, and start nothing.
    #[arg(long, conflicts_with = "json")]
    pub(crate) print_config: bool,
    /// Where to listen; port 0 takes a free one. If left out: ROUNDTRIP_LISTEN, else what the file says, else
    /// 127.0.0.1:7420.
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// Keep durable channels in this folder, made if it is missing; every channel is durable that does not say otherwise.
    /// If left out: ROUNDTRIP_DATA, else what the file says, else everything lives in memory.
    #[arg(long, value_name = "DIR", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) data: Option<String>,
    /// How much of the disk the folder may take, such as 512MiB; 16GiB if nothing says otherwise.
    #[arg(long, value_name = "SIZE")]
    pub(crate) disk: Option<Size>,
    /// Listen for HTTP too, for curl and every language, such as on 127.0.0.1:7480; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    pub(crate) http: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) callers: Callers,
    /// Listen on other addresses than loopback too: there are no permissions and no encryption yet.
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Print the ready line as JSON: {"event":"ready","listen":"127.0.0.1:43121"}; with --http, "http" too.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Who may ask over HTTP.
#[derive(Debug, Default, Args)]
pub(crate) struct Callers {
    /// A name under which HTTP is reached beside localhost and the loopback addresses; may stand several times.
    #[arg(long = "host", value_name = "NAME")]
    pub(crate) hosts: Vec<Host>,
    /// The origin of web pages that may ask over HTTP, such as https://ward.example; may stand several times.
    #[arg(long = "cors-origin", value_name = "ORIGIN")]
    pub(crate) origins: Vec<Origin>,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// For how many patients; all in the folder if left out.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) patients: Option<u32>,
    /// A folder of patient bundles; the ten samples inside the binary if left out.
    #[arg(long, value_name = "DIR")]
    pub(crate) ehr_data: Option<PathBuf>,
    /// Where the summaries go, as PATIENT-ID.json.
    #[arg(long, default_value = "./summaries", value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// Kill nobody.
    #[arg(long, conflicts_with = "kill_broker")]
    pub(crate) calm: bool,
    /// Kill the broker too, and start it again: its channel is durable, in a folder that is gone with the demo.
    #[arg(long)]
    pub(crate) kill_broker: bool,
    /// Print one object per patient with patientId, outcome, attempts and file, and nothing else, on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Request {
    /// The request channel.
    #[arg(value_name = "CHANNEL")]
    pub(crate) channel: ChannelName,
    /// The payload: as it stands, from a file, or from standard input; empty if left out.
    #[arg(value_name = "DATA|@FILE|-", allow_hyphen_values = true)]
    pub(crate) data: Option<String>,
    /// The name of what is asked for.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub(crate) operation: String,
    /// Whose mailbox keeps the outcome until it is acknowledged; without a name it is kept under its ticket.
    #[arg(long, value_name = "NAME")]
    pub(crate) requester: Option<RequesterName>,
    /// Where the reply goes, if not to the channel's own reply channel.
    #[arg(long, value_name = "NAME")]
    pub(crate) reply_channel: Option<ChannelName>,
    /// How long the request may take from its acceptance on, such as 30s or 2h; after that its outcome is expired.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) deadline: Option<Duration>,
    /// 0 to 9; 9 goes first, 4 if left out.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=9))]
    pub(crate) priority: Option<u8>,
    /// How long the request is kept back before it begins to wait for a service.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) delay: Option<Duration>,
    /// The same key on a channel is the same request: sent again, the first one is waited for.
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// Want no reply: print the ticket alone once the request is accepted. The outcome is in no mailbox; attach reads it.
    #[arg(long, conflicts_with_all = ["wait", "json", "parts", "cancel_on_interrupt", "reply_channel"])]
    pub(crate) one_way: bool,
    /// Print the ticket alone once the request is accepted, and do not wait.
    #[arg(long, conflicts_with_all = ["wait", "json", "parts", "cancel_on_interrupt"])]
    pub(crate) no_wait: bool,
    /// On Ctrl-C cancel the request. Without this it goes on.
    #[arg(long)]
    pub(crate) cancel_on_interrupt: bool,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
    #[command(flatten)]
    pub(crate) broker: BrokerAddress,
}

/// How long to wait for an outcome, and how to print it.
#[derive(Debug, Args)]
pub(crate) struct Waiting {
    /// How long to wait at most, such as 500ms, 20s, 5m or 2h. The request goes on after that.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) wait: Option<Duration>,
    /// Print the parts as they come, each as a line: its payload, or with --json an object with event, delivery, number and
    /// payload.
    #[arg(long)]
    pub(crate) parts: bool,
    /// Print one object: ticket, channel, operation (of a request that was sent here), outcome (null while it is open),
    /// attempts, and payload: JSON as it is, other text as a string, bytes as payload_base64; where there is no reply,
    /// problem: what went wrong, in the form of RFC 9457.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Replies {
    /// Whose mailbox.
    #[arg(long, value_name = "NAME")]
    pub(crate) requester: RequesterName,
    /// The mailbox's reply channel.
    #[arg(long, value_name = "NAME")]
    pub(crate) reply_channel: ChannelName,
    /// Become the mailbox's holder, and acknowledge each reply once it is printed.
    #[arg(long)]
    pub(crate) take: bool,
    /// Go on with what comes, until stopped.
    #[arg(long)]
    pub(crate) follow: bool,
    /// Print objects: ticket, channel, operation, outcome, attempts, and payload: JSON as it is, other text as a string,
    /// bytes as payload_base64; where there is no reply, problem: what went wrong, in the form of RFC 9457.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) broker: BrokerAddress,
}

#[derive(Debug, Args)]
pub(crate) struct Attach {
    /// The ticket, CHANNEL:ID.
    #[arg(value_name = "TICKET")]
    pub(crate) ticket: TicketId,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
    #[command(flatten)]
    pub(crate) broker: BrokerAddress,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The ticket, CHANNEL:ID.
    #[arg(value_name = "TICKET")]
    pub(crate) ticket: TicketId,
    /// Print one object: ticket, channel, state, outcome, delivery, attempt, in_ms, ahead, services, attempts, remaining_ms,
    /// redrive_of and progress, each where it is known.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) broker: BrokerAddress,
}

#[derive(Debug, Args)]
pub(crate) struct Cancel {
    /// The ticket, CHANNEL:ID.
    #[arg(value_name = "TICKET")]
    pub(crate) ticket: TicketId,
    #[command(flatten)]
    pub(crate) broker: BrokerAddress,
}

#[derive(Debug, Args)]
pub(crate) struct Drain {
    #[command(flatten)]
    pub(crate) broker: BrokerAddress,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The request channel.
    #[arg(value_name = "CHANNEL")]
    pub(crate) channel: ChannelName,
    /// How many commands may run at once; as many as the machine has processors if left out.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) concurrency: Option<u32>,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<std::ffi::OsString>,
    #[command(flatten)]
    pub(crate) broker: BrokerAddress,
}

#[derive(Debug, Args)]
pub(crate) struct Channels {
    /// Print objects, one a line: channel, waiting, scheduled, in_flight, services, retained, dead, oldest_ms, paused_ms,
    /// stale.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) broker: BrokerAddress,
}

/// The demo's broker, where it is a process of its own.
#[derive(Debug, Args)]
pub(crate) struct DemoBroker {
    #[arg(long)]
    pub(crate) listen: String,
    #[arg(long)]
    pub(crate) data: PathBuf,
}

/// The demo's summary service, a process of its own.
#[derive(Debug, Args)]
pub(crate) struct DemoService {
    #[arg(long)]
    pub(crate) broker: String,
    #[arg(long)]
    pub(crate) ehr: String,
    #[arg(long)]
    pub(crate) concurrency: u32,
}

/// The demo's API consumer, a process of its own.
#[derive(Debug, Args)]
pub(crate) struct DemoConsumer {
    #[arg(long)]
    pub(crate) broker: String,
    #[arg(long)]
    pub(crate) ledger: PathBuf,
    #[arg(long)]
    pub(crate) output: PathBuf,
    pub(crate) patients: Vec<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_definition_holds_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example_in_its_help() {
        fn examined(parent: &clap::Command, path: &str) {
            for command in parent.get_subcommands().filter(|command| !command.is_hide_set()) {
                let path = format!("{path} {}", command.get_name());
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains(&path), "{path}: {help}");
                examined(command, &path);
            }
        }
        examined(&Arguments::command(), "roundtrip");
    }

    #[test]
    fn the_commands_of_the_issue_are_understood() {
        for line in [
            "roundtrip",
            "roundtrip broker --listen 127.0.0.1:0 --json",
            "roundtrip demo --patients 2 --ehr-data d --output o --calm --json --color never",
            "roundtrip request c - --operation o --requester r --reply-channel p --wait 20s --json",
            "roundtrip request c @file --no-wait --broker 127.0.0.1:1",
            "roundtrip request c -17",
            "roundtrip replies --requester r --reply-channel c --take --follow --json",
            "roundtrip request c x --deadline 20s --priority 9 --delay 1s --idempotency-key k --cancel-on-interrupt --parts",
            "roundtrip request c x --one-way --requester r",
            "roundtrip broker --config f --check",
            "roundtrip broker --config f --print-config --listen 127.0.0.1:0",
            "roundtrip attach c:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11 --wait 0s --json --parts",
            "roundtrip status c:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11 --json",
            "roundtrip cancel c:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11",
            "roundtrip dead-letters list c --json",
            "roundtrip dead-letters show c 0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11",
            "roundtrip dead-letters redrive c c:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11 0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b12",
            "roundtrip dead-letters purge c --all --json",
            "roundtrip broker --http 127.0.0.1:0 --host broker.example --host 192.0.2.7",
            "roundtrip broker --config f --cors-origin https://ward.example",
            "roundtrip gateway",
            "roundtrip gateway --broker 127.0.0.1:1 --listen 127.0.0.1:0 --host broker.example --insecure --json",
            "roundtrip drain --broker 127.0.0.1:1",
            "roundtrip serve c --concurrency 4 -- tr a-z A-Z",
            "roundtrip channels --json",
            "roundtrip completions zsh",
        ] {
            assert!(parse(line).is_ok(), "{line}: {:?}", parse(line));
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for line in [
            "roundtrip request",
            "roundtrip request no/channel x",
            "roundtrip request c x --wait 5",
            "roundtrip request c x --priority 10",
            "roundtrip request c x --one-way --json",
            "roundtrip request c x --no-wait --cancel-on-interrupt",
            "roundtrip broker --check",
            "roundtrip broker --http here",
            "roundtrip broker --http 127.0.0.1:0 --cors-origin ward.example",
            "roundtrip gateway --host http://broker.example",
            "roundtrip status nonsense",
            "roundtrip dead-letters",
            "roundtrip dead-letters purge c",
            "roundtrip dead-letters purge c nonsense",
            "roundtrip dead-letters purge c 0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11 --all",
            "roundtrip request c x --no-wait --wait 5s",
            "roundtrip attach c",
            "roundtrip serve c",
            "roundtrip serve c --concurrency 0 -- cat",
            "roundtrip demo --patients 0",
            "roundtrip replies --requester r",
            "roundtrip broker --listen here",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
