//! The book of a run: which requests are under way, and how long each took that came back.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;

use crate::payload;

/// Requests of one size, each of which comes back once.
#[derive(Debug)]
pub(crate) struct Book {
    size: usize,
    requests: u64,
    begun: u64,
    under_way: HashMap<u64, Instant>,
    trips: Vec<Duration>,
    since: Instant,
}

/// How long everything took, and each request of it.
#[derive(Debug)]
pub(crate) struct Trips {
    pub(crate) took: Duration,
    pub(crate) each: Vec<Duration>,
}

impl Book {
    /// A book for this many requests, which begin now.
    pub(crate) fn new(requests: u64, size: usize) -> Self {
        let trips = Vec::with_capacity(requests as usize);
        Self { size, requests, begun: 0, under_way: HashMap::new(), trips, since: Instant::now() }
    }

    /// Begins a request and returns its payload; none when all have begun.
    pub(crate) fn begin(&mut self) -> Option<Bytes> {
        if self.begun == self.requests {
            return None;
        }
        let number = self.begun;
        self.begun += 1;
        let payload = payload::make(number, self.size);
        self.under_way.insert(number, Instant::now());
        Some(payload)
    }

    /// Ends the request that this reply answers.
    ///
    /// # Errors
    ///
    /// The reply answers nothing that is under way, or is not whole.
    pub(crate) fn end(&mut self, reply: &[u8]) -> anyhow::Result<()> {
        let number = payload::number(reply, self.size).context("a reply came that is not whole")?;
        let began = self.under_way.remove(&number).context("a reply came that answers nothing, or came twice")?;
        self.trips.push(began.elapsed());
        Ok(())
    }

    /// Whether every request came back.
    pub(crate) fn is_done(&self) -> bool {
        self.trips.len() as u64 == self.requests
    }

    /// Closes the book.
    ///
    /// # Errors
    ///
    /// A request did not come back.
    pub(crate) fn close(self) -> anyhow::Result<Trips> {
        let took = self.since.elapsed();
        anyhow::ensure!(self.is_done(), "of {} requests {} came back", self.requests, self.trips.len());
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
            book.end(payload).unwrap();
        }
        assert_eq!(book.close().unwrap().each.len(), 2);
    }

    #[test]
    fn a_reply_that_comes_twice_is_told() {
        let mut book = Book::new(2, 128);
        let payload = book.begin().unwrap();
        book.end(&payload).unwrap();
        assert!(book.end(&payload).is_err());
    }

    #[test]
    fn a_request_that_does_not_come_back_is_told() {
        let mut book = Book::new(1, 128);
        book.begin();
        assert_eq!(book.close().unwrap_err().to_string(), "of 1 requests 0 came back");
    }
}
