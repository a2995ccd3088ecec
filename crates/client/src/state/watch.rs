//! Who is told of the connection's coming and going.

use std::collections::VecDeque;
use std::task::{Poll, Waker};
use std::time::Duration;

use super::ClientState;
use super::wakers::Wakers;
use crate::events::ConnectionEvent;

/// How many events are kept for one who does not read.
const KEPT: usize = 64;

#[derive(Default)]
pub(super) struct Watcher {
    events: VecDeque<ConnectionEvent>,
    wakers: Wakers,
}

impl ClientState {
    pub(crate) fn watch_connection(&mut self) -> u32 {
        let mut watcher = Watcher::default();
        if self.line.is_open() {
            watcher.events.push_back(ConnectionEvent::Connected);
        }
        self.watchers.insert(watcher)
    }

    pub(crate) fn poll_connection_event(&mut self, key: u32, waker: &Waker) -> Poll<Option<ConnectionEvent>> {
        let is_closed = self.line.is_closed();
        let Some(watcher) = self.watchers.entry_mut(key) else { return Poll::Ready(None) };
        match watcher.events.pop_front() {
            Some(event) => Poll::Ready(Some(event)),
            None if is_closed => Poll::Ready(None),
            None => {
                watcher.wakers.register(waker);
                Poll::Pending
            }
        }
    }

    pub(crate) fn unwatch_connection(&mut self, key: u32) {
        self.watchers.remove(key);
    }

    pub(super) fn handle_drain(&mut self, remaining: Duration) {
        self.note_draining();
        self.tell(ConnectionEvent::Draining { remaining });
    }

    pub(super) fn tell(&mut self, event: ConnectionEvent) {
        for (_, watcher) in self.watchers.iter_mut() {
            if watcher.events.len() == KEPT {
                watcher.events.pop_front();
            }
            watcher.events.push_back(event);
            watcher.wakers.wake_into(&mut self.woken);
        }
    }

    pub(super) fn end_watching(&mut self) {
        for (_, watcher) in self.watchers.iter_mut() {
            watcher.wakers.wake_into(&mut self.woken);
        }
    }
}
