//! What the disk allows: a bare segment log in this process, and nothing else.
//!
//! A request writes two records, and the second only after the first is synced: what a durable broker cannot do without.
//! One thread writes all records that wait and syncs them together. There is no network, no queue, no index and no
//! deletion. The records are read back when a run is over, and held against what was written.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;

use crate::book::{Book, Trips};
use crate::folder::Folder;
use crate::side::{Cell, Running};
use crate::{cpu, payload};

/// The most records that share a sync.
const MOST: usize = 4096;

/// A record: which of the two it is, and what the request carries.
type Record = (Kind, Bytes);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Request = 1,
    Reply = 2,
}

/// Starts the thread that writes.
pub(super) fn start(cell: Cell) -> anyhow::Result<Box<dyn Running<u64>>> {
    let folder = Folder::new()?;
    let path = folder.path().join("segment");
    let file = File::create(&path)?;
    let (records, waiting) = channel();
    let (done, synced) = channel();
    let (told, place) = channel();
    let writer = thread::spawn(move || {
        told.send(cpu::this_thread()?)?;
        write(file, &waiting, &done)
    });
    let thread = place.recv().context("the thread that writes has ended")?;
    let log = File::open(path)?;
    Ok(Box::new(SegmentLog { records, synced, writer: Some(writer), thread, log, cell, _folder: folder }))
}

/// Appends what waits, syncs, says so, and begins again; until nobody is left who writes.
fn write(mut file: File, waiting: &Receiver<Record>, done: &Sender<Vec<Record>>) -> anyhow::Result<()> {
    let mut bytes = Vec::new();
    while let Ok(first) = waiting.recv() {
        let mut group = vec![first];
        group.extend(waiting.try_iter().take(MOST - 1));
        bytes.clear();
        for (kind, payload) in &group {
            bytes.push(*kind as u8);
            bytes.extend((payload.len() as u32).to_le_bytes());
            bytes.extend_from_slice(payload);
        }
        file.write_all(&bytes)?;
        file.sync_data()?;
        done.send(group)?;
    }
    Ok(())
}

struct SegmentLog {
    records: Sender<Record>,
    synced: Receiver<Vec<Record>>,
    writer: Option<JoinHandle<anyhow::Result<()>>>,
    /// Where the thread that writes stands.
    thread: PathBuf,
    /// Read up to where the next run begins.
    log: File,
    cell: Cell,
    _folder: Folder,
}

impl Running<u64> for SegmentLog {
    fn run(&mut self, requests: u64) -> anyhow::Result<Trips> {
        let mut book = Book::new(requests, self.cell.payload);
        for _ in 0..self.cell.outstanding {
            self.begin(&mut book)?;
        }
        while !book.is_done() {
            let Ok(group) = self.synced.recv() else { return Err(self.failure()) };
            for (kind, payload) in group {
                match kind {
                    Kind::Request => self.append(Kind::Reply, payload)?,
                    Kind::Reply => {
                        book.end(&payload)?;
                        self.begin(&mut book)?;
                    }
                }
            }
        }
        let trips = book.close()?;
        self.read_back(requests).context("reading the log back")?;
        Ok(trips)
    }

    fn cpu(&self) -> anyhow::Result<Duration> {
        cpu::of_thread(&self.thread)
    }
}

impl SegmentLog {
    fn begin(&mut self, book: &mut Book) -> anyhow::Result<()> {
        book.begin().map_or(Ok(()), |payload| self.append(Kind::Request, payload))
    }

    fn append(&mut self, kind: Kind, payload: Bytes) -> anyhow::Result<()> {
        if self.records.send((kind, payload)).is_ok() { Ok(()) } else { Err(self.failure()) }
    }

    /// Why the thread that writes has ended, which it does not do by itself.
    fn failure(&mut self) -> anyhow::Error {
        match self.writer.take().map(JoinHandle::join) {
            Some(Ok(Err(error))) => error.context("writing the log"),
            _ => anyhow::anyhow!("the thread that writes the log has ended"),
        }
    }

    /// Every request has its two records, the second behind the first, and there are no others.
    fn read_back(&mut self, requests: u64) -> anyhow::Result<()> {
        let mut under_way = vec![false; requests as usize];
        let mut log = BufReader::new(&self.log);
        let mut body = Vec::new();
        for _ in 0..2 * requests {
            let mut head = [0; 5];
            log.read_exact(&mut head)?;
            let [kind, length @ ..] = head;
            body.resize(u32::from_le_bytes(length) as usize, 0);
            log.read_exact(&mut body)?;
            let number = payload::read(&body, self.cell.payload).context("a record is not whole")?.number;
            let is_there = under_way.get_mut(number as usize).context("a record is of no request")?;
            let expected = if *is_there { Kind::Reply } else { Kind::Request };
            anyhow::ensure!(kind == expected as u8, "record {kind} of request {number} stands where it should not");
            *is_there = !*is_there;
        }
        anyhow::ensure!(!under_way.contains(&true), "a request has one record");
        anyhow::ensure!(log.stream_position()? == self.log.seek(SeekFrom::End(0))?, "there are further records");
        Ok(())
    }
}
