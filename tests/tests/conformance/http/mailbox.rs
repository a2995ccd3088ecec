//! Mailboxes: read by their holder reply by reply, and by a follower as a list.

use reqwest::RequestBuilder;
use roundtrip::{OpenMode, RepliesError, TicketId};

use super::calls::{Answer, Calls, LONGEST_WAIT};
use crate::driver::{Ended, Mailbox};

/// An open mailbox. Dropped, a holder's stays its own until its lease ends.
pub(crate) struct OpenMailbox {
    calls: Calls,
    path: String,
    /// None for who follows.
    holder: Option<String>,
    /// The last that was read here, acknowledged or not.
    last: Option<String>,
}

impl OpenMailbox {
    pub(super) async fn open(calls: Calls, path: String, mode: OpenMode) -> Result<Self, RepliesError> {
        let query = match mode {
            OpenMode::Take => "?open=take",
            OpenMode::IfFree => "?open=if_free",
            OpenMode::Follow => "",
        };
        let answer = calls.ask(calls.get(format!("{path}{query}"))).await;
        match answer.status {
            409 => {
                assert_eq!(answer.problem().code, "mailbox_taken");
                Err(RepliesError::Held)
            }
            _ => {
                let holder = answer.header("roundtrip-holder").map(str::to_owned);
                assert_eq!(holder.is_none(), mode == OpenMode::Follow, "{answer:?}");
                Ok(Self { calls, path, holder, last: None })
            }
        }
    }

    /// The next reply that comes within so many seconds.
    async fn within(&mut self, wait: u64) -> Result<Option<(TicketId, Ended)>, RepliesError> {
        let after = self.last.as_ref().map(|last| format!("&after={last}")).unwrap_or_default();
        let call = self.calls.get(format!("{}?wait={wait}{after}", self.path));
        let read = match self.holder.clone() {
            Some(holder) => self.held(call.header("roundtrip-holder", holder)).await?,
            None => self.listed(call).await,
        };
        Ok(read.map(|(ticket, answer)| {
            let ended = Ended::in_answer(&answer).unwrap_or_else(|| panic!("a reply is an outcome: {answer:?}"));
            let id = ticket.parse().unwrap();
            self.last = Some(ticket);
            (id, ended)
        }))
    }

    async fn held(&self, call: RequestBuilder) -> Result<Option<(String, Answer)>, RepliesError> {
        let answer = self.calls.ask(call).await;
        match answer.header("roundtrip-ticket") {
            Some(ticket) => Ok(Some((ticket.to_owned(), answer))),
            None if answer.status == 204 => Ok(None),
            None => {
                assert_eq!(answer.problem().code, "mailbox_taken");
                Err(RepliesError::Taken)
            }
        }
    }

    async fn listed(&self, call: RequestBuilder) -> Option<(String, Answer)> {
        let listed = self.calls.ask(call).await.json();
        let ticket = listed.get(0)?["ticket"].as_str().unwrap().to_owned();
        let reply = self.calls.ask(self.calls.get(format!("/v1/requests/{ticket}/reply"))).await;
        Some((ticket, reply))
    }
}

impl Mailbox for OpenMailbox {
    async fn next(&mut self) -> Result<(TicketId, Ended), RepliesError> {
        loop {
            if let Some(reply) = self.within(LONGEST_WAIT).await? {
                return Ok(reply);
            }
        }
    }

    async fn next_there(&mut self) -> Option<TicketId> {
        self.within(0).await.unwrap().map(|(ticket, _)| ticket)
    }
}
