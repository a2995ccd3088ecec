//! Waiting for one request's outcome by its ticket, with its progress on standard error.

use std::future::pending;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use roundtrip::{
    Client, ConnectionEvent, Outcome, OutcomeKind, Parts, Progress, RawTicket, RequestState, TicketId, WaitError,
};
use serde::Serialize;
use tokio::time::Instant;

use crate::arguments::Waiting;
use crate::color::{Color, Paint};
use crate::exit::{Exit, Quit};
use crate::output::{self, tell};
use crate::payload::printable;
use crate::record::{Record, why};
use crate::signal::StopSignals;
use crate::{part, status};

/// How the wait ended.
pub(crate) enum Ended {
    /// With the outcome.
    Outcome(Outcome),
    /// It goes on without us.
    Open(Exit),
}

/// What is said while nothing happens, after a while.
pub(crate) type Hint<'a> = Option<&'a dyn AsyncHint>;

/// A sentence that takes a question to the broker.
pub(crate) trait AsyncHint {
    /// When to say it.
    fn after(&self) -> Duration;
    /// What to say.
    fn sentence(&self) -> std::pin::Pin<Box<dyn Future<Output = Option<String>> + '_>>;
}

/// One request that is waited for.
pub(crate) struct Wait<'a> {
    pub(crate) client: &'a Client,
    pub(crate) ticket: &'a RawTicket,
    /// Its parts, if they are to be read; shown only if [`Waiting`] says so.
    pub(crate) parts: Option<Parts>,
    pub(crate) how: &'a Waiting,
    pub(crate) color: Color,
    pub(crate) hint: Hint<'a>,
}

impl Wait<'_> {
    /// Waits until the outcome, the end of `--wait`, or Ctrl-C.
    pub(crate) async fn end(mut self, stop: &mut StopSignals) -> Result<Ended, Quit> {
        let (client, ticket, started) = (self.client, self.ticket, Instant::now());
        let patience = match self.how.wait {
            Some(Duration::ZERO) if is_open(ticket).await? => return Ok(Ended::Open(Exit::WaitPassed)),
            Some(Duration::ZERO) => None,
            patience => patience,
        };
        let passed = async {
            match patience {
                Some(patience) => tokio::time::sleep_until(started + patience).await,
                None => pending().await,
            }
        };
        let hinting = async {
            let Some(hint) = self.hint else { return pending().await };
            tokio::time::sleep_until(started + hint.after()).await;
            match hint.sentence().await {
                Some(sentence) => sentence,
                None => pending().await,
            }
        };
        let (mut passed, mut hinting) = (std::pin::pin!(passed), std::pin::pin!(hinting));
        let (mut hinted, mut progress, mut events) = (false, Some(ticket.progress()), client.events());
        let mut line = ProgressLine::new(self.color);
        loop {
            let next_progress = async {
                match &mut progress {
                    Some(progress) => progress.next().await,
                    None => pending().await,
                }
            };
            // The outcome comes after the last part.
            let parts_read = self.parts.is_none();
            let next_part = async {
                match &mut self.parts {
                    Some(parts) => parts.next().await,
                    None => pending().await,
                }
            };
            tokio::select! {
                part = next_part => match part {
                    Some(part) if self.how.parts => {
                        line.clear();
                        part::print(&part, self.how.json)?;
                    }
                    Some(_) => {}
                    None => self.parts = None,
                },
                outcome = ticket.outcome(), if parts_read => {
                    line.clear();
                    return outcome.map(Ended::Outcome).map_err(|error| not_waiting(&error, ticket.id()));
                }
                step = next_progress => match step {
                    Some(step) => line.show(&step),
                    None => progress = None,
                },
                () = &mut passed => {
                    line.clear();
                    return Ok(Ended::Open(Exit::WaitPassed));
                }
                () = stop.next() => {
                    line.clear();
                    return Ok(Ended::Open(Exit::Interrupted));
                }
                sentence = &mut hinting, if !hinted => {
                    hinted = true;
                    line.clear();
                    tell(&sentence);
                }
                Some(event) = events.next() => narrate(client, event),
            }
        }
    }
}

/// What a person should know of the connection.
pub(crate) fn narrate(client: &Client, event: ConnectionEvent) {
    match event {
        ConnectionEvent::Disconnected => {
            tell(&format!("the connection to the broker at {} broke: trying again", client.destination()));
        }
        ConnectionEvent::Draining { .. } => tell("the broker is stopping"),
        _ => {}
    }
}

/// Whether the request has no outcome yet; then it says where it is.
async fn is_open(ticket: &RawTicket) -> Result<bool, Quit> {
    let state = ticket.state().await.map_err(|error| not_waiting(&error, ticket.id()))?;
    if let RequestState::Ended(_) = state.state {
        return Ok(false);
    }
    tell(&status::sentence(&state));
    state.progress.iter().for_each(|progress| tell(&progress_text(progress)));
    Ok(true)
}

/// Prints an outcome, and says how that ends the command.
pub(crate) fn print(
    ticket: &TicketId,
    operation: Option<&str>,
    outcome: &Outcome,
    json: bool,
    color: Color,
) -> Result<Exit, Quit> {
    let replied = outcome.kind() == OutcomeKind::Replied;
    if json {
        output::json_line(&Record::new(ticket, operation, outcome))?;
    } else if replied {
        output::payload(&outcome.payload)?;
    }
    if replied {
        return Ok(Exit::Done);
    }
    let attempts = status::counted(outcome.attempts.into(), "attempt");
    let paint = color.for_stderr();
    tell(&format!("{} after {attempts}: {}", paint.red(outcome.kind()), why(&outcome.ending, &outcome.payload)));
    Ok(Exit::OtherOutcome)
}

/// Prints the ticket of a request that is still open, and how to come back to it.
pub(crate) fn print_open(ticket: &TicketId, operation: Option<&str>, json: bool, broker: &str) -> Result<(), Quit> {
    #[derive(Serialize)]
    struct Open<'a> {
        ticket: String,
        channel: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        operation: Option<&'a str>,
        outcome: Option<()>,
    }
    if json {
        output::json_line(&Open {
            ticket: ticket.to_string(),
            channel: ticket.channel.as_str(),
            operation,
            outcome: None,
        })?;
    } else {
        output::line(&ticket.to_string())?;
    }
    let elsewhere = if broker == "127.0.0.1:7420" { String::new() } else { format!(" --broker {broker}") };
    tell(&format!("the request goes on; wait for its outcome with: roundtrip attach {ticket}{elsewhere}"));
    Ok(())
}

pub(crate) fn not_waiting(error: &WaitError, ticket: &TicketId) -> Quit {
    match error {
        WaitError::UnknownTicket => Quit::saying(Exit::UnknownTicket, format!("{ticket}: {error}")),
        WaitError::Refused(_) | WaitError::TooManyOpen { .. } => Quit::saying(Exit::Refused, error.to_string()),
        WaitError::Name(_) => Quit::usage(error.to_string()),
        _ => Quit::saying(Exit::NoConnection, error.to_string()),
    }
}

/// One line on a terminal that is written over, or one line after the other.
struct ProgressLine {
    in_place: bool,
    shown: bool,
    paint: Paint,
}

impl ProgressLine {
    fn new(color: Color) -> Self {
        let paint = color.for_stderr();
        Self { in_place: paint.colored && io::stderr().is_terminal(), shown: false, paint }
    }

    fn show(&mut self, progress: &Progress) {
        let text = self.paint.dim(progress_text(progress));
        if self.in_place {
            write!(io::stderr(), "\r\u{1b}[2K{text}").ok();
            self.shown = true;
        } else {
            tell(&text);
        }
    }

    fn clear(&mut self) {
        if self.shown {
            write!(io::stderr(), "\r\u{1b}[2K").ok();
            self.shown = false;
        }
    }
}

/// Progress on one line, whatever a service says.
pub(crate) fn progress_text(progress: &Progress) -> String {
    let note = if progress.note.is_empty() { String::new() } else { format!(", {}", printable(&progress.note)) };
    format!("{:3.0} %  {}{note}", progress.fraction * 100.0, printable(&progress.stage))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_one_line_whatever_a_service_says() {
        let progress = Progress { fraction: 0.4, stage: "a\nb".into(), note: "\u{1b}[2J".into() };
        assert_eq!(progress_text(&progress), " 40 %  a\\nb, \\u{1b}[2J");
    }
}
