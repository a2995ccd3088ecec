//! A requester that waits for no ticket: it reads its mailbox, and acknowledges long after it has read. After every
//! kill it opens the mailbox again, and everything must be there that it has not acknowledged.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use roundtrip::{Client, ConnectionEvent, Replies, Reply, TicketId};
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;

use super::entry::{Entry, now};
use super::life::Desk;
use super::load::Load;
use super::requester::{LOOK, end, wish};

/// How many outcomes it keeps unacknowledged.
const KEPT: usize = 40;

/// Asks and reads until it is told to finish, and returns when everything is acknowledged.
pub(super) async fn run(desk: &Desk, client: &Client, finishing: &CancellationToken) {
    let reader = Reader { desk: desk.clone(), open: Rc::default(), kept: BTreeMap::new() };
    let submitting = LocalSet::new();
    for _ in 0..desk.load.at_once() {
        let (desk, open, finishing) = (desk.clone(), Rc::clone(&reader.open), finishing.clone());
        submitting.spawn_local(async move {
            while !finishing.is_cancelled() {
                let accepted = desk.submit(&wish(&desk)).await;
                open.borrow_mut().insert(accepted.id(), accepted.ticket.id().clone());
                drop(accepted); // The outcome comes into the mailbox.
                desk.rest(desk.load.pause()).await;
            }
        });
    }
    let reading = reader.read_on(client, finishing);
    let ((), open) = tokio::join!(submitting, reading);
    let rest: Vec<TicketId> = open.borrow().values().cloned().collect();
    for ticket in rest {
        end(desk, &desk.ask_for(&ticket)).await;
    }
}

/// The requests that are accepted and not acknowledged.
type Tickets = Rc<RefCell<BTreeMap<String, TicketId>>>;

struct Reader {
    desk: Desk,
    open: Tickets,
    /// What was read and not acknowledged, oldest first.
    kept: BTreeMap<String, Reply>,
}

impl Reader {
    /// Reads until it is told to finish; what is left then is left to the tickets.
    async fn read_on(mut self, client: &Client, finishing: &CancellationToken) -> Tickets {
        let mut events = client.events();
        while !finishing.is_cancelled() {
            let asked = now();
            let reply_channel = format!("{}_reply", Load::Late.name());
            let Ok(mut replies) = self.desk.requester.replies(reply_channel).await else {
                tokio::time::sleep(LOOK).await;
                continue;
            };
            if !self.read_what_is_there(&mut replies, asked).await {
                continue;
            }
            loop {
                tokio::select! {
                    reply = replies.next() => match reply {
                        Some(Ok(reply)) => self.take(reply, asked),
                        _ => break,
                    },
                    event = events.next() => if matches!(event, None | Some(ConnectionEvent::Connected)) {
                        break;
                    },
                    () = finishing.cancelled() => break,
                }
                while self.kept.len() > KEPT {
                    self.acknowledge_oldest().await;
                }
            }
        }
        self.open
    }

    /// Reads what was in the mailbox when it was opened. Says whether that was all that there was.
    async fn read_what_is_there(&mut self, replies: &mut Replies, asked: u64) -> bool {
        let mut missing: Vec<String> = self.kept.keys().cloned().collect();
        while let Some(reply) = replies.next_there().await {
            let Ok(reply) = reply else { return false };
            let id = reply.ticket.id.to_string();
            missing.retain(|missing| *missing != id);
            self.take(reply, asked);
        }
        for id in missing {
            self.kept.remove(&id);
            self.open.borrow_mut().remove(&id);
            self.desk.journal.write(Entry::Unknown { id });
        }
        true
    }

    fn take(&mut self, reply: Reply, asked: u64) {
        let id = reply.ticket.id.to_string();
        self.desk.tell(id.clone(), &reply.outcome, asked);
        self.kept.insert(id, reply);
    }

    async fn acknowledge_oldest(&mut self) {
        let Some((id, reply)) = self.kept.pop_first() else { return };
        self.desk.journal.write(Entry::Acknowledging { id: id.clone() });
        let said = reply.acknowledge().await;
        self.open.borrow_mut().remove(&id);
        self.desk.acknowledged(id, said);
    }
}
