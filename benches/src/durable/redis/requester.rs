//! The requester: submits and acknowledges on one connection, and reads replies on another.

use std::thread;

use super::connection::{Answer, Commands, Connection};
use crate::book::Book;

#[derive(Debug)]
pub(super) struct Requester {
    submit: Connection,
    replies: Connection,
    /// The id of the last reply.
    last: Vec<u8>,
}

impl Requester {
    pub(super) fn new(submit: Connection, replies: Connection) -> Self {
        Self { submit, replies, last: b"0-0".to_vec() }
    }

    /// Leads all requests, this many at once, until each of them is accepted, answered and acknowledged.
    pub(super) fn lead(&mut self, requests: u64, outstanding: usize, book: &mut Book) -> anyhow::Result<()> {
        let Self { submit: Connection { commands, answers }, replies, last } = self;
        thread::scope(|scope| {
            let accepted = scope.spawn(|| {
                let (mut accepted, mut acknowledged) = (0, 0);
                while accepted < requests || acknowledged < requests {
                    match answers.next()? {
                        Answer::Bytes(_) => accepted += 1,
                        Answer::Number(deleted) => acknowledged += deleted,
                        _ => anyhow::bail!("Redis answers neither XADD nor XDEL"),
                    }
                }
                Ok(())
            });
            for _ in 0..outstanding {
                submit_next(book, commands);
            }
            commands.send()?;
            while !book.is_done() {
                let read =
                    [&b"XREAD"[..], b"COUNT", super::MOST.as_bytes(), b"BLOCK", b"0", b"STREAMS", b"replies", last];
                let entries = replies.ask(&read)?.entries()?;
                for entry in &entries {
                    book.end(&entry.payload)?;
                    submit_next(book, commands);
                }
                commands.push_about(&[b"XDEL", b"replies"], &entries);
                commands.send()?;
                if let Some(entry) = entries.into_iter().next_back() {
                    *last = entry.id;
                }
            }
            accepted.join().map_err(|_| anyhow::anyhow!("the requester panicked"))?
        })
    }
}

fn submit_next(book: &mut Book, commands: &mut Commands) {
    if let Some(payload) = book.begin() {
        commands.push_entry("requests", &payload);
    }
}
