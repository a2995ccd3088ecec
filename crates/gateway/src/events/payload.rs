//! A payload as a member of a JSON object.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use roundtrip_client::Headers;
use serde::Serialize;
use serde_json::value::RawValue;

/// A payload with its label, to be flattened into an object. Which member it stands in follows from its content type:
/// `json` for JSON, `text` for `text/*` and for none, `base64` for every other, and for what is not what its type says.
#[derive(Debug, Serialize)]
pub(super) struct Payload<'a> {
    content_type: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<&'a str, &'a str>,
    #[serde(flatten)]
    bytes: Bytes<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Bytes<'a> {
    /// Digit for digit as the service wrote it: a number may be more exact than any type of ours.
    Json(Box<RawValue>),
    Text(&'a str),
    Base64(String),
}

impl<'a> Payload<'a> {
    pub(super) fn of(content_type: &'a str, headers: &'a Headers, bytes: &'a [u8]) -> Self {
        let headers = headers.0.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Self { content_type, headers, bytes: Bytes::of(content_type, bytes) }
    }
}

impl<'a> Bytes<'a> {
    fn of(content_type: &str, bytes: &'a [u8]) -> Self {
        let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let is_json = media_type == "application/json" || media_type.ends_with("+json");
        let is_text = is_json || media_type.is_empty() || media_type.starts_with("text/");
        match std::str::from_utf8(bytes) {
            Ok(text) if is_text => is_json.then(|| json(text)).flatten().map_or(Self::Text(text), Self::Json),
            _ => Self::Base64(BASE64_STANDARD.encode(bytes)),
        }
    }
}

/// The JSON on one line: a line's end stands between its tokens only, and whoever reads events line by line is spared.
fn json(text: &str) -> Option<Box<RawValue>> {
    let json = RawValue::from_string(text.to_owned()).ok()?;
    match json.get().contains(['\r', '\n']) {
        true => RawValue::from_string(json.get().replace(['\r', '\n'], " ")).ok(),
        false => Some(json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(content_type: &str, bytes: &[u8]) -> String {
        serde_json::to_string(&Payload::of(content_type, &Headers::default(), bytes)).unwrap()
    }

    #[test]
    fn json_is_told_as_it_is_written_on_one_line() {
        let told = told("application/fhir+json; fhirVersion=4.0", b"{\"dose\":\r\n1.10}");
        assert_eq!(told, r#"{"content_type":"application/fhir+json; fhirVersion=4.0","json":{"dose":  1.10}}"#);
    }

    #[test]
    fn what_only_looks_like_json_keeps_its_lines() {
        let told = told("application/json", b"\"two\nlines\"");
        assert_eq!(told, r#"{"content_type":"application/json","text":"\"two\nlines\""}"#);
    }

    #[test]
    fn text_and_what_has_no_type_are_told_as_text() {
        assert_eq!(told("Text/Plain", b"a\nb"), r#"{"content_type":"Text/Plain","text":"a\nb"}"#);
        assert_eq!(told("", "süd".as_bytes()), r#"{"content_type":"","text":"süd"}"#);
        assert_eq!(told("application/json", b"{half"), r#"{"content_type":"application/json","text":"{half"}"#);
    }

    #[test]
    fn everything_else_is_told_in_base64() {
        assert_eq!(told("image/png", b"PNG"), r#"{"content_type":"image/png","base64":"UE5H"}"#);
        assert_eq!(told("text/plain", b"\xff"), r#"{"content_type":"text/plain","base64":"/w=="}"#);
    }

    #[test]
    fn headers_are_told_where_there_are_any() {
        let headers = Headers(vec![("ward".into(), "7".into())]);
        let told = serde_json::to_string(&Payload::of("", &headers, b"")).unwrap();
        assert_eq!(told, r#"{"content_type":"","headers":{"ward":"7"},"text":""}"#);
    }
}
