//! How a broker is set up.

use std::collections::BTreeSet;
use std::time::Duration;

use roundtrip_transport::runtime;

use crate::broker::Broker;
use crate::disk::{Kept, Worker};
use crate::settings::{ChannelError, ChannelSettings, OnUnknown};
use crate::shared::Shared;
use crate::storage::Storage;
#[cfg(feature = "simulation")]
use crate::storage::faulty::FaultyDisk;
use crate::storage::memory::{MemoryDisk, MemoryStorage};
#[cfg(feature = "durable")]
use crate::storage::sqlite::SqliteStorage;
use crate::timer;

/// Sets up a [`Broker`]. Every setting has a default, so that `Broker::builder().start()` is one that works.
#[derive(Debug, Clone)]
#[must_use]
pub struct BrokerBuilder {
    channels: Vec<ChannelSettings>,
    defaults: ChannelSettings,
    on_unknown: OnUnknown,
    limits: Limits,
    keeping: Keeping,
}

/// Where durable channels are kept.
#[derive(Debug, Clone)]
enum Keeping {
    /// Nowhere: there are none.
    Nowhere,
    /// In a folder.
    #[cfg(feature = "durable")]
    Folder(std::path::PathBuf),
    /// In memory that outlives a broker.
    Memory(MemoryDisk),
    /// On a simulator's disk.
    #[cfg(feature = "simulation")]
    Faulty(FaultyDisk),
}

impl Keeping {
    const fn is_folder(&self) -> bool {
        match self {
            Self::Nowhere | Self::Memory(_) => false,
            #[cfg(feature = "simulation")]
            Self::Faulty(_) => false,
            #[cfg(feature = "durable")]
            Self::Folder(_) => true,
        }
    }
}

/// What bounds a broker.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) memory: usize,
    pub(crate) disk: u64,
    pub(crate) channels: usize,
    pub(crate) mailboxes: usize,
    pub(crate) mailbox_capacity: usize,
    pub(crate) connections: usize,
    pub(crate) open: usize,
    pub(crate) max_payload: usize,
    pub(crate) heartbeat: Duration,
    pub(crate) drain_timeout: Duration,
    pub(crate) remote_drain: bool,
}

/// Why a broker did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// There is no tokio runtime on this thread.
    #[error("a broker lives in a tokio runtime and there is none here: start it within #[tokio::main] or block_on")]
    NoRuntime,
    /// A channel was declared that cannot be.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// A channel was declared durable, and there is nowhere to keep it.
    #[error("channel {channel} is durable, and the broker has no folder for its data: name one, or leave durable out")]
    NoFolder {
        /// The channel; `defaults` for those that are made on first use.
        channel: String,
    },
    /// The folder of the data cannot be used.
    #[cfg(feature = "durable")]
    #[error(transparent)]
    Data(#[from] crate::data::OpenError),
    /// The disk does not do what it is asked.
    #[error("the broker's data cannot be read or written: {text}")]
    Disk {
        /// What it says.
        text: String,
    },
}

impl BrokerBuilder {
    pub(crate) fn new() -> Self {
        Self {
            channels: Vec::new(),
            defaults: ChannelSettings::for_undeclared(),
            on_unknown: OnUnknown::default(),
            limits: Limits {
                memory: 1024 * 1024 * 1024,
                disk: 16 * 1024 * 1024 * 1024,
                channels: 100_000,
                mailboxes: 100_000,
                mailbox_capacity: 10_000,
                connections: 20_000,
                open: 65_536,
                max_payload: 64 * 1024 * 1024,
                heartbeat: Duration::from_secs(5),
                drain_timeout: Duration::from_secs(30),
                remote_drain: false,
            },
            keeping: Keeping::Nowhere,
        }
    }

    /// Declares a channel. Without any, channels are made on first use.
    pub fn channel(mut self, settings: ChannelSettings) -> Self {
        self.channels.push(settings);
        self
    }

    /// The settings of channels that are made on first use. Their names and reply channels follow from what is asked
    /// for; a reply channel given here takes the replies of them all.
    pub fn defaults(mut self, settings: ChannelSettings) -> Self {
        self.defaults = settings;
        self
    }

    /// What happens when somebody names a channel that was not declared: it is made, unless this says otherwise.
    pub fn on_unknown(mut self, on_unknown: OnUnknown) -> Self {
        self.on_unknown = on_unknown;
        self
    }

    /// How much memory the broker may take for all it holds, in bytes: 1 GiB. Submissions are refused when three
    /// quarters are used.
    pub fn memory(mut self, bytes: usize) -> Self {
        self.limits.memory = bytes;
        self
    }

    /// The folder that durable channels are kept in; it is made if it is missing. With one, every channel is durable
    /// that does not say otherwise. No two brokers have the same one at a time.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use roundtrip_broker::{Broker, ChannelSettings};
    ///
    /// let broker = Broker::builder()
    ///     .data("./data")
    ///     .channel(ChannelSettings::new("patient_summary_request"))
    ///     .channel(ChannelSettings::new("preview_request").durable(false))
    ///     .start()?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "durable")]
    pub fn data(mut self, folder: impl Into<std::path::PathBuf>) -> Self {
        self.keeping = Keeping::Folder(folder.into());
        self
    }

    /// Channels that are declared durable are kept in memory that lives as long as `disk` or a clone of it: for tests.
    #[doc(hidden)]
    pub fn data_in_memory(mut self, disk: &MemoryDisk) -> Self {
        self.keeping = Keeping::Memory(disk.clone());
        self
    }

    /// Durable channels are kept on a simulator's disk.
    #[cfg(feature = "simulation")]
    #[doc(hidden)]
    pub fn data_on(mut self, disk: &FaultyDisk) -> Self {
        self.keeping = Keeping::Faulty(disk.clone());
        self
    }

    /// How many bytes the folder of durable channels may have: 16 GiB. Submissions are refused when three quarters are
    /// used, what is set aside for outcomes included.
    pub fn disk(mut self, bytes: u64) -> Self {
        self.limits.disk = bytes;
        self
    }

    /// How many channels there may be: 100,000.
    pub fn max_channels(mut self, channels: usize) -> Self {
        self.limits.channels = channels;
        self
    }

    /// How many mailboxes there may be: 100,000.
    pub fn max_mailboxes(mut self, mailboxes: usize) -> Self {
        self.limits.mailboxes = mailboxes;
        self
    }

    /// How many requests of one requester may have a place in one mailbox, answered or not: 10,000.
    pub fn mailbox_capacity(mut self, requests: usize) -> Self {
        self.limits.mailbox_capacity = requests;
        self
    }

    /// How many connections there may be, in process and over TCP: 20,000.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.limits.connections = connections;
        self
    }

    /// How many tickets, deliveries, services, mailboxes and names, each, a connection may have at once: 65,536.
    pub fn max_open(mut self, each: u32) -> Self {
        self.limits.open = each as usize;
        self
    }

    /// The largest payload that any connection takes, in bytes: 64 MiB. Whoever sends a larger one is disconnected;
    /// what is merely over a channel's own limit is refused.
    pub fn max_payload(mut self, bytes: usize) -> Self {
        self.limits.max_payload = bytes.min(u32::MAX as usize / 2);
        self
    }

    /// How often each end of a TCP connection says something at least: every 5 s, in whole milliseconds. After three
    /// heartbeats of silence a connection counts as broken. Zero: never.
    pub fn heartbeat(mut self, interval: Duration) -> Self {
        let millis = u32::try_from(interval.as_millis()).unwrap_or(u32::MAX);
        self.limits.heartbeat = Duration::from_millis(millis.into());
        self
    }

    /// How long [`Broker::shutdown`] lets requests come to their end: 30 s.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.limits.drain_timeout = timeout;
        self
    }

    /// Whether a client may ask the broker to stop: no. See [`Broker::drain_requested`].
    pub fn remote_drain(mut self, is_allowed: bool) -> Self {
        self.limits.remote_drain = is_allowed;
        self
    }

    /// Starts the broker within the current tokio runtime, which needs its timer enabled. With a folder for durable
    /// channels it blocks until that is opened; the channels themselves are read afterwards, see
    /// [`Broker::recovery`], and what is asked of one meanwhile waits until it is there.
    ///
    /// # Errors
    ///
    /// There is no runtime, a channel was declared that cannot be, or the folder of the data cannot be used.
    pub fn start(mut self) -> Result<Broker, StartError> {
        if !runtime::is_there() {
            return Err(StartError::NoRuntime);
        }
        self.defaults.check("")?;
        self.say_what_is_durable()?;
        let mut plans = Vec::new();
        let mut names = BTreeSet::new();
        for settings in &self.channels {
            let plan = settings.declared_plan()?;
            if !names.insert(plan.name.clone()) {
                return Err(ChannelError::Twice { name: plan.name }.into());
            }
            plans.push(plan);
        }
        let kept = self.open()?;
        let shared = Shared::start(self.limits, plans, self.defaults, self.on_unknown, kept)
            .map_err(|error| StartError::Disk { text: error.to_string() })?;
        runtime::spawn(timer::run(shared.clone(), shared.stopped.clone()));
        Ok(Broker::new(shared))
    }

    fn say_what_is_durable(&mut self) -> Result<(), StartError> {
        let by_default = self.defaults.is_durable(self.keeping.is_folder());
        self.defaults.set_default_durable(by_default);
        for settings in &mut self.channels {
            settings.set_default_durable(by_default);
        }
        if !matches!(self.keeping, Keeping::Nowhere) {
            return Ok(());
        }
        if by_default {
            return Err(StartError::NoFolder { channel: "defaults".to_owned() });
        }
        match self.channels.iter().find(|settings| settings.is_durable(false)) {
            Some(settings) => Err(StartError::NoFolder { channel: settings.name().to_owned() }),
            None => Ok(()),
        }
    }

    fn has_durable_channels(&self) -> bool {
        let mut all = self.channels.iter().chain([&self.defaults]);
        all.any(|settings| settings.is_durable(false))
    }

    /// Opens what durable channels are kept in, and begins this start of the broker there.
    fn open(&self) -> Result<Option<Kept>, StartError> {
        let (storage, worker): (Box<dyn Storage>, _) = match &self.keeping {
            Keeping::Nowhere => return Ok(None),
            #[cfg(feature = "durable")]
            Keeping::Folder(folder) => (Box::new(SqliteStorage::open(folder)?), Worker::Threads),
            // A test's broker has one, and pays for it where a channel is durable.
            Keeping::Memory(disk) if disk.is_empty() && !self.has_durable_channels() => return Ok(None),
            Keeping::Memory(disk) => (Box::new(MemoryStorage::on(disk)), Worker::Tasks),
            #[cfg(feature = "simulation")]
            Keeping::Faulty(disk) => (disk.storage(), Worker::Tasks),
        };
        Kept::begin(storage, worker).map(Some).map_err(|error| StartError::Disk { text: error.text })
    }
}
