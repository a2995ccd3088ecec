//! Writes as channels would write them, chosen by dice.

use std::collections::BTreeMap;

use roundtrip_protocol::{ChannelName, DeadReason};

use super::words;
use crate::storage::{ChannelRow, Facts, NewOutcome, Row, StoredKey, StoredTried, Write};

/// Remembers what was written, so that what comes next could come next.
#[derive(Default)]
pub(super) struct Author {
    now_ms: u64,
    last: u64,
    requests: BTreeMap<Row, State>,
    letters: Vec<Row>,
    channels: Vec<ChannelRow>,
}

#[derive(Default)]
struct State {
    has_ended: bool,
    /// The delivery, the first part that is kept, and the next one.
    parts: Option<(u32, u32, u32)>,
}

const CHANNELS: [u32; 3] = [0, 1, crate::storage::MAX_CHANNEL_ROW];

impl Author {
    pub(super) const fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// What the dice say, if it can be.
    pub(super) fn write(&mut self, [what, which, how, much]: [u8; 4]) -> Vec<Write> {
        self.now_ms += u64::from(much) * 10;
        let channel = ChannelRow(CHANNELS[usize::from(which) % CHANNELS.len()]);
        let known = |state: &State| state.has_ended == (how % 4 == 0);
        let rows: Vec<Row> = self.requests.iter().filter(|(_, state)| known(state)).map(|(row, _)| *row).collect();
        let row = (!rows.is_empty()).then(|| rows[usize::from(which) % rows.len()]);
        match (what % 8, row) {
            (0..=2, _) | (_, None) => self.accept(channel, how),
            (3, Some(row)) => self.tried(row, how),
            (4, Some(row)) => self.end(row, how),
            (5, Some(row)) => self.acknowledge_or_forget(row, much),
            (6, Some(row)) => self.part(row, how),
            (_, Some(_)) => self.letter(which, how),
        }
    }

    /// What makes everything go that there is.
    pub(super) fn forget_all(&self) -> Vec<Write> {
        let forgotten = self.requests.keys().map(|row| Write::Forget { row: *row });
        let exhumed = self.letters.iter().map(|row| Write::Exhume { row: *row });
        let removed = self.channels.iter().map(|channel| Write::RemoveChannel { channel: *channel });
        forgotten.chain(exhumed).chain(removed).collect()
    }

    fn next(&mut self, channel: ChannelRow) -> Row {
        self.last += 2; // The one between is that of its answer.
        Row::new(channel, self.last)
    }

    fn accept(&mut self, channel: ChannelRow, how: u8) -> Vec<Write> {
        let mut writes = Vec::new();
        if !self.channels.contains(&channel) {
            self.channels.push(channel);
            let name = ChannelName::new(format!("channel_{}", channel.0)).unwrap();
            writes.push(Write::AddChannel { channel, name });
        }
        let row = self.next(channel);
        let key = how.is_multiple_of(3).then(|| StoredKey {
            is_named: how.is_multiple_of(2),
            text: format!("key {how}"),
            fingerprint: u128::MAX - u128::from(how),
        });
        let (order, until_ms) = if how.is_multiple_of(5) { (None, Some(self.now_ms)) } else { (Some(row.0), None) };
        writes.push(words::accept(Facts { key, order, until_ms, ..words::facts(row) }));
        self.requests.insert(row, State::default());
        writes
    }

    fn tried(&mut self, row: Row, how: u8) -> Vec<Write> {
        if self.requests[&row].has_ended {
            return Vec::new();
        }
        let count = u32::from(how);
        let tried = StoredTried {
            order: row.0,
            until_ms: how.is_multiple_of(2).then_some(self.now_ms),
            deliveries: count,
            attempts: count / 2,
            releases: count / 3,
            last: how.is_multiple_of(3).then(|| words::problem(how.into())),
        };
        vec![Write::Move { row, tried: Box::new(tried) }]
    }

    fn end(&mut self, row: Row, how: u8) -> Vec<Write> {
        let state = self.requests.entry(row).or_default();
        // Only damage ends a request twice.
        let is_damaged = state.has_ended;
        state.has_ended = true;
        let answer = words::answer(self.last + 1);
        let outcome = match how % 5 {
            _ if is_damaged => NewOutcome::Dead { reason: DeadReason::Damaged, last: None },
            0 => NewOutcome::Replied(answer),
            1 => NewOutcome::Failed(answer),
            2 => NewOutcome::Expired,
            3 => NewOutcome::Cancelled,
            _ => NewOutcome::Dead { reason: DeadReason::AttemptsExhausted, last: Some(words::problem(how.into())) },
        };
        if matches!(outcome, NewOutcome::Dead { .. }) && !self.letters.contains(&row) {
            self.letters.push(row);
        }
        vec![words::end(row, self.now_ms, outcome)]
    }

    fn acknowledge_or_forget(&mut self, row: Row, much: u8) -> Vec<Write> {
        if !self.requests[&row].has_ended {
            return Vec::new();
        }
        if much.is_multiple_of(2) {
            return vec![Write::Acknowledge { row }];
        }
        self.requests.remove(&row);
        vec![Write::Forget { row }]
    }

    fn part(&mut self, row: Row, how: u8) -> Vec<Write> {
        let part_row = self.next(row.channel());
        let State { parts, has_ended } = self.requests.entry(row).or_default();
        match parts {
            Some((delivery, first, next)) if how >= 128 && *first < *next => {
                let through = *first + u32::from(how - 128) % (*next - *first);
                *first = through + 1;
                vec![Write::DropParts { request: row, delivery: *delivery, through }]
            }
            _ if *has_ended => Vec::new(),
            _ => {
                let again = how.is_multiple_of(7);
                let (delivery, first, next) =
                    parts.filter(|_| !again).unwrap_or_else(|| (parts.map_or(0, |(delivery, ..)| delivery) + 1, 1, 1));
                *parts = Some((delivery, first, next + 1));
                let part = words::part(part_row.number());
                vec![Write::AddPart { request: row, delivery, number: next, row: part_row, part }]
            }
        }
    }

    fn letter(&mut self, which: u8, how: u8) -> Vec<Write> {
        if self.letters.is_empty() {
            return Vec::new();
        }
        let row = self.letters.swap_remove(usize::from(which) % self.letters.len());
        if how.is_multiple_of(2) {
            return vec![Write::Exhume { row }];
        }
        let new = self.next(row.channel());
        self.requests.insert(new, State::default());
        words::a_redrive(row.channel(), row.number(), new.number())
    }
}
