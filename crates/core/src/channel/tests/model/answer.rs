//! What the model does when it is asked.

use super::asked::{Asked, How, Request};
use super::known::{Following, Held, Known, Model, Parts, Stage, Subscribed};
use super::*;

/// Where the delivery of a token stands.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Standing {
    Current,
    Lost,
    Settled,
    /// Its request was cancelled or expired under it.
    Ended(&'static str),
    Stale,
}

impl Model {
    pub(super) fn do_what_is_asked(&mut self, asked: &Asked) {
        match asked {
            Asked::Nothing | Asked::Resume { .. } => {}
            Asked::Submit { peer, ticket, asked } => self.submit(peer, *ticket, asked),
            Asked::Attach { peer, ticket, id } => self.attach(peer, *ticket, *id),
            Asked::Detach { peer, ticket, id } => self.detach(*peer, *ticket, *id),
            Asked::FollowParts { peer, ticket, id, delivery, after, window } => {
                self.follow_parts(*peer, *ticket, *id, (*delivery, *after, *window));
            }
            Asked::PartsWindow { peer, ticket, id, more } => {
                for follower in &mut self.followers {
                    if (follower.peer.id, follower.ticket, follower.id) == (*peer, *ticket, *id)
                        && let Some(parts) = &mut follower.parts
                    {
                        parts.window += more;
                    }
                }
                if self.known(*id).is_some() {
                    self.send_parts(*id);
                }
            }
            Asked::AcknowledgeParts { id, requester, delivery, through } => {
                self.acknowledge_parts(*id, requester, *delivery, *through);
            }
            Asked::Cancel { peer, id } => {
                let result = match self.known(*id).map(|known| known.stage.clone()) {
                    None => "UnknownTicket".to_owned(),
                    Some(Stage::Ended { outcome, .. }) => format!("Ended({})", capital(kind(&outcome))),
                    Some(_) => {
                        self.end_under_way(*id, "cancelled");
                        "Cancelled".to_owned()
                    }
                };
                self.expected.push(format!("{} cancelled {result}", peer.id.0));
            }
            Asked::Acknowledge { peer, id, requester, ticket } => {
                let result = self.acknowledge(*id, requester);
                self.expected.push(format!("{} acknowledged {result}", peer.id.0));
                if let Some(ticket) = ticket {
                    self.detach(peer.id, *ticket, *id);
                }
            }
            Asked::Subscribe { peer, service, credit, hold, lease } => {
                self.services.retain(|there| (there.peer.id, there.service.service) != (peer.id, service.service));
                let (peer, service) = (peer.clone(), *service);
                self.services.push(Subscribed { peer, service, credit: *credit, hold: *hold, lease: *lease });
            }
            Asked::Credit { peer, service, credit } => {
                for there in &mut self.services {
                    if (there.peer.id, there.service.service) == (peer.id, *service) {
                        there.credit = *credit;
                    }
                }
            }
            Asked::Unsubscribe { peer, service } => self.unsubscribe(peer.id, *service),
            Asked::Settle { peer, token, how } => {
                let answer = self.settle(*token, *how);
                self.expected.push(format!("{} answered {answer}", peer.id.0));
            }
            Asked::Renew { peer, token } => {
                let answer = match self.standing(*token) {
                    Standing::Current => {
                        let now = self.now;
                        self.held_mut(number(token.id)).renewed = now;
                        "Renewed"
                    }
                    Standing::Settled => "Settled",
                    Standing::Ended(answer) => answer,
                    Standing::Lost | Standing::Stale => self.refuse_stale(),
                };
                self.expected.push(format!("{} answered {answer}", peer.id.0));
            }
            Asked::TakeBack { peer, service, token } => {
                let answer = self.take_back(peer, *service, *token);
                self.expected.push(format!("{} answered {answer}", peer.id.0));
            }
            Asked::AddPart { peer, token, number: part, bytes } => {
                let answer = match self.standing(*token) {
                    Standing::Current => self.add_part(number(token.id), *part, *bytes),
                    Standing::Ended(answer) => answer.to_owned(),
                    Standing::Settled | Standing::Lost | Standing::Stale => self.refuse_stale().to_owned(),
                };
                self.expected.push(format!("{} answered {answer}", peer.id.0));
            }
            Asked::Stopped { token } => {
                if token.start == self.start {
                    self.free_place(*token);
                }
            }
            Asked::Report { token } => self.report(*token),
            Asked::Gone { peer } => self.peer_gone(peer.id),
            Asked::RequesterGone { requester } => {
                for nth in 0..self.requests.len() {
                    if self.requests[nth].requester == *requester {
                        self.tell_room(nth);
                    }
                }
            }
            Asked::MakeRoom => {
                for id in self.ids() {
                    if self.known(id).is_some_and(|known| known.fetched) {
                        self.forget(id);
                    }
                }
            }
            Asked::Redrive { peer, id, new_id, place } => {
                let result = self.redrive(*id, *new_id, place);
                self.expected.push(format!("{} redriven {result}", peer.id.0));
            }
            Asked::Purge { peer, id } => {
                let nth = self.letters.iter().position(|letter| letter.id == *id);
                if let Some(nth) = nth {
                    self.drop_letter(nth);
                }
                self.expected.push(format!("{} purged {}", peer.id.0, nth.is_some()));
            }
            Asked::Damaged { id } => self.damage(*id),
            Asked::Stop => {
                for id in self.ids() {
                    self.stop(id);
                }
            }
        }
    }

    fn submit(&mut self, peer: &TestPeer, ticket: u32, asked: &Request) {
        let mut duplicate = String::new();
        let mut id = asked.id;
        let mut is_told = true;
        if let Some(known) = self.known(id) {
            if known.requester != asked.requester {
                return self.refuse(peer, ticket, "invalid");
            }
        } else {
            if asked.priority > 9 || asked.deadline.is_some_and(|deadline| deadline <= asked.delay) {
                return self.refuse(peer, ticket, "invalid");
            }
            if let Some(key) = &asked.key {
                let first = self.requests.iter().find_map(|known| {
                    let theirs = known.key.as_ref()?;
                    let same = (&theirs.requester, &theirs.text) == (&key.requester, &key.text);
                    same.then_some((known.id, theirs.fingerprint))
                });
                if let Some((first, fingerprint)) = first {
                    if fingerprint != key.fingerprint {
                        return self.refuse(peer, ticket, "key_conflict");
                    }
                    id = first;
                    duplicate = format!(" duplicate of {first}");
                } else if self.count(|known| known.key.is_some()) >= self.settings.max_keys {
                    return self.refuse(peer, ticket, "channel_full");
                }
            }
            if duplicate.is_empty() {
                if let Some(code) = self.refusal_for_room() {
                    return self.refuse(peer, ticket, code);
                }
                self.accept(asked);
                is_told = asked.tells_acceptance;
            }
        }
        if is_told {
            self.expected.push(format!("{} accepted {ticket} services {}{duplicate}", peer.id.0, self.services.len()));
        }
        self.follow(peer, ticket, id);
    }

    fn refuse(&mut self, peer: &TestPeer, ticket: u32, code: &str) {
        self.expected.push(format!("{} refused {ticket} {code}", peer.id.0));
    }

    fn refusal_for_room(&self) -> Option<&'static str> {
        if self.waiting() >= self.settings.capacity {
            Some("channel_full")
        } else if self.settings.no_service == NoService::Refuse && self.services.is_empty() {
            Some("no_service")
        } else {
            None
        }
    }

    fn accept(&mut self, asked: &Request) {
        let from_delay = self.now + asked.delay;
        let deadline = asked.deadline.map_or(from_delay + self.settings.default_deadline, |given| self.now + given);
        self.requests.push(Known {
            id: asked.id,
            requester: asked.requester.clone(),
            place: asked.place.clone(),
            bytes: asked.bytes,
            priority: asked.priority,
            key: asked.key.clone(),
            redrive_of: None,
            accepted: self.now,
            deadline,
            order: u64::MAX,
            deliveries: 0,
            attempts: 0,
            releases: 0,
            last_problem: None,
            settled: Vec::new(),
            settled_by: None,
            parts: Parts::default(),
            voided_parts: false,
            fetched: false,
            acknowledged: false,
            stage: Stage::Scheduled(from_delay),
        });
        if asked.delay.is_zero() {
            self.begin_to_wait(self.requests.len() - 1);
        }
    }

    fn redrive(&mut self, id: u32, new_id: u32, place: &TestPlace) -> String {
        let Some(nth) = self.letters.iter().position(|letter| letter.id == id) else {
            return "Unknown".to_owned();
        };
        if let Some(code) = self.refusal_for_room() {
            return format!("refused {code}");
        }
        let letter = self.letters.remove(nth);
        self.spend(id);
        self.accept(&Request {
            id: new_id,
            requester: letter.requester,
            place: place.clone(),
            bytes: letter.bytes,
            priority: letter.priority,
            deadline: None,
            delay: Duration::ZERO,
            key: None,
            tells_acceptance: false,
        });
        self.known_mut(new_id).redrive_of = Some(id);
        format!("as {new_id}")
    }

    fn attach(&mut self, peer: &TestPeer, ticket: u32, id: u32) {
        let Some(known) = self.known(id) else {
            return self.refuse(peer, ticket, "unknown_ticket");
        };
        let mut progress = "";
        let state = match &known.stage {
            Stage::Scheduled(_) => "scheduled".to_owned(),
            Stage::Waiting => "Waiting".to_owned(),
            Stage::InFlight(held) => {
                progress = if held.progress { " progress 0.5" } else { "" };
                format!("in flight {} attempt {}", held.delivery, known.attempts)
            }
            Stage::Back { .. } => "BackingOff".to_owned(),
            Stage::Ended { outcome, .. } => format!("ended {}", kind(outcome)),
        };
        let remaining = known.is_open().then(|| known.deadline.since(self.now));
        let about = format!("attempts {} remaining {remaining:?} redrive of {:?}", known.attempts, known.redrive_of);
        self.expected.push(format!("{} state {ticket} {state}{progress} {about}", peer.id.0));
        self.follow(peer, ticket, id);
    }

    /// About how many go before a request that waits: at least those that do, at most all of its priority and above.
    pub(super) fn ahead(&self, id: u32) -> (usize, usize) {
        let known = self.known(id).expect("a request that is known");
        if !known.is_waiting() {
            return (0, 0);
        }
        let before = self.count(|other| other.is_waiting() && other.goes_before(known));
        let above = self.count(|other| other.is_waiting() && other.priority > known.priority);
        let same = self.count(|other| other.is_waiting() && other.priority == known.priority);
        (before, if before == above { before } else { above + same })
    }

    fn follow(&mut self, peer: &TestPeer, ticket: u32, id: u32) {
        let there = self
            .followers
            .iter_mut()
            .find(|follower| (follower.peer.id, follower.ticket, follower.id) == (peer.id, ticket, id));
        match there {
            Some(follower) => follower.told_outcome = false,
            None => {
                let peer = peer.clone();
                self.followers.push(Following { peer, ticket, id, told_outcome: false, parts: None });
            }
        }
        self.tell_outcome(id);
    }

    fn detach(&mut self, peer: PeerId, ticket: u32, id: u32) {
        let Some(nth) = self
            .followers
            .iter()
            .position(|follower| (follower.peer.id, follower.ticket, follower.id) == (peer, ticket, id))
        else {
            return;
        };
        let follower = self.followers.remove(nth);
        let follows = self.followers.iter().any(|follower| follower.peer.id == peer && follower.id == id);
        let known = self.known_mut(id);
        known.fetched |= follower.told_outcome && !known.place.has_mailbox() && known.key.is_none();
        if known.is_posted() && !follows {
            self.expected.push(format!("repost {id} to {}", peer.0));
        }
    }

    fn acknowledge(&mut self, id: u32, requester: &str) -> &'static str {
        let Some(known) = self.known(id) else { return "Done" };
        if known.place.has_mailbox() && known.requester != requester {
            return "Forbidden";
        }
        if known.is_open() {
            return "NoOutcomeYet";
        }
        if known.key.is_none() {
            self.forget(id);
        } else if !known.acknowledged {
            if known.is_posted() {
                self.expected.push(format!("unpost {id}"));
            }
            self.known_mut(id).acknowledged = true;
            self.drop_parts(id);
        }
        "Done"
    }

    fn standing(&self, token: Token) -> Standing {
        let (id, delivery) = (number(token.id), token.delivery);
        if token.start != self.start {
            let settled_it = self.known(id).is_some_and(|known| known.settled_by == Some((token.start, delivery)));
            return if settled_it { Standing::Settled } else { Standing::Stale };
        }
        if let Some(there) = self.stopping.iter().find(|there| (there.id, there.held.delivery) == (id, delivery)) {
            return Standing::Ended(there.answer);
        }
        let Some(known) = self.known(id) else { return Standing::Stale };
        match &known.stage {
            Stage::InFlight(held) if held.delivery == delivery => Standing::Current,
            Stage::Back { lost: Some(held), .. } if held.delivery == delivery => Standing::Lost,
            _ if known.settled.contains(&delivery) => Standing::Settled,
            _ => Standing::Stale,
        }
    }

    /// What somebody is told who shows a token that is not current, and it is counted.
    fn refuse_stale(&mut self) -> &'static str {
        self.stale += 1;
        "LeaseLost"
    }

    fn free_place(&mut self, token: Token) {
        self.stopping.retain(|there| (there.id, there.held.delivery) != (number(token.id), token.delivery));
    }

    fn held_mut(&mut self, id: u32) -> &mut Held {
        let Stage::InFlight(held) = &mut self.known_mut(id).stage else { panic!("request {id} is not in flight") };
        held
    }

    fn settle(&mut self, token: Token, how: How) -> &'static str {
        match self.standing(token) {
            Standing::Current => {}
            Standing::Settled => return "Settled",
            Standing::Ended(answer) => {
                self.stale += 1;
                self.free_place(token);
                return answer;
            }
            Standing::Lost | Standing::Stale => return self.refuse_stale(),
        }
        let id = number(token.id);
        let nth = self.find(id).expect("a request that is known");
        let known = &mut self.requests[nth];
        known.settled.push(token.delivery);
        let attempts = known.attempts;
        match how {
            How::Reply(answer) => {
                self.end(id, format!("replied {answer} after {attempts}"));
                self.spend(id);
            }
            How::Fail => {
                self.end(id, format!("failed 13 after {attempts}"));
                self.spend(id);
            }
            How::Reject => self.die(id, DeadReason::Rejected, Some(14)),
            How::Retry(after) => {
                known.last_problem = Some(15);
                if attempts >= self.settings.max_attempts {
                    self.die(id, DeadReason::AttemptsExhausted, Some(15));
                } else {
                    self.back_off(nth, attempts, seconds(after.unwrap_or_default()), None);
                }
            }
            How::Release => {
                known.attempts -= 1;
                known.releases += 1;
                if known.releases > self.settings.max_releases {
                    let last = known.last_problem;
                    self.die(id, DeadReason::ReleasesExhausted, last);
                } else {
                    self.back_off(nth, 1, Duration::ZERO, None);
                }
            }
            How::Throttle(after) => {
                known.attempts -= 1;
                known.stage = Stage::Waiting;
                let pause = Duration::from_millis(after).min(self.settings.max_throttle);
                self.paused_until = self.paused_until.max(self.now + pause);
            }
        }
        let known = self.known_mut(id);
        if !known.is_open() {
            known.settled_by = Some((token.start, token.delivery));
        }
        "Settled"
    }

    fn take_back(&mut self, peer: &TestPeer, service: ServiceInstance, token: Token) -> &'static str {
        let id = number(token.id);
        match self.standing(token) {
            Standing::Current | Standing::Lost => {}
            Standing::Settled => return "Settled",
            Standing::Ended(answer) => return answer,
            Standing::Stale => return "LeaseLost",
        }
        let now = self.now;
        let nth = self.find(id).expect("a request that is known");
        let (Stage::InFlight(held) | Stage::Back { lost: Some(held), .. }) = self.requests[nth].stage.clone() else {
            panic!("a delivery that is current or lost");
        };
        if (held.hold == Hold::Connection && held.service != service) || self.timeout(&held) <= now {
            return "LeaseLost";
        }
        if let Some(former) = held.holder.as_ref().filter(|former| former.id != peer.id) {
            self.expected.push(format!("{} stop {id}/{} LeaseLost", former.id.0, held.delivery));
        }
        let held = Held { service, holder: Some(peer.clone()), renewed: now, ..held };
        self.requests[nth].stage = Stage::InFlight(held);
        "TakenBack"
    }

    fn report(&mut self, token: Token) {
        if self.standing(token) != Standing::Current {
            self.stale += 1;
            return;
        }
        let id = number(token.id);
        self.held_mut(id).progress = true;
        for follower in self.followers.iter().filter(|follower| follower.id == id) {
            self.expected.push(format!("{} progress {} 0.5", follower.peer.id.0, follower.ticket));
        }
    }

    /// What the service holds by connection goes back at once and uncounted, what it holds by lease goes on.
    fn unsubscribe(&mut self, peer: PeerId, service: ServiceNumber) {
        self.services.retain(|there| (there.peer.id, there.service.service) != (peer, service));
        for known in &mut self.requests {
            let Stage::InFlight(held) = &mut known.stage else { continue };
            if !held.by(peer, service) {
                continue;
            }
            held.holder = None;
            if held.hold == Hold::Connection {
                known.attempts -= 1;
                known.stage = Stage::Waiting;
            }
        }
        self.stopping.retain(|there| there.held.hold == Hold::Lease || !there.held.by(peer, service));
        for there in &mut self.stopping {
            if there.held.by(peer, service) {
                there.held.holder = None;
            }
        }
    }

    /// What the connection held is lost, but for what is held by lease.
    fn peer_gone(&mut self, peer: PeerId) {
        self.services.retain(|there| there.peer.id != peer);
        self.followers.retain(|follower| follower.peer.id != peer);
        let of_peer = |held: &Held| held.holder.as_ref().is_some_and(|holder| holder.id == peer);
        for nth in 0..self.requests.len() {
            let Stage::InFlight(held) = &mut self.requests[nth].stage else { continue };
            if of_peer(held) {
                held.holder = None;
                if held.hold == Hold::Connection {
                    self.lose(nth, None);
                }
            }
        }
        self.stopping.retain(|there| there.held.hold == Hold::Lease || !of_peer(&there.held));
        for there in &mut self.stopping {
            if of_peer(&there.held) {
                there.held.holder = None;
            }
        }
    }

    /// The broker stops: the request fails, and its delivery is no more.
    fn stop(&mut self, id: u32) {
        let known = self.known_mut(id);
        if !known.is_open() {
            return;
        }
        let attempts = known.attempts;
        if let Stage::InFlight(Held { holder: Some(holder), delivery, .. }) = &known.stage {
            let told = format!("{} stop {id}/{delivery} BrokerStopped", holder.id.0);
            self.expected.push(told);
        }
        self.end(id, format!("failed 99 after {attempts}"));
        self.spend(id);
    }
}

/// The word for an outcome.
fn kind(outcome: &str) -> &str {
    outcome.split(' ').next().expect("an outcome begins with its kind")
}

fn capital(word: &str) -> String {
    word[..1].to_uppercase() + &word[1..]
}
