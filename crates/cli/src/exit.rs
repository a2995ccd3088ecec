//! How a command ends: the exit status, and the one sentence that goes with it.

use std::io;
use std::process::ExitCode;

/// The exit status of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Replied; with `--no-wait` accepted; other commands: done.
    Done,
    /// Any other outcome, or a demo whose claim did not hold.
    OtherOutcome,
    /// Something in the command line or a file it names is wrong.
    Usage,
    /// The broker refused.
    Refused,
    /// No broker could be reached, or the address cannot be listened on.
    NoConnection,
    /// The broker does not know the ticket.
    UnknownTicket,
    /// The broker stopped, and accepted requests that it held in memory failed.
    RequestsFailed,
    /// `--wait` passed.
    WaitPassed,
    /// Ctrl-C.
    Interrupted,
}

impl Exit {
    /// The number that the shell sees.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::OtherOutcome => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::NoConnection => 4,
            Self::UnknownTicket => 5,
            Self::RequestsFailed => 6,
            Self::WaitPassed => 124,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}

/// Why a command ended before it was done.
#[derive(Debug)]
pub(crate) enum Quit {
    /// With a sentence for the person, who is told what to do.
    Saying(Exit, String),
    /// Whoever read our output closed it, and wants no more of it: not a failure.
    PipeClosed,
}

impl Quit {
    pub(crate) fn saying(exit: Exit, sentence: impl Into<String>) -> Self {
        Self::Saying(exit, sentence.into())
    }

    pub(crate) fn usage(sentence: impl Into<String>) -> Self {
        Self::saying(Exit::Usage, sentence)
    }

    /// What became of a write to standard output.
    pub(crate) fn of_output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::PipeClosed;
        }
        Self::saying(Exit::OtherOutcome, format!("cannot write to standard output: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_that_scripts_rely_on() {
        let all = [
            Exit::Done,
            Exit::OtherOutcome,
            Exit::Usage,
            Exit::Refused,
            Exit::NoConnection,
            Exit::UnknownTicket,
            Exit::RequestsFailed,
            Exit::WaitPassed,
            Exit::Interrupted,
        ];
        assert_eq!(all.map(Exit::number), [0, 1, 2, 3, 4, 5, 6, 124, 130]);
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        assert!(matches!(Quit::of_output(&io::ErrorKind::BrokenPipe.into()), Quit::PipeClosed));
        assert!(matches!(Quit::of_output(&io::ErrorKind::StorageFull.into()), Quit::Saying(Exit::OtherOutcome, _)));
    }
}
