//! A requester that waits for no ticket: it reads its mailbox, and acknowledges long after it has read. After every
//! kill it opens the mailbox again; whatever it has not acknowledged must be known, and come again before the end.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use roundtrip::{Client, ConnectionEvent, Replies, RepliesError, Reply, TicketId};
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;

use super::entry::{Entry, now};
use super::life::Desk;
use super::requester::{LOOK, wish};

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
    let ((), reader) = tokio::join!(submitting, reader.read_on(client, finishing));
    reader.finish().await;
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
    /// Reads until it is told to finish.
    async fn read_on(mut self, client: &Client, finishing: &CancellationToken) -> Self {
        let mut events = client.events();
        while !finishing.is_cancelled() {
            let asked = now();
            let mut replies = self.open_mailbox().await;
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
        self
    }

    /// Acknowledges everything that is left, each when it has come through the mailbox.
    async fn finish(mut self) {
        let open: Vec<TicketId> = self.open.borrow().values().cloned().collect();
        for ticket in &open {
            self.verify(ticket).await;
        }
        self.kept.clear(); // All of it comes again.
        let asked = now();
        let mut replies = self.open_mailbox().await;
        while !self.open.borrow().is_empty() {
            match replies.next().await {
                Some(Ok(reply)) => self.take(reply, asked),
                _ => self.desk.journal.give_up("the mailbox has ended"),
            }
            self.acknowledge_oldest().await;
        }
    }

    async fn open_mailbox(&self) -> Replies {
        loop {
            match self.desk.requester.replies(format!("{}_reply", self.desk.load.name())).await {
                Ok(replies) => return replies,
                Err(RepliesError::ClientClosed) => self.desk.journal.give_up("the client is closed"),
                Err(_) => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// Asks for an outcome by its ticket. One that nobody knows is not waited for.
    async fn verify(&mut self, ticket: &TicketId) {
        if self.desk.outcome(&self.desk.ask_for(ticket)).await.is_none() {
            let id = ticket.id.to_string();
            self.kept.remove(&id);
            self.open.borrow_mut().remove(&id);
        }
    }

    /// Reads what was in the mailbox when it was opened; what has not come by then is asked for. Says whether the
    /// mailbox is still open.
    async fn read_what_is_there(&mut self, replies: &mut Replies, asked: u64) -> bool {
        let mut missing: BTreeMap<String, TicketId> =
            self.kept.iter().map(|(id, reply)| (id.clone(), reply.ticket.clone())).collect();
        while let Some(reply) = replies.next_there().await {
            let Ok(reply) = reply else { return false };
            missing.remove(&reply.ticket.id.to_string());
            self.take(reply, asked);
        }
        for ticket in missing.values() {
            self.verify(ticket).await;
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
