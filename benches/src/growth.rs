//! Workload W7: what a request costs the broker as it grows. By the lean client, since it is the server that is asked.
//!
//! | what grows | how it is measured |
//! | --- | --- |
//! | channels | the load of W2, whose requests go to all channels in turn; one service serves them all |
//! | connections | the load of W2, while so many others are greeted and say nothing |
//! | waiting requests | so many wait on a channel; more come, and then a service takes as many, the oldest first |
//! | threads | in process, by frames: one thread, and two on one channel, on a channel each, on 5,000 channels each |
//!
//! The figure is the server's processor time for a request; of threads, how many requests they do in a second.

mod threads;
mod waiting;

use std::net::TcpStream;
use std::time::Duration;

use crate::arguments::Workload;
use crate::descriptors;
use crate::hot::ONE_TO_ONE;
use crate::lean::roundtrip::Roundtrip;
use crate::lean::{Doors, Load};
use crate::role;
use crate::server::Server;
use crate::sheet::{self, Found, Question, Sheet};

/// How long a load runs before it is measured, and while it is.
const WARM: Duration = Duration::from_millis(500);
const LENGTH: Duration = Duration::from_millis(1000);

/// Something that grows: how many, and what that is called, the least first.
pub(crate) struct Growing<const N: usize>([(usize, &'static str); N]);

pub(crate) const CHANNELS: Growing<3> = Growing([(1, "1 channel"), (100, "100 channels"), (10_000, "10,000 channels")]);
pub(crate) const CONNECTIONS: Growing<4> = Growing([
    (1, "1 other connection"),
    (100, "100 other connections"),
    (1_000, "1,000 other connections"),
    (10_000, "10,000 other connections"),
]);
pub(crate) const WAITING: Growing<3> = Growing([
    (0, "0 waiting requests"),
    (10_000, "10,000 waiting requests"),
    (1_000_000, "1,000,000 waiting requests"),
]);

impl<const N: usize> Growing<N> {
    /// What the least is called.
    pub(crate) const fn least(&self) -> &'static str {
        self.0[0].1
    }

    /// What the most is called.
    pub(crate) const fn most(&self) -> &'static str {
        self.0[N - 1].1
    }
}

/// How many threads, on how many channels each, whether they are the same ones, and what that is called.
const THREADS: [(u32, u32, bool, &str); 5] = [
    (1, 1, false, "1 thread, 1 channel"),
    (2, 1, true, "2 threads, the same channel"),
    (2, 1, false, "2 threads, 1 channel each"),
    (1, 10_000, false, "1 thread, 10,000 channels"),
    (2, 5_000, false, "2 threads, 5,000 channels each"),
];

/// The side that is measured.
pub(crate) const SIDE: &str = "roundtrip-lean";
const IN_PROCESS: &str = "roundtrip-frames";

/// Measures the workload.
pub(crate) fn measure() -> anyhow::Result<Sheet> {
    descriptors::raise(11_000)?;
    let question = |ask| Question { side: SIDE, ask };
    let mut questions: Vec<Question> = Vec::new();
    for (channels, what) in CHANNELS.0 {
        questions.push(question(Box::new(move || of_load(channels, 0, what))));
    }
    for (connections, what) in CONNECTIONS.0 {
        questions.push(question(Box::new(move || of_load(1, connections, what))));
    }
    for (waiting, what) in WAITING.0 {
        questions.push(question(Box::new(move || {
            let mut server = Server::start(role::BROKER_IN_MEMORY, &[])?;
            let address = server.ready()?;
            Ok(vec![(what, "us of server CPU", waiting::cost(&server, &address, waiting)?)])
        })));
    }
    for (threads, channels, are_shared, what) in THREADS {
        let ask = Box::new(move || Ok(vec![(what, "requests/s", threads::rate(threads, channels, are_shared)?)]));
        questions.push(Question { side: IN_PROCESS, ask });
    }
    let rows = sheet::ask(Workload::W7, &questions)?;
    let versions = vec![("roundtrip", env!("CARGO_PKG_VERSION").to_owned())];
    Ok(Sheet { workload: Workload::W7, title: "growth", rows, versions, missing: Vec::new() })
}

fn of_load(channels: usize, connections: usize, what: &'static str) -> anyhow::Result<Vec<Found>> {
    let mut server = Server::start(role::BROKER_IN_MEMORY, &[])?;
    let doors = Roundtrip::with_channels(server.ready()?, channels as u32);
    let _others: Vec<TcpStream> = (0..connections).map(|number| doors.idle(number)).collect::<Result<_, _>>()?;
    let mut load = Load::new(&doors, ONE_TO_ONE)?;
    load.run(WARM)?;
    let before = server.cpu()?;
    let requests = load.run(LENGTH)?.each.len();
    let cpu = server.cpu()?.saturating_sub(before);
    Ok(vec![(what, "us of server CPU", cpu.as_secs_f64() * 1e6 / requests as f64)])
}
