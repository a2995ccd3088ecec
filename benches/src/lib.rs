//! What Roundtrip costs, side by side with its peers.
