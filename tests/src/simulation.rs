//! Many requesters, services and a broker in one thread, under a virtual clock, with everything that can go wrong.
//!
//! The broker and the clients are the real ones, from the bytes on their lines upward. What is replaced is below them:
//! the sockets (`wire`), the runtime with its clock (`executor`), and chance, all of which comes from one seed. So a
//! seed replays exactly, and a mistake that shows once can be looked at as often as it takes.
//!
//! A run draws a `plan` from its seed: channels, requesters, services, requests, and `faults` that strike while they
//! are at work. Half of the runs have durable channels, on a disk with faults; there the broker's `process` is killed
//! and started again too. `requester` and `service` are the scripts of the parties. The `books` are the checker: they are told
//! what every channel is asked and does and what every party sees, and hold it against the invariants. A run ends when
//! everything is settled, acknowledged and idle.

mod books;
pub(crate) mod chance;
mod coverage;
mod executor;
mod faults;
mod message;
mod plan;
mod process;
mod requester;
mod service;
mod trace;
mod wire;
mod world;

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use roundtrip_broker::simulation as broker;

pub use self::books::{Broken, Invariant};
pub use self::coverage::Coverage;
use self::executor::{Executor, Party, Step, sleep};
use self::plan::{BUSY, LETTERS, Plan, RETENTION};
use self::trace::Trace;
use self::world::World;

/// How many steps a run has at most.
const MOST_STEPS: u64 = 3_000_000;

/// How long everything may take to be settled when nothing goes wrong any more.
const SETTLING: Duration = Duration::from_secs(60);

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// How many steps it had.
    pub steps: u64,
    /// What happened in it.
    pub coverage: Coverage,
    /// A number that is the same for the same seed, and hardly ever for another.
    pub fingerprint: u64,
    /// What was broken, and at which step.
    pub violation: Option<(u64, Broken)>,
    /// The last lines of what happened, or all.
    pub trace: Vec<String>,
}

/// Runs one simulation. With `keeps_all`, its report has every line of what happened.
#[must_use]
pub fn run(seed: u64, keeps_all: bool) -> Report {
    let executor = Executor::begin(seed);
    let world = World::make(Rc::clone(&executor), Plan::draw(seed), Trace::new(keeps_all));
    executor.spawn(Party::STAGE, direct(Rc::clone(&world)));
    let mut steps = 0;
    let violation = loop {
        let step = executor.step();
        steps += 1;
        check(&world, step, steps);
        if let Some(broken) = world.books(|books| books.broken().cloned()) {
            break Some((steps, broken));
        }
        if world.is_over() {
            break None;
        }
    };
    let trace = violation.is_some() || keeps_all;
    let trace = if trace { world.trace.borrow().lines() } else { Vec::new() };
    world.books(|books| books.count_wrongs());
    let (coverage, fingerprint) = (world.books(|books| books.coverage), world.trace.borrow().fingerprint());
    world.broker.borrow_mut().take();
    World::unmake();
    broker::watch(None);
    broker::set_clock(None);
    executor.end();
    Report { seed, steps, coverage, fingerprint, violation, trace }
}

/// Holds what a step led to against the invariants.
fn check(world: &World, step: Step, steps: u64) {
    match step {
        Step::Polled { task, party } => {
            world.trace.borrow_mut().stamp(world.executor.elapsed().as_nanos() as u64 ^ (task as u64) << 48);
            if party == Party::BROKER
                && let Some(broker) = world.broker.borrow().as_ref()
            {
                let figures = broker.channels();
                let (held, most) = (broker.memory_in_use(), world.plan.memory);
                if held > most {
                    let how = format!("{held} bytes are held, the most is {most}");
                    world.books(|books| books.violate(Invariant::Memory, how));
                }
                world.books(|books| books.check_figures(&figures));
            }
        }
        Step::Waited => {}
        Step::Idle => world.books(|books| books.violate(Invariant::Progress, "everybody waits for ever")),
    }
    if steps > MOST_STEPS {
        let left = world.books(|books| books.left());
        let how = format!("{MOST_STEPS} steps were not enough; left is {left:?}");
        world.books(|books| books.violate(Invariant::Progress, how));
    }
}

/// The run from its first moment to its last.
async fn direct(world: Rc<World>) {
    world.start_broker().await;
    let idle = world.idle_level();
    for party in world.plan.parties() {
        world.start(party);
    }
    faults::bring(Rc::clone(&world)).await;
    sleep((BUSY + Duration::from_secs(1)).saturating_sub(world.executor.elapsed())).await;
    let until = world.executor.elapsed() + SETTLING;
    while !world.is_settled() {
        if world.executor.elapsed() > until {
            let left = world.books(|books| books.left());
            let how = format!("nothing goes wrong any more, and these do not end: {left:#?}");
            return world.books(|books| books.violate(Invariant::Progress, how));
        }
        sleep(Duration::from_millis(500)).await;
    }
    world.say(Party::STAGE, "all is settled", None, 0);
    world.goodbye.cancel();
    // Clients close within seconds; then what nobody acknowledges passes away.
    sleep(Duration::from_secs(30)).await;
    sleep(RETENTION.max(LETTERS) + Duration::from_secs(120)).await;
    world.books(|books| books.check_disk_is_empty());
    let left = world.idle_level();
    if left != idle {
        let how = format!("at first {idle:?} was there, and now {left:?}");
        world.books(|books| books.violate(Invariant::Memory, how));
    }
    let broker = world.broker.borrow_mut().take();
    if let Some(broker) = broker {
        let report = broker.shutdown().await;
        if (report.failed, report.unacknowledged) != (0, 0) {
            world.books(|books| books.violate(Invariant::Progress, format!("the broker stops idle, with {report:?}")));
        }
    }
    world.note_over();
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.trace {
            writeln!(out, "{line}")?;
        }
        match &self.violation {
            None => write!(out, "seed {} keeps all invariants in {} steps", self.seed, self.steps),
            Some((step, Broken { invariant, how })) => {
                writeln!(out, "seed {} breaks {invariant} at step {step}: {how}", self.seed)?;
                write!(
                    out,
                    "replay: cargo run --release -p roundtrip-tests --bin simulate -- --runs 1 --seed {}",
                    self.seed
                )
            }
        }
    }
}
