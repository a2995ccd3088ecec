//! Pins every byte of the protocol. `vectors.txt` has a line for every frame and choice, which any client in any
//! language can be held against; `docs/wire-v1.md` shows a whole session.
//!
//! Both are written anew by `ROUNDTRIP_WRITE_VECTORS=1 cargo test -p roundtrip-protocol --test golden`. After the first
//! release a line that changes is a broken client somewhere.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod readable;
mod samples;
mod session;

use std::collections::HashSet;
use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use readable::Readable;
use roundtrip_protocol::{
    ErrorCode, Frame, Header, Limits, PREFIX_LEN, Prefix, RefusalCode, decode_header, encode_prefix_and_header,
};
use samples::samples;

#[test]
fn every_frame_is_written_as_its_vector_says() {
    let path = in_repository("crates/protocol/tests/vectors.txt");
    let written = vectors();
    if std::env::var_os("ROUNDTRIP_WRITE_VECTORS").is_some() {
        std::fs::write(&path, &written).unwrap();
    }
    assert_same_lines(&std::fs::read_to_string(&path).unwrap(), &written);
}

#[test]
fn every_vector_is_read_as_the_frame_that_it_was() {
    for (name, frame) in samples() {
        assert_eq!(read(&write(&frame)), frame, "{name}");
    }
}

#[test]
fn every_type_of_frame_has_a_vector() {
    let seen: HashSet<u8> = samples().iter().map(|(_, frame)| frame.header.type_number()).collect();
    for (number, name) in Header::TYPES {
        assert!(seen.contains(number), "no vector for {name} ({number:#04x}): add one to samples.rs");
    }
}

#[test]
fn no_two_vectors_and_no_two_types_share_a_name() {
    let names: HashSet<_> = samples().iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), samples().len());
    let types: HashSet<_> = Header::TYPES.iter().map(|(_, name)| *name).collect();
    assert_eq!(types.len(), Header::TYPES.len());
    assert!(Header::TYPES.is_sorted_by(|(a, _), (b, _)| a < b));
}

#[test]
fn the_session_in_the_document_is_what_the_two_ends_send() {
    const BEGIN: &str = "<!-- session: written by the test golden, do not edit -->\n";
    const END: &str = "<!-- end of session -->\n";
    let path = in_repository("docs/wire-v1.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(BEGIN).expect("the document marks where the session begins");
    let (found, after) = rest.split_once(END).expect("the document marks where the session ends");
    let expected = session::told();
    if std::env::var_os("ROUNDTRIP_WRITE_VECTORS").is_some() {
        std::fs::write(&path, [before, BEGIN, &expected, END, after].concat()).unwrap();
        return;
    }
    assert_same_lines(found, &expected);
}

#[test]
fn the_document_lists_every_code_with_its_number() {
    let document = std::fs::read_to_string(in_repository("docs/wire-v1.md")).unwrap();
    let errors = ErrorCode::ALL.iter().map(|code| (code.number(), code.as_str()));
    let refusals = RefusalCode::ALL.iter().map(|code| (code.number(), code.as_str()));
    for (number, name) in errors.chain(refusals) {
        let row = format!("| {number} | `{name}` |");
        assert!(document.contains(&row), "docs/wire-v1.md has no row {row}");
    }
}

/// The file: a line for each frame.
fn vectors() -> String {
    let mut text = String::from(
        "# Golden vectors of protocol version 1, written and checked by the test `golden`.\n\
         # NAME | the frame in hex, prefix included | TYPE | the header's fields in JSON | the payload in hex\n\
         # An id is a text of 32 hex digits, an absent option is null, a choice is its name or {name: its fields}.\n",
    );
    for (name, frame) in samples() {
        let header = &frame.header;
        let line = [name, &hex(&write(&frame)), header.name(), &header.json(), &hex(&frame.payload)].join(" | ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// The bytes of a frame on the wire.
pub(crate) fn write(frame: &Frame) -> Bytes {
    let mut bytes = BytesMut::new();
    encode_prefix_and_header(&frame.header, frame.payload.len(), &mut bytes);
    bytes.extend_from_slice(&frame.payload);
    bytes.freeze()
}

/// The frame that the bytes are, all of them.
fn read(bytes: &Bytes) -> Frame {
    let (prefix, rest) = bytes.split_first_chunk::<PREFIX_LEN>().expect("a frame begins with a prefix");
    let prefix = Prefix::read(*prefix, Limits::with_max_payload(1 << 20)).unwrap();
    let (header, payload) = rest.split_at(prefix.header_len);
    assert_eq!(payload.len(), prefix.payload_len);
    let header = decode_header(prefix.type_number, header).unwrap();
    Frame::new(header, Bytes::copy_from_slice(payload))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn in_repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn assert_same_lines(found: &str, expected: &str) {
    for (at, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
        assert_eq!(found, expected, "line {} of the part", at + 1);
    }
    assert_eq!(found.lines().count(), expected.lines().count(), "number of lines");
}
