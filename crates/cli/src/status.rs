//! `roundtrip status`: where a request is, and nothing waited for.

use roundtrip::{Progress, RequestState, TicketId, TicketState};
use serde::Serialize;

use crate::arguments::Status;
use crate::exit::{Exit, Quit};
use crate::waiting::{not_waiting, progress_text};
use crate::{connect, duration, output};

pub(crate) async fn run(arguments: Status) -> Result<Exit, Quit> {
    let Status { ticket, json, broker } = arguments;
    let client = connect::at_once(&broker).await?;
    let state = client.status(&ticket).await.map_err(|error| not_waiting(&error, &ticket))?;
    client.close().await;
    if json {
        output::json_line(&Line::of(&ticket, &state))?;
    } else {
        output::line(&sentence(&state))?;
        state.progress.iter().try_for_each(|progress| output::line(&progress_text(progress)))?;
    }
    Ok(Exit::Done)
}

/// Where the request is, in one line.
pub(crate) fn sentence(state: &TicketState) -> String {
    let place = match state.state {
        RequestState::Waiting if state.ahead > 0 => format!("waiting for a service, about {} before it", state.ahead),
        RequestState::Waiting => "waiting for a service".to_owned(),
        RequestState::InFlight { delivery, attempt } => format!("in flight, attempt {attempt}, delivery {delivery}"),
        RequestState::BackingOff => "backing off until its next attempt".to_owned(),
        RequestState::Scheduled { in_ms } => {
            let delay = duration::roughly(std::time::Duration::from_millis(in_ms));
            format!("scheduled, begins to wait for a service in {delay}")
        }
        RequestState::Ended(kind) => kind.to_string(),
        _ => "open".to_owned(),
    };
    let attempts = counted(state.attempts.into(), "attempt");
    let mut sentence = format!("{place}; {attempts}; its channel has {}", counted(state.services.into(), "service"));
    if let Some(remaining) = state.remaining {
        sentence.push_str(&format!("; expires in {}", duration::roughly(remaining)));
    }
    if let Some(letter) = state.redrive_of {
        sentence.push_str(&format!("; a redrive of {letter}"));
    }
    sentence
}

/// A number of things.
pub(crate) fn counted(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

#[derive(Serialize)]
struct Line<'a> {
    ticket: String,
    channel: &'a str,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_ms: Option<u64>,
    ahead: u64,
    services: u32,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redrive_of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<Reached<'a>>,
}

#[derive(Serialize)]
struct Reached<'a> {
    fraction: f32,
    stage: &'a str,
    note: &'a str,
}

impl<'a> Line<'a> {
    fn of(ticket: &'a TicketId, told: &'a TicketState) -> Self {
        let (mut outcome, mut delivery, mut attempt, mut in_ms) = (None, None, None, None);
        let state = match told.state {
            RequestState::Waiting => "waiting",
            RequestState::InFlight { delivery: number, attempt: counted } => {
                (delivery, attempt) = (Some(number), Some(counted));
                "in_flight"
            }
            RequestState::BackingOff => "backing_off",
            RequestState::Scheduled { in_ms: delay } => {
                in_ms = Some(delay);
                "scheduled"
            }
            RequestState::Ended(kind) => {
                outcome = Some(kind.as_str());
                "ended"
            }
            _ => "open",
        };
        let progress = |Progress { fraction, stage, note }: &'a Progress| Reached { fraction: *fraction, stage, note };
        Self {
            ticket: ticket.to_string(),
            channel: ticket.channel.as_str(),
            state,
            outcome,
            delivery,
            attempt,
            in_ms,
            ahead: told.ahead,
            services: told.services,
            attempts: told.attempts,
            remaining_ms: told.remaining.map(|remaining| remaining.as_millis() as u64),
            redrive_of: told.redrive_of.map(|letter| TicketId { id: letter, ..ticket.clone() }.to_string()),
            progress: told.progress.as_ref().map(progress),
        }
    }
}
