//! What the channel itself costs: a request from its submission to its acknowledgement, with nothing around it. No
//! socket, no task, no encoding, no payload: this is the floor under everything that is measured from outside.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use roundtrip_core::{
    Channel, Command, Effect, Handles, Now, Peer, PeerId, Place, ServiceInstance, Settings, Settling, Submission, Tell,
    Time, What,
};
use roundtrip_protocol::{Call, Hold, InstanceId, RequestId, RequesterName, ServiceNumber, TicketNumber, Token};

/// Handles that stand for nothing, so that only the channel is measured.
#[derive(Debug)]
struct Nothing;

impl Handles for Nothing {
    type Request = ();
    type Answer = ();
    type Part = ();
    type Place = InMailbox;
    type Peer = Connection;
}

#[derive(Debug, Clone, Copy)]
struct InMailbox;

impl Place for InMailbox {
    fn has_mailbox(&self) -> bool {
        true
    }
}

#[derive(Debug, Clone, Copy)]
struct Connection(u64);

impl Peer for Connection {
    fn id(&self) -> PeerId {
        PeerId(self.0)
    }

    fn last_heard(&self) -> Time {
        Time::NEVER
    }

    fn has_room(&self) -> bool {
        true
    }
}

const REQUESTER: Connection = Connection(1);
const SERVICE: Connection = Connection(2);

/// A channel with one service, and everything that a request needs to go through it.
struct Bench {
    channel: Channel<Nothing>,
    effects: Vec<Effect<Nothing>>,
    requester: RequesterName,
    step: u64,
    next_id: u128,
}

impl Bench {
    /// A channel with `backlog` requests that its service holds already and never ends.
    fn with_backlog(backlog: u32) -> Self {
        let settings = Settings { capacity: usize::MAX, ..Settings::default() };
        let Ok(requester) = RequesterName::new("bench") else { unreachable!("it is a name") };
        let mut bench =
            Self { channel: Channel::new(settings, 1), effects: Vec::new(), requester, step: 0, next_id: 0 };
        let service = ServiceInstance { instance: InstanceId::from_bytes([1; 16]), service: ServiceNumber(1) };
        bench.handle(Command::Subscribe {
            peer: SERVICE,
            service,
            credit: backlog + 1,
            hold: Hold::Connection,
            lease: Duration::from_secs(30),
        });
        for _ in 0..backlog {
            bench.submit();
        }
        bench
    }

    /// Submit, deliver, reply, acknowledge: one request is there and gone.
    fn round_trip(&mut self) -> usize {
        let id = self.submit();
        let delivered = self.effects.iter().find_map(|effect| match &effect.what {
            What::Tell { tell: Tell::Delivery { token, .. }, .. } => Some(*token),
            _ => None,
        });
        let Some(token) = delivered else { unreachable!("a service with credit gets the request at once") };
        self.reply(token);
        let requester = self.requester.clone();
        self.handle(Command::Acknowledge { peer: REQUESTER, call: Call(1), id, requester, ticket: None });
        self.effects.len()
    }

    fn submit(&mut self) -> RequestId {
        self.next_id += 1;
        let id = RequestId::from_bytes(self.next_id.to_be_bytes());
        let requester = self.requester.clone();
        self.handle(Command::Submit {
            peer: REQUESTER,
            ticket: TicketNumber(1),
            submission: Submission::new(id, requester, (), InMailbox),
        });
        id
    }

    fn reply(&mut self, token: Token) {
        self.handle(Command::Settle { peer: SERVICE, call: Call(1), token, settlement: Settling::Reply(()) });
    }

    fn handle(&mut self, command: Command<Nothing>) {
        self.step += 1;
        let now = Now { time: Time::after_start(Duration::from_micros(self.step)), random: self.step };
        self.effects.clear();
        self.channel.handle(now, command, &mut self.effects);
    }
}

fn round_trip(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("submit, deliver, reply, acknowledge");
    group.throughput(Throughput::Elements(1));
    for backlog in [0, 10_000] {
        let mut bench = Bench::with_backlog(backlog);
        group.bench_function(format!("beside {backlog} in flight"), |timer| {
            timer.iter(|| black_box(bench.round_trip()));
        });
        assert_eq!(bench.channel.figures().in_flight, backlog as usize, "every request but the backlog is gone");
        assert_eq!(bench.channel.figures().retained, 0, "every outcome was acknowledged");
    }
    group.finish();
}

criterion_group!(benches, round_trip);
criterion_main!(benches);
