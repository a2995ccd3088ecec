//! Deliberate mistakes, each of which the simulator must find: what finds nothing proves nothing.
//!
//! Without the feature `planted-faults` there are none, and asking for them costs nothing. With it a thread may plant
//! one.

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A delivery that counts no more may settle.
    MissingFence,
    /// A service is given one delivery more than its credit.
    CreditOffByOne,
    /// A service that has credit again does not get its turn back.
    LostWakeUp,
    /// A submission is told that it is accepted before it is known whether there is room for it.
    AcceptedTooSoon,
    /// A renewal is answered, and the lease ends all the same.
    LeaseNotRenewed,
    /// An outcome goes into the mailbox twice.
    PostedTwice,
    /// A delivery that was told to stop keeps its place when its service says that it has.
    PlaceKept,
    /// What is due is done after the command.
    DueAfterCommand,
    /// A key is forgotten with the acknowledgement.
    KeyForgottenEarly,
    /// A new delivery does not begin with parts anew.
    PartsNotReset,
    /// A lost delivery is given up at once.
    BackoffSkipped,
    /// All requests wait in one queue.
    PriorityIgnored,
    /// Deliveries take no token.
    RateIgnored,
    /// A session that ends does not tell the channels.
    ConnectionNotParted,
    /// An unnamed requester that is gone keeps its mailboxes.
    UnnamedNotEnded,
    /// A durable channel tells what is not on disk yet.
    ToldBeforeKept,
    /// A durable channel does not write that an outcome is gone.
    ForgetNotWritten,
    /// A durable channel writes one attempt more than there was.
    CounterLeads,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::MissingFence,
        Self::CreditOffByOne,
        Self::LostWakeUp,
        Self::AcceptedTooSoon,
        Self::LeaseNotRenewed,
        Self::PostedTwice,
        Self::PlaceKept,
        Self::DueAfterCommand,
        Self::KeyForgottenEarly,
        Self::PartsNotReset,
        Self::BackoffSkipped,
        Self::PriorityIgnored,
        Self::RateIgnored,
        Self::ConnectionNotParted,
        Self::UnnamedNotEnded,
        Self::ToldBeforeKept,
        Self::ForgetNotWritten,
        Self::CounterLeads,
    ];
}

#[cfg(feature = "planted-faults")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Fault>> = const { std::cell::Cell::new(None) };
}

/// Plants a fault on this thread, or takes it out.
#[cfg(feature = "planted-faults")]
pub fn plant(fault: Option<Fault>) {
    PLANTED.with(|planted| planted.set(fault));
}

/// Whether a fault is planted on this thread.
#[cfg(feature = "planted-faults")]
#[must_use]
pub fn is(fault: Fault) -> bool {
    PLANTED.with(|planted| planted.get() == Some(fault))
}

/// No fault is planted.
#[cfg(not(feature = "planted-faults"))]
#[must_use]
#[inline]
pub const fn is(_fault: Fault) -> bool {
    false
}
