//! What a long queue takes of memory, counted at the allocator: this file has one test, so that nothing else allocates.

use std::alloc::System;
use std::sync::Arc;
use std::time::Duration;

use roundtrip_core::{
    Accepted, Channel, Command, Effect, Handles, Now, Peer, PeerId, Place, Restored, Settings, Submission, Time,
};
use roundtrip_protocol::{RequestId, RequesterName, TicketNumber};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const REQUESTS: u32 = 100_000;
/// What a waiting request may take, everything that finds it included.
const MOST: usize = 210;

/// Handles as large as a broker's: two words each for a message and a place.
#[derive(Debug)]
struct Words;

impl Handles for Words {
    type Request = (u64, u64);
    type Answer = u64;
    type Part = u64;
    type Place = InMailbox;
    type Peer = Connection;
}

#[derive(Debug, Clone)]
struct InMailbox {
    _mailbox: Arc<()>,
    _number: u64,
}

impl Place for InMailbox {
    fn has_mailbox(&self) -> bool {
        true
    }
}

#[derive(Debug, Clone, Copy)]
struct Connection;

impl Peer for Connection {
    fn id(&self) -> PeerId {
        PeerId(1)
    }

    fn last_heard(&self) -> Time {
        Time::NEVER
    }

    fn has_room(&self) -> bool {
        true
    }
}

fn id(number: u32) -> RequestId {
    RequestId::from_bytes(u128::from(number).to_be_bytes())
}

fn at(micros: u32) -> Now {
    Now { time: Time::after_start(Duration::from_micros(micros.into())), random: 0 }
}

fn settings() -> Settings {
    Settings { is_durable: true, capacity: usize::MAX, ..Settings::default() }
}

fn held(region: &Region<System>) -> usize {
    let change = region.change();
    change.bytes_allocated.saturating_sub(change.bytes_deallocated)
}

fn ask(channel: &mut Channel<Words>, now: Now, command: Command<Words>) {
    let mut effects: Vec<Effect<Words>> = Vec::new();
    channel.handle(now, command, &mut effects);
}

fn submit_all(channel: &mut Channel<Words>, requester: &RequesterName, place: &InMailbox) {
    for number in 0..REQUESTS {
        let submission = Submission::new(id(number), requester.clone(), (0, 0), place.clone());
        let command = Command::Submit { peer: Connection, ticket: TicketNumber(number), submission };
        ask(channel, at(number), command);
    }
}

fn restore_all(channel: &mut Channel<Words>, requester: &RequesterName, place: &InMailbox) {
    channel.reserve(REQUESTS as usize);
    for number in 0..REQUESTS {
        let accepted = Accepted {
            id: id(number),
            requester: requester.clone(),
            request: (0, 0),
            bytes: 0,
            place: place.clone(),
            priority: 4,
            key: None,
            redrive_of: None,
            accepted: at(number).time,
            deadline: at(number).time + Duration::from_secs(3600),
            order: Some(number.into()),
            until: None,
        };
        channel.restore(Restored { accepted, tried: None, parts: None, ended: None });
    }
    let mut effects = Vec::new();
    channel.begin(at(REQUESTS), &mut effects);
    assert!(effects.is_empty(), "they wait");
}

fn cancel_all(channel: &mut Channel<Words>, requester: &RequesterName) {
    let call = roundtrip_protocol::Call(0);
    for number in 0..REQUESTS {
        ask(channel, at(REQUESTS), Command::Cancel { peer: Connection, call, id: id(number) });
        let requester = requester.clone();
        ask(
            channel,
            at(REQUESTS),
            Command::Acknowledge { peer: Connection, call, id: id(number), requester, ticket: None },
        );
    }
}

#[test]
fn a_request_that_waits_is_small_and_its_memory_goes_back() {
    let requester = RequesterName::new("consumer").unwrap();
    let place = InMailbox { _mailbox: Arc::new(()), _number: 0 };
    let most = REQUESTS as usize * MOST;

    let region = Region::new(ALLOCATOR);
    let mut channel = Channel::new(settings(), 1);
    submit_all(&mut channel, &requester, &place);
    let followed = held(&region);
    ask(&mut channel, at(REQUESTS), Command::PeerGone { peer: PeerId(1) });
    let alone = held(&region);
    assert!(alone <= most, "{} bytes for each request", alone / REQUESTS as usize);
    assert!(followed > alone, "who follows costs more, but no longer than that");
    cancel_all(&mut channel, &requester);
    let idle = held(&region);
    assert!(idle < 64 * 1024, "{idle} bytes when all are gone");
    drop(channel);

    let region = Region::new(ALLOCATOR);
    let mut channel = Channel::new(settings(), 2);
    restore_all(&mut channel, &requester, &place);
    let restored = held(&region);
    assert!(restored <= most, "{} bytes for each restored request", restored / REQUESTS as usize);
    println!(
        "{} submitted, {} restored, {} followed, {idle} idle",
        alone / REQUESTS as usize,
        restored / REQUESTS as usize,
        followed / REQUESTS as usize
    );
    assert_eq!(channel.figures().waiting, REQUESTS as usize);
}
