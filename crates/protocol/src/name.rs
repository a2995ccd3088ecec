//! Names that cannot be wrong: a [`ChannelName`] holds a good name or does not exist.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bincode::de::{BorrowDecode, BorrowDecoder};
use bincode::enc::{Encode, Encoder};
use bincode::error::{DecodeError, EncodeError};

/// The longest name, in bytes.
pub const MAX_NAME: usize = 128;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing at all.
    #[error("a name has 1 to 128 bytes, this one is empty")]
    Empty,
    /// Too long.
    #[error("a name has 1 to 128 bytes, this one has {0}: choose a shorter one")]
    TooLong(usize),
    /// A dot at the start, at the end or beside another dot.
    #[error("a name is segments of A-Z a-z 0-9 _ - with single dots between them; the segment at byte {0} is empty")]
    EmptySegment(usize),
    /// A character that names do not have.
    #[error("a name is segments of A-Z a-z 0-9 _ - with single dots between them; byte {at} is {found:?}")]
    Character {
        /// Where, counted in bytes from 0.
        at: usize,
        /// What stands there.
        found: char,
    },
}

fn check(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > MAX_NAME {
        return Err(NameError::TooLong(text.len()));
    }
    let mut segment_is_empty = true;
    for (at, found) in text.char_indices() {
        match found {
            '.' if segment_is_empty => return Err(NameError::EmptySegment(at)),
            '.' => segment_is_empty = true,
            'A'..='Z' | 'a'..='z' | '0'..='9' | '_' | '-' => segment_is_empty = false,
            _ => return Err(NameError::Character { at, found }),
        }
    }
    if segment_is_empty { Err(NameError::EmptySegment(text.len())) } else { Ok(()) }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// Dot-separated segments of `[A-Za-z0-9_-]`, 1 to 128 bytes in all. Cheap to clone.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes a text for a name.
            ///
            /// # Errors
            ///
            /// [`NameError`] says what is wrong with the text and where.
            pub fn new(text: impl AsRef<str>) -> Result<Self, NameError> {
                let text = text.as_ref();
                check(text)?;
                Ok(Self(Arc::from(text)))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, out)
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl Encode for $name {
            fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
                self.as_str().encode(encoder)
            }
        }

        impl<'de, C> BorrowDecode<'de, C> for $name {
            fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
                let text = <&'de str>::borrow_decode(decoder)?;
                Self::new(text).map_err(|_| DecodeError::Other(concat!(stringify!($name), ": not a name")))
            }
        }
    };
}

name! {
    /// The name of a channel: an address that messages are routed to.
    ChannelName
}

name! {
    /// The name of a requester: a party that submits requests and owns a mailbox.
    RequesterName
}

impl ChannelName {
    /// The reply channel of a request channel that names none: `_request` at its end becomes `_reply`, and without
    /// that ending `_reply` is added.
    ///
    /// # Errors
    ///
    /// [`NameError::TooLong`] when there is no room for the added ending.
    pub fn default_reply_channel(&self) -> Result<Self, NameError> {
        let stem = self.0.strip_suffix("_request").unwrap_or(&self.0);
        Self::new(format!("{stem}_reply"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_name_is_taken_as_it_is() {
        for good in ["a", "patient_summary_request", "a.b-c.D_9", &"x".repeat(128)] {
            assert_eq!(ChannelName::new(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn a_bad_name_is_refused_with_the_place() {
        assert_eq!(ChannelName::new(""), Err(NameError::Empty));
        assert_eq!(ChannelName::new("x".repeat(129)), Err(NameError::TooLong(129)));
        assert_eq!(ChannelName::new(".a"), Err(NameError::EmptySegment(0)));
        assert_eq!(ChannelName::new("a..b"), Err(NameError::EmptySegment(2)));
        assert_eq!(ChannelName::new("a."), Err(NameError::EmptySegment(2)));
        assert_eq!(ChannelName::new("a b"), Err(NameError::Character { at: 1, found: ' ' }));
        assert_eq!(ChannelName::new("aé"), Err(NameError::Character { at: 1, found: 'é' }));
        assert_eq!(RequesterName::new("a:b"), Err(NameError::Character { at: 1, found: ':' }));
    }

    #[test]
    fn the_reply_channel_follows_from_the_request_channel() {
        let reply_of = |name: &str| ChannelName::new(name).unwrap().default_reply_channel().unwrap().to_string();
        assert_eq!(reply_of("patient_summary_request"), "patient_summary_reply");
        assert_eq!(reply_of("resize"), "resize_reply");
        assert_eq!(reply_of("request"), "request_reply");
        assert!(ChannelName::new("x".repeat(128)).unwrap().default_reply_channel().is_err());
    }
}
