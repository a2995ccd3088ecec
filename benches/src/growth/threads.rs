//! What threads do to each other: each has a requester and a service in this process, speaks to the broker by frames and
//! waits for nobody. Nothing is encoded and nobody is woken, so what they share of the broker shows most.

use std::collections::VecDeque;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Instant;

use anyhow::bail;
use bytes::Bytes;
use roundtrip::Broker;
use roundtrip_protocol::{
    Acknowledge, Bind, Call, ChannelName, ChannelNumber, Frame, Header, Hold, Introduce, Label, ReplyTo, RequesterName,
    ServiceNumber, Settle, Settlement, Subscribe, TicketNumber,
};
use roundtrip_transport::{Connect as _, Connection};
use tokio::runtime::{Builder, Runtime};

use super::{LENGTH, WARM};
use crate::lean::roundtrip::{REQUESTER, hello, id, submit};

/// How many requests each thread has under way.
const OUTSTANDING: u32 = 64;

/// How many deliveries a service takes at once, of all its channels.
const CREDIT: u32 = 64 * 1024;

/// How many requests a second so many threads do, each on so many channels: the same ones, or its own.
pub(super) fn rate(threads: u32, channels: u32, are_shared: bool) -> anyhow::Result<f64> {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let broker = runtime.block_on(async { Broker::builder().max_channels(100_000).max_open(CREDIT).start() })?;
    let first = |thread: u32| if are_shared { 0 } else { thread * channels };
    let pairs: Vec<Pair> = (0..threads)
        .map(|thread| Pair::connect(&runtime, &broker, thread, first(thread)..first(thread) + channels))
        .collect::<Result<_, _>>()?;
    let (begin, is_over) = (Barrier::new(pairs.len() + 1), AtomicBool::new(false));
    let rates = thread::scope(|scope| {
        let threads: Vec<_> = pairs.into_iter().map(|pair| scope.spawn(|| pair.run(&begin, &is_over))).collect();
        begin.wait();
        thread::sleep(WARM + LENGTH);
        is_over.store(true, Ordering::Relaxed);
        let joined = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| bail!("a thread panicked")));
        joined.collect::<anyhow::Result<Vec<f64>>>()
    });
    runtime.block_on(async { drop(broker) });
    Ok(rates?.iter().sum())
}

/// A requester and a service.
struct Pair {
    requester: Box<dyn Connection>,
    service: Box<dyn Connection>,
    number: u32,
    channels: u32,
    payload: Bytes,
    /// The ticket number of the next request.
    next: u32,
    under_way: u32,
    done: u64,
}

impl Pair {
    fn connect(runtime: &Runtime, broker: &Broker, number: u32, names: std::ops::Range<u32>) -> anyhow::Result<Self> {
        let channels = names.end - names.start;
        let names: Vec<_> = names.map(|name| ChannelName::new(format!("scale_{name}"))).collect::<Result<_, _>>()?;
        let connect = |kind: u8| {
            let mut connection = runtime.block_on(broker.connect().connect())?;
            let mut frames: VecDeque<Frame> = [hello(kind, number as usize).into()].into();
            for (number, name) in names.iter().enumerate() {
                frames.push_back(Bind { number: ChannelNumber(number as u32), channel: name.clone() }.into());
            }
            tell(&mut *connection, &mut frames)?;
            anyhow::Ok(connection)
        };
        let (mut requester, mut service) = (connect(b'r')?, connect(b's')?);
        let name = RequesterName::new(format!("bench-{number}"))?;
        let introduce = Introduce { number: REQUESTER, requester: name, unnamed: false };
        tell(&mut *requester, &mut [introduce.into()].into())?;
        let credit = (CREDIT / channels).min(4096);
        let subscriptions = (0..channels).map(|number| {
            let (service, channel, hold) = (ServiceNumber(number), ChannelNumber(number), Hold::Connection);
            Subscribe { service, channel, credit, hold, lease_ms: None }.into()
        });
        tell(&mut *service, &mut subscriptions.collect())?;
        let payload = Bytes::from_static(&[7; 128]);
        Ok(Self { requester, service, number, channels, payload, next: 0, under_way: 0, done: 0 })
    }

    /// How many requests it does a second once it is warm, until all are told to end.
    fn run(mut self, begin: &Barrier, is_over: &AtomicBool) -> anyhow::Result<f64> {
        begin.wait();
        let start = Instant::now();
        while start.elapsed() < WARM {
            self.turn()?;
        }
        let (start, before) = (Instant::now(), self.done);
        while !is_over.load(Ordering::Relaxed) {
            self.turn()?;
        }
        Ok((self.done - before) as f64 / start.elapsed().as_secs_f64())
    }

    fn turn(&mut self) -> anyhow::Result<()> {
        let mut asked = VecDeque::new();
        for frame in received(&mut *self.requester)? {
            match frame.header {
                Header::Outcome(outcome) => {
                    anyhow::ensure!(frame.payload == self.payload, "a reply is another than its request");
                    let (call, channel) = (Call(0), ChannelNumber(outcome.ticket.0 % self.channels));
                    let (id, ticket) = (id(self.number, outcome.ticket.0), Some(outcome.ticket));
                    asked.push_back(Acknowledge { call, channel, id, requester: REQUESTER, ticket }.into());
                }
                Header::Acknowledged(_) => {
                    self.under_way -= 1;
                    self.done += 1;
                }
                Header::Refused(refused) => bail!("the broker refuses: {}", refused.refusal),
                _ => {}
            }
        }
        while self.under_way < OUTSTANDING {
            let mut header = submit(self.number, ReplyTo::Own);
            header.ticket = TicketNumber(self.next);
            header.id = id(self.number, self.next);
            header.channel = ChannelNumber(self.next % self.channels);
            asked.push_back(Frame::new(header, self.payload.clone()));
            self.next = self.next.wrapping_add(1);
            self.under_way += 1;
        }
        send(&mut *self.requester, &mut asked)?;
        let mut settled = VecDeque::new();
        for frame in received(&mut *self.service)? {
            if let Header::Delivery(delivery) = frame.header {
                let (channel, settlement) = (ChannelNumber(delivery.service.0), Settlement::Reply(Label::default()));
                let settle = Settle { call: Call(0), channel, token: delivery.token, settlement };
                settled.push_back(Frame::new(settle, frame.payload));
            }
        }
        send(&mut *self.service, &mut settled)
    }
}

/// Sends all, whose answers are not looked at.
fn tell(connection: &mut dyn Connection, frames: &mut VecDeque<Frame>) -> anyhow::Result<()> {
    loop {
        let sent = connection.poll_send(&mut Context::from_waker(Waker::noop()), frames);
        received(connection)?;
        if let Poll::Ready(sent) = sent {
            return Ok(sent?);
        }
    }
}

fn send(connection: &mut dyn Connection, frames: &mut VecDeque<Frame>) -> anyhow::Result<()> {
    match connection.poll_send(&mut Context::from_waker(Waker::noop()), frames) {
        Poll::Ready(sent) => Ok(sent?),
        Poll::Pending => bail!("the broker takes no more, although so little is under way"),
    }
}

fn received(connection: &mut dyn Connection) -> anyhow::Result<VecDeque<Frame>> {
    let mut frames = VecDeque::new();
    if let Poll::Ready(received) = connection.poll_receive(&mut Context::from_waker(Waker::noop()), &mut frames) {
        received?;
    }
    Ok(frames)
}
