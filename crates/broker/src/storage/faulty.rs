//! A disk of a simulator's: plain maps in memory, and everything between them and the broker that can go wrong.
//!
//! What it does is decided by the chance of the simulator's runtime, in the measure that [`Faults`] gives. A commit is
//! all or none, as the trait wants it, so that a torn one is none. What the broker is told of it is another matter: one
//! that failed may be there all the same.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use roundtrip_protocol::{ChannelName, OutcomeKind, RequestId};
use roundtrip_transport::runtime;

use super::memory::{MemoryDisk, MemoryStorage};
use super::{
    Ask, ChannelRow, Content, Missing, Reader, Start, Storage, StorageError, StorageErrorKind, Stored, StoredLetter,
    StoredRequest, Write,
};
use crate::lock::Lock;

/// How long the disk stands still where it is told to: longer than any simulation.
const FOR_EVER: Duration = Duration::from_secs(1_000_000);

/// A disk that outlives brokers, and does not always do what it is asked.
#[derive(Debug, Clone, Default)]
pub struct FaultyDisk {
    memory: MemoryDisk,
    state: Arc<Mutex<State>>,
}

/// How often things go wrong, in a hundred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// Commits that fail, of which nothing is there.
    pub lost: u64,
    /// Commits that fail, and are there: their sync failed, and had synced.
    pub unsure: u64,
    /// Readings that fail, those of a start too.
    pub unread: u64,
    /// Steps that take their time.
    pub slow: u64,
    /// How long at most.
    pub slowest: Duration,
}

/// A moment at which the disk can be made to stand still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before a commit.
    BeforeCommit,
    /// When a commit is there, and before anybody is told.
    AfterCommit,
    /// Before a reading.
    BeforeReading,
}

/// What went wrong so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wrongs {
    /// As [`Faults::lost`].
    pub lost: u64,
    /// As [`Faults::unsure`].
    pub unsure: u64,
    /// As [`Faults::unread`].
    pub unread: u64,
}

/// What is on the disk of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OnDisk {
    /// Its id.
    pub id: RequestId,
    /// When it was accepted, since 1970.
    pub accepted: Duration,
    /// When it expires.
    pub deadline: Duration,
    /// Whether its delay is not over.
    pub is_scheduled: bool,
    /// Until when it is delayed, or backs off.
    pub until: Option<Duration>,
    /// Deliveries that are known of.
    pub deliveries: u32,
    /// Those that count.
    pub attempts: u32,
    /// How many parts there are.
    pub parts: usize,
    /// Its outcome.
    pub end: Option<EndOnDisk>,
}

/// What is on the disk of an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndOnDisk {
    /// Which.
    pub kind: OutcomeKind,
    /// When it came, since 1970.
    pub since: Duration,
    /// The broker's start number and the delivery that settled it, if one did.
    pub settled_by: Option<(u64, u32)>,
    /// It is kept for its key alone.
    pub is_acknowledged: bool,
}

#[derive(Debug, Default)]
struct State {
    faults: Faults,
    wrongs: Wrongs,
    latest_ms: u64,
    stall: Option<Moment>,
    is_stalled: bool,
}

impl FaultyDisk {
    /// From now on things go wrong in this measure.
    pub fn set_faults(&self, faults: Faults) {
        self.state.locked().faults = faults;
    }

    /// What went wrong so far.
    #[must_use]
    pub fn wrongs(&self) -> Wrongs {
        self.state.locked().wrongs
    }

    /// The disk stands still when the next such moment comes; or goes on with the next thing it is asked.
    pub fn stand_still(&self, moment: Option<Moment>) {
        let mut state = self.state.locked();
        (state.stall, state.is_stalled) = (moment, false);
    }

    /// Whether that moment has come.
    #[must_use]
    pub fn stands_still(&self) -> bool {
        self.state.locked().is_stalled
    }

    /// The time of the latest commit or start, since 1970.
    #[must_use]
    pub fn latest(&self) -> Duration {
        Duration::from_millis(self.state.locked().latest_ms)
    }

    /// Damages one of the messages and answers that there are, and says whose it is.
    #[must_use]
    pub fn damage(&self, chance: u64) -> Option<RequestId> {
        self.memory.damage(chance)
    }

    /// The requests of a channel: those that are open, and those whose outcome is kept.
    #[must_use]
    pub fn requests(&self, channel: &str) -> Vec<OnDisk> {
        let mut requests = Vec::new();
        self.look(channel, &mut |stored| {
            if let Stored::Request(request) = stored {
                requests.push(OnDisk::of(&request));
            }
        });
        requests
    }

    /// One of them.
    #[must_use]
    pub fn request(&self, channel: &str, id: RequestId) -> Option<OnDisk> {
        self.memory.find(channel, id).map(|request| OnDisk::of(&request))
    }

    /// The dead letters of a channel, by their ids.
    #[must_use]
    pub fn letters(&self, channel: &str) -> Vec<RequestId> {
        let mut letters = Vec::new();
        self.look(channel, &mut |stored| {
            if let Stored::Letter(letter) = stored {
                let StoredLetter { facts, .. } = *letter;
                letters.push(facts.id);
            }
        });
        letters
    }

    fn look(&self, channel: &str, each: &mut dyn FnMut(Stored)) {
        let mut memory = self.memory.clone();
        let known = memory.channels().unwrap_or_default();
        for (row, _) in known.iter().filter(|(_, name)| name.as_str() == channel) {
            let _ = memory.load(*row, each);
        }
    }

    pub(crate) fn storage(&self) -> Box<dyn Storage> {
        Box::new(FaultyStorage { memory: MemoryStorage::on(&self.memory), disk: self.clone(), is_committed: false })
    }

    /// How long to wait before the next step, which may be one at which to stand still.
    fn pause(&self, moment: Moment) -> Duration {
        let mut state = self.state.locked();
        if state.is_stalled || state.stall == Some(moment) {
            state.is_stalled = true;
            return FOR_EVER;
        }
        let Faults { slow, slowest, .. } = state.faults;
        if !strikes(slow) {
            return Duration::ZERO;
        }
        let micros = u64::try_from(slowest.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(runtime::chance().unwrap_or(0) % (micros + 1))
    }

    fn check_reading(&self) -> Result<(), StorageError> {
        let mut state = self.state.locked();
        if strikes(state.faults.unread) {
            state.wrongs.unread += 1;
            return Err(error("the simulated disk does not read now"));
        }
        Ok(())
    }

    fn note_time(&self, now_ms: u64) {
        let mut state = self.state.locked();
        state.latest_ms = state.latest_ms.max(now_ms);
    }
}

/// A storage on such a disk.
struct FaultyStorage {
    memory: MemoryStorage,
    disk: FaultyDisk,
    /// The commit that was waited for is there, and nobody was told.
    is_committed: bool,
}

/// A reader of such a disk.
struct FaultyReader {
    memory: Box<dyn Reader>,
    disk: FaultyDisk,
}

impl Storage for FaultyStorage {
    fn begin(&mut self, least: u64, now_ms: u64) -> Result<Start, StorageError> {
        self.disk.check_reading()?;
        let start = self.memory.begin(least, now_ms)?;
        self.disk.note_time(start.now_ms);
        Ok(start)
    }

    fn commit(&mut self, now_ms: u64, writes: &[Write]) -> Result<(), StorageError> {
        self.is_committed = true;
        let faults = self.disk.state.locked().faults;
        if strikes(faults.lost) {
            self.disk.state.locked().wrongs.lost += u64::from(!writes.is_empty());
            return Err(error("the simulated disk keeps nothing now"));
        }
        self.memory.commit(now_ms, writes)?;
        self.disk.note_time(now_ms);
        if strikes(faults.unsure) {
            self.disk.state.locked().wrongs.unsure += u64::from(!writes.is_empty());
            return Err(error("the simulated disk does not say whether it keeps anything"));
        }
        Ok(())
    }

    fn used(&mut self) -> Result<u64, StorageError> {
        self.memory.used()
    }

    fn tidy(&mut self) -> Result<bool, StorageError> {
        self.memory.tidy()
    }

    fn reader(&self) -> Result<Box<dyn Reader>, StorageError> {
        Ok(Box::new(FaultyReader { memory: self.memory.reader()?, disk: self.disk.clone() }))
    }

    fn pause(&mut self) -> Duration {
        let moment = if self.is_committed { Moment::AfterCommit } else { Moment::BeforeCommit };
        self.is_committed = false;
        self.disk.pause(moment)
    }
}

impl Reader for FaultyReader {
    fn channels(&mut self) -> Result<Vec<(ChannelRow, ChannelName)>, StorageError> {
        self.disk.check_reading()?;
        self.memory.channels()
    }

    fn load(&mut self, channel: ChannelRow, each: &mut dyn FnMut(Stored)) -> Result<(), StorageError> {
        self.memory.load(channel, each)?;
        // When it has given all or part of it.
        self.disk.check_reading()
    }

    fn read(&mut self, asked: &[Ask]) -> Result<Vec<Result<Content, Missing>>, StorageError> {
        self.disk.check_reading()?;
        self.memory.read(asked)
    }

    fn pause(&mut self) -> Duration {
        self.disk.pause(Moment::BeforeReading)
    }
}

impl OnDisk {
    fn of(request: &StoredRequest) -> Self {
        let StoredRequest { facts, tried, parts, ended } = request;
        let tried = tried.as_ref();
        let of_parts = parts.as_ref().map_or(0, |parts| parts.delivery);
        let (deliveries, attempts) = match (ended, tried) {
            (Some(end), _) => (end.deliveries, end.attempts),
            (None, Some(tried)) => (tried.deliveries.max(of_parts), tried.attempts),
            (None, None) => (of_parts, 0),
        };
        let until_ms = if tried.is_some() { tried.and_then(|tried| tried.until_ms) } else { facts.until_ms };
        Self {
            id: facts.id,
            accepted: Duration::from_millis(facts.accepted_ms),
            deadline: Duration::from_millis(facts.deadline_ms),
            is_scheduled: facts.order.is_none() && tried.is_none() && ended.is_none(),
            until: until_ms.map(Duration::from_millis),
            deliveries,
            attempts,
            parts: parts.as_ref().map_or(0, |parts| parts.kept.len()),
            end: ended.as_ref().map(|end| EndOnDisk {
                kind: end.outcome.kind(),
                since: Duration::from_millis(end.since_ms),
                settled_by: end.settled_by,
                is_acknowledged: end.is_acknowledged,
            }),
        }
    }
}

/// Whether something happens that happens so many times in a hundred. What never happens takes no chance.
fn strikes(of_a_hundred: u64) -> bool {
    of_a_hundred > 0 && runtime::chance().is_some_and(|bits| bits % 100 < of_a_hundred)
}

fn error(text: &str) -> StorageError {
    StorageError { kind: StorageErrorKind::Io, text: text.to_owned() }
}
