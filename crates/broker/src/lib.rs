//! The Roundtrip broker as a library.
