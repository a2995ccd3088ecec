//! All mailboxes that somebody holds over HTTP.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use roundtrip_client::{Client, OpenMode};

use super::Address;
use super::asked::Holding;
use super::hold::{Hold, InUse};
use super::holder::Holder;
use crate::problem::Problem;

pub(crate) struct Holds {
    held: Mutex<HashMap<Address, Arc<Hold>>>,
    most: usize,
    /// One is opened at a time, so that two who take the same mailbox stand here as they do at the broker.
    opening: tokio::sync::Mutex<()>,
}

impl Holds {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { held: Mutex::default(), most, opening: tokio::sync::Mutex::default() })
    }

    /// Holds a mailbox for a call: goes on where the caller holds it already, and opens it otherwise.
    pub(super) async fn open(
        self: &Arc<Self>,
        client: &Client,
        address: &Address,
        holding: Holding,
    ) -> Result<InUse, Problem> {
        if let Some(held) = self.held_by(address, &holding)? {
            return Ok(held);
        }
        let _alone = self.opening.lock().await;
        if let Some(held) = self.held_by(address, &holding)? {
            return Ok(held);
        }
        self.check_room(address)?;
        let Holding { holder, mode, lease } = holding;
        let holder = holder.map_or_else(Holder::new, Ok)?;
        let requester = client.requester(address.requester.as_str());
        let replies = requester.replies(address.reply_channel.as_str()).mode(mode).window(1).await?;

        let mut held = self.locked();
        let hold = Hold::keep(holder, replies, address.clone(), Arc::downgrade(self));
        let in_use = hold.begin_call(lease);
        held.insert(address.clone(), hold);
        Ok(in_use)
    }

    /// Lets a mailbox go if its lease is over. Decided where calls begin, so that none begins meanwhile.
    pub(super) fn let_go(&self, address: &Address) -> bool {
        let mut held = self.locked();
        let is_over = held.get(address).is_none_or(|hold| hold.is_over());
        if is_over {
            held.remove(address);
        }
        is_over
    }

    pub(super) fn forget_ended(&self, address: &Address) {
        let mut held = self.locked();
        if held.get(address).is_some_and(|hold| hold.has_ended()) {
            held.remove(address);
        }
    }

    fn held_by(&self, address: &Address, holding: &Holding) -> Result<Option<InUse>, Problem> {
        let held = self.locked();
        match held.get(address).filter(|hold| !hold.has_ended()) {
            Some(hold) if holding.holder.as_ref().is_some_and(|holder| hold.is_of(holder)) => {
                Ok(Some(hold.begin_call(holding.lease)))
            }
            Some(_) if holding.mode != OpenMode::Take => Err(Problem::mailbox_taken()),
            _ => Ok(None),
        }
    }

    fn check_room(&self, address: &Address) -> Result<(), Problem> {
        let held = self.locked();
        if held.len() < self.most || held.contains_key(address) {
            return Ok(());
        }
        let detail = format!(
            "Holders over HTTP have {} mailboxes, as many as the gateway has room for: try again when a lease has ended, \
             or read without open.",
            self.most
        );
        Err(Problem::gateway_full(detail))
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<Address, Arc<Hold>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
