//! The channel against a naive model of it, under random commands.
//!
//! The model keeps requests in a list and looks through all of them each time. It says of every step exactly what is
//! told to whom; only how long a backoff is within its bounds it learns from the channel.

mod asked;
mod known;

use proptest::prelude::*;

use asked::{Asked, Op, op};
use known::Model;

use super::*;

const SLOTS: usize = 4;

/// A channel, its model, and the connections that ask.
struct Run {
    world: World,
    model: Model,
    /// The connections that are there: a new one stands in the place of one that is gone.
    peers: Vec<TestPeer>,
    tokens: Vec<Token>,
    answers: u32,
}

impl Run {
    fn new() -> Self {
        let world = World::with(|settings| {
            settings.capacity = 5;
            settings.retention = seconds(60);
        });
        let model = Model::new(world.channel.settings.clone());
        let mut run = Self { world, model, peers: Vec::new(), tokens: Vec::new(), answers: 0 };
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
            Op::Pass { millis, heard, random } => self.pass(*millis, *heard, *random),
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
            op => {
                self.answers += 1;
                if let Some(asked) = op.resolve(&self.peers, &self.tokens, &self.model, self.answers) {
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

    fn hear(&self, peer: &TestPeer) {
        if peer.last_heard.get() != Time::NEVER {
            peer.last_heard.set(self.world.now.time);
        }
    }

    /// Lets time pass, deadline by deadline; some connections are heard at its start.
    fn pass(&mut self, millis: u64, heard: [bool; SLOTS], random: u64) {
        for (peer, heard) in self.peers.iter().zip(heard) {
            if heard {
                self.hear(peer);
            }
        }
        self.world.now.random = random;
        let until = self.world.now.time + Duration::from_millis(millis);
        while let Some(due) = self.world.channel.next_deadline().filter(|due| *due <= until) {
            self.world.now.time = due.max(self.world.now.time);
            let mut effects = Vec::new();
            self.world.channel.handle_deadline(self.world.now, &mut effects);
            self.world.note_changes(&effects);
            self.check(&Asked::Nothing, &effects);
        }
        self.world.now.time = until;
    }

    fn check(&mut self, asked: &Asked, effects: &[Effect<Numbers>]) {
        for effect in effects {
            if let What::Tell { tell: Tell::Delivery { token, .. }, .. } = &effect.what {
                self.tokens.push(*token);
            }
        }
        self.model.check(self.world.now.time, asked, effects);
        assert_eq!(self.world.channel.figures(), self.model.figures());
    }

    /// Everybody is gone; one service comes and works everything off, and everything is acknowledged.
    fn finish(&mut self) {
        for slot in 0..SLOTS {
            self.act(&Op::Gone { slot });
        }
        self.act(&Op::Subscribe { slot: 0, service: 1, credit: 100, by_lease: false });
        while self.model.open() > 0 {
            for token in self.tokens.clone() {
                self.step(&Asked::Settle { peer: self.peers[0].clone(), token, how: asked::How::Reply(0) });
            }
            self.pass(5_000, [true; SLOTS], 0);
        }
        for id in self.model.ids() {
            self.step(&Asked::Acknowledge { peer: self.peers[0].clone(), id, right: true });
        }
        for slot in 0..SLOTS {
            self.act(&Op::Gone { slot });
        }
        assert_eq!(self.world.channel.next_deadline(), None);
        assert!(self.world.channel.is_idle());
        assert!(self.world.channel.followed.0.is_empty(), "nobody is remembered who follows nothing");
        assert_eq!(self.model.accepted, self.model.outcomes, "each accepted request had one outcome");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_channel_does_what_the_model_says(ops in prop::collection::vec(op(), 1..150)) {
        let mut run = Run::new();
        for op in &ops {
            run.act(op);
        }
        run.finish();
    }
}
