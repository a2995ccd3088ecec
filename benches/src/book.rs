//! The book of a run: which requests are under way, and how long each took that came back.

use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;

use crate::payload::{self, Mark};

/// Requests of one size, each of which comes back once, to whom it belongs.
#[derive(Debug)]
pub(crate) struct Book {
    size: usize,
    limit: Limit,
    first: u64,
    begun: u64,
    slots: Vec<Option<UnderWay>>,
    free: Vec<u32>,
    trips: Vec<Duration>,
    since: Instant,
}

/// How much a run does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limit {
    /// So many requests.
    Requests(u64),
    /// Requests begin for so long.
    Time(Duration),
}

impl From<u64> for Limit {
    fn from(requests: u64) -> Self {
        Self::Requests(requests)
    }
}

impl From<Duration> for Limit {
    fn from(time: Duration) -> Self {
        Self::Time(time)
    }
}

#[derive(Debug)]
struct UnderWay {
    number: u64,
    owner: u32,
    began: Instant,
}

/// How long everything took, and each request of it.
#[derive(Debug)]
pub(crate) struct Trips {
    pub(crate) took: Duration,
    pub(crate) each: Vec<Duration>,
}

impl Book {
    /// A book for requests that begin now.
    pub(crate) fn new(limit: impl Into<Limit>, size: usize) -> Self {
        Self::numbered_from(0, limit, size)
    }

    /// The same, where several books stand beside each other and no number may be in two of them.
    pub(crate) fn numbered_from(first: u64, limit: impl Into<Limit>, size: usize) -> Self {
        Self {
            size,
            limit: limit.into(),
            first,
            begun: 0,
            slots: Vec::new(),
            free: Vec::new(),
            trips: Vec::new(),
            since: Instant::now(),
        }
    }

    /// How many bytes each request carries.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Begins a request and returns its payload; none when all have begun.
    pub(crate) fn begin(&mut self) -> Option<Bytes> {
        self.begin_for(0, Instant::now()).map(|mark| payload::make(mark, self.size))
    }

    /// Begins a request of one of several requesters, and returns its mark; none when all have begun.
    pub(crate) fn begin_for(&mut self, owner: u32, now: Instant) -> Option<Mark> {
        let is_over = match self.limit {
            Limit::Requests(requests) => self.begun == requests,
            Limit::Time(time) => now.duration_since(self.since) >= time,
        };
        if is_over {
            return None;
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() as u32 - 1
        });
        let number = self.first + self.begun;
        self.begun += 1;
        self.slots[slot as usize] = Some(UnderWay { number, owner, began: now });
        Some(Mark { number, slot })
    }

    /// Ends the request that this reply answers.
    ///
    /// # Errors
    ///
    /// The reply answers nothing that is under way, or is not whole.
    pub(crate) fn end(&mut self, reply: &[u8]) -> anyhow::Result<()> {
        self.end_for(0, reply, Instant::now())
    }

    /// The same, where it must be this requester's.
    ///
    /// # Errors
    ///
    /// As [`end`](Self::end), and where it is another's.
    pub(crate) fn end_for(&mut self, owner: u32, reply: &[u8], now: Instant) -> anyhow::Result<()> {
        let Mark { number, slot } = payload::read(reply, self.size).context("a reply came that is not whole")?;
        let under_way = self.slots.get_mut(slot as usize).and_then(|slot| slot.take_if(|one| one.number == number));
        let under_way = under_way.context("a reply came that answers nothing, or came twice")?;
        anyhow::ensure!(under_way.owner == owner, "a reply came to a requester that did not ask for it");
        self.free.push(slot);
        self.trips.push(now.duration_since(under_way.began));
        Ok(())
    }

    /// Whether every request that began came back, and none begins any more.
    pub(crate) fn is_done(&self) -> bool {
        let all_began = match self.limit {
            Limit::Requests(requests) => self.begun == requests,
            Limit::Time(time) => self.since.elapsed() >= time,
        };
        all_began && self.trips.len() as u64 == self.begun
    }

    /// Closes the book.
    ///
    /// # Errors
    ///
    /// A request did not come back.
    pub(crate) fn close(self) -> anyhow::Result<Trips> {
        let took = self.since.elapsed();
        let wanted = match self.limit {
            Limit::Requests(requests) => requests,
            Limit::Time(_) => self.begun,
        };
        anyhow::ensure!(self.trips.len() as u64 == wanted, "of {wanted} requests {} came back", self.trips.len());
        Ok(Trips { took, each: self.trips })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_book_is_closed_when_every_request_came_back() {
        let mut book = Book::new(2, 128);
        let payloads = [book.begin().unwrap(), book.begin().unwrap()];
        assert_eq!(book.begin(), None);
        for payload in payloads.iter().rev() {
            assert!(!book.is_done());
            book.end(payload).unwrap();
        }
        assert!(book.is_done());
        assert_eq!(book.close().unwrap().each.len(), 2);
    }

    #[test]
    fn a_reply_that_comes_twice_is_told() {
        let mut book = Book::new(2, 128);
        let payload = book.begin().unwrap();
        book.end(&payload).unwrap();
        assert!(book.end(&payload).is_err());
        book.begin().unwrap(); // In the same slot.
        assert!(book.end(&payload).is_err());
    }

    #[test]
    fn a_reply_that_comes_to_somebody_else_is_told() {
        let mut book = Book::new(1, 128);
        let mark = book.begin_for(1, Instant::now()).unwrap();
        assert!(book.end_for(2, &payload::make(mark, 128), Instant::now()).is_err());
    }

    #[test]
    fn a_request_that_does_not_come_back_is_told() {
        let mut book = Book::new(1, 128);
        book.begin();
        assert_eq!(book.close().unwrap_err().to_string(), "of 1 requests 0 came back");
    }

    #[test]
    fn when_the_time_is_over_no_request_begins() {
        let mut book = Book::new(Duration::ZERO, 128);
        assert_eq!(book.begin(), None);
        assert!(book.is_done());
    }
}
