//! A payload in an object of JSON: text where it is text, base64 where it is not.

use serde_json::{Map, Value};

/// Puts a payload into an object, as `payload` or as `payload_base64`.
pub(super) fn put(object: &mut Map<String, Value>, payload: &[u8]) {
    match str::from_utf8(payload) {
        Ok(text) => object.insert("payload".to_owned(), text.into()),
        Err(_) => object.insert("payload_base64".to_owned(), base64(payload).into()),
    };
}

/// Base64 with padding, as RFC 4648 says.
fn base64(bytes: &[u8]) -> String {
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
    fn text_is_text_and_bytes_are_base64() {
        let all = [
            (&b"f\xc3\xbcr"[..], "payload", "für"),
            (b"", "payload", ""),
            (b"\xff", "payload_base64", "/w=="),
            (b"\xff\xfe", "payload_base64", "//4="),
            (b"\xff\xfe\xfd", "payload_base64", "//79"),
        ];
        for (payload, name, value) in all {
            let mut object = Map::new();
            put(&mut object, payload);
            assert_eq!(Value::Object(object), serde_json::json!({ name: value }));
        }
    }
}
