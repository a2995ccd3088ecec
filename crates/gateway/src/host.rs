//! The names under which a gateway may be reached.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// A host's name or address as it stands in a URL, without a port: `broker.example`, `192.0.2.7`, `[2001:db8::7]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host(String);

/// The text is no host.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostError;

impl fmt::Display for HostError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(
            "a host is a name or an address without scheme, port and path, such as broker.example, 192.0.2.7 or \
             [2001:db8::7]",
        )
    }
}

impl std::error::Error for HostError {}

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        match Authority::parse(text) {
            Some(Authority { host, port: None }) => Ok(Self(host)),
            _ => Err(HostError),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Host {
    pub(crate) fn is(&self, host: &str) -> bool {
        self.0 == host
    }
}

/// What stands between `//` and the path of a URL: a host in small letters, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Authority {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
}

impl Authority {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let port_at = match text.strip_prefix('[') {
            Some(rest) => rest.find(']')? + 2,
            None => text.find(':').unwrap_or(text.len()),
        };
        let (host, port) = text.split_at_checked(port_at)?;
        let port = match port.strip_prefix(':') {
            Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => Some(digits.parse().ok()?),
            Some(_) => return None,
            None if port.is_empty() => None,
            None => return None,
        };
        let is_host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => is_name(host),
        };
        is_host.then(|| Self { host: host.to_ascii_lowercase(), port })
    }

    /// Whether it leads to this machine, whatever a name server says.
    pub(crate) fn is_loopback(&self) -> bool {
        let address = self.host.trim_start_matches('[').trim_end_matches(']');
        self.host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

fn is_name(text: &str) -> bool {
    let is_letter = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'.' | b'-' | b'_');
    !text.is_empty() && text.len() <= 255 && text.bytes().all(is_letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<(String, Option<u16>)> {
        Authority::parse(text).map(|authority| (authority.host, authority.port))
    }

    #[test]
    fn an_authority_is_a_host_in_small_letters_and_a_port() {
        assert_eq!(parsed("LocalHost:7480"), Some(("localhost".into(), Some(7480))));
        assert_eq!(parsed("127.0.0.1"), Some(("127.0.0.1".into(), None)));
        assert_eq!(parsed("[::1]:80"), Some(("[::1]".into(), Some(80))));
    }

    #[test]
    fn what_is_none_is_not_guessed_at() {
        let texts =
            ["", ":80", "a:b", "a:", "a:80:80", "a:99999", "::1", "[::1", "[x]:1", "[::1]x", "a b", "u@a", "é", "[é"];
        for text in texts {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    #[test]
    fn loopback_is_told_from_what_only_looks_like_it() {
        let is_loopback = |text: &str| Authority::parse(text).unwrap().is_loopback();
        for text in ["localhost", "127.0.0.1:1", "127.9.9.9", "[::1]"] {
            assert!(is_loopback(text), "{text}");
        }
        for text in ["localhost.example", "127.0.0.1.example", "128.0.0.1", "0.0.0.0", "[::2]", "example"] {
            assert!(!is_loopback(text), "{text}");
        }
    }

    #[test]
    fn a_listed_host_has_no_port_and_no_scheme() {
        assert!("Broker.Example".parse::<Host>().unwrap().is("broker.example"));
        for text in ["broker:80", "http://broker", "broker/", ""] {
            assert_eq!(text.parse::<Host>(), Err(HostError), "{text}");
        }
    }
}
