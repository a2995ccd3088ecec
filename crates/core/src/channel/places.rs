//! Places in a list for what comes and goes, found again by their numbers: a place that is free is given again.

use super::slots::Slot;

/// An empty list with room for no more than so many keeps it.
const KEPT: usize = 16;

/// In the order of the places, whatever came first.
#[derive(Debug)]
pub(super) struct Places<T> {
    places: Vec<Place<T>>,
    /// The free place that is given next.
    free: Option<Slot>,
    len: usize,
}

#[derive(Debug)]
enum Place<T> {
    Taken(T),
    /// And the free place that is given after it.
    Free(Option<Slot>),
}

impl<T> Default for Places<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: None, len: 0 }
    }
}

impl<T> Places<T> {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn insert(&mut self, value: T) -> Slot {
        self.len += 1;
        match self.free.and_then(|slot| Some((slot, self.places.get_mut(slot.0 as usize)?))) {
            Some((slot, place)) => {
                if let Place::Free(next) = std::mem::replace(place, Place::Taken(value)) {
                    self.free = next;
                }
                slot
            }
            None => {
                self.places.push(Place::Taken(value));
                Slot(u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX))
            }
        }
    }

    pub(super) fn remove(&mut self, slot: Slot) {
        let Some(place @ Place::Taken(_)) = self.places.get_mut(slot.0 as usize) else { return };
        *place = Place::Free(self.free.replace(slot));
        self.len -= 1;
        if self.len == 0 {
            self.free = None;
            self.places.clear();
            if self.places.capacity() > KEPT {
                self.places = Vec::new();
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.places.iter().filter_map(|place| match place {
            Place::Taken(value) => Some(value),
            Place::Free(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_place_is_given_again_before_a_new_one() {
        let mut places = Places::default();
        let [first, second, third] = ["a", "b", "c"].map(|value| places.insert(value));
        places.remove(first);
        places.remove(second);
        places.remove(second);
        assert_eq!((places.insert("d"), places.insert("e")), (second, first));
        assert_eq!(places.iter().copied().collect::<Vec<_>>(), ["e", "d", "c"]);
        places.remove(third);
        assert_eq!(places.len(), 2);
    }

    #[test]
    fn an_empty_list_gives_its_memory_back() {
        let mut places = Places::default();
        let taken: Vec<_> = (0..100).map(|value| places.insert(value)).collect();
        taken.into_iter().for_each(|slot| places.remove(slot));
        assert!(places.is_empty());
        assert_eq!(places.places.capacity(), 0);
        assert_eq!(places.insert(1), Slot(0));
    }
}
