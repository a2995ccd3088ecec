//! Client instances and the numbers of their connections: a later connection closes the earlier one, and an earlier
//! one is refused.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use roundtrip_core::Time;
use roundtrip_protocol::InstanceId;

use crate::lock::Lock;
use crate::session::Session;

/// How long the last number of an instance without a connection is remembered.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// How many instances without a connection are remembered.
const MOST_REMEMBERED: usize = 10_000;

/// The instances that are there, or were not long ago.
#[derive(Debug, Default)]
pub(crate) struct Instances(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    instances: HashMap<InstanceId, Latest>,
    /// Those whose last connection ended, in that order, each with the number that it had.
    ended: VecDeque<(Time, InstanceId, u64)>,
}

#[derive(Debug)]
struct Latest {
    number: u64,
    session: Weak<Session>,
}

/// What becomes of a connection that says who it is.
#[derive(Debug)]
pub(crate) enum Claim {
    /// It is the instance's connection. The one before is to be ended first, if there is one.
    Latest {
        /// The one before.
        before: Option<Arc<Session>>,
    },
    /// There was one with this number or a higher one.
    Late {
        /// Its number.
        highest: u64,
    },
}

impl Instances {
    pub(crate) fn claim(&self, instance: InstanceId, number: u64, session: &Arc<Session>, now: Time) -> Claim {
        let mut known = self.0.locked();
        known.forget_old(now);
        let session = Arc::downgrade(session);
        match known.instances.get_mut(&instance) {
            Some(latest) if latest.number >= number => Claim::Late { highest: latest.number },
            Some(latest) => {
                let before = std::mem::replace(latest, Latest { number, session });
                Claim::Latest { before: before.session.upgrade() }
            }
            None => {
                known.instances.insert(instance, Latest { number, session });
                Claim::Latest { before: None }
            }
        }
    }

    /// A connection ended. Its number is remembered for a while.
    pub(crate) fn leave(&self, instance: InstanceId, number: u64, now: Time) {
        let mut known = self.0.locked();
        if known.instances.get(&instance).is_some_and(|latest| latest.number == number) {
            known.ended.push_back((now, instance, number));
        }
        known.forget_old(now);
    }
}

impl Known {
    fn forget_old(&mut self, now: Time) {
        while let Some((ended, instance, number)) = self.ended.front().copied() {
            if self.ended.len() <= MOST_REMEMBERED && now.since(ended) < REMEMBERED {
                return;
            }
            self.ended.pop_front();
            if self.instances.get(&instance).is_some_and(|latest| latest.number == number) {
                self.instances.remove(&instance);
            }
        }
    }
}
