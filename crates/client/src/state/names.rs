//! The names that a client uses, and the numbers that stand for them.
//!
//! A name keeps its number over all connections; what each connection was told of it is noted by the connection's own
//! number, so that a new one is told again where the name is used first.

use std::collections::HashMap;

use roundtrip_protocol::{
    Bind, Bound, ChannelName, ChannelNumber, Goodbye, Header, Introduce, RequesterName, RequesterNumber,
};

use super::ClientState;
use super::slab::Slab;

#[derive(Default)]
pub(super) struct Names {
    channels: Vec<ChannelEntry>,
    channel_numbers: HashMap<ChannelName, ChannelNumber>,
    requesters: Slab<RequesterEntry>,
    requester_numbers: HashMap<RequesterName, RequesterNumber>,
}

struct ChannelEntry {
    name: ChannelName,
    bound_on: u64,
}

struct RequesterEntry {
    name: RequesterName,
    unnamed: bool,
    introduced_on: u64,
    /// How many handles, tickets, acknowledgements and mailboxes need it.
    uses: u32,
}

impl Names {
    pub(super) fn channel(&mut self, name: &ChannelName) -> ChannelNumber {
        if let Some(number) = self.channel_numbers.get(name) {
            return *number;
        }
        let number = ChannelNumber(self.channels.len() as u32);
        self.channels.push(ChannelEntry { name: name.clone(), bound_on: 0 });
        self.channel_numbers.insert(name.clone(), number);
        number
    }

    pub(super) fn channel_name(&self, number: ChannelNumber) -> &ChannelName {
        &self.channels[number.0 as usize].name
    }

    /// What to say before `channel` is used on a connection.
    pub(super) fn bind(&mut self, connection: u64, channel: ChannelNumber) -> Option<Header> {
        let entry = &mut self.channels[channel.0 as usize];
        if entry.bound_on == connection {
            return None;
        }
        entry.bound_on = connection;
        Some(Bind { number: channel, channel: entry.name.clone() }.into())
    }

    /// A refused name is bound again at its next use: the refusal may have passed.
    pub(super) fn handle_bound(&mut self, bound: &Bound) {
        if let (Some(_), Some(entry)) = (&bound.refusal, self.channels.get_mut(bound.number.0 as usize)) {
            entry.bound_on = 0;
        }
    }

    /// What to say before `requester` is used on a connection.
    fn introduce(&mut self, connection: u64, requester: RequesterNumber) -> Option<Header> {
        let entry = self.requesters.entry_mut(requester.0)?;
        if entry.introduced_on == connection {
            return None;
        }
        entry.introduced_on = connection;
        Some(Introduce { number: requester, requester: entry.name.clone(), unnamed: entry.unnamed }.into())
    }

    pub(super) fn is_unnamed(&self, requester: RequesterNumber) -> bool {
        self.requesters.entry(requester.0).is_some_and(|entry| entry.unnamed)
    }

    pub(super) fn requester_name(&self, requester: RequesterNumber) -> Option<&RequesterName> {
        self.requesters.entry(requester.0).map(|entry| &entry.name)
    }

    pub(super) fn use_requester(&mut self, requester: RequesterNumber) {
        if let Some(entry) = self.requesters.entry_mut(requester.0) {
            entry.uses += 1;
        }
    }
}

impl ClientState {
    /// Begins to use a requester's name. The same name is the same requester.
    pub(crate) fn introduce(&mut self, name: &RequesterName, unnamed: bool) -> RequesterNumber {
        let known = self.names.requester_numbers.get(name).copied();
        let number = known.unwrap_or_else(|| {
            let entry = RequesterEntry { name: name.clone(), unnamed, introduced_on: 0, uses: 0 };
            let number = RequesterNumber(self.names.requesters.insert(entry));
            self.names.requester_numbers.insert(name.clone(), number);
            number
        });
        self.names.use_requester(number);
        number
    }

    /// Ends one use of a requester's name; after the last the broker is told.
    pub(crate) fn release_requester(&mut self, requester: RequesterNumber) {
        let Some(entry) = self.names.requesters.entry_mut(requester.0) else { return };
        entry.uses -= 1;
        if entry.uses > 0 {
            return;
        }
        let introduced = entry.introduced_on == self.line.connection();
        if let Some(entry) = self.names.requesters.remove(requester.0) {
            self.names.requester_numbers.remove(&entry.name);
        }
        if introduced {
            self.push(Header::from(Goodbye { requester }));
        }
    }

    pub(super) fn push_bind(&mut self, channel: ChannelNumber) {
        if self.line.is_open()
            && let Some(bind) = self.names.bind(self.line.connection(), channel)
        {
            self.push(bind);
        }
    }

    pub(super) fn push_introduce(&mut self, requester: RequesterNumber) {
        if self.line.is_open()
            && let Some(introduce) = self.names.introduce(self.line.connection(), requester)
        {
            self.push(introduce);
        }
    }
}
