//! The flagship: a patient summary service, its API consumer and a sample EHR.
