//! Contents of a durable channel that are in memory: those that are not on disk yet, and some that are.

use std::collections::VecDeque;

use foldhash::{HashMap, HashMapExt};
use roundtrip_core::Change;

use crate::disk::Disk;
use crate::storage::{Ask, Content, Missing, Row};

/// Contents by what they are asked for with. What is on disk goes again, first come first gone, where all channels
/// together have too much of that.
#[derive(Default)]
pub(in crate::channel) struct Shelf {
    entries: HashMap<Ask, Entry>,
    /// What is not on disk yet, by the change that brings it there.
    fresh: VecDeque<(Change, Ask)>,
    /// What is, in the order in which it may go.
    kept: VecDeque<Ask>,
    /// What is to be fetched, and was not asked for yet.
    wanted: Vec<Ask>,
    /// What goes as soon as nobody waits to be told something.
    passing: Vec<Ask>,
    /// What the deed at hand looked for. Where it needs several contents none of them goes while another is fetched: they
    /// would never be there together.
    at_hand: Vec<Ask>,
}

enum Entry {
    /// It is not on disk yet. None: its content is on disk under another name until then.
    Fresh(Option<Content>),
    /// It is on disk too.
    Kept(Content),
    /// It was looked for on disk and is not there as it should be.
    Missing(Missing),
    /// It is being fetched.
    Fetched,
}

/// What is known of a content.
pub(in crate::channel) enum Found<'a> {
    Here(&'a Content),
    Missing(Missing),
    /// It is on its way.
    NotYet,
}

impl Shelf {
    /// A new content, which no change has brought to the disk yet.
    pub(super) fn bring(&mut self, ask: Ask, content: Content) {
        self.entries.insert(ask, Entry::Fresh(Some(content)));
    }

    /// A content that is going to be kept under a second name.
    pub(super) fn bring_from(&mut self, ask: Ask, known: Ask) {
        let content = match self.entries.get(&known) {
            Some(Entry::Kept(content)) => Some(content.clone()),
            _ => None,
        };
        self.entries.insert(ask, Entry::Fresh(content));
    }

    /// The content goes to the disk with this change.
    pub(super) fn commit_with(&mut self, change: Change, ask: Ask) {
        self.fresh.push_back((change, ask));
    }

    /// A content that is not on disk yet.
    pub(super) fn fresh(&self, ask: Ask) -> Option<&Content> {
        match self.entries.get(&ask) {
            Some(Entry::Fresh(content)) => content.as_ref(),
            _ => None,
        }
    }

    /// What goes to the disk with changes up to this one is there.
    pub(super) fn keep(&mut self, through: Change, disk: &Disk) {
        while let Some((_, ask)) = self.fresh.pop_front_if(|(change, _)| *change <= through) {
            match self.entries.remove(&ask) {
                Some(Entry::Fresh(Some(content))) => self.put(ask, content, disk),
                Some(Entry::Fresh(None)) | None => {}
                Some(other) => drop(self.entries.insert(ask, other)),
            }
        }
    }

    /// What was fetched has arrived.
    pub(in crate::channel) fn arrive(&mut self, ask: Ask, found: Result<Content, Missing>, disk: &Disk) {
        if !matches!(self.entries.get(&ask), Some(Entry::Fetched)) {
            return;
        }
        match found {
            Ok(content) => self.put(ask, content, disk),
            Err(missing) => {
                self.entries.insert(ask, Entry::Missing(missing));
                self.passing.push(ask);
            }
        }
    }

    fn put(&mut self, ask: Ask, content: Content, disk: &Disk) {
        disk.shelve(content.bytes());
        self.entries.insert(ask, Entry::Kept(content));
        self.kept.push_back(ask);
        if matches!(ask, Ask::Operation(_) | Ask::Part(_)) {
            self.passing.push(ask);
        }
    }

    /// Whether anything is known of it.
    pub(super) fn knows(&self, ask: Ask) -> bool {
        self.entries.contains_key(&ask)
    }

    /// Nothing of a request or a dead letter is needed any more.
    pub(super) fn remove_all_of(&mut self, row: Row, disk: &Disk) {
        for ask in [Ask::Message(row), Ask::Operation(row), Ask::Answer(row.answer())] {
            // What is on its way to the disk goes when it is there.
            if !matches!(self.entries.get(&ask), Some(Entry::Fresh(_))) {
                self.remove(ask, disk);
            }
        }
    }

    /// Looks for a content on behalf of a deed that is at hand.
    pub(in crate::channel) fn find(&mut self, ask: Ask) -> Found<'_> {
        let ask = self.named(ask);
        self.at_hand.push(ask);
        self.look_for(ask)
    }

    /// Has a content fetched, if it is not in memory, that a deed is going to look for.
    pub(super) fn prepare(&mut self, ask: Ask) {
        let ask = self.named(ask);
        self.look_for(ask);
    }

    /// Another deed is at hand, or none.
    pub(in crate::channel) fn turn(&mut self) {
        self.at_hand.clear();
    }

    /// The message names the operation too.
    fn named(&self, ask: Ask) -> Ask {
        match ask {
            Ask::Operation(row) if self.holds(Ask::Message(row)) => Ask::Message(row),
            other => other,
        }
    }

    fn look_for(&mut self, ask: Ask) -> Found<'_> {
        match self.entries.entry(ask).or_insert_with(|| {
            self.wanted.push(ask);
            Entry::Fetched
        }) {
            Entry::Fresh(Some(content)) | Entry::Kept(content) => Found::Here(content),
            Entry::Missing(missing) => Found::Missing(*missing),
            Entry::Fresh(None) | Entry::Fetched => Found::NotYet,
        }
    }

    fn holds(&self, ask: Ask) -> bool {
        matches!(self.entries.get(&ask), Some(Entry::Fresh(Some(_)) | Entry::Kept(_)))
    }

    /// What is to be fetched now.
    pub(in crate::channel) fn take_wanted(&mut self) -> Vec<Ask> {
        std::mem::take(&mut self.wanted)
    }

    /// A content is needed no more.
    pub(in crate::channel) fn remove(&mut self, ask: Ask, disk: &Disk) {
        if let Some(Entry::Kept(content)) = self.entries.remove(&ask) {
            disk.unshelve(content.bytes());
        }
    }

    /// Lets go of contents that can be fetched again: where there are too many in memory, and of those that pass when
    /// `all_told`.
    pub(in crate::channel) fn clear_up(&mut self, all_told: bool, disk: &Disk) {
        if all_told {
            for ask in std::mem::take(&mut self.passing) {
                self.remove(ask, disk);
            }
        }
        let mut stays = Vec::new();
        while disk.has_too_much_shelved()
            && let Some(ask) = self.kept.pop_front()
        {
            if self.at_hand.contains(&ask) {
                stays.push(ask);
            } else if matches!(self.entries.get(&ask), Some(Entry::Kept(_))) {
                self.remove(ask, disk);
            }
        }
        stays.into_iter().rev().for_each(|ask| self.kept.push_front(ask));
        // What was removed by name is still in the queue.
        if self.kept.len() > 64 && self.kept.len() > 2 * self.entries.len() {
            let entries = &self.entries;
            self.kept.retain(|ask| matches!(entries.get(ask), Some(Entry::Kept(_))));
        }
        if self.entries.is_empty() && self.entries.capacity() > 64 {
            self.entries = HashMap::new();
            self.kept = VecDeque::new();
        }
    }

    /// Lets go of everything: the channel begins again.
    pub(in crate::channel) fn clear(&mut self, disk: &Disk) {
        for (_, entry) in std::mem::take(self).entries {
            if let Entry::Kept(content) = entry {
                disk.unshelve(content.bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Worker;
    use crate::storage::Row;

    #[test]
    fn what_a_deed_needs_together_stays_until_it_is_there_together() {
        let disk = Disk::new(Worker::Tasks, 0, 64, 1);
        let mut shelf = Shelf::default();
        let [first, second] = [Ask::Operation(Row(1)), Ask::Operation(Row(2))];
        let name = || Ok(Content::Operation("generate".into()));
        shelf.turn();
        assert!(matches!(shelf.find(first), Found::NotYet));
        shelf.arrive(first, name(), &disk);
        assert!(disk.has_too_much_shelved());
        shelf.turn();
        assert!(matches!(shelf.find(first), Found::Here(_)));
        assert!(matches!(shelf.find(second), Found::NotYet));
        shelf.clear_up(false, &disk);
        shelf.arrive(second, name(), &disk);
        shelf.turn();
        assert!(matches!(shelf.find(first), Found::Here(_)));
        assert!(matches!(shelf.find(second), Found::Here(_)));
        shelf.turn();
        shelf.clear_up(true, &disk);
        assert!(!disk.has_too_much_shelved(), "nothing stays that nobody waits for");
    }
}
