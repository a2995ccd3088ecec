//! The data folder of a durable broker.

pub use crate::storage::sqlite::OpenError;
