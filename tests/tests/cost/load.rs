//! The loads, each with a runtime and a broker of its own, and what is counted while they run.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use roundtrip_broker::Broker;
use tokio::runtime::{Builder, Runtime};

use crate::budget::{Count, Work};
use crate::client::Pair;
use crate::count::allocations;
use crate::frames::{self, Crowd};
use crate::instructions;
use crate::line::{Calls, Lines};
use crate::party::{Carrier, Party};

/// How many requests are counted, and how many before them grow what grows once.
const REQUESTS: u32 = 8192;

/// The same under the tool, which is slow.
pub(crate) const FEW: u32 = 2048;

/// What the broker is given to do. Payloads have 128 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// One requester with 64 outstanding and one service, by frames, in process.
    FramesInProcess,
    /// One requester with 256 outstanding and one service, by frames, over bytes.
    FramesOverBytes,
    /// 16 requesters with 64 outstanding each and four services, by frames, over bytes.
    CrowdOverBytes,
    /// The public client: 64 tasks that call, one service, in process.
    ClientInProcess,
    /// The same over bytes.
    ClientOverBytes,
}

enum Scene {
    Parties { parties: Vec<Party>, requesters: u32 },
    Pair { pair: Pair, tasks: u32 },
}

struct Stage {
    runtime: Runtime,
    scene: Scene,
    of_broker: Arc<Calls>,
    of_clients: Arc<Calls>,
    /// Dropped after everything else.
    _broker: Arc<Broker>,
}

impl Load {
    pub(crate) const ALL: [Self; 5] = [
        Self::FramesInProcess,
        Self::FramesOverBytes,
        Self::CrowdOverBytes,
        Self::ClientInProcess,
        Self::ClientOverBytes,
    ];

    /// Its name in the code, to be found by it again in another process.
    pub(crate) fn name(self) -> String {
        format!("{self:?}")
    }

    /// Runs it and counts everything but instructions, for each 1,000 requests.
    pub(crate) fn count(self) -> Vec<Count> {
        let mut stage = self.set();
        stage.run(REQUESTS);
        let calls = |calls: &Calls| (calls.reads.load(Ordering::Relaxed), calls.writes.load(Ordering::Relaxed));
        let before = (allocations(), calls(&stage.of_broker), calls(&stage.of_clients));
        stage.run(REQUESTS);
        let after = (allocations(), calls(&stage.of_broker), calls(&stage.of_clients));
        let count = |work, counted: usize| Count::new(self, work, counted as u64, REQUESTS);
        let mut counts = vec![count(Work::Allocations, after.0 - before.0)];
        if !matches!(self, Self::FramesInProcess | Self::ClientInProcess) {
            counts.push(count(Work::BrokerReads, after.1.0 - before.1.0));
            counts.push(count(Work::BrokerWrites, after.1.1 - before.1.1));
        }
        if self == Self::ClientOverBytes {
            counts.push(count(Work::ClientReads, after.2.0 - before.2.0));
            counts.push(count(Work::ClientWrites, after.2.1 - before.2.1));
        }
        counts
    }

    /// Runs it for the tool to count.
    pub(crate) fn run_under_the_tool(self) {
        let mut stage = self.set();
        stage.run(FEW);
        instructions::counted_part(|| stage.run(FEW));
    }

    fn set(self) -> Stage {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (scene, broker, lines) = runtime.block_on(async {
            let broker = Arc::new(Broker::builder().start().unwrap());
            let lines = Lines::to(Arc::clone(&broker));
            let alone = |outstanding| Crowd { requesters: 1, outstanding, services: 1 };
            let scene = match self {
                Self::FramesInProcess => Scene::parties(alone(64), &broker.connect(), Carrier::Broker).await,
                Self::FramesOverBytes => Scene::parties(alone(256), &lines, Carrier::Load).await,
                Self::CrowdOverBytes => {
                    let crowd = Crowd { requesters: 16, outstanding: 64, services: 4 };
                    Scene::parties(crowd, &lines, Carrier::Load).await
                }
                Self::ClientInProcess => {
                    Scene::Pair { pair: Pair::connect(broker.connect(), broker.connect()).await, tasks: 64 }
                }
                Self::ClientOverBytes => {
                    Scene::Pair { pair: Pair::connect(lines.another(), lines.another()).await, tasks: 64 }
                }
            };
            (scene, broker, lines)
        });
        Stage { runtime, scene, of_broker: lines.of_broker, of_clients: lines.of_clients, _broker: broker }
    }
}

impl fmt::Display for Load {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::FramesInProcess => "the broker by frames in process, 64 outstanding",
            Self::FramesOverBytes => "the broker by frames over bytes, 256 outstanding",
            Self::CrowdOverBytes => "the broker by frames over bytes, 16 requesters with 64 outstanding, 4 services",
            Self::ClientInProcess => "client and broker in process, 64 calls at once",
            Self::ClientOverBytes => "client and broker over bytes, 64 calls at once",
        })
    }
}

impl Scene {
    async fn parties(crowd: Crowd, way: &dyn roundtrip_transport::Connect, carrier: Carrier) -> Self {
        Self::Parties { parties: crowd.gather(way, carrier).await, requesters: crowd.requesters }
    }
}

impl Stage {
    fn run(&mut self, requests: u32) {
        let Self { runtime, scene, .. } = self;
        runtime.block_on(async {
            match scene {
                Scene::Parties { parties, requesters } => frames::run(parties, requests / *requesters).await,
                Scene::Pair { pair, tasks } => pair.run(*tasks, requests / *tasks).await,
            }
        });
    }
}
