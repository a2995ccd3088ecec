//! Services: processes that take deliveries, work on them for a while, and settle them in every way.

use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use roundtrip_client::simulation::{Desk, Job};
use roundtrip_client::{Client, Failure, Message, Pulled, RawFailure, SettleError};
use roundtrip_protocol::{ChannelName, Problem};

use super::executor::{Party, sleep};
use super::message;
use super::plan::ServicePlan;
use super::world::{Dial, World};

/// How long a handler waits for room for a part.
const PATIENCE: Duration = Duration::from_secs(2);

/// A service's process.
pub(crate) async fn live(world: Rc<World>, place: usize) {
    let ServicePlan { party, channel, credit, pulls } = world.plan.services[place];
    let client = Client::new(Dial(party));
    let name = world.plan.channels[channel].name;
    if pulls {
        tokio::select! {
            biased;
            () = world.goodbye.cancelled() => {}
            () = pull(&world, &client, name, party, credit) => {}
        }
    } else {
        serve(&world, &client, name, party, credit).await;
    }
    client.close().await;
    world.say(party, "said goodbye", None, 0);
}

/// Takes deliveries over a subscription, until everybody says goodbye.
async fn serve(world: &Rc<World>, client: &Client, channel: &str, party: Party, credit: u32) {
    let Ok(channel) = ChannelName::new(channel) else { return };
    loop {
        let desk = Rc::new(Desk::open(client, &channel, credit));
        let mut is_leaving = false;
        loop {
            let next = tokio::select! {
                biased;
                () = world.goodbye.cancelled(), if !is_leaving => None,
                next = desk.next() => Some(next),
            };
            match next {
                None => {
                    is_leaving = true;
                    desk.drain();
                }
                Some(Ok(job)) => {
                    let (world, desk) = (Rc::clone(world), Rc::clone(&desk));
                    let executor = Rc::clone(&world.executor);
                    executor.spawn(party, async move { handle(&world, party, &desk, job).await });
                }
                Some(Err(None)) => return,
                Some(Err(Some(_refusal))) => break,
            }
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// What a handler ends with.
enum End {
    Result(Result<Message, RawFailure>),
    /// It is dropped before it has a result.
    Dropped,
}

async fn handle(world: &World, party: Party, desk: &Desk, job: Job) {
    let context = &job.context;
    let (id, delivery) = (context.ticket().id, context.delivery());
    world.say(party, "takes", Some(id), delivery.into());
    let stopped = context.cancelled().clone();
    let end = tokio::select! {
        biased;
        () = stopped.cancelled() => None,
        end = work(world, &job) => Some(end),
    };
    match end {
        Some(End::Result(result)) => {
            world.say(party, "settles", Some(id), delivery.into());
            desk.settle(&job, result);
        }
        Some(End::Dropped) => {
            world.say(party, "drops", Some(id), delivery.into());
            desk.drop_job(&job);
        }
        None => {
            world.say(party, "is stopped on", Some(id), delivery.into());
            world.pause(0, 800).await;
            if world.decide(|chance| chance.percent(50)) {
                desk.settle(&job, Ok(message::of_delivery(id, delivery, 0)));
            } else {
                desk.drop_job(&job);
            }
        }
    }
}

async fn work(world: &World, job: &Job) -> End {
    let context = &job.context;
    let (id, delivery) = (context.ticket().id, context.delivery());
    let parts = if world.decide(|chance| chance.percent(40)) { world.decide(|chance| chance.between(1, 6)) } else { 0 };
    for number in 0..parts {
        think(world).await;
        context.progress(number as f32 / parts as f32, "working");
        let bytes = world.decide(|chance| chance.between(0, 200)) as usize;
        let part = message::of_delivery(id, delivery, bytes);
        let kept = tokio::select! {
            biased;
            kept = context.part(part) => kept.ok(),
            // Nobody may read them: then there is no room until the deadline.
            () = sleep(PATIENCE) => None,
        };
        let Some(number) = kept else { break };
        world.books(|books| books.kept_part(id, delivery, number));
    }
    think(world).await;
    if world.is_calm() {
        return End::Result(Ok(message::of_delivery(id, delivery, 10)));
    }
    let bytes =
        world.decide(|chance| if chance.percent(10) { chance.between(4_000, 60_000) } else { chance.below(500) });
    let reply = Ok(message::of_delivery(id, delivery, bytes as usize));
    let wait = world.decide(|chance| chance.millis(10, 1_500));
    End::Result(match world.decide(|chance| chance.below(100)) {
        0..64 => reply,
        64..70 => Err(Failure::problem("failed", "it cannot be done")),
        70..80 => Err(Failure::retry("not now")),
        80..83 => Err(Failure::retry("not now").after(wait)),
        83..87 => Err(Failure::reject("poison")),
        87..91 => Err(Failure::release()),
        91..95 => Err(Failure::throttle(wait)),
        95..97 => return End::Dropped,
        _ => {
            // Longer than any lease: only that it is renewed keeps it.
            world.pause(2_000, 7_000).await;
            reply
        }
    })
}

/// Works on something for a while, mostly shortly.
async fn think(world: &World) {
    let most = world.decide(|chance| if chance.percent(80) { 150 } else { 1_500 });
    world.pause(0, most).await;
}

/// Takes deliveries by hand.
async fn pull(world: &Rc<World>, client: &Client, channel: &str, party: Party, credit: u32) {
    let puller = client.pull(channel);
    loop {
        match puller.take(credit, Duration::from_millis(700)).await {
            Ok(taken) => {
                for pulled in taken {
                    let world = Rc::clone(world);
                    let executor = Rc::clone(&world.executor);
                    executor.spawn(party, async move { settle(&world, party, pulled).await });
                }
            }
            Err(_refused) => sleep(Duration::from_secs(1)).await,
        }
        world.pause(0, 300).await;
    }
}

async fn settle(world: &World, party: Party, pulled: Pulled) {
    let (id, delivery) = (pulled.ticket().id, pulled.delivery());
    world.say(party, "pulls", Some(id), delivery.into());
    think(world).await;
    let forgets = !world.is_calm() && world.decide(|chance| chance.percent(20));
    if forgets {
        // Nobody renews: the lease ends meanwhile.
        world.pause(1_000, 5_000).await;
    } else if pulled.renew().await.is_ok() {
        think(world).await;
    }
    let reply = message::of_delivery(id, delivery, 30);
    let way = if world.is_calm() { 0 } else { world.decide(|chance| chance.below(100)) };
    let settled = match way {
        0..80 => pulled.reply(reply).await,
        80..85 => pulled.retry(Problem::new("not_now", ""), None).await,
        85..90 => pulled.release().await,
        90..95 => pulled.throttle(Duration::from_millis(300)).await,
        _ => return drop(pulled),
    };
    world.say(party, "settled by hand", Some(id), u64::from(settled.is_ok()));
    if let Err(SettleError::SettledBefore | SettleError::Invalid) = settled {
        world.books(|books| books.told_wrongly(id, delivery, "is told that it settled before"));
    }
}

/// Waits for the first of a task and a party's goodbye.
pub(crate) async fn until_goodbye(world: &World, task: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        () = world.goodbye.cancelled() => {}
        () = task => {}
    }
}
