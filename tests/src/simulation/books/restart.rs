//! What a kill of the broker and a failure of its disk do to what is known: requests in memory are lost, and those of a
//! durable channel are what its disk says. That is held against everything that was told before.

use std::collections::BTreeMap;
use std::time::Duration;

use roundtrip_broker::simulation::{Event, OnDisk};
use roundtrip_protocol::{Acknowledgement, Answer, OutcomeKind, RequestId};

use super::channel::{Asked, ChannelBook, Noted, Requests, UNNAMED};
use super::request::{Current, RequestBook};
use super::{Books, Invariant, short_of};

/// Times are kept in whole milliseconds.
const ROUNDING: Duration = Duration::from_millis(1);

/// What a channel tells that has to be on disk before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// The request is there.
    There(RequestId),
    /// It has its outcome; this one, if it is said.
    Ended(RequestId, Option<OutcomeKind>),
    /// So many deliveries of it are over.
    Settled(RequestId, u32),
    /// It is acknowledged.
    Acknowledged(RequestId),
}

impl Books {
    /// The broker was killed.
    pub(crate) fn killed(&mut self) {
        self.coverage.kills += 1;
        let Self { channels, requests, keys, .. } = self;
        for (number, channel) in channels.iter_mut().enumerate() {
            channel.forget();
            if channel.plan.is_durable {
                continue;
            }
            keys.retain(|(of, ..), _| *of != number);
            for request in requests.values_mut().filter(|request| request.channel == number) {
                request.is_lost = true;
                request.is_gone = true;
                request.current = Current::None { not_before: Duration::ZERO };
            }
        }
    }

    /// The broker was started.
    pub(crate) fn started(&mut self) {
        let mut found = 0;
        for channel in 0..self.channels.len() {
            self.begins(channel, true);
            let name = self.channels[channel].plan.name;
            let (requests, letters) = (self.disk.requests(name), self.disk.letters(name));
            found += requests.len() + letters.len();
            requests.iter().for_each(|request| self.count_recovered(request));
            self.coverage.recovered_letters += letters.len() as u64;
        }
        self.coverage.recoveries += u64::from(found > 0);
    }

    fn count_recovered(&mut self, request: &OnDisk) {
        self.coverage.recovered_parts += request.parts as u64;
        let count = match request {
            OnDisk { end: Some(_), .. } => &mut self.coverage.recovered_ended,
            OnDisk { is_scheduled: true, .. } => &mut self.coverage.recovered_scheduled,
            OnDisk { until: Some(_), .. } => &mut self.coverage.recovered_backing_off,
            _ => &mut self.coverage.recovered_waiting,
        };
        *count += 1;
    }

    /// A durable channel begins with what is on disk.
    pub(super) fn begins(&mut self, channel: usize, is_start: bool) {
        let Self { channels, requests, disk, .. } = self;
        let book = &mut channels[channel];
        if !book.plan.is_durable {
            return;
        }
        let on_disk = disk.requests(book.plan.name).into_iter().map(|request| (request.id, request)).collect();
        if let Err((invariant, how)) = book.begin(&on_disk, is_start, requests) {
            self.violate(invariant, how);
        }
    }

    /// Something of a request is damaged on disk: it may be dead for that, whatever it was.
    pub(crate) fn damaged(&mut self, id: RequestId) {
        self.coverage.damaged += 1;
        if let Some(request) = self.requests.get_mut(&id) {
            request.is_damaged = true;
        }
    }

    /// Counts what went wrong with the disk in this run.
    pub(crate) fn count_wrongs(&mut self) {
        let wrongs = self.disk.wrongs();
        self.coverage.lost_commits = wrongs.lost;
        self.coverage.unsure_commits = wrongs.unsure;
        self.coverage.failed_readings = wrongs.unread;
    }

    /// When all is over nothing is kept.
    pub(crate) fn check_disk_is_empty(&mut self) {
        let names: Vec<_> = self.channels.iter().map(|channel| channel.plan.name).collect();
        for name in names {
            let (requests, letters) = (self.disk.requests(name), self.disk.letters(name));
            if !requests.is_empty() || !letters.is_empty() {
                let how = format!("all is over, and on disk are {requests:?} and {} dead letters", letters.len());
                return self.violate(Invariant::Memory, how);
            }
        }
    }

    pub(super) fn on_disk(&self, channel: usize, id: RequestId) -> Option<OnDisk> {
        let plan = &self.channels[channel].plan;
        plan.is_durable.then(|| self.disk.request(plan.name, id)).flatten()
    }

    /// What has to be on disk where this is told.
    pub(super) fn claim(&self, channel: usize, event: &Event) -> Option<Claim> {
        let book = &self.channels[channel];
        if !book.plan.is_durable {
            return None;
        }
        match (event, book.asked) {
            (Event::Accepted { duplicate_of: Some(id) }, _) => Some(Claim::There(*id)),
            (Event::Accepted { duplicate_of: None }, Asked::Submit { id, .. }) => Some(Claim::There(id)),
            (Event::Delivered { token, .. }, _) => Some(Claim::There(token.id)),
            (Event::Posted { id }, _) => Some(Claim::Ended(*id, None)),
            (Event::Shown { id, kind }, _) => Some(Claim::Ended(*id, Some(*kind))),
            (Event::Answered { answer: Answer::Settled }, Asked::Settle { token, .. }) => {
                Some(Claim::Settled(token.id, token.delivery))
            }
            (Event::Acknowledged { result: Acknowledgement::Done }, Asked::Acknowledge { id }) => {
                Some(Claim::Acknowledged(id))
            }
            _ => None,
        }
    }

    /// Holds what was told against what is on disk.
    pub(super) fn check_claim(&self, channel: usize, claim: Claim) -> Noted {
        let (Claim::There(id) | Claim::Ended(id, _) | Claim::Settled(id, _) | Claim::Acknowledged(id)) = claim;
        let Some(request) = self.requests.get(&id) else { return Ok(()) };
        if request.is_damaged || request.lived_before || request.is_asked_again {
            return Ok(());
        }
        let found = self.on_disk(channel, id);
        let is_kept = match (claim, &found) {
            (Claim::Acknowledged(_), None) => true,
            (Claim::Acknowledged(_), Some(found)) => found.end.is_some_and(|end| end.is_acknowledged),
            (_, None) => request.may_be_gone(),
            (Claim::There(_), Some(_)) => true,
            (Claim::Ended(_, kind), Some(found)) => {
                found.end.is_some_and(|end| kind.is_none_or(|kind| kind == end.kind))
            }
            (Claim::Settled(_, delivery), Some(found)) => found.deliveries >= delivery,
        };
        if is_kept {
            return Ok(());
        }
        Err((Invariant::Durable, format!("{claim:?} of {} is told, and on disk is {found:?}", short_of(id))))
    }
}

impl ChannelBook {
    /// A durable channel is going to be asked something.
    pub(super) fn arrives(&self, event: &Event, requests: &mut Requests) {
        match *event {
            Event::Submit { id, ref requester, has_mailbox, priority, has_key, .. } => {
                let is_named = !requester.as_str().starts_with(UNNAMED);
                let fresh =
                    || RequestBook::submitted(self.plan.number, priority, has_key).with_mailbox(has_mailbox, is_named);
                let request = requests.entry(id).or_insert_with(fresh);
                request.is_refused = false;
                request.is_asked_again |= request.is_gone || request.is_being_acknowledged;
            }
            Event::Acknowledge { id } => {
                if let Some(request) = requests.get_mut(&id) {
                    request.is_being_acknowledged |= request.posted_at.is_some();
                }
            }
            _ => {}
        }
    }

    /// It begins with what is on disk.
    fn begin(&mut self, on_disk: &BTreeMap<RequestId, OnDisk>, is_start: bool, requests: &mut Requests) -> Noted {
        self.forget();
        if let Some(id) = on_disk.keys().find(|id| !requests.contains_key(id)) {
            return Err((Invariant::Durable, format!("{} is on disk, and nobody submitted it", short_of(*id))));
        }
        for (id, request) in requests.iter_mut().filter(|(_, request)| request.channel == self.plan.number) {
            let result = match on_disk.get(id) {
                None => request.is_not_on_disk(),
                Some(found) => request.is_on_disk(found, is_start),
            };
            result.map_err(|(invariant, how)| (invariant, format!("{} {how}", short_of(*id))))?;
        }
        // Only of those whose times are known to the full the order is known.
        let waits = |id: &RequestId| on_disk.get(id).is_some_and(|found| found.end.is_none() && !found.is_scheduled);
        self.untouched.retain(|(_, _, id), ()| waits(id));
        Ok(())
    }
}

impl RequestBook {
    fn is_not_on_disk(&mut self) -> Noted {
        if self.was_accepted() && !self.may_be_gone() {
            return Err((Invariant::Durable, format!("was accepted, and is not on disk: {self:?}")));
        }
        self.is_acknowledged |= self.is_being_acknowledged;
        self.is_gone |= self.was_accepted();
        self.is_being_acknowledged = false;
        self.is_posted_again = false;
        (self.deliveries, self.deliveries_decided, self.skipped) = (0, 0, 0);
        self.current = Current::None { not_before: Duration::ZERO };
        Ok(())
    }

    fn is_on_disk(&mut self, found: &OnDisk, is_start: bool) -> Noted {
        if self.is_gone && self.is_asked_again {
            *self = Self { lived_before: true, parts_readers: self.parts_readers, ..self.afresh() };
        }
        if !self.lived_before {
            self.check(found)?;
        }
        let until = found.until.unwrap_or_default();
        let waits_from = match self.accepted {
            Some((_, waits_from)) if !found.is_scheduled => waits_from,
            _ => found.accepted.max(until),
        };
        self.accepted = Some((self.accepted.map_or(found.accepted, |(at, _)| at), waits_from));
        self.deadline = found.deadline;
        if is_start {
            if self.deliveries > found.deliveries {
                // That number is given once more.
                self.parts_kept.remove(&self.deliveries);
            }
            self.deliveries = found.deliveries;
        }
        // Within a start, numbers that were handed out are not given again; those that were only decided are.
        self.deliveries = self.deliveries.max(found.deliveries);
        self.deliveries_decided = self.deliveries;
        self.skipped = self.deliveries - found.deliveries;
        self.start = 0;
        self.current = Current::None { not_before: if found.is_scheduled { Duration::ZERO } else { until } };
        // What was asked of a channel that begins again waits meanwhile.
        self.is_being_acknowledged &= !is_start;
        if let Some(end) = found.end {
            self.posted_at = Some(end.since);
            self.is_posted_again = !end.is_acknowledged;
            self.is_acknowledged |= end.is_acknowledged;
            self.kind_told.get_or_insert(end.kind);
            self.settled.extend(end.settled_by);
            self.settled_by = end.settled_by.map(|(_, delivery)| delivery);
        }
        Ok(())
    }

    /// Holds what is on disk against what was told.
    fn check(&self, found: &OnDisk) -> Noted {
        let durable = |how: String| Err((Invariant::Durable, format!("{how}; on disk is {found:?}")));
        if self.is_refused {
            return Err((Invariant::OneOutcome, "was refused, and is on disk".to_owned()));
        }
        if self.is_gone {
            return durable("was acknowledged, and returns".to_owned());
        }
        if self.is_damaged {
            return Ok(());
        }
        if self.was_accepted() && self.deadline.abs_diff(found.deadline) > ROUNDING {
            return durable(format!("had the deadline {:?}", self.deadline));
        }
        if found.deliveries > self.deliveries_decided || found.attempts > self.attempts_decided {
            let (deliveries, attempts) = (self.deliveries_decided, self.attempts_decided);
            return durable(format!("leads: it had {deliveries} deliveries and {attempts} attempts"));
        }
        if found.deliveries + self.skipped + 1 < self.deliveries {
            return durable(format!("lags: it had {} deliveries", self.deliveries));
        }
        let Some(end) = found.end else {
            return if self.posted_at.is_some() { durable("had its outcome".to_owned()) } else { Ok(()) };
        };
        if self.kind_told.is_some_and(|told| told != end.kind) {
            return Err((Invariant::OneOutcome, format!("was told {:?}; on disk is {found:?}", self.kind_told)));
        }
        if self.settled_by.is_some() && self.settled_by != end.settled_by.map(|(_, delivery)| delivery) {
            return durable(format!("was settled by delivery {:?}", self.settled_by));
        }
        if self.is_acknowledged && !end.is_acknowledged {
            return durable("was acknowledged".to_owned());
        }
        Ok(())
    }

    /// Another request of the same id.
    fn afresh(&self) -> Self {
        let fresh = Self::submitted(self.channel, self.priority, self.has_key);
        fresh.with_mailbox(!self.is_one_way, self.is_in_named_mailbox)
    }
}
