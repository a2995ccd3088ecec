//! What a channel and a mailbox do: pure state machines.
