//! What the model knows, and what it says of a step.

use std::collections::BTreeMap;

use super::asked::How;
use super::*;

type Key = (PeerId, ServiceNumber);

pub(super) struct Model {
    settings: Settings,
    now: Time,
    requests: BTreeMap<u32, Known>,
    /// Subscriptions: the connection and the credit.
    services: BTreeMap<Key, (TestPeer, u32, Hold, ServiceInstance)>,
    /// Who follows which request.
    followers: BTreeSet<(PeerId, u32)>,
    /// Ids whose requests are gone.
    gone: BTreeSet<u32>,
    /// What is to be told in this step, but for deliveries.
    expected: Vec<String>,
    pub(super) accepted: usize,
    pub(super) outcomes: usize,
}

/// A request that was accepted and is not gone.
#[derive(Debug)]
struct Known {
    order: usize,
    attempts: u32,
    deliveries: u32,
    releases: u32,
    last_problem: Option<u32>,
    settled: BTreeSet<u32>,
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    Waiting,
    InFlight(Held),
    /// It comes back at a moment between two, and until then the delivery may be taken back, if one was lost.
    Back {
        earliest: Time,
        latest: Time,
        lost: Option<Held>,
    },
    Ended {
        outcome: String,
        at: Time,
    },
}

#[derive(Debug, Clone)]
struct Held {
    delivery: u32,
    service: ServiceInstance,
    hold: Hold,
    holder: Option<TestPeer>,
    renewed: Time,
    progress: bool,
}

impl Held {
    fn by(&self, peer: PeerId, service: ServiceNumber) -> bool {
        self.holder.as_ref().is_some_and(|holder| holder.id == peer) && self.service.service == service
    }

    fn end(&self, lease: Duration) -> Time {
        match (&self.holder, self.hold) {
            (Some(peer), Hold::Connection) => peer.last_heard().max(self.renewed) + lease,
            _ => self.renewed + lease,
        }
    }
}

impl Known {
    fn held(&self) -> Option<&Held> {
        if let Place::InFlight(held) = &self.place { Some(held) } else { None }
    }

    fn is_open(&self) -> bool {
        !matches!(self.place, Place::Ended { .. })
    }

    /// Whether it is in the queue, or may be.
    fn may_wait(&self, now: Time) -> bool {
        match &self.place {
            Place::Waiting => true,
            Place::Back { earliest, .. } => *earliest <= now,
            _ => false,
        }
    }
}

impl Model {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            now: Time::default(),
            requests: BTreeMap::new(),
            services: BTreeMap::new(),
            followers: BTreeSet::new(),
            gone: BTreeSet::new(),
            expected: Vec::new(),
            accepted: 0,
            outcomes: 0,
        }
    }

    /// The id that stands for a small number now: another one whenever the request before is gone.
    pub(super) fn id(&self, number: u32) -> u32 {
        (0..).map(|generation| number + 100 * generation).find(|id| !self.gone.contains(id)).unwrap()
    }

    pub(super) fn ids(&self) -> Vec<u32> {
        self.requests.keys().copied().collect()
    }

    pub(super) fn open(&self) -> usize {
        self.requests.values().filter(|known| known.is_open()).count()
    }

    pub(super) fn figures(&self) -> Figures {
        let in_flight = self.requests.values().filter(|known| known.held().is_some()).count();
        Figures {
            waiting: self.open() - in_flight,
            in_flight,
            services: self.services.len(),
            retained: self.requests.len() - self.open(),
        }
    }

    /// Says what the step does, and compares it with what was done.
    pub(super) fn check(&mut self, now: Time, asked: &Asked, effects: &[Effect<Numbers>]) {
        self.now = now;
        self.expected.clear();
        self.what_is_due(effects);
        self.what_is_asked(asked, effects);
        let mut told = Vec::new();
        for effect in effects {
            match &effect.what {
                What::Tell { peer, tell: Tell::Delivery { service, token, attempt, .. } } => {
                    self.delivered((peer.id, *service), *token, *attempt);
                }
                _ => told.push(line(effect)),
            }
        }
        told.sort();
        self.expected.sort();
        assert_eq!(told, self.expected, "after {asked:?}");
        self.nobody_waits_in_vain();
    }

    fn what_is_due(&mut self, effects: &[Effect<Numbers>]) {
        for id in self.ids() {
            let known = &self.requests[&id];
            match known.place.clone() {
                Place::InFlight(held) if held.end(self.settings.lease) <= self.now => {
                    if let Some(holder) = &held.holder {
                        self.expected.push(format!("{} stop {id}/{} LeaseLost", holder.id.0, held.delivery));
                    }
                    self.lose(id, held);
                }
                Place::Back { earliest, latest, lost } => {
                    let dies = lost.is_some() && known.attempts >= self.settings.max_attempts;
                    let posted = effects.iter().any(|effect| line(effect) == format!("post {id}"));
                    if dies && (latest <= self.now || (earliest <= self.now && posted)) {
                        self.die(id, "attempts_exhausted");
                    } else if !dies && latest <= self.now {
                        self.requests.get_mut(&id).unwrap().place = Place::Waiting;
                    }
                }
                Place::Ended { at, .. } if at + self.settings.retention <= self.now => self.forget(id),
                _ => {}
            }
        }
    }

    fn what_is_asked(&mut self, asked: &Asked, effects: &[Effect<Numbers>]) {
        match asked {
            Asked::Nothing | Asked::Resume { .. } => {}
            Asked::Submit { peer, id } => self.submit(peer, *id),
            Asked::Attach { peer, id } => self.attach(peer, *id, effects),
            Asked::Detach { peer, id } => {
                let followed = self.followers.remove(&(peer.id, *id));
                if followed && !self.requests[id].is_open() {
                    self.expected.push(format!("repost {id} to {}", peer.id.0));
                }
            }
            Asked::Acknowledge { peer, id, right } => {
                let result = match self.requests.get(id) {
                    None => "Done",
                    Some(_) if !right => "Forbidden",
                    Some(known) if known.is_open() => "NoOutcomeYet",
                    Some(_) => {
                        self.forget(*id);
                        "Done"
                    }
                };
                self.expected.push(format!("{} acknowledged {result}", peer.id.0));
            }
            Asked::Subscribe { peer, service, credit, hold } => {
                self.services.insert((peer.id, service.service), (peer.clone(), *credit, *hold, *service));
            }
            Asked::Credit { peer, service, credit } => {
                if let Some((_, before, ..)) = self.services.get_mut(&(peer.id, *service)) {
                    *before = *credit;
                }
            }
            Asked::Unsubscribe { peer, service } => {
                self.services.remove(&(peer.id, *service));
                self.give_back(peer.id, *service);
            }
            Asked::Settle { peer, token, how } => {
                let answer = self.settle(*token, *how);
                self.expected.push(format!("{} answered {answer}", peer.id.0));
            }
            Asked::Renew { peer, token } => {
                let now = self.now;
                let answer = match self.current(*token) {
                    Some((_, held)) => {
                        held.renewed = now;
                        "Renewed"
                    }
                    None => self.settled_or_lost(*token),
                };
                self.expected.push(format!("{} answered {answer}", peer.id.0));
            }
            Asked::TakeBack { peer, service, token } => {
                let taken = effects.iter().any(|effect| line(effect).ends_with("answered TakenBack"));
                let answer = self.take_back(peer, *service, *token, taken);
                self.expected.push(format!("{} answered {answer}", peer.id.0));
            }
            Asked::Report { token } => {
                if let Some((id, held)) = self.current(*token) {
                    held.progress = true;
                    let followers = self.followers.iter().filter(|(_, followed)| *followed == id);
                    self.expected.extend(followers.map(|(peer, _)| format!("{} progress {id} 0.5", peer.0)));
                }
            }
            Asked::Gone { peer } => {
                self.services.retain(|(gone, _), _| *gone != peer.id);
                self.followers.retain(|(gone, _)| *gone != peer.id);
                self.lose_all(peer.id);
            }
        }
    }

    fn submit(&mut self, peer: &TestPeer, id: u32) {
        if !self.requests.contains_key(&id) {
            if self.open() >= self.settings.capacity {
                return self.expected.push(format!("{} refused {id} channel_full", peer.id.0));
            }
            let order = self.accepted;
            self.accepted += 1;
            let (settled, place) = (BTreeSet::new(), Place::Waiting);
            let known = Known { order, attempts: 0, deliveries: 0, releases: 0, last_problem: None, settled, place };
            self.requests.insert(id, known);
        }
        self.expected.push(format!("{} accepted {id} services {}", peer.id.0, self.services.len()));
        self.follow(peer, id);
    }

    fn attach(&mut self, peer: &TestPeer, id: u32, effects: &[Effect<Numbers>]) {
        let peer_id = peer.id.0;
        let Some(known) = self.requests.get_mut(&id) else {
            return self.expected.push(format!("{peer_id} refused {id} unknown_ticket"));
        };
        let came_back = effects.iter().any(|effect| line(effect) == format!("{peer_id} state {id} Waiting"));
        if came_back && known.may_wait(self.now) {
            known.place = Place::Waiting;
        }
        let state = match &known.place {
            Place::Waiting => "Waiting".to_owned(),
            Place::InFlight(held) => {
                let progress = if held.progress { " progress 0.5" } else { "" };
                format!("in flight {} attempt {}{progress}", held.delivery, known.attempts)
            }
            Place::Back { .. } => "BackingOff".to_owned(),
            Place::Ended { outcome, .. } => format!("ended {}", outcome.split(' ').next().unwrap()),
        };
        self.expected.push(format!("{peer_id} state {id} {state}"));
        self.follow(peer, id);
    }

    fn follow(&mut self, peer: &TestPeer, id: u32) {
        self.followers.insert((peer.id, id));
        if let Place::Ended { outcome, .. } = &self.requests[&id].place {
            self.expected.push(format!("{} outcome {id} {outcome}", peer.id.0));
        }
    }

    /// The request and delivery in flight whose token this is.
    fn current(&mut self, token: Token) -> Option<(u32, &mut Held)> {
        let id = number(token.id);
        match &mut self.requests.get_mut(&id).filter(|_| token.start == START)?.place {
            Place::InFlight(held) if held.delivery == token.delivery => Some((id, held)),
            _ => None,
        }
    }

    fn settled_or_lost(&self, token: Token) -> &'static str {
        let known = self.requests.get(&number(token.id)).filter(|_| token.start == START);
        if known.is_some_and(|known| known.settled.contains(&token.delivery)) { "Settled" } else { "LeaseLost" }
    }

    fn settle(&mut self, token: Token, how: How) -> &'static str {
        let Some((id, _)) = self.current(token) else {
            return self.settled_or_lost(token);
        };
        let known = self.requests.get_mut(&id).unwrap();
        known.settled.insert(token.delivery);
        let attempts = known.attempts;
        match how {
            How::Reply(answer) => self.end(id, format!("replied {answer} after {attempts}")),
            How::Fail => self.end(id, format!("failed 13 after {attempts}")),
            How::Reject => self.end(id, format!("dead rejected last 14 after {attempts}")),
            How::Retry(after) => {
                known.last_problem = Some(15);
                if attempts >= self.settings.max_attempts {
                    return self.die_settled(id, "attempts_exhausted");
                }
                self.back_off(id, attempts, seconds(after.unwrap_or_default()), None);
            }
            How::Release => {
                known.attempts -= 1;
                known.releases += 1;
                if known.releases > self.settings.max_releases {
                    return self.die_settled(id, "releases_exhausted");
                }
                self.back_off(id, 1, Duration::ZERO, None);
            }
        }
        "Settled"
    }

    fn take_back(&mut self, peer: &TestPeer, service: ServiceInstance, token: Token, taken: bool) -> &'static str {
        let id = number(token.id);
        let Some(known) = self.requests.get_mut(&id).filter(|_| token.start == START) else {
            return "LeaseLost";
        };
        let held = match &known.place {
            Place::InFlight(held) => held.clone(),
            Place::Back { earliest, lost: Some(held), .. } if taken || *earliest > self.now => held.clone(),
            // Another one of the same service might have been taken back still: this one was given up.
            Place::Back { lost: Some(held), .. } => {
                if held.delivery == token.delivery && (held.hold == Hold::Lease || held.service == service) {
                    known.place = Place::Waiting;
                }
                return self.settled_or_lost(token);
            }
            _ => return self.settled_or_lost(token),
        };
        if held.delivery != token.delivery || (held.hold == Hold::Connection && held.service != service) {
            return self.settled_or_lost(token);
        }
        if let Some(former) = held.holder.as_ref().filter(|former| former.id != peer.id) {
            self.expected.push(format!("{} stop {id}/{} LeaseLost", former.id.0, held.delivery));
        }
        known.place = Place::InFlight(Held { service, holder: Some(peer.clone()), renewed: self.now, ..held });
        "TakenBack"
    }

    fn give_back(&mut self, peer: PeerId, service: ServiceNumber) {
        for known in self.requests.values_mut() {
            let Place::InFlight(held) = &mut known.place else { continue };
            match held.hold {
                _ if !held.by(peer, service) => {}
                Hold::Lease => held.holder = None,
                Hold::Connection => {
                    known.attempts -= 1;
                    known.place = Place::Waiting;
                }
            }
        }
    }

    fn lose_all(&mut self, peer: PeerId) {
        for id in self.ids() {
            let Place::InFlight(held) = &mut self.requests.get_mut(&id).unwrap().place else { continue };
            if held.holder.as_ref().is_none_or(|holder| holder.id != peer) {
                continue;
            }
            held.holder = None;
            if held.hold == Hold::Connection {
                let held = held.clone();
                self.lose(id, held);
            }
        }
    }

    fn lose(&mut self, id: u32, mut held: Held) {
        held.holder = None;
        let attempts = self.requests[&id].attempts;
        self.back_off(id, attempts, Duration::ZERO, Some(held));
    }

    fn back_off(&mut self, id: u32, attempts: u32, at_least: Duration, lost: Option<Held>) {
        let mut plain = self.settings.backoff_first;
        for _ in 1..attempts {
            plain = (plain * 2).min(self.settings.backoff_max);
        }
        let (earliest, latest) = (self.now + plain.max(at_least), self.now + (plain * 3 / 2).max(at_least));
        self.requests.get_mut(&id).unwrap().place = Place::Back { earliest, latest, lost };
    }

    fn die_settled(&mut self, id: u32, reason: &str) -> &'static str {
        self.die(id, reason);
        "Settled"
    }

    fn die(&mut self, id: u32, reason: &str) {
        let known = &self.requests[&id];
        let last = known.last_problem.map(|last| format!(" last {last}")).unwrap_or_default();
        self.end(id, format!("dead {reason}{last} after {}", known.attempts));
    }

    fn end(&mut self, id: u32, outcome: String) {
        self.outcomes += 1;
        for (peer, _) in self.followers.iter().filter(|(_, followed)| *followed == id) {
            self.expected.push(format!("{} outcome {id} {outcome}", peer.0));
        }
        self.expected.push(format!("post {id}"));
        let known = self.requests.get_mut(&id).unwrap();
        assert!(known.is_open(), "request {id} ends once");
        known.place = Place::Ended { outcome, at: self.now };
    }

    fn forget(&mut self, id: u32) {
        self.requests.remove(&id);
        self.followers.retain(|(_, followed)| *followed != id);
        self.gone.insert(id);
        self.expected.push(format!("unpost {id}"));
    }

    /// A delivery: to a service with credit and room, of the oldest request that waits, within its attempts.
    fn delivered(&mut self, key: Key, token: Token, attempt: u32) {
        let id = number(token.id);
        let (peer, credit, hold, service) = self.services[&key].clone();
        assert!(self.holds(key) < credit as usize, "{key:?} has no credit for request {id}");
        assert!(peer.has_room());
        let order = self.requests[&id].order;
        let older = self.requests.values().find(|known| matches!(known.place, Place::Waiting) && known.order < order);
        assert!(older.is_none(), "request {id} goes before {older:?}");
        let now = self.now;
        let known = self.requests.get_mut(&id).unwrap();
        assert!(known.may_wait(now), "request {id} is delivered while it is {:?}", known.place);
        known.deliveries += 1;
        known.attempts += 1;
        assert_eq!(token, Token { start: START, id: request(id), delivery: known.deliveries });
        assert_eq!(attempt, known.attempts);
        assert!(attempt <= self.settings.max_attempts);
        let delivery = known.deliveries;
        let held = Held { delivery, service, hold, holder: Some(peer), renewed: now, progress: false };
        known.place = Place::InFlight(held);
    }

    fn holds(&self, (peer, service): Key) -> usize {
        self.requests.values().filter(|known| known.held().is_some_and(|held| held.by(peer, service))).count()
    }

    fn nobody_waits_in_vain(&self) {
        let waits = self.requests.values().any(|known| matches!(known.place, Place::Waiting));
        let free = self
            .services
            .iter()
            .find(|(key, (peer, credit, ..))| peer.has_room() && self.holds(**key) < *credit as usize);
        assert!(!waits || free.is_none(), "a request waits, and {free:?} is free");
    }
}
