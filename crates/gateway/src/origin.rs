//! The origins of web pages: where a page was served from.

use std::fmt;
use std::str::FromStr;

use crate::host::Authority;

/// The origin of a web page as a browser writes it: scheme, host, and the port where it is not the scheme's own, such as
/// `https://ward.example` or `http://localhost:3000`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: &'static str,
    host: String,
    port: u16,
}

/// The text is no origin.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OriginError;

impl fmt::Display for OriginError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(
            "an origin is http:// or https://, a host, and a port if it is not the usual one, without a path, such as \
             https://ward.example or http://localhost:3000",
        )
    }
}

impl std::error::Error for OriginError {}

const USUAL: [(&str, u16); 2] = [("http", 80), ("https", 443)];

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let (scheme, authority) = text.split_once("://").ok_or(OriginError)?;
        let (scheme, usual) = USUAL.into_iter().find(|(known, _)| *known == scheme).ok_or(OriginError)?;
        let Authority { host, port } = Authority::parse(authority).ok_or(OriginError)?;
        Ok(Self { scheme, host, port: port.unwrap_or(usual) })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, host, port } = self;
        write!(out, "{scheme}://{host}")?;
        if !USUAL.contains(&(scheme, *port)) {
            write!(out, ":{port}")?;
        }
        Ok(())
    }
}

impl Origin {
    /// Whether a page of this origin was served under the host that it asks now.
    pub(crate) fn is_of(&self, asked: &Authority) -> bool {
        let usual = USUAL.into_iter().find(|(scheme, _)| *scheme == self.scheme).map(|(_, port)| port);
        self.host == asked.host && Some(self.port) == asked.port.or(usual)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_a_browser_writes_it() {
        let pairs = [
            ("http://LocalHost:3000", "http://localhost:3000"),
            ("https://ward.example:443", "https://ward.example"),
            ("http://ward.example:443", "http://ward.example:443"),
            ("http://[::1]:80", "http://[::1]"),
        ];
        for (text, written) in pairs {
            assert_eq!(text.parse::<Origin>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in [
            "null",
            "*",
            "",
            "ward.example",
            "ftp://ward.example",
            "http://",
            "http://ward.example/",
            "https://*.example",
        ] {
            assert_eq!(text.parse::<Origin>(), Err(OriginError), "{text}");
        }
    }
}
