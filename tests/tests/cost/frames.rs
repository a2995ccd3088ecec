//! The broker alone, driven by frames: what the load does itself is not counted.

use std::future::poll_fn;
use std::task::Poll;

use roundtrip_transport::Connect;

use crate::party::{Carrier, Party};

/// How many parties there are, and how much each requester has under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crowd {
    pub(crate) requesters: u32,
    pub(crate) outstanding: u32,
    pub(crate) services: u32,
}

impl Crowd {
    pub(crate) async fn gather(self, way: &dyn Connect, carrier: Carrier) -> Vec<Party> {
        let mut parties = Vec::new();
        for number in 0..self.services {
            parties.push(Party::service(way, carrier, number).await);
        }
        for number in 0..self.requesters {
            parties.push(Party::requester(way, carrier, number, self.outstanding).await);
        }
        parties
    }
}

/// Leads so many requests of each requester from submission to acknowledgement. All parties are one task, as in one
/// process: each has its turn, then the broker.
pub(crate) async fn run(parties: &mut [Party], each: u32) {
    parties.iter_mut().for_each(|party| party.raise_goal(each));
    poll_fn(|context| {
        let mut had_work = false;
        for party in &mut *parties {
            had_work |= party.poll(context);
        }
        if parties.iter().all(Party::is_done) {
            return Poll::Ready(());
        }
        if had_work {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await;
}
