//! What a connection is, and the framing codec over TCP.
