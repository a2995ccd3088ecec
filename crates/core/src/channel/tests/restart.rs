use super::ledger::Ledger;
use super::*;

/// A durable channel and what was kept of it.
struct Kept {
    world: World,
    ledger: Ledger,
}

impl Kept {
    fn new() -> Self {
        Self { world: World::durable(), ledger: Ledger::default() }
    }

    fn ask(&mut self, command: Command<Numbers>) -> Vec<Effect<Numbers>> {
        let effects = self.world.effects(command);
        self.ledger.keep(&effects);
        effects
    }

    fn submit(&mut self, id: u32, wish: impl FnOnce(&mut Submission<Numbers>)) {
        let effects = self.world.submit_for_effects(9, id, wish);
        self.ledger.keep(&effects);
    }

    fn subscribe(&mut self, peer: u64, credit: u32) -> Vec<String> {
        let peer = self.world.peer(peer);
        let service = service_of(peer.id.0);
        lines(&self.ask(Command::Subscribe { peer, service, credit, hold: Hold::Connection, lease: LEASE }))
    }

    fn settle(&mut self, token: Token, settlement: Settling<Numbers>) {
        let peer = self.world.peer(1);
        self.ask(Command::Settle { peer, call: Call(0), token, settlement });
    }

    fn add_part(&mut self, token: Token, number: u32) {
        let peer = self.world.peer(1);
        self.ask(Command::AddPart { peer, call: Call(0), token, number, part: number, bytes: 1 });
    }

    fn acknowledge(&mut self, id: u32) {
        let (peer, requester) = (self.world.peer(9), requester("consumer"));
        self.ask(Command::Acknowledge { peer, call: Call(0), id: request(id), requester, ticket: None });
    }

    fn pass(&mut self, length: Duration) {
        self.world.now.time = self.world.now.time + length;
        let mut effects = Vec::new();
        self.world.channel.handle_deadline(self.world.now, &mut effects);
        self.world.note_changes(&effects);
        self.ledger.keep(&effects);
    }

    /// The broker is gone for a while and begins again; says what the channel does then.
    fn restart_after(&mut self, length: Duration) -> Vec<String> {
        self.world.now.time = self.world.now.time + length;
        let start = self.world.channel.start + 1;
        self.world.channel = self.ledger.restore(self.world.channel.settings.clone(), start);
        self.world.last_change = Change::default();
        self.world.peers.clear();
        let mut effects = Vec::new();
        self.world.channel.begin(self.world.now, &mut effects);
        self.world.note_changes(&effects);
        self.ledger.keep(&effects);
        lines(&effects)
    }

    fn restart(&mut self) -> Vec<String> {
        self.restart_after(Duration::ZERO)
    }
}

/// Of the broker's next start.
fn next_token(id: u32, delivery: u32) -> Token {
    Token { start: START + 1, ..token(id, delivery) }
}

#[test]
fn what_waits_waits_in_its_old_order_and_before_what_comes() {
    let mut kept = Kept::new();
    for id in [3, 1, 2] {
        kept.submit(id, |submission| submission.priority = if id == 2 { 9 } else { 4 });
    }
    assert!(kept.restart().is_empty());
    assert_eq!(kept.world.channel.figures().waiting, 3);
    kept.submit(4, |_| ());
    let told = kept.subscribe(1, 10);
    let order = [2, 3, 1, 4].map(|id| format!("1 delivery {id}/1 attempt 1"));
    assert_eq!(told, order);
}

#[test]
fn what_was_in_flight_waits_at_its_old_place_and_uncounted() {
    let mut kept = Kept::new();
    kept.submit(1, |_| ());
    kept.submit(2, |_| ());
    kept.subscribe(1, 1);
    kept.restart();
    assert_eq!(kept.world.channel.figures(), Figures { open: 2, waiting: 2, ..kept.world.channel.figures() });
    assert_eq!(kept.world.reply(1, token(1, 1)), ["1 answered LeaseLost"], "that delivery counts no more");
    assert_eq!(kept.world.take_back(1, token(1, 1)), ["1 answered LeaseLost"]);
    assert_eq!(kept.subscribe(1, 1), ["1 delivery 1/1 attempt 1"], "the counter may lag by it, and never leads");
}

#[test]
fn counted_attempts_and_the_number_of_deliveries_are_kept() {
    let mut kept = Kept::new();
    kept.submit(1, |_| ());
    kept.subscribe(1, 1);
    kept.settle(token(1, 1), Settling::Release);
    kept.pass(BACKED_OFF);
    kept.settle(token(1, 2), Settling::Retry { problem: 13, retry_after: None });
    kept.restart_after(BACKED_OFF);
    assert_eq!(kept.subscribe(1, 1), ["1 delivery 1/3 attempt 2"]);
}

#[test]
fn what_backs_off_goes_on_backing_off() {
    let mut kept = Kept::new();
    kept.submit(1, |_| ());
    kept.subscribe(1, 1);
    kept.settle(token(1, 1), Settling::Retry { problem: 13, retry_after: Some(seconds(60)) });
    kept.restart_after(seconds(59));
    assert!(kept.subscribe(1, 1).is_empty());
    assert_eq!(kept.world.pass(seconds(1)), ["1 delivery 1/2 attempt 2"]);
}

#[test]
fn a_backoff_that_is_over_when_the_broker_begins_is_over() {
    let mut kept = Kept::new();
    kept.submit(1, |_| ());
    kept.subscribe(1, 1);
    kept.settle(token(1, 1), Settling::Retry { problem: 13, retry_after: Some(seconds(60)) });
    assert!(kept.restart_after(seconds(60)).is_empty());
    assert_eq!(kept.subscribe(1, 1), ["1 delivery 1/2 attempt 2"]);
}

#[test]
fn a_delay_goes_on_and_one_that_is_over_joins_the_queue() {
    let mut kept = Kept::new();
    kept.submit(1, |submission| submission.delay = seconds(60));
    kept.submit(2, |_| ());
    kept.restart_after(seconds(30));
    assert_eq!(kept.world.channel.figures().scheduled, 1);
    assert_eq!(kept.restart_after(seconds(30)), ["keep move 1 order 1 deliveries 0/0/0"]);
    assert_eq!(kept.subscribe(1, 2), ["1 delivery 2/1 attempt 1", "1 delivery 1/1 attempt 1"]);
}

#[test]
fn a_deadline_that_passed_meanwhile_has_passed() {
    let mut kept = Kept::new();
    kept.submit(1, |submission| submission.deadline = Some(seconds(60)));
    let told = kept.restart_after(seconds(60));
    assert_eq!(told, ["keep end 1 expired after 0 deliveries 0", "post 1"]);
}

#[test]
fn outcomes_go_into_their_mailboxes_in_the_order_in_which_they_came() {
    let mut kept = Kept::new();
    kept.subscribe(1, 10);
    for id in [1, 3] {
        kept.submit(id, |_| ());
    }
    kept.submit(4, |submission| submission.place = TestPlace::new(false));
    for id in [3, 4, 1] {
        kept.settle(token(id, 1), Settling::Reply(42));
        kept.pass(seconds(1));
    }
    assert_eq!(kept.restart(), ["post 3", "post 1"], "and nothing of what is in no mailbox");
    assert_eq!(kept.world.channel.unacknowledged(), 2);
    assert_eq!(kept.world.attach(9, 4)[1], "9 outcome 4 replied 42 after 1", "but it is kept");
    kept.acknowledge(3);
    kept.acknowledge(1);
    assert_eq!(kept.restart_after(RETENTION), ["keep forget 4"]);
    assert!(kept.world.channel.is_idle() && kept.ledger.is_empty());
}

#[test]
fn an_outcome_that_was_acknowledged_is_kept_for_its_key_alone() {
    let mut kept = Kept::new();
    let key = Key { requester: None, text: "k".into(), fingerprint: 1 };
    kept.submit(1, |submission| submission.key = Some(key.clone()));
    kept.subscribe(1, 1);
    kept.settle(token(1, 1), Settling::Reply(42));
    kept.acknowledge(1);
    assert!(kept.restart().is_empty(), "it is in no mailbox");
    let told = kept.world.submit_with(9, 2, |submission| submission.key = Some(key.clone()));
    assert_eq!(told, ["9 accepted 2 services 0 duplicate of 1", "9 outcome 2 replied 42 after 1"]);
    assert_eq!(kept.restart_after(RETENTION), ["keep forget 1"]);
    assert_eq!(kept.world.channel.figures().keys, 0);
}

#[test]
fn a_key_stays_the_key_of_its_request() {
    let mut kept = Kept::new();
    kept.submit(1, |submission| {
        submission.key = Some(Key { requester: None, text: "k".into(), fingerprint: 1 });
    });
    kept.restart();
    let told = kept.world.submit_with(9, 2, |submission| {
        submission.key = Some(Key { requester: None, text: "k".into(), fingerprint: 2 });
    });
    assert_eq!(told, ["9 refused 2 key_conflict"]);
}

#[test]
fn the_settlement_that_settled_is_known_to_the_next_start_and_no_other_is() {
    let mut kept = Kept::new();
    kept.submit(1, |_| ());
    kept.subscribe(1, 1);
    kept.settle(token(1, 1), Settling::Retry { problem: 13, retry_after: None });
    kept.pass(BACKED_OFF);
    kept.settle(token(1, 2), Settling::Reply(42));
    kept.restart();
    assert_eq!(kept.world.reply(1, token(1, 2)), ["1 answered Settled"]);
    assert_eq!(kept.world.renew(1, token(1, 2)), ["1 answered Settled"]);
    assert_eq!(kept.world.take_back(1, token(1, 2)), ["1 answered Settled"]);
    assert_eq!(kept.world.reply(1, token(1, 1)), ["1 answered LeaseLost"], "it settled for another attempt only");
    assert_eq!(kept.world.reply(1, next_token(1, 2)), ["1 answered LeaseLost"]);
    kept.restart();
    assert_eq!(kept.world.reply(1, token(1, 2)), ["1 answered Settled"], "nor does another start forget it");
}

#[test]
fn what_was_cancelled_was_settled_by_nobody() {
    let mut kept = Kept::new();
    kept.submit(1, |_| ());
    kept.subscribe(1, 1);
    let (peer, id) = (kept.world.peer(9), request(1));
    kept.ask(Command::Cancel { peer, call: Call(0), id });
    kept.restart();
    assert_eq!(kept.world.channel.figures().in_flight, 0, "nothing is stopping");
    assert_eq!(kept.world.reply(1, token(1, 1)), ["1 answered LeaseLost"]);
}

#[test]
fn parts_are_there_behind_the_outcome_too() {
    let mut kept = Kept::new();
    kept.submit(1, |_| ());
    kept.subscribe(1, 1);
    for number in 1..=3 {
        kept.add_part(token(1, 1), number);
    }
    let (id, requester) = (request(1), requester("consumer"));
    kept.ask(Command::AcknowledgeParts { id, requester, delivery: 1, through: 1 });
    kept.settle(token(1, 1), Settling::Reply(42));
    kept.restart();
    kept.world.attach(8, 1);
    let told = kept.world.follow_parts(8, 1, (0, 0), 10);
    assert_eq!(told, ["8 parts from 1 1/2", "8 part 1 1/2", "8 part 1 1/3", "8 outcome 1 replied 42 after 1"]);
}

#[test]
fn a_delivery_whose_parts_were_seen_does_not_give_its_number_away() {
    let mut kept = Kept::new();
    kept.submit(1, |_| ());
    kept.submit(2, |_| ());
    kept.subscribe(1, 2);
    kept.add_part(token(1, 1), 1);
    kept.add_part(token(2, 1), 1);
    let (id, requester) = (request(2), requester("consumer"));
    kept.ask(Command::AcknowledgeParts { id, requester, delivery: 1, through: 1 });
    kept.restart();
    let told = kept.subscribe(1, 2);
    let void = ["keep move 1 order 0 deliveries 2/0/0", "keep drop parts 1 1/1"];
    assert_eq!(told[..2], void, "those that are kept are void from here on");
    assert_eq!(told[2..], ["1 delivery 1/2 attempt 1", "1 delivery 2/2 attempt 1"]);
}

#[test]
fn letters_are_there_in_their_order_and_can_be_redriven() {
    let mut kept = Kept::new();
    kept.subscribe(1, 10);
    for id in [2, 1] {
        kept.submit(id, |submission| submission.bytes = 10);
        kept.settle(token(id, 1), Settling::Reject(13));
        kept.acknowledge(id);
    }
    kept.restart();
    let letters = kept.world.channel.dead_letters(None).map(|letter| (number(letter.id), letter.bytes, letter.last));
    assert_eq!(letters.collect::<Vec<_>>(), [(2, 10, Some(13)), (1, 10, Some(13))]);
    assert_eq!(kept.world.redrive(8, 2, 50)[2], "8 redriven as 50");
    assert_eq!(kept.world.purge(8, 1)[1], "8 purged true");
}

#[test]
fn letters_that_are_too_old_or_too_many_go_when_the_channel_begins() {
    let mut kept = Kept::new();
    kept.world.channel.settings.dead_letter_age = seconds(100);
    kept.subscribe(1, 10);
    for id in [1, 2] {
        kept.submit(id, |_| ());
        kept.settle(token(id, 1), Settling::Reject(13));
        kept.acknowledge(id);
        kept.pass(seconds(1));
    }
    kept.world.channel.settings.max_dead_letters = 1;
    assert_eq!(kept.restart(), ["keep exhume 1"]);
    assert_eq!(kept.restart_after(seconds(100)), ["keep exhume 2"]);
}

#[test]
fn a_redriven_request_still_names_the_first_one() {
    let mut kept = Kept::new();
    kept.subscribe(1, 1);
    kept.submit(1, |_| ());
    kept.settle(token(1, 1), Settling::Reject(13));
    let (peer, place) = (kept.world.peer(8), kept.world.place("consumer"));
    let redrive = Command::Redrive { peer, call: Call(0), id: request(1), new_id: request(50), request: 50, place };
    kept.ask(redrive);
    kept.restart();
    let peer = kept.world.peer(8);
    let effects = kept.world.effects(Command::Attach { peer, ticket: TicketNumber(50), id: request(50) });
    let What::Tell { tell: Tell::State { redrive_of, .. }, .. } = &effects[0].what else {
        panic!("expected a state, got {effects:?}");
    };
    assert_eq!(*redrive_of, Some(request(1)));
}

#[test]
fn a_channel_that_drained_hands_out_again_when_it_begins() {
    let mut kept = Kept::new();
    kept.submit(1, |_| ());
    kept.ask(Command::StopDispatch);
    assert!(kept.subscribe(1, 1).is_empty());
    kept.restart();
    assert_eq!(kept.subscribe(1, 1), ["1 delivery 1/1 attempt 1"]);
}

#[test]
fn parts_that_a_delivery_made_void_are_not_there_after_a_restart() {
    let mut kept = Kept::new();
    kept.submit(1, |_| {});
    kept.subscribe(1, 1);
    kept.add_part(token(1, 1), 1);
    kept.restart();
    let told = kept.subscribe(2, 1);
    let void = told.iter().position(|line| line.starts_with("keep drop parts")).expect("it is kept that they are void");
    let delivered = told.iter().position(|line| line.contains("delivery")).expect("it is delivered");
    assert!(void < delivered, "{told:?}");
    kept.restart();
    assert_eq!(kept.world.channel.deliveries().collect::<Vec<_>>(), [(request(1), 2)]);
}

#[test]
fn a_channel_that_begins_again_gives_no_number_of_a_delivery_twice() {
    let mut kept = Kept::new();
    kept.submit(1, |_| {});
    kept.subscribe(1, 1);
    let deliveries = kept.world.channel.deliveries().collect::<Vec<_>>();
    assert_eq!(deliveries, [(request(1), 1)]);
    kept.world.channel = kept.ledger.restore(kept.world.channel.settings.clone(), START);
    kept.world.last_change = Change::default();
    let mut effects = Vec::new();
    for (id, last) in deliveries {
        kept.world.channel.skip_deliveries(id, last);
    }
    kept.world.channel.begin(kept.world.now, &mut effects);
    assert!(effects.is_empty(), "it is kept when it matters, at the next delivery");
    kept.subscribe(2, 1);
    assert_eq!(kept.world.channel.deliveries().collect::<Vec<_>>(), [(request(1), 2)]);
    kept.restart();
    kept.subscribe(3, 1);
    assert_eq!(kept.world.channel.deliveries().collect::<Vec<_>>(), [(request(1), 2)], "the last one was cut off");
}
