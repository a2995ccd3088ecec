//! Requesters: processes that submit what the plan says, and see to its outcomes in every way.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use roundtrip_client::{Client, PartEvent, RawTicket, RepliesError, Requester, SubmitError, WaitError};
use roundtrip_protocol::{ChannelName, RefusalCode, RequestId, Ticket as TicketId};

use super::books::Invariant;
use super::executor::{Party, sleep};
use super::message;
use super::plan::{BUSY, Plan, RequestPlan, RequesterPlan, Style};
use super::service::until_goodbye;
use super::world::{Dial, World};

/// How long a client waits for the answer to a submission.
const PATIENCE: Duration = Duration::from_secs(4);

/// What the processes of requesters write down, so that the next process of a party goes on with it.
pub(crate) struct Submissions(RefCell<Vec<Submission>>);

#[derive(Debug, Clone)]
struct Submission {
    /// Made before the first attempt.
    ticket: Option<TicketId>,
    is_answered: bool,
}

impl Submission {
    /// Whether a new process submits it. One without a name of its own cannot go on with what another began.
    fn is_left_to(&mut self, name: Option<&str>) -> bool {
        self.is_answered |= name.is_none() && self.ticket.is_some();
        !self.is_answered
    }
}

impl Submissions {
    pub(crate) fn of(plan: &Plan) -> Self {
        let fresh = Submission { ticket: None, is_answered: false };
        Self(RefCell::new(vec![fresh; plan.requests.len()]))
    }

    pub(crate) fn are_answered(&self) -> bool {
        self.0.borrow().iter().all(|submission| submission.is_answered)
    }

    fn note<T>(&self, place: usize, note: impl FnOnce(&mut Submission) -> T) -> T {
        note(&mut self.0.borrow_mut()[place])
    }
}

/// A process and what its tasks need.
struct Process {
    world: Rc<World>,
    party: Party,
    name: Option<&'static str>,
    client: Client,
    me: Requester,
}

/// A requester's process.
pub(crate) async fn live(world: Rc<World>, place: usize) {
    let RequesterPlan { party, name, reads } = world.plan.requesters[place];
    let client = Client::builder().submit_timeout(PATIENCE).build(Dial(party));
    let me = name.map_or_else(|| client.anonymous(), |name| client.requester(name));
    let process = Rc::new(Process { world: Rc::clone(&world), party, name, client, me });
    if reads {
        for channel in 0..world.plan.channels.len() {
            let reader = Rc::clone(&process);
            world
                .executor
                .spawn(party, async move { until_goodbye(&reader.world, reader.read_mailbox(channel)).await });
        }
    }
    let onlooker = Rc::clone(&process);
    world.executor.spawn(party, async move { until_goodbye(&onlooker.world, onlooker.look_on()).await });
    for (place, request) in world.plan.requests.iter().enumerate() {
        let is_ours = request.party == party && world.submissions.note(place, |submission| submission.is_left_to(name));
        if is_ours {
            let (process, request) = (Rc::clone(&process), request.clone());
            world.executor.spawn(party, async move { process.request(place, &request).await });
        }
    }
    world.goodbye.cancelled().await;
    process.client.close().await;
    world.say(party, "said goodbye", None, 0);
}

impl Process {
    async fn request(&self, place: usize, request: &RequestPlan) {
        sleep(request.at.saturating_sub(self.world.executor.elapsed())).await;
        let Some(ticket) = self.submit(place, request).await else { return };
        until_goodbye(&self.world, self.see_to(request, ticket)).await;
    }

    /// Submits until there is an answer.
    async fn submit(&self, place: usize, request: &RequestPlan) -> Option<RawTicket> {
        let (world, party) = (&self.world, self.party);
        let channel = &world.plan.channels[request.channel];
        let Ok(name) = ChannelName::new(channel.name) else { return None };
        let ticket = world
            .submissions
            .note(place, |submission| submission.ticket.get_or_insert_with(|| self.me.new_raw_ticket(name)).clone());
        let key = request.key.filter(|_| self.name.is_some());
        loop {
            let mut submit = self
                .me
                .submit_raw(
                    channel.name,
                    "generate",
                    message::of_request(if key.is_some() { 10 } else { request.bytes }),
                )
                .under(ticket.clone())
                .priority(request.priority);
            if let Some(deadline) = request.deadline {
                submit = submit.deadline(deadline);
            }
            if let Some(delay) = request.delay {
                submit = submit.delay(delay);
            }
            if let Some(key) = key {
                submit = submit.idempotency_key(format!("key-{key}"));
            }
            if request.is_one_way {
                submit = submit.one_way();
            }
            world.say(party, "submits", Some(ticket.id), 0);
            match submit.await {
                Ok(accepted) => {
                    world.say(party, "is accepted", Some(ticket.id), u64::from(accepted.is_duplicate()));
                    let key = key.zip(self.name).map(|(key, name)| (request.channel, name, key));
                    world.books(|books| books.told_accepted(ticket.id, accepted.id().id, key));
                    world.submissions.note(place, |submission| submission.is_answered = true);
                    return Some(accepted);
                }
                Err(SubmitError::Unconfirmed { .. }) => {}
                Err(SubmitError::Refused(refusal)) => {
                    world.say(party, "is refused", Some(ticket.id), refusal.retry_after_ms.unwrap_or_default());
                    world.books(|books| books.told_refused(ticket.id));
                    let passes = refusal.retry_after_ms.is_some() && refusal.code != RefusalCode::Draining;
                    if !passes || (world.executor.elapsed() > BUSY * 2) {
                        world.submissions.note(place, |submission| submission.is_answered = true);
                        return None;
                    }
                    world.pause(200, 1_500).await;
                }
                Err(SubmitError::ClientClosed { .. }) => return None,
                Err(other) => {
                    world.books(|books| books.violate(Invariant::Progress, format!("a submission failed: {other}")));
                    return None;
                }
            }
        }
    }

    async fn see_to(&self, request: &RequestPlan, ticket: RawTicket) {
        let (world, party, id) = (&self.world, self.party, ticket.id().id);
        match request.style {
            Style::Await => {
                if let Ok(outcome) = ticket.await {
                    world.say(party, "awaited", Some(id), outcome.attempts.into());
                    world.books(|books| books.told_outcome(id, &outcome));
                }
            }
            Style::Acknowledge => {
                self.wait_for(&ticket).await;
                world.pause(0, 1_000).await;
                if ticket.acknowledge().await.is_ok() {
                    world.say(party, "acknowledged", Some(id), 0);
                    world.books(|books| books.told_acknowledged(id));
                }
            }
            Style::Leave => drop(ticket),
            Style::Cancel => {
                world.pause(0, 2_500).await;
                if let Ok(cancellation) = ticket.cancel().await {
                    world.say(party, "cancelled", Some(id), 0);
                    world.books(|books| books.told_cancellation(id, cancellation));
                }
                self.wait_for(&ticket).await;
            }
            Style::Parts => {
                self.read_parts(&ticket).await;
                self.wait_for(&ticket).await;
                if ticket.acknowledge().await.is_ok() {
                    world.books(|books| books.told_acknowledged(id));
                }
            }
        }
    }

    /// Waits for an outcome, and acknowledges nothing.
    async fn wait_for(&self, ticket: &RawTicket) {
        let (world, id) = (&self.world, ticket.id().id);
        match ticket.outcome().await {
            Ok(outcome) => {
                world.say(self.party, "is told the outcome", Some(id), outcome.attempts.into());
                world.books(|books| books.told_outcome(id, &outcome));
            }
            Err(error) => self.note_failure(id, &error),
        }
    }

    fn note_failure(&self, id: RequestId, error: &WaitError) {
        if matches!(error, WaitError::UnknownTicket) {
            self.world.say(self.party, "finds unknown", Some(id), 0);
            self.world.books(|books| books.told_unknown(id));
        }
    }

    async fn read_parts(&self, ticket: &RawTicket) {
        let (world, party, id) = (&self.world, self.party, ticket.id().id);
        let mut parts = ticket.parts();
        let mut read = world.books(|books| books.reads_parts(id));
        while let Some(event) = parts.next().await {
            match event {
                PartEvent::Part(part) => {
                    world.say(party, "reads a part", Some(id), part.number.into());
                    let named = message::read(&part.payload);
                    world.books(|books| books.told_part(id, &mut read, (part.delivery, part.number), named));
                }
                PartEvent::Restarted { delivery } => {
                    world.say(party, "reads that parts restart", Some(id), delivery.into());
                    world.books(|books| books.told_restarted(id, &mut read, delivery));
                }
                PartEvent::Gone { first } => {
                    world.say(party, "reads that parts are gone", Some(id), first.into());
                    world.books(|books| books.told_gone(id, &mut read, first));
                }
                _ => {}
            }
            if world.decide(|chance| chance.percent(30)) {
                world.pause(0, 500).await;
            }
        }
        if parts.failure().is_none() {
            world.books(|books| books.told_last_part(id, read));
        }
    }

    /// Reads the mailbox, and acknowledges what comes, for ever.
    async fn read_mailbox(&self, channel: usize) {
        let (world, party) = (&self.world, self.party);
        let reply_channel = world.plan.channels[channel].reply;
        loop {
            let replies = match world.decide(|chance| chance.below(10)) {
                0..7 => self.me.replies(reply_channel),
                _ => self.me.replies(reply_channel).if_free(),
            };
            let window = world.decide(|chance| chance.between(1, 8)) as u32;
            if let Ok(mut replies) = replies.window(window).await {
                loop {
                    match replies.next().await {
                        Some(Ok(reply)) => {
                            let id = reply.ticket.id;
                            world.say(party, "finds in the mailbox", Some(id), reply.outcome.attempts.into());
                            world.books(|books| books.told_outcome(id, &reply.outcome));
                            world.pause(0, 300).await;
                            if reply.acknowledge().await.is_ok() {
                                world.say(party, "acknowledged from the mailbox", Some(id), 0);
                                world.books(|books| books.told_acknowledged(id));
                            }
                        }
                        Some(Err(RepliesError::Taken)) => {
                            world.say(party, "lost the mailbox", None, 0);
                            world.books(|books| books.coverage.mailbox_taken += 1);
                            break;
                        }
                        _ => break,
                    }
                    if world.decide(|chance| chance.percent(3)) {
                        break;
                    }
                }
            }
            world.pause(500, 4_000).await;
        }
    }

    /// Attaches to requests of anybody, and acknowledges nothing.
    async fn look_on(&self) {
        let world = &self.world;
        loop {
            world.pause(300, 3_000).await;
            let at = world.decide(super::chance::Chance::bits);
            let Some((channel, id)) = world.books(|books| books.some_accepted(at)) else { continue };
            let Ok(channel) = ChannelName::new(world.plan.channels[channel].name) else { return };
            let ticket = self.me.attach_raw(TicketId { channel, id });
            let patience = world.decide(|chance| chance.millis(10, 3_000));
            tokio::select! {
                biased;
                () = self.wait_for(&ticket) => {}
                () = sleep(patience) => {}
            }
            if world.is_calm() {
                return;
            }
        }
    }
}
