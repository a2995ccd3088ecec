//! Payloads: where `request` gets one from, and how one is shown in a line.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Read};

use serde_json::value::RawValue;

use crate::exit::Quit;

/// Reads what `DATA|@FILE|-` names; nothing named is nothing sent.
pub(crate) fn read(data: Option<&str>) -> Result<Vec<u8>, Quit> {
    match data {
        None => Ok(Vec::new()),
        Some("-") => {
            let mut bytes = Vec::new();
            let read = io::stdin().lock().read_to_end(&mut bytes);
            read.map(|_| bytes).map_err(|error| Quit::usage(format!("cannot read standard input: {error}")))
        }
        Some(text) => match text.strip_prefix('@') {
            Some(file) => fs::read(file).map_err(|error| {
                Quit::usage(format!("cannot read {file}: {error}; name a file that exists, or `-` for standard input"))
            }),
            None => Ok(text.as_bytes().to_vec()),
        },
    }
}

/// The media type to send a payload with: JSON is named, of anything else nothing is claimed.
pub(crate) fn content_type(payload: &[u8]) -> &'static str {
    if json(payload).is_some() { "application/json" } else { "" }
}

/// The payload as JSON on one line, if it is JSON: no value or order of it is changed, only space between them is left out.
pub(crate) fn json(payload: &[u8]) -> Option<Box<RawValue>> {
    let value: &RawValue = serde_json::from_slice(payload).ok()?;
    let text = value.get();
    if !text.contains(['\n', '\r']) {
        return Some(value.to_owned());
    }
    let (mut in_text, mut escaped) = (false, false);
    let kept = text.chars().filter(|&c| {
        let keep = in_text || !matches!(c, ' ' | '\t' | '\n' | '\r');
        match c {
            _ if escaped => escaped = false,
            '\\' if in_text => escaped = true,
            '"' => in_text = !in_text,
            _ => {}
        }
        keep
    });
    RawValue::from_string(kept.collect()).ok()
}

/// The payload as a value in a line of JSON: itself if it is JSON, a string if it is other text; bytes cannot be shown.
pub(crate) fn shown(payload: &[u8]) -> Option<Box<RawValue>> {
    json(payload).or_else(|| serde_json::value::to_raw_value(std::str::from_utf8(payload).ok()?).ok())
}

/// The payload as text on one line: JSON as it is, other text with its control characters escaped, bytes in base64.
pub(crate) fn one_line(payload: &[u8]) -> Cow<'_, str> {
    if let Some(value) = json(payload) {
        return Cow::Owned(value.get().to_owned());
    }
    match std::str::from_utf8(payload) {
        Ok(text) => printable(text),
        Err(_) => Cow::Owned(format!("base64:{}", base64(payload))),
    }
}

/// The text on one line, without what a terminal would take for a command.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().fold(String::new(), |mut line, c| {
        if c.is_control() {
            line.extend(c.escape_default())
        } else {
            line.push(c)
        }
        line
    }))
}

/// Base64 with padding, as RFC 4648 says.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let sextet = (group >> (18 - 6 * place)) & 0x3f;
            text.push(if place > chunk.len() { '=' } else { char::from(ALPHABET[sextet as usize]) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let all =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")];
        for (plain, encoded) in all {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
        assert_eq!(base64(&[0xff, 0xfe, 0xfd]), "//79");
    }

    #[test]
    fn json_stays_as_it_is_and_comes_to_stand_on_one_line() {
        let number = br#"{"b": 0.10000000000000000001, "a": 1}"#;
        assert_eq!(json(number).unwrap().get().as_bytes(), number);
        let lines = b"{\n  \"b\": \"two  words \\\" \\\\\",\r\n\t\"a\": [1, 2]\n}\n";
        assert_eq!(json(lines).unwrap().get(), r#"{"b":"two  words \" \\","a":[1,2]}"#);
        assert!(json(b"hello").is_none());
        assert!(json(b"\xff").is_none());
    }

    #[test]
    fn any_payload_is_shown_on_one_line() {
        assert_eq!(one_line(b"[1,\n2]"), "[1,2]");
        assert_eq!(one_line(b"one\ntwo\x1b[2J"), "one\\ntwo\\u{1b}[2J");
        assert_eq!(one_line(b"\xff\xfe"), "base64://4=");
    }

    #[test]
    fn only_json_is_named_as_such() {
        assert_eq!(content_type(br#"{"patientId":"a"}"#), "application/json");
        assert_eq!(content_type(b"hello"), "");
        assert_eq!(content_type(b""), "");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let Err(Quit::Saying(crate::exit::Exit::Usage, sentence)) = read(Some("@no/such/file")) else { panic!() };
        assert!(sentence.starts_with("cannot read no/such/file: "), "{sentence}");
    }
}
