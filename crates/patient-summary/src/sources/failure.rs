//! How gathering fails. No error says anything about the patient, and each says which upstream to look at.

use std::time::Duration;

use super::gather::upstream;
use super::{Misplaced, Source};

/// Why gathering failed. None of these says anything about the patient.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GatherError {
    /// The EHR answered that it has no such patient. Final.
    #[error("the EHR knows no such patient; check the patient id")]
    UnknownPatient,
    /// An upstream answered with an error, or asked for a longer wait than there is patience for.
    #[error("the {} upstream answered {status} when asked for {asked}; try again later", upstream(*asked))]
    Upstream {
        /// What was asked for.
        asked: Source,
        /// The HTTP status.
        status: u16,
        /// How long the upstream asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// An upstream could not be asked, or did not finish its answer.
    #[error("the {} upstream {problem} when asked for {asked}; check that it runs", upstream(*asked))]
    Unreachable {
        /// What was asked for.
        asked: Source,
        /// What happened.
        problem: Unreachable,
    },
    /// An answer holds what was not asked for. It is not used; somebody should look at the upstream. Final,
    /// except for [`Misplaced::TwoVersions`].
    #[error("the {} upstream's answer for {asked} cannot be used: {problem}; check the upstream", upstream(*asked))]
    Misplaced {
        /// What was asked for.
        asked: Source,
        /// What is wrong.
        problem: Misplaced,
    },
    /// An answer is no searchset that can be trusted.
    #[error("the {} upstream's answer for {asked} cannot be used: {problem}; check the upstream", upstream(*asked))]
    NotASearchset {
        /// What was asked for.
        asked: Source,
        /// What is wrong.
        problem: SearchsetProblem,
    },
}

impl GatherError {
    /// Whether trying again cannot help.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::UnknownPatient => true,
            // A record that changes while it is read is whole at the next attempt.
            Self::Misplaced { problem, .. } => *problem != Misplaced::TwoVersions,
            _ => false,
        }
    }

    /// How long the upstream asks to be left alone, if it said so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Upstream { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the upstream is over its quota: how long it is to be left alone then, where it said so.
    #[must_use]
    pub fn is_over_quota(&self) -> bool {
        matches!(self, Self::Upstream { status: 429, .. })
    }

    /// Whether the source said nothing at all, as against something that cannot be trusted, or that it will answer later.
    pub(super) fn is_absence(&self) -> bool {
        matches!(self, Self::Upstream { .. } | Self::Unreachable { .. }) && !self.is_over_quota()
    }
}

/// How an upstream could not be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreachable {
    /// No connection.
    #[error("could not be connected to")]
    NoConnection,
    /// No answer in time.
    #[error("did not answer in time")]
    TimedOut,
    /// The answer broke off.
    #[error("broke off its answer")]
    BrokeOff,
}

/// What is wrong with an answer that should be a searchset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SearchsetProblem {
    /// It is not a FHIR Bundle of type `searchset`.
    #[error("expected a FHIR Bundle of type `searchset`, got something else")]
    OtherForm,
    /// A page is larger than what is read.
    #[error("expected at most {limit} bytes a page, got more")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// `link.next` leads to another server.
    #[error("expected `link.next` to stay on the same server, got a link elsewhere")]
    ForeignLink,
    /// The pages do not end.
    #[error("expected at most {limit} pages, got more")]
    TooManyPages {
        /// The limit.
        limit: usize,
    },
    /// Fewer resources came than the answer says that there are.
    #[error("expected {total} resources as `total` says, got {came}")]
    Incomplete {
        /// What `total` says.
        total: u64,
        /// What came.
        came: usize,
    },
}
