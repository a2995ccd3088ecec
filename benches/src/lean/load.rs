//! The load of every lean side: all requesters and services on one thread.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::{Doors, Entrance, Party};
use crate::book::{Book, Limit, Trips};
use crate::line::{Line, READ};
use crate::poll::Poll;
use crate::side::Cell;

/// How long nothing may come although something is under way.
const PATIENCE: Duration = Duration::from_secs(10);

/// Everybody who is connected.
pub(crate) struct Load {
    poll: Poll,
    lines: Vec<Line>,
    parties: Vec<Party>,
    /// For each line, the one on which its requester submits.
    submits_on: Vec<usize>,
    /// The lines that have something to write.
    touched: Vec<usize>,
    is_touched: Vec<bool>,
    cell: Cell,
    scratch: Vec<u8>,
}

impl Load {
    /// Connects the services and the requesters of a cell.
    pub(crate) fn new(doors: &impl Doors, cell: Cell) -> anyhow::Result<Self> {
        let mut load = Self {
            poll: Poll::new()?,
            lines: Vec::new(),
            parties: Vec::new(),
            submits_on: Vec::new(),
            touched: Vec::new(),
            is_touched: Vec::new(),
            cell,
            scratch: vec![0; READ],
        };
        for number in 0..cell.services {
            let (socket, service) = doors.service(number)?;
            load.add(socket, Party::Service(service))?;
        }
        for number in 0..cell.requesters {
            let Entrance { socket, requester, submitting } = doors.requester(number)?;
            load.add(socket, Party::Requester(requester))?;
            if let Some((socket, hears)) = submitting {
                let key = load.lines.len();
                load.submits_on[key - 1] = key;
                load.add(socket, Party::Service(hears))?;
            }
        }
        Ok(load)
    }

    fn add(&mut self, socket: TcpStream, party: Party) -> anyhow::Result<()> {
        self.submits_on.push(self.lines.len());
        self.lines.push(Line::new(socket, self.lines.len(), &self.poll)?);
        self.parties.push(party);
        self.is_touched.push(false);
        Ok(())
    }

    /// Leads requests through their life, as many at once as the cell says.
    pub(crate) fn run(&mut self, limit: impl Into<Limit>) -> anyhow::Result<Trips> {
        let mut book = Book::new(limit, self.cell.payload);
        let began = Instant::now();
        for key in 0..self.lines.len() {
            self.submit(key, self.cell.outstanding, &mut book, began);
        }
        self.write()?;
        let mut ready = Vec::new();
        while !(book.is_done() && self.is_done()) {
            self.poll.wait(Some(PATIENCE), &mut ready)?;
            anyhow::ensure!(!ready.is_empty(), "nothing came for {PATIENCE:?}, although requests are under way");
            for ready in &ready {
                if ready.readable {
                    self.hear(ready.key, &mut book)?;
                }
                if ready.readable || ready.writable {
                    self.touch(ready.key);
                }
            }
            self.write()?;
        }
        book.close()
    }

    /// Reads once from this line, and does what follows. All that one read brought is taken to have come at once.
    fn hear(&mut self, key: usize, book: &mut Book) -> anyhow::Result<()> {
        let Self { lines, parties, scratch, .. } = self;
        let now = Instant::now();
        let mut replied = 0;
        lines[key].read(scratch, |input, out| match &mut parties[key] {
            Party::Service(service) => service.hear(input, out).context("a service"),
            Party::Requester(requester) => {
                let mut end = |reply: &[u8]| {
                    replied += 1;
                    book.end_for(key as u32, reply, now)
                };
                requester.hear(input, out, &mut end).context("a requester")
            }
        })?;
        self.submit(key, replied, book, now);
        Ok(())
    }

    /// Has the requester of this line, if it is one, submit this many requests.
    fn submit(&mut self, key: usize, requests: usize, book: &mut Book, now: Instant) {
        let Party::Requester(requester) = &mut self.parties[key] else { return };
        let on = self.submits_on[key];
        for _ in 0..requests {
            let Some(mark) = book.begin_for(key as u32, now) else { break };
            requester.submit(mark, book.size(), self.lines[on].out());
        }
        self.touch(on);
    }

    fn is_done(&self) -> bool {
        self.parties.iter().all(|party| match party {
            Party::Requester(requester) => requester.is_done(),
            Party::Service(_) => true,
        })
    }

    fn touch(&mut self, key: usize) {
        if !std::mem::replace(&mut self.is_touched[key], true) {
            self.touched.push(key);
        }
    }

    fn write(&mut self) -> anyhow::Result<()> {
        for key in self.touched.drain(..) {
            self.is_touched[key] = false;
            self.lines[key].write(&self.poll)?;
        }
        Ok(())
    }
}
