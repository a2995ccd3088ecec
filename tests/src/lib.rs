//! What the tests that cross crates share: the simulator.

pub mod simulation;
