//! The invariants, watched on the effects alone.
//!
//! The witness knows what was asked and sees what is done. It knows nothing of how a channel comes to it.

use std::collections::BTreeMap;

use super::asked::Asked;
use super::*;

#[derive(Default)]
pub(super) struct Witness {
    /// What each ticket number stands for.
    tickets: BTreeMap<(PeerId, TicketNumber), u32>,
    requests: BTreeMap<u32, Seen>,
    letters: BTreeMap<u32, u8>,
    handed_out: Vec<Time>,
    accepted: usize,
}

/// An accepted request.
struct Seen {
    priority: u8,
    /// When it began to wait, or will; delays that are over go before what is asked at the same moment.
    waits_from: (Time, bool, usize),
    key: Option<Key>,
    latest_delivery: u32,
    /// The broker began again since: the counter may lag by that delivery.
    may_lag: bool,
    /// The latest, if it is of this start of the broker.
    latest: Option<(u64, u32)>,
    settled: Vec<(u64, u32)>,
    has_ended: bool,
    outcome: Option<(String, Time)>,
}

impl Seen {
    /// Its outcome is to come, or its retention lasts: after that it is forgotten, with its key.
    fn is_kept(&self, settings: &Settings, now: Time) -> bool {
        self.outcome.as_ref().is_none_or(|(_, at)| *at + settings.retention > now)
    }
}

impl Witness {
    pub(super) fn see(&mut self, settings: &Settings, now: Time, asked: &Asked, effects: &[Effect<Numbers>]) {
        if let Asked::Submit { peer, ticket, asked } = asked
            && !asked.tells_acceptance
            && !effects.iter().any(|effect| is_answer(&effect.what, peer, *ticket))
        {
            self.tickets.insert((peer.id, TicketNumber(*ticket)), asked.id);
            self.one_key_one_request(settings, now, asked.key.as_ref());
            self.accept(now, asked.id, asked.priority, asked.delay, asked.key.clone());
        }
        for effect in effects {
            match &effect.what {
                What::Tell { peer, tell } => self.told(settings, now, asked, peer, tell),
                What::Post { id, .. } => {
                    let seen = self.requests.get_mut(&number(*id));
                    seen.expect("I1: only an accepted request has an outcome").has_ended = true;
                }
                _ => {}
            }
        }
        if let Asked::Damaged { id } = asked
            && let Some(seen) = self.requests.get_mut(id)
            && seen.is_kept(settings, now)
        {
            // The one reason for which there may be another outcome.
            seen.outcome = None;
        }
    }

    fn told(&mut self, settings: &Settings, now: Time, asked: &Asked, peer: &TestPeer, tell: &Tell<Numbers>) {
        match tell {
            Tell::Accepted { ticket, duplicate, .. } => {
                let Asked::Submit { asked, .. } = asked else { panic!("nobody submitted") };
                let id = duplicate.as_ref().map_or(asked.id, |first| number(first.id));
                self.tickets.insert((peer.id, *ticket), id);
                if !self.requests.contains_key(&id) {
                    assert!(duplicate.is_none(), "a duplicate of what was never accepted");
                    self.one_key_one_request(settings, now, asked.key.as_ref());
                    self.accept(now, id, asked.priority, asked.delay, asked.key.clone());
                }
            }
            Tell::Redriven { result: Redrive::Accepted(id), .. } => {
                let Asked::Redrive { id: letter, .. } = asked else { panic!("nobody redrove") };
                self.accept(now, number(*id), self.letters[letter], Duration::ZERO, None);
            }
            Tell::State { ticket, .. } => {
                let Asked::Attach { id, .. } = asked else { panic!("nobody attached") };
                self.tickets.insert((peer.id, *ticket), *id);
            }
            Tell::Outcome { ticket, outcome } => {
                let id = self.tickets[&(peer.id, *ticket)];
                let told = outcome_name(outcome);
                let seen = self.requests.get_mut(&id).expect("I1: only an accepted request has an outcome");
                if matches!(asked, Asked::Damaged { id: damaged } if *damaged == id) && told.starts_with("dead damaged")
                {
                    seen.outcome = None;
                }
                let (first, _) = seen.outcome.get_or_insert_with(|| (told.clone(), now));
                assert_eq!(*first, told, "I1: nobody ever sees another outcome of request {id}");
                assert!(outcome.attempts <= settings.max_attempts, "I4: counted attempts");
            }
            Tell::Delivery { token, attempt, .. } => {
                self.delivered(settings, now, *token);
                assert!(*attempt <= settings.max_attempts, "I4: counted attempts");
            }
            Tell::Answered { answer: roundtrip_protocol::Answer::Settled, .. } => {
                let (Asked::Settle { token, .. } | Asked::Renew { token, .. } | Asked::TakeBack { token, .. }) = asked
                else {
                    panic!("nobody settled");
                };
                let seen = self.requests.get_mut(&number(token.id)).expect("a request that was accepted");
                let delivery = (token.start, token.delivery);
                if !seen.settled.contains(&delivery) {
                    assert!(matches!(asked, Asked::Settle { .. }), "nothing else settles");
                    let why = "I3: no settlement by a stale delivery, or one of another start";
                    assert_eq!(Some(delivery), seen.latest, "{why}");
                    seen.settled.push(delivery);
                }
            }
            _ => {}
        }
    }

    fn accept(&mut self, now: Time, id: u32, priority: u8, delay: Duration, key: Option<Key>) {
        self.accepted += 1;
        let waits_from = (now + delay, delay.is_zero(), self.accepted);
        let seen = Seen {
            priority,
            waits_from,
            key,
            latest_delivery: 0,
            may_lag: false,
            latest: None,
            settled: Vec::new(),
            has_ended: false,
            outcome: None,
        };
        self.requests.insert(id, seen);
        self.letters.insert(id, priority);
    }

    fn one_key_one_request(&self, settings: &Settings, now: Time, key: Option<&Key>) {
        let Some(key) = key else { return };
        for seen in self.requests.values() {
            let same =
                seen.key.as_ref().is_some_and(|other| (&other.requester, &other.text) == (&key.requester, &key.text));
            assert!(!(same && seen.is_kept(settings, now)), "I6: a second request under {key:?}");
        }
    }

    fn delivered(&mut self, settings: &Settings, now: Time, token: Token) {
        let id = number(token.id);
        let seen = &self.requests[&id];
        assert!(!seen.has_ended, "I3: no delivery of request {id} after its outcome");
        let lags = seen.may_lag && token.delivery == seen.latest_delivery;
        assert!(lags || token.delivery == seen.latest_delivery + 1, "deliveries are numbered 1, 2, 3 …");
        if token.delivery == 1 {
            let before = self.requests.iter().find(|(_, other)| {
                other.latest_delivery == 0
                    && !other.has_ended
                    && other.priority == seen.priority
                    && other.waits_from < seen.waits_from
            });
            assert!(before.is_none(), "I5: request {id} is delivered before {:?}", before.map(|(id, _)| id));
        }
        let seen = self.requests.get_mut(&id).expect("it was there");
        (seen.latest_delivery, seen.may_lag) = (token.delivery, false);
        seen.latest = Some((token.start, token.delivery));
        self.handed_out.push(now);
        if let Some(Rate { per_second, burst }) = settings.rate {
            for (nth, since) in self.handed_out.iter().enumerate() {
                let most = f64::from(burst) + now.since(*since).as_secs_f64() * per_second;
                assert!((self.handed_out.len() - nth) as f64 <= most + 1e-9, "I4: dispatch never exceeds the rate");
            }
        }
    }

    /// An outcome that nobody was told of is one, too.
    pub(super) fn note_outcome(&mut self, id: u32, outcome: &str, at: Time) {
        let seen = self.requests.get_mut(&id).expect("I1: only an accepted request has an outcome");
        let (first, _) = seen.outcome.get_or_insert_with(|| (outcome.to_owned(), at));
        assert_eq!(first, outcome, "I1: one outcome of request {id}");
    }

    /// The broker begins again: no delivery of before counts, and its rate begins anew.
    pub(super) fn restart(&mut self) {
        self.handed_out.clear();
        for seen in self.requests.values_mut() {
            (seen.may_lag, seen.latest) = (true, None);
        }
    }

    pub(super) fn all_have_their_outcome(&self) {
        let open: Vec<_> = self.requests.iter().filter(|(_, seen)| !seen.has_ended).map(|(id, _)| id).collect();
        assert!(open.is_empty(), "I1: requests {open:?} were accepted and have no outcome");
    }
}

/// Whether it answers a submission.
fn is_answer(what: &What<Numbers>, asker: &TestPeer, number: u32) -> bool {
    matches!(what, What::Tell { peer, tell: Tell::Accepted { ticket, .. } | Tell::Refused { ticket, .. } }
        if peer.id == asker.id && ticket.0 == number)
}
