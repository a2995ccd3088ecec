//! What the tasks of one run share: the broker, the lines to it, the parties that are alive, the books.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use roundtrip_broker::simulation::{self, Faults, FaultyDisk};
use roundtrip_broker::{Broker, ChannelFigures};
use roundtrip_client::{Broken, Connect, Connecting, Connection};
use roundtrip_protocol::RequestId;
use roundtrip_transport::{TcpConnection, runtime};
use tokio_util::sync::CancellationToken;

use super::books::Books;
use super::chance::Chance;
use super::executor::{Executor, Party, sleep};
use super::plan::Plan;
use super::trace::{Note, Trace};
use super::wire::{ClientEnd, Line, Way};
use super::{requester, service};

/// What the clock of the broker's system shows when a run begins, since 1970.
const CLOCK: Duration = Duration::from_secs(1_700_000_000);

/// One run's world.
pub(crate) struct World {
    pub(crate) executor: Rc<Executor>,
    pub(crate) plan: Plan,
    pub(crate) books: Rc<RefCell<Books>>,
    pub(crate) trace: Rc<RefCell<Trace>>,
    pub(crate) broker: RefCell<Option<Broker>>,
    pub(crate) disk: FaultyDisk,
    /// What the clock of the broker's system showed when the run began, since 1970.
    pub(crate) clock: Cell<Duration>,
    pub(crate) submissions: requester::Submissions,
    /// Faults are over, and services do what is asked for.
    is_calm: Cell<bool>,
    is_over: Cell<bool>,
    /// Everybody says goodbye.
    pub(crate) goodbye: CancellationToken,
    lines: RefCell<BTreeMap<Party, Vec<Line>>>,
    refused_until: RefCell<BTreeMap<Party, Duration>>,
    alive: RefCell<BTreeSet<Party>>,
}

/// What a broker holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "compared as a whole, and shown")]
pub(crate) struct Held {
    memory: usize,
    connections: usize,
    mailboxes: usize,
    open: u64,
    kept: u64,
    services: u64,
}

thread_local! {
    static WORLD: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
}

impl World {
    /// Makes the world that this thread's lines lead to.
    pub(crate) fn make(executor: Rc<Executor>, plan: Plan, trace: Trace) -> Rc<Self> {
        let disk = FaultyDisk::default();
        let books = Books::new(&plan.channels, &disk);
        let submissions = requester::Submissions::of(&plan);
        let world = Rc::new(Self {
            executor,
            plan,
            books: Rc::new(RefCell::new(books)),
            trace: Rc::new(RefCell::new(trace)),
            broker: RefCell::new(None),
            disk,
            clock: Cell::new(CLOCK),
            submissions,
            is_calm: Cell::new(false),
            is_over: Cell::new(false),
            goodbye: CancellationToken::new(),
            lines: RefCell::default(),
            refused_until: RefCell::default(),
            alive: RefCell::default(),
        });
        WORLD.with(|slot| *slot.borrow_mut() = Some(Rc::clone(&world)));
        world
    }

    pub(crate) fn unmake() {
        WORLD.with(|slot| slot.borrow_mut().take());
    }

    fn current() -> Option<Rc<Self>> {
        WORLD.with(|slot| slot.borrow().clone())
    }

    /// Starts a party's process, unless it runs.
    pub(crate) fn start(self: &Rc<Self>, party: Party) {
        if !self.alive.borrow_mut().insert(party) {
            return;
        }
        self.say(party, "starts", None, 0);
        let (requesters, services) = (&self.plan.requesters, &self.plan.services);
        if let Some(place) = requesters.iter().position(|requester| requester.party == party) {
            self.executor.spawn(party, requester::live(Rc::clone(self), place));
        } else if let Some(place) = services.iter().position(|service| service.party == party) {
            self.executor.spawn(party, service::live(Rc::clone(self), place));
        }
    }

    /// Kills a party's process, which starts again after a while.
    pub(crate) fn kill(self: &Rc<Self>, party: Party, away: Duration, silently: bool) {
        if !self.alive.borrow_mut().remove(&party) {
            return;
        }
        if silently {
            self.lines(party).iter().for_each(Line::silence);
        }
        self.executor.kill(party);
        let world = Rc::clone(self);
        self.executor.spawn(Party::STAGE, async move {
            sleep(away).await;
            world.start(party);
        });
    }

    /// Refuses a party's connections for a while.
    pub(crate) fn refuse(&self, party: Party, length: Duration) {
        self.refused_until.borrow_mut().insert(party, self.executor.elapsed() + length);
    }

    /// The lines of a party that are not over.
    pub(crate) fn lines(&self, party: Party) -> Vec<Line> {
        let mut lines = self.lines.borrow_mut();
        let lines = lines.entry(party).or_default();
        lines.retain(|line| !line.is_over());
        lines.clone()
    }

    /// No more faults; lines that are slow or silent break, and new ones are good.
    pub(crate) fn end_faults(&self) {
        self.is_calm.set(true);
        self.disk.set_faults(Faults::default());
        for party in self.plan.parties() {
            self.lines(party).iter().for_each(Line::cut);
        }
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.is_calm.get()
    }

    /// Whether every submission is answered, every accepted request has its outcome, and every outcome that a named
    /// requester can read is acknowledged.
    pub(crate) fn is_settled(&self) -> bool {
        self.broker.borrow().is_some() && self.submissions.are_answered() && self.books(|books| books.is_all_done())
    }

    pub(crate) fn note_over(&self) {
        self.is_over.set(true);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.get()
    }

    /// What the broker holds.
    pub(crate) fn idle_level(&self) -> Option<Held> {
        let broker = self.broker.borrow();
        let broker = broker.as_ref()?;
        let sum = |figure: fn(&ChannelFigures) -> u64| broker.channels().iter().map(figure).sum();
        Some(Held {
            memory: broker.memory_in_use(),
            connections: broker.connections(),
            mailboxes: simulation::mailboxes(broker),
            open: sum(|figures| figures.waiting + figures.scheduled + figures.in_flight),
            kept: sum(|figures| figures.retained + figures.dead),
            services: sum(|figures| figures.services.into()),
        })
    }

    pub(crate) fn note(&self, note: Note) {
        self.trace.borrow_mut().note(self.executor.elapsed(), note);
    }

    pub(crate) fn say(&self, party: Party, what: &'static str, id: Option<RequestId>, number: u64) {
        self.note(Note::Party { party, what, id, number });
    }

    pub(crate) fn books<T>(&self, look: impl FnOnce(&mut Books) -> T) -> T {
        look(&mut self.books.borrow_mut())
    }

    pub(crate) fn decide<T>(&self, decide: impl FnOnce(&mut Chance) -> T) -> T {
        self.executor.decide(decide)
    }

    /// Waits so many milliseconds, more or less.
    pub(crate) async fn pause(&self, from: u64, to: u64) {
        let length = self.decide(|chance| chance.millis(from, to));
        sleep(length).await;
    }

    fn connect(&self, party: Party) -> Result<Box<dyn Connection>, Broken> {
        let is_refused = self.refused_until.borrow().get(&party).is_some_and(|until| self.executor.elapsed() < *until);
        let broker = self.broker.borrow();
        let Some(broker) = broker.as_ref().filter(|_| !is_refused) else {
            return Err(Broken::Io(io::ErrorKind::ConnectionRefused.into()));
        };
        let bits = runtime::chance().unwrap_or_default();
        let line = Line::new(Chance::new(bits), self.plan.latency);
        let (read, write) = (line.read_end(Way::ToBroker), line.write_end(Way::ToClient));
        self.executor.act_as(Party::BROKER, || simulation::accept(broker, read, write));
        self.lines.borrow_mut().entry(party).or_default().push(line.clone());
        self.say(party, "connects", None, 0);
        Ok(Box::new(TcpConnection::over(ClientEnd::of(&line))))
    }
}

/// A party's way to the broker of this thread's world.
pub(crate) struct Dial(pub(crate) Party);

impl Connect for Dial {
    fn connect(&self) -> Connecting {
        let party = self.0;
        Box::pin(async move {
            let gone = || Broken::Io(io::ErrorKind::NotConnected.into());
            let latency = World::current().ok_or_else(gone)?.plan.latency;
            sleep(latency).await;
            World::current().ok_or_else(gone)?.connect(party)
        })
    }

    fn destination(&self) -> String {
        "simulated".to_owned()
    }
}
