//! Which of many sockets can be read or written, asked of the operating system for all of them at once.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;

/// The sockets that are watched, each under a key.
pub(crate) struct Poll {
    epoll: OwnedFd,
    events: Vec<Event>,
}

/// What can be done with the socket of this key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ready {
    pub(crate) key: usize,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
}

impl Poll {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self { epoll: epoll::create(CreateFlags::CLOEXEC)?, events: Vec::with_capacity(1024) })
    }

    /// Watches what can be read there.
    pub(crate) fn add(&self, socket: impl AsFd, key: usize) -> anyhow::Result<()> {
        Ok(epoll::add(&self.epoll, socket, EventData::new_u64(key as u64), EventFlags::IN)?)
    }

    /// Watches whether something can be written there too, or no longer.
    pub(crate) fn watch_writing(&self, socket: impl AsFd, key: usize, is_watched: bool) -> anyhow::Result<()> {
        let flags = if is_watched { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
        Ok(epoll::modify(&self.epoll, socket, EventData::new_u64(key as u64), flags)?)
    }

    /// Waits until something can be done, and puts it in `ready` anew; nothing when the time is over.
    pub(crate) fn wait(&mut self, patience: Option<Duration>, ready: &mut Vec<Ready>) -> anyhow::Result<()> {
        self.events.clear();
        ready.clear();
        let patience =
            patience.map(|time| Timespec { tv_sec: time.as_secs() as i64, tv_nsec: time.subsec_nanos().into() });
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), patience.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        ready.extend(self.events.iter().map(|event| {
            let Event { flags, data } = *event;
            let is_gone = flags.intersects(EventFlags::HUP | EventFlags::ERR);
            Ready {
                key: data.u64() as usize,
                readable: is_gone || flags.contains(EventFlags::IN),
                writable: flags.contains(EventFlags::OUT),
            }
        }));
        Ok(())
    }
}
