//! Who is told of what every channel is asked and does.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use roundtrip_core::{Command, Effect, Tell, Time, What};
use roundtrip_protocol::{ChannelName, OutcomeKind, RequestId};

use super::event::{Event, event_of, event_of_effect};
use crate::channel::ChannelEntry;
use crate::handles::BrokerHandles;

type Watcher = Box<dyn FnMut(&ChannelName, Option<Duration>, Event)>;

thread_local! {
    static WATCHER: RefCell<Option<Watcher>> = const { RefCell::new(None) };
    static DECIDED: Cell<Time> = const { Cell::new(Time::after_start(Duration::ZERO)) };
}

/// Has `watcher` told of what every channel on this thread is asked and does: of a channel in memory as it happens, of
/// a durable one with the time, since 1970, at which it was decided. It is called under a channel's lock.
pub fn watch(watcher: Option<Watcher>) {
    WATCHER.with(|slot| *slot.borrow_mut() = watcher);
}

/// A channel in memory is asked something.
pub(crate) fn watch_command(channel: &ChannelEntry, command: &Command<BrokerHandles>) {
    if let Some(event) = event_of(command) {
        tell(channel, event);
    }
}

/// A durable channel is asked something, and comes to it when it can.
pub(crate) fn watch_arrival(channel: &ChannelEntry, command: &Command<BrokerHandles>) {
    if let Some(event @ (Event::Submit { .. } | Event::Acknowledge { .. })) = event_of(command) {
        tell(channel, Event::Arrives(Box::new(event)));
    }
}

/// A durable channel came to what it was asked, and nothing from before is left to be told.
pub(crate) fn watch_asked(channel: &ChannelEntry, event: &Event) {
    tell(channel, event.clone());
}

/// A durable channel decided this.
pub(crate) fn watch_decided(channel: &ChannelEntry, effects: &[Effect<BrokerHandles>]) {
    for effect in effects {
        if let What::Tell { tell: Tell::Delivery { token, attempt, .. }, .. } = &effect.what {
            tell(channel, Event::Decided { token: *token, attempt: *attempt });
        }
    }
}

/// What is told from here on was decided at this time.
pub(crate) fn set_decided(time: Time) {
    DECIDED.set(time);
}

/// A channel does something.
pub(crate) fn watch_effect(channel: &ChannelEntry, what: &What<BrokerHandles>) {
    if let Some(event) = event_of_effect(what) {
        tell(channel, event);
    }
    if channel.is_durable()
        && let What::Tell { peer, tell: Tell::Outcome { ticket, outcome } } = what
        && let Some(id) = peer.open(|open| open.ticket(*ticket).map(|ticket| ticket.id))
    {
        tell(channel, Event::Shown { id, kind: outcome.ending.kind() });
    }
}

/// A durable channel does something, and whom it would have told listens no more.
pub(crate) fn watch_unsaid(channel: &ChannelEntry, what: &What<BrokerHandles>) {
    if let Some(event) = event_of_effect(what) {
        tell(channel, event);
    }
}

/// A durable channel shows an outcome to the reader of a mailbox.
pub(crate) fn watch_reply(channel: &ChannelEntry, id: RequestId, kind: OutcomeKind) {
    tell(channel, Event::Shown { id, kind });
}

/// A durable channel does not tell what it would.
pub(crate) fn watch_spoilt(channel: &ChannelEntry, spoilt: &Tell<BrokerHandles>) {
    if let Tell::Delivery { token, .. } = spoilt {
        tell(channel, Event::Withheld { token: *token });
    }
}

/// A durable channel begins with what is on disk.
pub(crate) fn watch_begin(channel: &ChannelEntry) {
    tell(channel, Event::Begins);
}

fn tell(channel: &ChannelEntry, event: Event) {
    let decided = channel.is_durable().then(|| DECIDED.get().since_start());
    WATCHER.with(|slot| {
        if let Some(watcher) = slot.borrow_mut().as_mut() {
            watcher(channel.name(), decided, event);
        }
    });
}
