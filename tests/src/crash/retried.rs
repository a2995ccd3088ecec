//! Requests whose service fails: for a while, for ever, finally, or by rejecting them. What they ask for says how they
//! must end. Dead letters are redriven, or stay.

use roundtrip::{Client, DeadLetterError, RequestId};

use super::entry::Entry;
use super::life::{Desk, Wish, in_words};
use super::load::MAX_ATTEMPTS;
use super::requester::LOOK;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// A reply, after so many attempts that fail.
    After(u32),
    /// An attempt that fails, each time.
    Never,
    /// A final failure.
    Fail,
    /// No other attempt.
    Reject,
}

impl Fate {
    const ALL: [Self; 6] = [Self::After(0), Self::After(1), Self::After(2), Self::Never, Self::Fail, Self::Reject];

    const fn word(self) -> &'static str {
        match self {
            Self::After(0) => "reply",
            Self::After(1) => "fail-once",
            Self::After(_) => "fail-twice",
            Self::Never => "fail-always",
            Self::Fail => "fail-finally",
            Self::Reject => "reject",
        }
    }

    pub(super) fn of(payload: &[u8]) -> Self {
        let text = String::from_utf8_lossy(payload);
        let word = text.split(' ').next().unwrap_or_default();
        Self::ALL.into_iter().find(|fate| fate.word() == word).unwrap_or(Self::After(0))
    }

    /// How the outcome begins, and how many attempts it counts.
    const fn end(self) -> (&'static str, u32) {
        match self {
            Self::After(failures) => ("replied:", failures + 1),
            Self::Never => ("dead:attempts_exhausted", MAX_ATTEMPTS),
            Self::Fail => ("failed:unmendable", 1),
            Self::Reject => ("dead:rejected", 1),
        }
    }
}

pub(super) async fn lead(desk: &Desk, client: &Client) {
    let (fate, number) = desk.chance(|chance| {
        let fate = Fate::ALL[chance.below(Fate::ALL.len() as u64) as usize];
        (fate, chance.bits())
    });
    let open = desk.submit(&Wish { payload: format!("{} {number:x}", fate.word()), ..Wish::default() }).await;
    let Some(outcome) = desk.outcome(&open).await else { return };
    let (said, (expected, attempts)) = (in_words(&outcome), fate.end());
    if !said.starts_with(expected) || outcome.attempts != attempts {
        let why = format!("{said} in attempt {}, expected {expected} in {attempts}", outcome.attempts);
        desk.journal.write(Entry::Wrong { id: open.id(), why });
    }
    desk.acknowledge(&open).await;
    if said.starts_with("dead:") && desk.chance(|chance| chance.percent(10)) {
        redrive(desk, client, open.ticket.id().id).await;
    }
}

/// Makes a new request of a dead letter, which dies as the first one did.
async fn redrive(desk: &Desk, client: &Client, letter: RequestId) {
    let id = letter.to_string();
    desk.journal.write(Entry::Redriving { id: id.clone() });
    match client.dead_letters(desk.load.channel()).redrive(letter).await {
        Ok(ticket) => {
            desk.journal.write(Entry::Redriven { id, new: ticket.id.to_string() });
            let open = desk.ask_for(&ticket);
            if desk.outcome(&open).await.is_some() {
                desk.acknowledge(&open).await;
            }
        }
        // The new request's ticket is not known: its outcome comes into the mailbox, and is read at the end.
        Err(DeadLetterError::Unconfirmed) => {}
        Err(error @ DeadLetterError::UnknownLetter) => {
            desk.journal.write(Entry::Wrong { id, why: format!("redriving it: {error}") });
        }
        Err(DeadLetterError::Refused(_)) => {}
        Err(error) => desk.journal.give_up(error),
    }
}

/// Reads what came of redriven letters whose tickets are not known, then tells which letters there are.
pub(super) async fn finish(desk: &Desk, client: &Client) {
    let channel = desk.load.channel();
    while is_open(desk, client, &channel).await {
        let mut replies = match desk.requester.replies(format!("{}_reply", desk.load.name())).await {
            Ok(replies) => replies,
            Err(error) => desk.journal.give_up(error),
        };
        while let Some(Ok(reply)) = replies.next_there().await {
            let id = reply.ticket.id.to_string();
            if let Some(letter) = reply.redrive_of {
                desk.journal.write(Entry::Redriven { id: letter.to_string(), new: id.clone() });
            }
            let open = desk.ask_for(&reply.ticket);
            if desk.outcome(&open).await.is_some() {
                desk.acknowledge_now(&open).await;
            }
        }
        tokio::time::sleep(LOOK).await; // A request that is retried tells nobody when it ends.
    }
    match client.dead_letters(&channel).list().await {
        Ok(letters) => {
            letters.iter().for_each(|letter| desk.journal.write(Entry::Letter { id: letter.id.to_string() }))
        }
        Err(error) => desk.journal.give_up(error),
    }
}

/// Whether the channel has anything that will have an outcome, or has one that is not acknowledged.
async fn is_open(desk: &Desk, client: &Client, channel: &str) -> bool {
    match client.channels().await {
        Ok(channels) => channels
            .iter()
            .filter(|figures| figures.channel.as_str() == channel)
            .any(|figures| figures.waiting + figures.scheduled + figures.in_flight + figures.retained > 0),
        Err(error) => desk.journal.give_up(error),
    }
}
