//! The words, frames, limits and codes of the Roundtrip wire protocol.
