//! A mailbox that somebody holds over HTTP: a lease stands where a connection stands.

use std::sync::{Arc, Weak};
use std::time::Duration;

use roundtrip_client::Replies;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::holder::Holder;
use super::{Address, Holds};

/// How long a holder holds after a call, unless it says so.
const LEASE: Duration = Duration::from_secs(30);

/// A held mailbox. It is open for as long as this is here, its lease has not ended and no other holder took it.
pub(super) struct Hold {
    holder: Holder,
    lease: watch::Sender<Lease>,
}

#[derive(Clone, Copy)]
struct Lease {
    length: Duration,
    /// How many calls there are: while there is one, it does not run.
    calls: usize,
    until: Instant,
}

impl Lease {
    fn end(&self) -> Option<Instant> {
        (self.calls == 0).then_some(self.until)
    }
}

impl Hold {
    /// Holds from here on what was opened at this address.
    pub(super) fn keep(holder: Holder, replies: Replies, address: Address, holds: Weak<Holds>) -> Arc<Self> {
        let lease = Lease { length: LEASE, calls: 0, until: Instant::now() + LEASE };
        let (lease, changes) = watch::channel(lease);
        tokio::spawn(async move {
            while_held(replies, changes, &address, &holds).await;
            if let Some(holds) = holds.upgrade() {
                holds.forget_ended(&address);
            }
        });
        Arc::new(Self { holder, lease })
    }

    pub(super) fn is_of(&self, holder: &Holder) -> bool {
        self.holder == *holder
    }

    /// Whether it is held no more.
    pub(super) fn has_ended(&self) -> bool {
        self.lease.is_closed()
    }

    /// Whether nobody has called for as long as its lease is.
    pub(super) fn is_over(&self) -> bool {
        self.lease.borrow().end().is_some_and(|end| end <= Instant::now())
    }

    /// A call of its holder begins.
    pub(super) fn begin_call(self: &Arc<Self>, lease: Option<Duration>) -> InUse {
        self.lease.send_modify(|state| {
            state.calls += 1;
            state.length = lease.unwrap_or(state.length);
        });
        InUse(Arc::clone(self))
    }
}

/// A held mailbox during a call. The lease begins anew when the call ends, however it does.
pub(super) struct InUse(Arc<Hold>);

impl InUse {
    pub(super) fn holder(&self) -> &Holder {
        &self.0.holder
    }

    /// Another took the mailbox, or the broker gives it no longer.
    pub(super) async fn ended(&self) {
        self.0.lease.closed().await;
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.lease.send_modify(|state| {
            state.calls -= 1;
            state.until = Instant::now() + state.length;
        });
    }
}

/// Until the lease ends, another takes the mailbox, or nothing of it is left to whoever holds it.
async fn while_held(mut replies: Replies, mut lease: watch::Receiver<Lease>, address: &Address, holds: &Weak<Holds>) {
    loop {
        let end = lease.borrow_and_update().end();
        tokio::select! {
            () = taken(&mut replies) => return,
            changed = lease.changed() => if changed.is_err() {
                return;
            },
            () = at(end) => if holds.upgrade().is_none_or(|holds| holds.let_go(address)) {
                // Before the receiver: who sees that it has ended finds the mailbox free.
                drop(replies);
                return;
            },
        }
    }
}

/// What comes is passed over, since whoever calls reads as a follower: here it would be given only once.
async fn taken(replies: &mut Replies) {
    while let Some(Ok(_)) = replies.next().await {}
}

async fn at(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}
