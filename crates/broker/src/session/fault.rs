//! What is wrong with what the other end sent.

use std::fmt;

use roundtrip_protocol::{DecodeError, Error, ErrorCode};

/// Something for an [`Error`] frame. Names limits and frames, never what was in them.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
    pub(crate) frame: u8,
    pub(crate) closes: bool,
}

impl Fault {
    /// The connection goes on.
    pub(crate) fn passing(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), frame: 0, closes: false }
    }

    /// The connection ends.
    pub(crate) fn closing(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), frame: 0, closes: true }
    }

    pub(crate) fn unknown_number(of_what: &str, number: impl fmt::Display) -> Self {
        Self::closing(ErrorCode::BadNumber, format!("{number} stands for no {of_what} on this connection"))
    }

    pub(crate) fn number_in_use(of_what: &str, number: impl fmt::Display) -> Self {
        let message = format!("{number} stands for a {of_what} on this connection already: choose another number");
        Self::closing(ErrorCode::BadNumber, message)
    }

    /// Whether whoever begins a connection like this does not speak the protocol at all.
    pub(crate) const fn is_garbage(&self) -> bool {
        use ErrorCode::{FrameTooLarge, HandshakeExpected, MalformedFrame, UnknownFrame};
        matches!(self.code, HandshakeExpected | MalformedFrame | UnknownFrame | FrameTooLarge)
    }

    pub(crate) fn about(mut self, frame: u8) -> Self {
        self.frame = frame;
        self
    }
}

impl From<&DecodeError> for Fault {
    fn from(error: &DecodeError) -> Self {
        let code = match error {
            DecodeError::HeaderTooLong { .. } | DecodeError::PayloadTooLong { .. } => ErrorCode::FrameTooLarge,
            DecodeError::UnknownType(_) => ErrorCode::UnknownFrame,
            _ => ErrorCode::MalformedFrame,
        };
        Self::closing(code, error.to_string())
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let Fault { code, message, frame, closes } = fault;
        Self { code, message, frame, closes }
    }
}
