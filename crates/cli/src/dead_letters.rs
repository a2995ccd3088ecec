//! `roundtrip dead-letters`: what is dead on a channel, and what to do with it.

mod letter;

use roundtrip::{Client, DeadLetterError, RequestId, TicketId};
use serde::Serialize;

use crate::arguments::{DeadLetters, Letters, ListLetters};
use crate::color::Color;
use crate::connect;
use crate::exit::{Exit, Quit};
use crate::output::{self, tell};

pub(crate) async fn run(arguments: DeadLetters, color: Color) -> Result<Exit, Quit> {
    match arguments {
        DeadLetters::List(arguments) => list(arguments, color).await,
        DeadLetters::Show(letters) => each(letters, Deed::Show).await,
        DeadLetters::Redrive(letters) => each(letters, Deed::Redrive).await,
        DeadLetters::Purge(letters) => each(letters, Deed::Purge).await,
    }
}

async fn list(arguments: ListLetters, color: Color) -> Result<Exit, Quit> {
    let ListLetters { channel, json, broker } = arguments;
    let client = connect::at_once(&broker).await?;
    let letters = client.dead_letters(channel.as_str()).list().await.map_err(|error| failed(&error))?;
    client.close().await;
    if json {
        letters.iter().try_for_each(|entry| output::json_line(&letter::Line::of(&channel, entry)))?;
    } else if letters.is_empty() {
        tell(&format!("{channel} has no dead letters"));
    } else {
        output::line(&color.for_stdout().bold(letter::HEADING))?;
        letters.iter().try_for_each(|entry| output::line(&letter::row(entry)))?;
    }
    Ok(Exit::Done)
}

/// What to do with a letter.
#[derive(Clone, Copy)]
enum Deed {
    Show,
    Redrive,
    Purge,
}

/// Does it with one letter after the other, and prints each as it is done.
async fn each(arguments: Letters, deed: Deed) -> Result<Exit, Quit> {
    let Letters { channel, letters, all, json, broker } = arguments;
    let named = letters.iter().map(|letter| {
        let elsewhere =
            || Quit::usage(format!("a ticket of another channel: expected those of {channel}, or ids alone"));
        letter.on(&channel).ok_or_else(elsewhere)
    });
    let mut ids = named.collect::<Result<Vec<RequestId>, Quit>>()?;
    let client = connect::at_once(&broker).await?;
    let dead_letters = client.dead_letters(channel.as_str());
    if all {
        let there = dead_letters.list().await.map_err(|error| failed(&error))?;
        ids = there.iter().map(|entry| entry.id).collect();
    }
    let (mut exit, mut done) = (Exit::Done, 0_usize);
    for id in &ids {
        let letter = TicketId { channel: channel.clone(), id: *id };
        match deed.done_to(&client, &letter, json).await? {
            Ok(()) => done += 1,
            // Somebody else was earlier.
            Err(DeadLetterError::UnknownLetter | DeadLetterError::Unconfirmed) if all => {}
            Err(error @ DeadLetterError::UnknownLetter) => {
                tell(&format!("{letter}: {error}"));
                exit = Exit::UnknownTicket;
            }
            Err(error) => {
                if ids.len() > 1 {
                    tell(&format!("{done} of {} done", ids.len()));
                }
                return Err(failed(&error));
            }
        }
    }
    client.close().await;
    if all && ids.is_empty() {
        tell(&format!("{channel} has no dead letters"));
    }
    Ok(exit)
}

impl Deed {
    async fn done_to(
        self,
        client: &Client,
        letter: &TicketId,
        json: bool,
    ) -> Result<Result<(), DeadLetterError>, Quit> {
        let dead_letters = client.dead_letters(letter.channel.as_str());
        match self {
            Self::Show => match dead_letters.read(letter.id).await {
                Ok(whole) => letter::print(&letter.channel, &whole, json).map(Ok),
                Err(error) => Ok(Err(error)),
            },
            Self::Redrive => match dead_letters.redrive(letter.id).await {
                Ok(ticket) => said(letter, Some(&ticket), json).map(Ok),
                Err(error) => Ok(Err(error)),
            },
            Self::Purge => match dead_letters.purge(letter.id).await {
                Ok(()) => said(letter, None, json).map(Ok),
                Err(error) => Ok(Err(error)),
            },
        }
    }
}

/// Prints what became of a letter: the new request's ticket, if there is one.
fn said(letter: &TicketId, ticket: Option<&TicketId>, json: bool) -> Result<(), Quit> {
    #[derive(Serialize)]
    struct Line {
        letter: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        ticket: Option<String>,
    }
    match (json, ticket) {
        (true, ticket) => {
            output::json_line(&Line { letter: letter.to_string(), ticket: ticket.map(ToString::to_string) })
        }
        (false, Some(ticket)) => output::line(&format!("{letter}\t{ticket}")),
        (false, None) => output::line(&letter.to_string()),
    }
}

fn failed(error: &DeadLetterError) -> Quit {
    let exit = match error {
        DeadLetterError::Refused(_) => Exit::Refused,
        DeadLetterError::UnknownLetter | DeadLetterError::Unconfirmed => Exit::UnknownTicket,
        DeadLetterError::Name(_) => Exit::Usage,
        _ => Exit::NoConnection,
    };
    Quit::saying(exit, error.to_string())
}
