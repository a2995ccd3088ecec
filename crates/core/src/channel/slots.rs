//! Numbered places for things that come and go: the number of one that is gone is given again.
//!
//! They are in blocks of their own, so that growing copies nothing, and the memory of a block goes back when it is
//! empty. The lowest free number is given first, which lets the blocks behind become empty.

use std::collections::BTreeSet;

/// How many a block has: one for each bit of [`Block::taken`].
const BLOCK: usize = 64;

/// The number of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Slot(pub(super) u32);

#[derive(Debug)]
pub(super) struct Slots<T> {
    blocks: Vec<Block<T>>,
    /// Blocks that have a free place, among them those without memory.
    with_room: BTreeSet<usize>,
}

#[derive(Debug)]
struct Block<T> {
    /// Without memory while none is taken.
    places: Vec<Option<T>>,
    /// A bit for each place.
    taken: u64,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { blocks: Vec::new(), with_room: BTreeSet::new() }
    }
}

impl<T> Slots<T> {
    pub(super) fn get(&self, slot: Slot) -> Option<&T> {
        let (block, place) = position(slot);
        self.blocks.get(block)?.places.get(place)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        let (block, place) = position(slot);
        self.blocks.get_mut(block)?.places.get_mut(place)?.as_mut()
    }

    pub(super) fn insert(&mut self, value: T) -> Slot {
        let at = self.with_room.first().copied().unwrap_or(self.blocks.len());
        if at == self.blocks.len() {
            self.blocks.push(Block { places: Vec::new(), taken: 0 });
            self.with_room.insert(at);
        }
        let block = &mut self.blocks[at];
        let place = block.taken.trailing_ones() as usize;
        if block.places.is_empty() {
            block.places.reserve_exact(BLOCK);
        }
        match block.places.get_mut(place) {
            Some(free) => *free = Some(value),
            None => block.places.push(Some(value)),
        }
        block.taken |= 1 << place;
        if block.taken == u64::MAX {
            self.with_room.remove(&at);
        }
        Slot(u32::try_from(at * BLOCK + place).unwrap_or(u32::MAX))
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<T> {
        let (at, place) = position(slot);
        let block = self.blocks.get_mut(at)?;
        let value = block.places.get_mut(place)?.take()?;
        if block.taken == u64::MAX {
            self.with_room.insert(at);
        }
        block.taken &= !(1 << place);
        if block.taken == 0 && at > 0 {
            block.places = Vec::new();
            self.drop_last_blocks();
        }
        Some(value)
    }

    /// Those that are there, by their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.blocks.iter().flat_map(|block| block.places.iter().flatten())
    }

    fn drop_last_blocks(&mut self) {
        while self.blocks.last().is_some_and(|block| block.taken == 0) {
            self.blocks.pop();
            self.with_room.remove(&self.blocks.len());
        }
        if self.blocks.len() < self.blocks.capacity() / 4 {
            self.blocks.shrink_to(2 * self.blocks.len());
        }
    }
}

const fn position(slot: Slot) -> (usize, usize) {
    (slot.0 as usize / BLOCK, slot.0 as usize % BLOCK)
}

#[cfg(test)]
mod tests;
