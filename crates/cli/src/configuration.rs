//! What a broker is told by its file, its environment and its flags.
//!
//! A key is declared once, in [`broker_keys`] or [`channel_keys`], with its comment, its kind and its default: reading,
//! printing and the list of what there is follow from that. Every mistake in a file is told at once, with line and key.

mod broker_keys;
mod channel_keys;
mod environment;
mod file;
mod kind;
mod kinds;
mod mistake;
mod printed;
mod settings;

use std::net::SocketAddr;
use std::path::Path;

use roundtrip::ChannelName;
use roundtrip::broker::{BrokerBuilder, OnUnknown};

use crate::arguments::Callers;
use crate::exit::Quit;
use broker_keys::BrokerKeys;
use channel_keys::ChannelKeys;
pub(crate) use kinds::Size;
use kinds::{Folder, Listed, Positive};

/// Everything a broker is told before it starts.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Configuration {
    broker: BrokerKeys,
    /// What holds for every channel that does not say otherwise.
    defaults: ChannelKeys,
    channels: Vec<Channel>,
}

/// What the command line says of a broker, which goes before everything else.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) data: Option<String>,
    pub(crate) disk: Option<Size>,
    pub(crate) http: Option<SocketAddr>,
    pub(crate) callers: Callers,
}

/// A declared channel.
#[derive(Debug, Clone, PartialEq)]
struct Channel {
    name: ChannelName,
    keys: ChannelKeys,
}

impl Configuration {
    /// Puts together what is in force: a flag goes before the environment, that before the file, that before the
    /// default.
    pub(crate) fn in_force(file: Option<&Path>, flags: Flags) -> Result<Self, Quit> {
        let mut configuration = match file {
            Some(file) => Self::of_file(file)?,
            None => Self::default(),
        };
        environment::read(&mut configuration.broker, |name| std::env::var(name)).map_err(Quit::usage)?;
        let Flags { listen, data, disk, http, callers: Callers { hosts, origins } } = flags;
        if let Some(listen) = listen {
            configuration.broker.listen = listen;
        }
        if let Some(data) = data {
            configuration.broker.data = Some(Folder(data));
        }
        if let Some(disk) = disk {
            configuration.broker.disk = Positive(disk);
        }
        if let Some(http) = http {
            configuration.broker.http = Some(http);
        }
        if !hosts.is_empty() {
            configuration.broker.hosts = Listed(hosts);
        }
        if !origins.is_empty() {
            configuration.broker.cors_origins = Listed(origins);
        }
        Ok(configuration)
    }

    /// Reads the file alone.
    pub(crate) fn of_file(file: &Path) -> Result<Self, Quit> {
        let shown = file.display();
        let text = std::fs::read_to_string(file)
            .map_err(|error| Quit::usage(format!("cannot read {shown}: {error}; name a configuration file in TOML")))?;
        Self::of_text(&text).map_err(|mistakes| {
            let lines: Vec<String> = mistakes.iter().map(|mistake| mistake.in_file(&shown)).collect();
            Quit::usage(lines.join("\n"))
        })
    }

    fn of_text(text: &str) -> Result<Self, Vec<mistake::Mistake>> {
        // Whoever writes down the channels has said which there are.
        let broker = BrokerKeys { on_unknown: OnUnknown::Refuse, ..BrokerKeys::default() };
        file::read(text, Self { broker, ..Self::default() })
    }

    /// Where to listen.
    pub(crate) fn listen(&self) -> SocketAddr {
        self.broker.listen
    }

    /// Where to listen for HTTP, if anywhere.
    pub(crate) fn http(&self) -> Option<SocketAddr> {
        self.broker.http
    }

    /// Who may ask over HTTP.
    pub(crate) fn callers(&self) -> Callers {
        Callers { hosts: self.broker.hosts.0.clone(), origins: self.broker.cors_origins.0.clone() }
    }

    /// How long the broker drains.
    pub(crate) fn drain_timeout(&self) -> std::time::Duration {
        self.broker.drain_timeout
    }

    /// How many channels are declared.
    pub(crate) fn channels(&self) -> usize {
        self.channels.len()
    }

    /// Whether what the channel of this name accepts survives the broker.
    pub(crate) fn is_durable(&self, name: &ChannelName) -> bool {
        let declared = self.channels.iter().find(|channel| channel.name == *name);
        let keys = declared.map_or(&self.defaults, |channel| &channel.keys);
        self.broker.data.is_some() && keys.durable.unwrap_or(true)
    }

    /// Holds what is durable against where it is to be kept.
    pub(crate) fn check_data(&self) -> Result<(), Quit> {
        if self.broker.data.is_some() {
            return Ok(());
        }
        let defaults = ("[defaults]".to_owned(), &self.defaults);
        let channels = self.channels.iter().map(|channel| (format!("channel {}", channel.name), &channel.keys));
        match std::iter::once(defaults).chain(channels).find(|(_, keys)| keys.durable == Some(true)) {
            Some((whose, _)) => Err(Quit::usage(format!(
                "durable = true of {whose}: expected a folder to keep it in, found none; add data = \"DIR\" at the top of \
                 the file, or start the broker with --data DIR"
            ))),
            None => Ok(()),
        }
    }

    /// The same with everything in memory, for a look that touches no folder.
    pub(crate) fn in_memory(mut self) -> Self {
        self.broker.data = None;
        let channels = self.channels.iter_mut().map(|channel| &mut channel.keys);
        channels.chain([&mut self.defaults]).for_each(|keys| keys.durable = None);
        self
    }

    /// The file that says all this, with comments.
    pub(crate) fn to_text(&self) -> String {
        printed::print(self)
    }

    /// A broker that is told all this.
    pub(crate) fn builder(&self) -> BrokerBuilder {
        let builder = self.broker.builder().defaults(self.defaults.settings(String::new()));
        self.channels
            .iter()
            .fold(builder, |builder, Channel { name, keys }| builder.channel(keys.settings(name.as_str())))
    }
}

#[cfg(test)]
mod tests;
