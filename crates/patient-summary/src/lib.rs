//! The flagship: a patient summary service, its API consumer and a sample EHR.
//!
//! A patient's summary is put together from what several systems know, some slow, some rate-limited, some down. The way of
//! one summary through this crate:
//!
//! 1. [`request`]: what is asked for.
//! 2. [`sources`]: the EHR's systems are asked, and what came back is checked.
//! 3. [`summary`]: an International Patient Summary is made of it, by a pure function.
//!
//! [`ehr`] plays the hospital's systems, with the [`patients`] of a folder or the ten inside the binary. Nothing here keeps a
//! patient's data, and none of it goes into a log or an error.

pub mod consumer;
pub mod ehr;
pub mod fhir;
pub mod operation;
pub mod patients;
pub mod request;
pub mod sections;
pub mod service;
pub mod sources;
pub mod summary;
