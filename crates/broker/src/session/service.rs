//! What services ask: subscriptions, settlements, signs of life, deliveries to take back.

use std::time::Duration;

use bytes::Bytes;
use roundtrip_core::{Command, Peer as _, ServiceInstance, Settling};
use roundtrip_protocol::{
    Answer, Answered, Credit, ErrorCode, Problem, Progress, ProgressReport, Refusal, RefusalCode, Renew, ServiceNumber,
    Settle, Settlement, Stopped, Subscribe, Subscribed, TakeBack, Unsubscribe, Unsubscribed,
};

use super::requester::{encoded_len, max_label};
use super::{Binding, Fault, Stage, State, Subscription};
use crate::admission::Unread;
use crate::batch::Batch;
use crate::handles::{BrokerHandles, Held};
use crate::memory::Room;
use crate::message;
use crate::peer::millis;

/// What a progress takes at most, in bytes. While a request is open, the room set aside for its reply holds it.
pub(crate) const PROGRESS_LIMIT: usize = Progress::MAX_STAGE + Progress::MAX_NOTE;

impl State {
    pub(super) fn subscribe(&mut self, subscribe: &Subscribe, batch: &mut Batch) -> Result<(), Fault> {
        let Subscribe { service, channel, credit, hold, lease_ms } = *subscribe;
        let channel = match self.binding(channel)?.clone() {
            Binding::Channel(channel) => channel,
            Binding::Refused(refusal) => {
                self.peer.send(Unsubscribed { service, refusal: Some(refusal) }, batch);
                return Ok(());
            }
        };
        match self.services.get(&service) {
            Some(Subscription { credit: Some(_), .. }) => return Err(Fault::number_in_use("service", service)),
            Some(known) if known.channel.serial != channel.serial => {
                return Err(Fault::number_in_use("service of another channel", service));
            }
            Some(_) => {}
            None => self.check_room(self.services.len(), "services")?,
        }
        if lease_ms == Some(0) {
            let refusal = Some(Refusal::new(RefusalCode::Invalid, "a lease has at least 1 ms, the wish was for 0"));
            self.peer.send(Unsubscribed { service, refusal }, batch);
            return Ok(());
        }
        self.check_credit(service, credit)?;
        let lease = channel.plan.lease(lease_ms.map(Duration::from_millis));
        self.peer.send(Subscribed { service, lease_ms: millis(lease) }, batch);
        let subscriber = self.service_instance(service)?;
        self.services.insert(service, Subscription { channel: channel.clone(), credit: Some(credit) });
        let peer = self.peer.clone();
        channel.run(Command::Subscribe { peer, service: subscriber, credit, hold, lease }, batch);
        Ok(())
    }

    /// A number that stands for nothing is no fault: the subscription may have been refused.
    pub(super) fn credit(&mut self, credit: &Credit, batch: &mut Batch) -> Result<(), Fault> {
        let Credit { service, credit } = *credit;
        self.check_credit(service, credit)?;
        if let Some(subscription) = self.services.get_mut(&service)
            && subscription.credit.is_some()
        {
            subscription.credit = Some(credit);
            subscription.channel.run(Command::Credit { peer: self.peer.id(), service, credit }, batch);
        }
        Ok(())
    }

    pub(super) fn unsubscribe(&mut self, unsubscribe: &Unsubscribe, batch: &mut Batch) -> Result<(), Fault> {
        let service = unsubscribe.service;
        let unsubscribed = Unsubscribed { service, refusal: None };
        match self.services.remove(&service) {
            Some(Subscription { channel, .. }) => {
                channel.run(Command::Unsubscribe { peer: self.peer.id(), service }, batch);
                // Behind the last delivery.
                channel.send_in_turn(&self.peer, unsubscribed, batch);
            }
            None => self.peer.send(unsubscribed, batch),
        }
        Ok(())
    }

    pub(super) fn settle(
        &mut self,
        settle: Settle,
        payload: Result<(Bytes, Room), Unread>,
        batch: &mut Batch,
    ) -> Result<(), Fault> {
        let Settle { call, channel, token, settlement } = settle;
        let channel = match self.binding(channel)? {
            Binding::Channel(channel) => channel,
            Binding::Refused(_) => {
                self.peer.send(Answered { call, answer: Answer::LeaseLost }, batch);
                return Ok(());
            }
        };
        let settlement = match payload {
            Ok((payload, room)) => settling(settlement, payload, room),
            Err(Unread::Answered(answer)) => Err(answer),
            Err(Unread::Refused(_) | Unread::Unwanted) => Err(Answer::Invalid),
        };
        match settlement {
            Ok(settlement) => {
                channel.run(Command::Settle { peer: self.peer.clone(), call, token, settlement }, batch);
            }
            Err(answer) => self.peer.send(Answered { call, answer }, batch),
        }
        Ok(())
    }

    pub(super) fn renew(&mut self, renew: &Renew, batch: &mut Batch) -> Result<(), Fault> {
        let Renew { call, channel, token } = *renew;
        match self.binding(channel)? {
            Binding::Channel(channel) => {
                channel.run(Command::Renew { peer: self.peer.clone(), call, token }, batch);
            }
            Binding::Refused(_) => self.peer.send(Answered { call, answer: Answer::LeaseLost }, batch),
        }
        Ok(())
    }

    pub(super) fn take_back(&mut self, take_back: &TakeBack, batch: &mut Batch) -> Result<(), Fault> {
        let TakeBack { call, service, channel, token } = *take_back;
        let channel = match self.binding(channel)?.clone() {
            Binding::Channel(channel) => channel,
            Binding::Refused(_) => {
                self.peer.send(Answered { call, answer: Answer::LeaseLost }, batch);
                return Ok(());
            }
        };
        if !self.services.contains_key(&service) {
            self.check_room(self.services.len(), "services")?;
            self.services.insert(service, Subscription { channel: channel.clone(), credit: None });
        }
        let service = self.service_instance(service)?;
        channel.run(Command::TakeBack { peer: self.peer.clone(), call, service, token }, batch);
        Ok(())
    }

    pub(super) fn stopped(&mut self, stopped: &Stopped, batch: &mut Batch) -> Result<(), Fault> {
        let Stopped { channel, token } = *stopped;
        if let Binding::Channel(channel) = self.binding(channel)? {
            channel.run(Command::Stopped { token }, batch);
        }
        Ok(())
    }

    pub(super) fn report_progress(&mut self, report: ProgressReport, batch: &mut Batch) -> Result<(), Fault> {
        let ProgressReport { channel, token, progress } = report;
        if let Binding::Channel(channel) = self.binding(channel)? {
            channel.run(Command::Report { token, progress: progress.fitted() }, batch);
        }
        Ok(())
    }

    fn service_instance(&self, service: ServiceNumber) -> Result<ServiceInstance, Fault> {
        match self.stage {
            Stage::Open { instance, .. } => Ok(ServiceInstance { instance, service }),
            Stage::Greeting | Stage::Ended => {
                Err(Fault::closing(ErrorCode::HandshakeExpected, "a service comes after the handshake"))
            }
        }
    }

    /// All credit of a connection together is bounded: so many deliveries it may hold.
    fn check_credit(&self, service: ServiceNumber, credit: u32) -> Result<(), Fault> {
        let others = self.services.iter().filter(|(number, _)| **number != service);
        let sum = others.map(|(_, other)| u64::from(other.credit.unwrap_or(0))).sum::<u64>() + u64::from(credit);
        let most = self.shared.limits.open;
        if sum <= most as u64 {
            return Ok(());
        }
        let message = format!("the services of a connection hold at most {most} deliveries at once, not {sum}");
        Err(Fault::closing(ErrorCode::TooMany, message))
    }
}

fn settling(settlement: Settlement, payload: Bytes, room: Room) -> Result<Settling<BrokerHandles>, Answer> {
    let problem_fits = |problem: &Problem| problem.bytes() <= max_label();
    Ok(match settlement {
        Settlement::Reply(label) if encoded_len(&label) <= max_label() => {
            Settling::Reply(Held::Here(message::Answer::reply(label, payload, room)))
        }
        Settlement::Fail { problem, content_type }
            if problem.bytes() + content_type.as_ref().map_or(0, String::len) <= max_label() =>
        {
            Settling::Fail(Held::Here(message::Answer::problem(problem, content_type, payload, room)))
        }
        Settlement::Retry { problem, retry_after_ms } if problem_fits(&problem) => Settling::Retry {
            problem: Held::Here(message::Answer::problem(problem, None, Bytes::new(), room)),
            retry_after: retry_after_ms.map(Duration::from_millis),
        },
        Settlement::Reject(problem) if problem_fits(&problem) => {
            Settling::Reject(Held::Here(message::Answer::problem(problem, None, Bytes::new(), room)))
        }
        Settlement::Release => Settling::Release,
        Settlement::Throttle { retry_after_ms } => {
            Settling::Throttle { retry_after: Duration::from_millis(retry_after_ms) }
        }
        _ => return Err(Answer::Invalid),
    })
}
