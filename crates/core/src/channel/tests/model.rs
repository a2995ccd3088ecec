//! The channel against a naive model of the contract, under random commands.
//!
//! The model keeps everything in lists and looks through all of them each time. It says of every step exactly what is
//! told to whom, in which order each follower is told it, and the channel's figures. Of the channel it learns only which
//! service gets a delivery, which it then judges, and how long a backoff is within its bounds.
//!
//! A durable channel is also dropped now and then, and begins again with what a storage would have kept of it.

mod answer;
mod asked;
mod dispatch;
mod due;
mod known;
mod part;
mod restart;
mod witness;

use std::collections::BTreeSet;

use proptest::prelude::*;

use asked::{Asked, How, Op, op};
use known::{Model, Stage};
use ledger::Ledger;
use witness::Witness;

use super::*;

const SLOTS: usize = 4;

/// A channel, its model, and the connections that ask.
struct Run {
    world: World,
    model: Model,
    witness: Witness,
    /// What a storage would have.
    ledger: Ledger,
    /// The connections that are there: a new one stands in the place of one that is gone.
    peers: Vec<TestPeer>,
    tokens: Vec<Token>,
    /// The name of the requester that has no given one.
    unnamed: String,
    asked: u32,
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let rate = prop_oneof![
        2 => Just(None),
        1 => Just(Some(Rate { per_second: 1.0, burst: 2 })),
        1 => Just(Some(Rate { per_second: 0.5, burst: 1 })),
    ];
    let attempt_timeout = prop_oneof![
        1 => Just(None),
        // No lease ends at the same moment.
        1 => Just(Some(Duration::from_millis(15_500) + Duration::from_nanos(1))),
    ];
    let max_in_flight = prop_oneof![2 => Just(None), 1 => Just(Some(1)), 1 => Just(Some(2))];
    let default_deadline = prop_oneof![Just(seconds(40)), Just(DEADLINE)];
    let of_any = (any::<bool>(), prop::bool::weighted(0.1));
    (rate, attempt_timeout, max_in_flight, default_deadline, of_any).prop_map(
        |(rate, attempt_timeout, max_in_flight, default_deadline, (is_durable, refuse))| Settings {
            is_durable,
            capacity: 5,
            retention: seconds(60),
            rate,
            attempt_timeout,
            max_in_flight,
            default_deadline,
            max_throttle: seconds(5),
            no_service: if refuse { NoService::Refuse } else { NoService::Wait },
            max_keys: 2,
            max_dead_letters: 2,
            max_dead_letter_bytes: 40,
            dead_letter_age: seconds(100),
            ..settings()
        },
    )
}

impl Run {
    fn new(settings: Settings) -> Self {
        let mut world = World::with(|of_world| *of_world = settings);
        let model = Model::new(world.channel.settings.clone());
        world.place("consumer");
        world.place("unnamed");
        let (peers, tokens, unnamed) = (Vec::new(), Vec::new(), "unnamed".to_owned());
        let (witness, ledger) = (Witness::default(), Ledger::default());
        let mut run = Self { world, model, witness, ledger, peers, tokens, unnamed, asked: 0 };
        run.peers = (0..SLOTS as u64).map(|slot| run.connection(slot)).collect();
        run
    }

    /// A new connection. Those of the first slot live until they are gone.
    fn connection(&self, id: u64) -> TestPeer {
        let peer = TestPeer::new(id);
        if !id.is_multiple_of(SLOTS as u64) {
            peer.last_heard.set(self.world.now.time);
        }
        peer
    }

    fn act(&mut self, op: &Op) {
        match op {
            Op::Pass { millis, heard, random, late } => self.pass(*millis, *heard, *random, *late),
            Op::Room { slot, room } => {
                let peer = self.peers[*slot].clone();
                peer.room.set(*room);
                if *room {
                    self.step(&Asked::Resume { peer });
                }
            }
            Op::Gone { slot } => {
                let peer = self.peers[*slot].clone();
                self.peers[*slot] = self.connection(peer.id.0 + SLOTS as u64);
                self.step(&Asked::Gone { peer });
            }
            Op::Restart => self.restart(),
            Op::RequesterGone => {
                self.asked += 1;
                let next = format!("unnamed{}", self.asked);
                let requester = std::mem::replace(&mut self.unnamed, next.clone());
                self.world.place(&next);
                self.world.mailboxes[&requester].mailbox.set(false);
                self.step(&Asked::RequesterGone { requester });
            }
            op => {
                if let Some(asked) = self.resolve(op) {
                    self.step(&asked);
                }
            }
        }
    }

    fn step(&mut self, asked: &Asked) {
        if let Some(peer) = asked.heard() {
            self.hear(peer);
        }
        let effects = self.world.effects(asked.command());
        self.check(asked, &effects);
    }

    /// The channel is gone, and begins again with what was kept of it.
    fn restart(&mut self) {
        if !self.model.settings.is_durable {
            return;
        }
        self.know_all_connections();
        let start = self.world.channel.start + 1;
        self.world.channel = self.ledger.restore(self.model.settings.clone(), start);
        self.world.last_change = Change::default();
        self.peers = self.peers.iter().map(|peer| self.connection(peer.id.0 + SLOTS as u64)).collect();
        self.model.restart(start);
        self.witness.restart();
        let mut effects = Vec::new();
        self.world.channel.begin(self.world.now, &mut effects);
        self.world.note_changes(&effects);
        self.check(&Asked::Nothing, &effects);
    }

    /// Those that the channel knows are those that have something to do with it.
    fn know_all_connections(&self) {
        let known: Vec<_> = self.world.channel.peers().iter().map(|peer| peer.id).collect();
        let services = self.model.services.iter().map(|there| there.peer.id);
        let followers = self.model.followers.iter().map(|follower| follower.peer.id);
        let stopping = self.model.stopping.iter().map(|there| &there.held);
        let held = self.model.requests.iter().filter_map(known::Known::held).chain(stopping);
        let holders = held.filter_map(|held| held.holder.as_ref()).map(|holder| holder.id);
        let expected: BTreeSet<_> = services.chain(followers).chain(holders).collect();
        assert_eq!(known, expected.into_iter().collect::<Vec<_>>(), "connections");
    }

    fn hear(&self, peer: &TestPeer) {
        if peer.last_heard.get() != Time::NEVER {
            peer.last_heard.set(self.world.now.time);
        }
    }

    /// Lets time pass, deadline by deadline, or the channel is late; some connections are heard at its start.
    fn pass(&mut self, millis: u64, heard: [bool; SLOTS], random: u64, late: bool) {
        for (peer, heard) in self.peers.iter().zip(heard) {
            if heard {
                self.hear(peer);
            }
        }
        self.world.now.random = random;
        let until = self.world.now.time + Duration::from_millis(millis);
        while let Some(due) = self.world.channel.next_deadline().filter(|due| !late && *due <= until) {
            self.world.now.time = due.max(self.world.now.time);
            let mut effects = Vec::new();
            self.world.channel.handle_deadline(self.world.now, &mut effects);
            self.world.note_changes(&effects);
            self.check(&Asked::Nothing, &effects);
        }
        self.world.now.time = until;
    }

    /// Compares what was done with what the model says.
    fn check(&mut self, asked: &Asked, effects: &[Effect<Numbers>]) {
        let now = self.world.now.time;
        self.witness.see(&self.model.settings, now, asked, effects);
        let model = &mut self.model;
        model.now = now;
        model.do_what_is_due();
        model.do_what_is_asked(asked);
        let mut done = Vec::new();
        self.ledger.keep(effects);
        for effect in effects.iter().filter(|effect| is_noticed(effect) && !matches!(effect.what, What::Keep(_))) {
            match &effect.what {
                What::Tell { peer, tell: tell @ Tell::Delivery { token, .. } } => {
                    self.tokens.push(*token);
                    model.delivered(peer.id, tell);
                }
                What::Tell { peer, tell: tell @ Tell::State { ahead, attempts, remaining, redrive_of, .. } } => {
                    let Asked::Attach { id, .. } = asked else { panic!("nobody attached") };
                    let (least, most) = model.ahead(*id);
                    assert!((least..=most).contains(&(*ahead as usize)), "{ahead} ahead, not {least} to {most}");
                    let about =
                        format!("attempts {attempts} remaining {remaining:?} redrive of {:?}", redrive_of.map(number));
                    done.push(format!("{} {} {about}", peer.id.0, told(tell)));
                }
                _ => done.push(line(effect)),
            }
        }
        model.nobody_waits_in_vain();
        let mut expected = std::mem::take(&mut model.expected);
        in_order_for_each_follower(&mut done);
        in_order_for_each_follower(&mut expected);
        assert_eq!(done, expected, "after {asked:?}");
        model.learn(&self.world.channel);
        self.compare_what_is_kept();
    }

    fn compare_what_is_kept(&mut self) {
        let (channel, model, now) = (&self.world.channel, &self.model, self.world.now.time);
        let mut figures = channel.figures();
        figures.paused_until = figures.paused_until.filter(|until| *until > now);
        assert_eq!(figures, model.figures());
        if let Some(most) = model.settings.max_in_flight {
            assert!(figures.in_flight <= most, "I4: deliveries at once");
        }
        let (next, latest) = (channel.next_deadline(), model.next_deadline());
        assert!(next.is_none_or(|next| next > now), "what is due now was not done");
        match (next, latest) {
            (_, None) => assert_eq!(next, None, "nothing is to come"),
            (Some(next), Some(latest)) => assert!(next <= latest, "it wakes at {next:?}, and is needed at {latest:?}"),
            (None, Some(latest)) => panic!("it does not wake, and is needed at {latest:?}"),
        }
        let letters = channel.dead_letters(None).map(|letter| {
            (
                number(letter.id),
                letter.requester.as_str().to_owned(),
                letter.bytes,
                letter.priority,
                letter.reason,
                letter.attempts,
                letter.deliveries,
                letter.accepted,
                letter.died,
                letter.last,
            )
        });
        let expected = model.letters.iter().map(|letter| {
            (
                letter.id,
                letter.requester.clone(),
                letter.bytes,
                letter.priority,
                letter.reason,
                letter.attempts,
                letter.deliveries,
                letter.accepted,
                letter.died,
                letter.last,
            )
        });
        assert!(letters.eq(expected), "dead letters");
        for known in &model.requests {
            let follows =
                model.followers.iter().any(|follower| follower.peer.id == self.peers[0].id && follower.id == known.id);
            match (channel.outcome(request(known.id), self.peers[0].id), &known.stage) {
                (Reading::Followed, _) => assert!(follows),
                (Reading::Outcome { outcome, .. }, Stage::Ended { outcome: expected, .. }) => {
                    assert_eq!(outcome_name(outcome), *expected);
                    assert!(!follows);
                }
                (Reading::Gone, stage) => assert!(!matches!(stage, Stage::Ended { .. }) || known.acknowledged),
                (reading, stage) => panic!("{reading:?} of {stage:?}"),
            }
            if let Stage::Ended { outcome, at } = &known.stage {
                self.witness.note_outcome(known.id, outcome, *at);
            }
        }
    }

    /// Everybody is gone; one service comes and works everything off, and everything is acknowledged.
    fn finish(&mut self) {
        for slot in 0..SLOTS {
            self.act(&Op::Gone { slot });
        }
        self.act(&Op::Subscribe { slot: 0, service: 1, credit: 100, by_lease: false, lease: 10 });
        for round in 0.. {
            if !self.model.requests.iter().any(known::Known::is_open) && self.model.stopping.is_empty() {
                break;
            }
            assert!(round < 1_000, "there is no end to it");
            for token in self.tokens.split_off(0) {
                self.step(&Asked::Settle { peer: self.peers[0].clone(), token, how: How::Reply(0) });
            }
            self.pass(5_000, [true; SLOTS], 0, false);
        }
        self.witness.all_have_their_outcome();
        for nth in (0..self.model.requests.len()).rev() {
            let (id, requester) = (self.model.requests[nth].id, self.model.requests[nth].requester.clone());
            self.step(&Asked::Acknowledge { peer: self.peers[0].clone(), id, requester, ticket: None });
        }
        for slot in 0..SLOTS {
            self.act(&Op::Gone { slot });
        }
        self.pass(100_000, [true; SLOTS], 0, false);
        assert_eq!(self.world.channel.next_deadline(), None);
        assert!(self.world.channel.is_idle());
        assert!(self.ledger.is_empty(), "nothing is kept");
        assert!(self.world.channel.followed.is_empty(), "nobody is remembered who follows nothing");
        let Figures { stale, dropped_parts, dropped_dead_letters, .. } = self.world.channel.figures();
        let figures = Figures { paused_until: None, ..self.world.channel.figures() };
        assert_eq!(figures, Figures { stale, dropped_parts, dropped_dead_letters, ..Figures::default() });
    }
}

/// What each follower is told stays in its order; all else is sorted.
fn in_order_for_each_follower(lines: &mut [String]) {
    lines.sort_by_cached_key(|line| {
        let mut words = line.split(' ');
        let (peer, what) = (words.next(), words.next());
        let ticket = match what {
            Some("part" | "outcome" | "progress") => words.find_map(|word| word.parse::<u32>().ok()),
            Some("parts") if line.contains(" from ") => words.find_map(|word| word.parse::<u32>().ok()),
            Some("accepted" | "state" | "refused") => words.next().and_then(|word| word.parse().ok()),
            _ => None,
        };
        match ticket {
            Some(ticket) => (format!("{peer:?}"), Some(ticket), String::new()),
            None => (line.clone(), None, line.clone()),
        }
    });
}

/// As many as the environment asks for, as proptest does it by itself, but with another default.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(4_096)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_channel_does_what_the_model_says(
        settings in any_settings(),
        ops in prop::collection::vec(op(), 1..300),
    ) {
        let mut run = Run::new(settings);
        for op in &ops {
            run.act(op);
        }
        run.finish();
    }
}
