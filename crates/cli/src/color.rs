//! Whether and how to colour what people read. Never what programs read.

use std::env;
use std::ffi::OsStr;
use std::fmt::Display;
use std::io::{self, IsTerminal};

use clap::{ColorChoice, ValueEnum};

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// As the arguments say, before they are parsed: `--help` is coloured too.
    pub(crate) fn of_arguments() -> Self {
        let mut arguments = env::args().take_while(|argument| argument != "--");
        let mut color = Self::Auto;
        while let Some(argument) = arguments.next() {
            let named = match argument.strip_prefix("--color") {
                Some("") => arguments.next(),
                Some(rest) => rest.strip_prefix('=').map(str::to_owned),
                None => None,
            };
            color = named.and_then(|name| Self::from_str(&name, true).ok()).unwrap_or(color);
        }
        color
    }

    pub(crate) fn choice(self) -> ColorChoice {
        match self {
            Self::Auto if env::var_os("NO_COLOR").is_some_and(|set| !set.is_empty()) => ColorChoice::Never,
            Self::Auto => ColorChoice::Auto,
            Self::Always => ColorChoice::Always,
            Self::Never => ColorChoice::Never,
        }
    }

    /// How to write to standard error.
    pub(crate) fn for_stderr(self) -> Paint {
        self.paint(io::stderr().is_terminal(), env::var_os("NO_COLOR").as_deref())
    }

    /// How to write to standard output.
    pub(crate) fn for_stdout(self) -> Paint {
        self.paint(io::stdout().is_terminal(), env::var_os("NO_COLOR").as_deref())
    }

    fn paint(self, terminal: bool, no_color: Option<&OsStr>) -> Paint {
        let colored = match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => terminal && no_color.is_none_or(OsStr::is_empty),
        };
        Paint { colored }
    }
}

/// Colours text, or leaves it as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Paint {
    pub(crate) colored: bool,
}

impl Paint {
    pub(crate) fn bold(self, text: impl Display) -> String {
        self.with("1", text)
    }

    pub(crate) fn dim(self, text: impl Display) -> String {
        self.with("2", text)
    }

    pub(crate) fn red(self, text: impl Display) -> String {
        self.with("31", text)
    }

    pub(crate) fn green(self, text: impl Display) -> String {
        self.with("32", text)
    }

    fn with(self, code: &str, text: impl Display) -> String {
        if self.colored { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_colours_a_terminal_that_did_not_say_no() {
        assert!(Color::Auto.paint(true, None).colored);
        assert!(Color::Auto.paint(true, Some(OsStr::new(""))).colored);
        assert!(!Color::Auto.paint(true, Some(OsStr::new("1"))).colored);
        assert!(!Color::Auto.paint(false, None).colored);
    }

    #[test]
    fn the_argument_outweighs_the_environment() {
        assert!(Color::Always.paint(false, Some(OsStr::new("1"))).colored);
        assert!(!Color::Never.paint(true, None).colored);
    }

    #[test]
    fn without_colour_the_text_stays_as_it_is() {
        assert_eq!(Paint { colored: false }.red("dead"), "dead");
        assert_eq!(Paint { colored: true }.red("dead"), "\u{1b}[31mdead\u{1b}[0m");
    }
}
