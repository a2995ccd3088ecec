//! What a value can be, and what to say of one that is something else.

use std::net::SocketAddr;
use std::time::Duration;

use roundtrip::ChannelName;
use toml::de::DeValue;

use crate::duration;

/// A kind of value: how it is read, and how it is written so that it reads back to the same.
pub(super) trait Kind: Sized {
    /// Takes a value of the file for one of this kind.
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong>;
    /// The value as TOML; none if it is not set.
    fn write(&self) -> Option<String>;
    /// A value of this kind, as TOML.
    fn example() -> String;
}

/// A value that is not of the kind that its key has.
#[derive(Debug, PartialEq)]
pub(super) struct Wrong {
    /// The key within the value, if it is a table.
    pub(super) within: Option<String>,
    pub(super) expected: String,
    pub(super) found: String,
}

impl Wrong {
    pub(super) fn expected(expected: impl Into<String>, found: &DeValue<'_>) -> Self {
        Self { within: None, expected: expected.into(), found: described(found) }
    }

    pub(super) fn within(self, key: &str) -> Self {
        Self { within: Some(key.to_owned()), ..self }
    }
}

/// A value as a person would recognise it in the file.
pub(super) fn described(value: &DeValue<'_>) -> String {
    const LONGEST: usize = 60;
    match value {
        DeValue::String(text) if text.len() > LONGEST => {
            format!("{} and more", quoted(&text[..text.floor_char_boundary(LONGEST)]))
        }
        DeValue::String(text) => quoted(text),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(date) => format!("the date {date}"),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// The text as a TOML string.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A whole number that is not negative.
pub(super) fn whole(value: &DeValue<'_>) -> Option<u64> {
    let number = value.as_integer()?;
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// A number, whole or not.
pub(super) fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Float(number) => number.as_str().parse().ok(),
        value => whole(value).map(|number| number as f64),
    }
}

impl Kind for usize {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        let number = whole(value).and_then(|number| usize::try_from(number).ok());
        number.ok_or_else(|| Wrong::expected("a whole number such as 10000", value))
    }

    fn write(&self) -> Option<String> {
        Some(self.to_string())
    }

    fn example() -> String {
        "10000".to_owned()
    }
}

impl Kind for u32 {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        let number = whole(value).and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| Wrong::expected(format!("a whole number from 0 to {}", u32::MAX), value))
    }

    fn write(&self) -> Option<String> {
        Some(self.to_string())
    }

    fn example() -> String {
        "100".to_owned()
    }
}

/// The longest duration: what is meant for ever is ten years, and no clock overflows.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

impl Kind for Duration {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        let read = value.as_str().and_then(|text| duration::parse(text).ok()).filter(|length| *length <= LONGEST);
        read.ok_or_else(|| {
            Wrong::expected("a duration of at most ten years, such as \"500ms\", \"30s\", \"5m\" or \"24h\"", value)
        })
    }

    fn write(&self) -> Option<String> {
        Some(format!("\"{}\"", duration::exactly(*self)))
    }

    fn example() -> String {
        "\"30s\"".to_owned()
    }
}

impl Kind for bool {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        value.as_bool().ok_or_else(|| Wrong::expected("true or false", value))
    }

    fn write(&self) -> Option<String> {
        Some(self.to_string())
    }

    fn example() -> String {
        "true".to_owned()
    }
}

impl Kind for SocketAddr {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        let address = value.as_str().and_then(|text| text.parse().ok());
        address.ok_or_else(|| Wrong::expected("an address and a port such as \"127.0.0.1:7420\"", value))
    }

    fn write(&self) -> Option<String> {
        Some(format!("\"{self}\""))
    }

    fn example() -> String {
        "\"127.0.0.1:7420\"".to_owned()
    }
}

impl Kind for ChannelName {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        let Some(text) = value.as_str() else {
            return Err(Wrong::expected("the name of a channel such as \"patient_summary_request\"", value));
        };
        Self::new(text).map_err(|error| Wrong::expected(format!("the name of a channel ({error})"), value))
    }

    fn write(&self) -> Option<String> {
        Some(quoted(self.as_str()))
    }

    fn example() -> String {
        "\"patient_summary_reply\"".to_owned()
    }
}

/// A list of names; written out it is one line.
impl Kind for Vec<String> {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        let texts = value.as_array().map(|list| list.iter().map(|item| item.get_ref().as_str().map(str::to_owned)));
        let texts: Option<Vec<String>> = texts.and_then(Iterator::collect);
        let texts = texts.filter(|texts| !texts.iter().any(String::is_empty));
        texts.ok_or_else(|| Wrong::expected(format!("a list of texts such as {}", Self::example()), value))
    }

    fn write(&self) -> Option<String> {
        let items: Vec<String> = self.iter().map(|item| quoted(item)).collect();
        Some(format!("[{}]", items.join(", ")))
    }

    fn example() -> String {
        "[\"first\", \"second\"]".to_owned()
    }
}

/// What need not be set.
impl<K: Kind> Kind for Option<K> {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        K::read(value).map(Some)
    }

    fn write(&self) -> Option<String> {
        self.as_ref().and_then(K::write)
    }

    fn example() -> String {
        K::example()
    }
}
