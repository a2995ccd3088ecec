//! What a durable channel has beside its state machine: what it decided and has not told yet, what it keeps in memory
//! although it is on disk, and how far it is kept.
//!
//! The state machine decides at once. What it wants done is a queue of [`Deed`]s: each waits until the change that it
//! tells of is on disk, and until what it tells is in memory. So nobody is shown what is not kept, and in order.

mod deed;
mod restore;
mod shelf;
mod write;

use std::collections::{HashMap, VecDeque};

use roundtrip_core::{Change, Channel, Command, Figures, Peer as _, PeerId, Settling};
use roundtrip_protocol::{Refusal, RequestId, TicketNumber};

pub(super) use self::deed::{Deed, Doing, Done, Look, Looked, Offer};
pub(super) use self::restore::Restoring;
pub(super) use self::shelf::Found;
pub(super) use self::shelf::Shelf;
use crate::disk::{DISK_OVERHEAD, Disk};
use crate::handles::{BrokerHandles, Held};
use crate::memory::Room;
use crate::message::{KEY_OVERHEAD, Part};
use crate::storage::{Ask, ChannelRow, Content, Row, Write};

/// What a request takes of memory while its message is on disk alone, and a dead letter, in bytes.
const EACH: usize = 320;

/// A request takes two rows: its own and its answer's. So does a part, which has no use for the second.
const ROWS_OF_A_REQUEST: u64 = 2;

/// A durable channel's side of the disk.
pub(super) struct Durable {
    /// Its number on disk, from its first record on.
    pub(super) row: Option<ChannelRow>,
    /// Whether the disk was told that number, and has it.
    pub(super) is_row_sent: bool,
    pub(super) is_row_kept: bool,
    next_number: u64,
    /// How often it began again.
    pub(super) epoch: u64,
    pub(super) phase: Phase,
    /// The last change that was decided, and the last one on disk.
    pub(super) decided: Change,
    pub(super) kept: Change,
    pub(super) deeds: VecDeque<Deed>,
    pub(super) shelf: Shelf,
    /// What a step decided, on its way to the disk.
    pub(super) writes: Vec<Write>,
    pub(super) bytes: u64,
    /// The figures that are on disk: those that are shown.
    pub(super) shown: Figures,
    /// The message that the command at hand brought, or the dead letter's that it moves.
    brought: Option<Brought>,
    /// The last deliveries that this start of the broker handed out before the channel began again.
    handed_out: HashMap<RequestId, u32>,
    /// For what is in memory of requests that are on disk.
    room: Room,
    reserved: u64,
}

/// Whether the channel is there.
pub(super) enum Phase {
    Ready,
    /// It is read from the disk, and what is asked of it waits.
    Loading {
        waiting: Vec<Waiting>,
        /// Why, if not because the broker starts: then submissions are refused.
        refusal: Option<Refusal>,
    },
}

/// What waits for a channel that is being read.
pub(super) enum Waiting {
    Command(Command<BrokerHandles>),
    Doing(Doing),
}

impl Waiting {
    /// Whether it asks for something under this ticket number of a connection.
    pub(super) fn opens(&self, by: PeerId, number: TicketNumber) -> bool {
        match self {
            Self::Command(Command::Submit { peer, ticket, .. } | Command::Attach { peer, ticket, .. }) => {
                peer.id() == by && *ticket == number
            }
            _ => false,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Brought {
    Content(Ask),
    OfLetter { row: Row, letter: Row },
}

impl Durable {
    /// That of a channel of which nothing is on disk; `room` counts what it holds.
    pub(super) fn new(room: Room) -> Self {
        Self {
            row: None,
            is_row_sent: false,
            is_row_kept: false,
            next_number: 1,
            epoch: 0,
            phase: Phase::Ready,
            decided: Change::default(),
            kept: Change::default(),
            deeds: VecDeque::new(),
            shelf: Shelf::default(),
            writes: Vec::new(),
            bytes: 0,
            shown: Figures::default(),
            brought: None,
            handed_out: HashMap::new(),
            room,
            reserved: 0,
        }
    }

    /// That of a channel that is on disk under this number, and is going to be read.
    pub(super) fn on_disk(row: ChannelRow, room: Room) -> Self {
        let phase = Phase::Loading { waiting: Vec::new(), refusal: None };
        Self { row: Some(row), is_row_sent: true, is_row_kept: true, phase, ..Self::new(room) }
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Ready) && self.deeds.is_empty()
    }

    /// Numbers up to this one are given.
    pub(super) fn skip_numbers(&mut self, last: u64) {
        self.next_number = self.next_number.max(last + ROWS_OF_A_REQUEST);
    }

    /// Takes the large things out of a command, which goes on with where they are going to be kept.
    pub(super) fn take_in(
        &mut self,
        command: &mut Command<BrokerHandles>,
        channel: &Channel<BrokerHandles>,
        disk: &Disk,
    ) {
        match command {
            Command::Submit { submission, .. } => {
                let Held::Here(request) = &submission.request else { return };
                let (request, bytes) = (request.clone(), submission.bytes + request.texts());
                let Some(row) = self.next_row(disk) else { return };
                submission.request = Held::stored(row, bytes);
                self.bring(Ask::Message(row), Content::Message(request));
            }
            Command::Settle { token, settlement: Settling::Reply(answer) | Settling::Fail(answer), .. } => {
                let Held::Here(here) = &*answer else { return };
                let (here, bytes) = (here.clone(), here.payload.len());
                let Some(row) = channel.message(token.id).and_then(Held::row).map(Row::answer) else { return };
                // What settled it before is the answer, and stays.
                if self.shelf.knows(Ask::Answer(row)) {
                    return;
                }
                *answer = Held::stored(row, bytes);
                self.bring(Ask::Answer(row), Content::Answer(here));
            }
            Command::AddPart { part, .. } => {
                let Held::Here(here) = &*part else { return };
                let (here, bytes) = (here.clone(), Part::bytes(&here.label, here.payload.len()));
                let Some(row) = self.next_row(disk) else { return };
                *part = Held::stored(row, bytes);
                self.bring(Ask::Part(row), Content::Part(here));
            }
            Command::Redrive { id, request, .. } => {
                let Some(Held::Stored(letter, bytes)) = channel.dead_letter(*id).map(|letter| letter.request.clone())
                else {
                    return;
                };
                let Some(row) = self.next_row(disk) else { return };
                *request = Held::Stored(row, bytes);
                self.shelf.bring_from(Ask::Message(row), Ask::Message(letter));
                self.brought = Some(Brought::OfLetter { row, letter });
            }
            _ => {}
        }
    }

    fn bring(&mut self, ask: Ask, content: Content) {
        self.shelf.bring(ask, content);
        self.brought = Some(Brought::Content(ask));
    }

    /// What the command brought was not kept.
    pub(super) fn drop_brought(&mut self, disk: &Disk) {
        match self.brought.take() {
            None => {}
            Some(Brought::Content(ask)) => self.shelf.remove(ask, disk),
            Some(Brought::OfLetter { row, .. }) => self.shelf.remove(Ask::Message(row), disk),
        }
    }

    fn next_row(&mut self, disk: &Disk) -> Option<Row> {
        let channel = match self.row {
            Some(row) => row,
            None => *self.row.insert(disk.channel_row()?),
        };
        let number = self.next_number;
        self.next_number += ROWS_OF_A_REQUEST;
        Some(Row::new(channel, number))
    }

    /// Everything up to this change is on disk.
    pub(super) fn keep(&mut self, through: Change, disk: &Disk) {
        self.kept = self.kept.max(through);
        self.is_row_kept = self.is_row_sent;
        self.shelf.keep(self.kept, disk);
    }

    /// Nothing is left to be told: where nothing is kept either, no content is wanted again.
    pub(super) fn rest(&mut self, figures: &Figures, disk: &Disk) {
        if self.kept == self.decided && figures.open + figures.retained + figures.dead == 0 {
            self.shelf.clear(disk);
        }
    }

    /// What the channel handed out stays handed out, although it is going to begin again: no token exists twice. A
    /// delivery that waits to be told was not.
    pub(super) fn note_deliveries(&mut self, channel: &Channel<BrokerHandles>) {
        let mut untold: HashMap<RequestId, u32> = HashMap::new();
        for token in self.deeds.iter().filter_map(Deed::delivery) {
            untold.entry(token.id).and_modify(|first| *first = token.delivery.min(*first)).or_insert(token.delivery);
        }
        for (id, last) in channel.deliveries() {
            let last = untold.get(&id).map_or(last, |first| first - 1);
            let known = self.handed_out.entry(id).or_default();
            *known = last.max(*known);
        }
    }

    /// It begins: the numbers of those deliveries are not given again.
    pub(super) fn skip_deliveries(&mut self, channel: &mut Channel<BrokerHandles>) {
        for (id, last) in std::mem::take(&mut self.handed_out) {
            channel.skip_deliveries(id, last);
        }
    }

    /// Nothing of what was decided counts, and the channel is read from disk.
    pub(super) fn begin_again(&mut self, waiting: Vec<Waiting>, refusal: Refusal, disk: &Disk) {
        self.epoch += 1;
        self.phase = Phase::Loading { waiting, refusal: Some(refusal) };
        (self.decided, self.kept) = (Change::default(), Change::default());
        self.shelf.clear(disk);
        self.writes.clear();
        self.bytes = 0;
        self.brought = None;
        self.is_row_sent = self.is_row_kept;
    }

    /// Counts what the channel takes of memory beside contents, and of the disk for outcomes that are to come.
    pub(super) fn count_room(&mut self, figures: &Figures, reply_room: usize, disk: &Disk) {
        const STEP: usize = 16 * 1024;
        let each = (figures.open + figures.retained + figures.dead) * EACH;
        let needed = (each + figures.keys * KEY_OVERHEAD).next_multiple_of(STEP);
        if needed != self.room.bytes() {
            self.room.resize(needed);
        }
        let reserved = figures.open as u64 * (reply_room as u64 + DISK_OVERHEAD);
        if reserved != self.reserved {
            disk.reserve(reserved, self.reserved);
            self.reserved = reserved;
        }
    }
}
