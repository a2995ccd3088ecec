//! What the tests that cross crates share: the simulator, and the crashes of the real broker.

pub mod crash;
pub mod simulation;
