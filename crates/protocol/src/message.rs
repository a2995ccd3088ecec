//! What a message carries beside its payload.

use std::fmt;

use bincode::{BorrowDecode, Encode};

use crate::text::Text;

/// Application headers in the order they were given. The broker passes them on and reads none.
///
/// They may hold patients' data, so `Debug` tells only how many there are.
#[derive(Clone, Default, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// The first value under `name`, compared byte for byte.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// How many bytes names and values have together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.len()).sum()
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} headers", self.0.len())
    }
}

/// What a message says about its payload.
///
/// ```text
///  0
/// | content_type text | headers list pair |
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Label {
    /// The payload's media type, such as `application/json`; empty where the sender named none.
    pub content_type: Text,
    /// Application headers.
    pub headers: Headers,
}

impl Label {
    /// How many bytes its texts have together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.content_type.len() + self.headers.bytes()
    }
}

/// An interim message of a service: latest wins, never delays anything.
///
/// Stage and note may hold patients' data, so `Debug` tells only the fraction.
///
/// ```text
///  0              4
/// | fraction f32 | stage text | note text |
/// ```
#[derive(Clone, PartialEq, Encode, BorrowDecode)]
pub struct Progress {
    /// How much is done, 0 to 1.
    pub fraction: f32,
    /// What is being worked on.
    pub stage: String,
    /// Anything else worth telling; may be empty.
    pub note: String,
}

impl Progress {
    /// The longest stage, in bytes. A longer one is cut.
    pub const MAX_STAGE: usize = 256;

    /// The longest note, in bytes. A longer one is cut.
    pub const MAX_NOTE: usize = 1024;

    /// Within its limits: a fraction from 0 to 1, and texts cut between two characters.
    #[must_use]
    pub fn fitted(mut self) -> Self {
        self.fraction = if self.fraction.is_nan() { 0.0 } else { self.fraction.clamp(0.0, 1.0) };
        self.stage.truncate(self.stage.floor_char_boundary(Self::MAX_STAGE));
        self.note.truncate(self.note.floor_char_boundary(Self::MAX_NOTE));
        self.stage.shrink_to_fit();
        self.note.shrink_to_fit();
        self
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Progress({})", self.fraction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_progress_is_cut_between_characters() {
        let long = Progress { fraction: f32::NAN, stage: "é".repeat(200), note: "x".repeat(5000) };
        let fitted = long.fitted();
        assert_eq!(fitted.fraction, 0.0);
        assert_eq!(fitted.stage, "é".repeat(128));
        assert_eq!(fitted.note.len(), Progress::MAX_NOTE);
    }
}
