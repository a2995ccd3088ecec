//! What the tests that cross crates share: the simulator, the crashes of the real broker, and how a test is skipped.

pub mod crash;
pub mod simulation;
mod skip;

pub use skip::skip;
