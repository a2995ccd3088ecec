//! Who waits for an entry to change. Nearly always one task, rarely several.

use std::task::Waker;

#[derive(Default)]
pub(super) struct Wakers {
    first: Option<Waker>,
    others: Vec<Waker>,
}

impl Wakers {
    pub(super) fn register(&mut self, waker: &Waker) {
        match &self.first {
            None => self.first = Some(waker.clone()),
            Some(first) if first.will_wake(waker) => {}
            Some(_) if self.others.iter().any(|other| other.will_wake(waker)) => {}
            Some(_) => self.others.push(waker.clone()),
        }
    }

    pub(super) fn wake_into(&mut self, woken: &mut Woken) {
        self.first.take().into_iter().chain(self.others.drain(..)).for_each(|waker| woken.push(waker));
    }
}

/// Whose wait may be over: to be woken when the state is not locked any more.
#[derive(Default)]
pub(crate) struct Woken {
    first: Option<Waker>,
    others: Vec<Waker>,
}

impl Woken {
    pub(super) fn push(&mut self, waker: Waker) {
        match &self.first {
            None => self.first = Some(waker),
            Some(_) => self.others.push(waker),
        }
    }

    /// Moves all into another, which is empty; gives its memory in turn.
    pub(crate) fn move_into(&mut self, other: &mut Self) {
        other.first = self.first.take();
        if !self.others.is_empty() {
            std::mem::swap(&mut self.others, &mut other.others);
        }
    }

    pub(crate) fn wake(&mut self) {
        self.first.take().into_iter().chain(self.others.drain(..)).for_each(Waker::wake);
    }
}
