//! Kinds of values that only a configuration has: sizes, what is at least one, words, and small tables.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use roundtrip::broker::{NoService, OnUnknown};
use roundtrip_gateway::{Host, Origin};
use toml::de::{DeTable, DeValue};

use super::kind::{Kind, Wrong, number, quoted, whole};
use crate::nearest::nearest;

/// A number of bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Size(pub(super) usize);

const UNITS: [(&str, usize); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl Size {
    pub(super) const fn kib(number: usize) -> Self {
        Self(number << 10)
    }

    pub(super) const fn mib(number: usize) -> Self {
        Self(number << 20)
    }

    fn parse(text: &str) -> Option<Self> {
        let (number, bytes) = UNITS.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, bytes)))?;
        let plain = number.bytes().all(|byte| byte.is_ascii_digit());
        let number: usize = number.parse().ok().filter(|_| plain)?;
        number.checked_mul(*bytes).map(Self)
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = || text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok().map(Self)).flatten();
        let size = Self::parse(text).or_else(plain).filter(|size| *size != Self(0));
        size.ok_or_else(|| "expected a size such as 512MiB or 16GiB, or a number of bytes".to_owned())
    }
}

impl Kind for Size {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        let size = match value {
            DeValue::String(text) => Self::parse(text),
            value => whole(value).and_then(|bytes| usize::try_from(bytes).ok()).map(Self),
        };
        size.ok_or_else(|| {
            Wrong::expected("a size such as \"64KiB\", \"16MiB\", \"1GiB\", or a number of bytes", value)
        })
    }

    fn write(&self) -> Option<String> {
        let fits = |bytes: usize| self.0 > 0 && self.0.is_multiple_of(bytes);
        let (unit, bytes) = UNITS.iter().find(|(_, bytes)| fits(*bytes)).copied().unwrap_or(("B", 1));
        Some(if bytes == 1 { self.0.to_string() } else { format!("\"{}{unit}\"", self.0 / bytes) })
    }

    fn example() -> String {
        "\"16MiB\"".to_owned()
    }
}

/// The path of a folder. It is text, so that it can be written into the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Folder(pub(super) String);

impl Kind for Folder {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        let path = value.as_str().filter(|path| !path.is_empty());
        path.map(|path| Self(path.to_owned())).ok_or_else(|| Wrong::expected("the path of a folder", value))
    }

    fn write(&self) -> Option<String> {
        Some(quoted(&self.0))
    }

    fn example() -> String {
        "\"/var/lib/roundtrip\"".to_owned()
    }
}

/// A list of what is written as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed<T>(pub(super) Vec<T>);

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// Something of which a configuration may list several.
pub(super) trait Item: FromStr<Err: Display> + Display {
    const EXAMPLE: &'static str;
}

impl Item for Host {
    const EXAMPLE: &'static str = "broker.example";
}

impl Item for Origin {
    const EXAMPLE: &'static str = "https://ward.example";
}

impl<T: Item> Kind for Listed<T> {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        let Some(list) = value.as_array() else {
            return Err(Wrong::expected(format!("a list such as {}", Self::example()), value));
        };
        let item = |item: &DeValue<'_>| {
            let text =
                item.as_str().ok_or_else(|| Wrong::expected(format!("a text such as \"{}\"", T::EXAMPLE), item))?;
            text.parse().map_err(|error| Wrong::expected(format!("each to be right: {error}"), item))
        };
        list.iter().map(|it| item(it.get_ref())).collect::<Result<_, _>>().map(Self)
    }

    fn write(&self) -> Option<String> {
        let items: Vec<_> = self.0.iter().map(|item| quoted(&item.to_string())).collect();
        Some(format!("[{}]", items.join(", ")))
    }

    fn example() -> String {
        format!("[\"{}\"]", T::EXAMPLE)
    }
}

/// A value that is more than nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Positive<T>(pub(super) T);

impl<T: Kind + Default + PartialEq> Kind for Positive<T> {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        let read = T::read(value)?;
        if read == T::default() {
            return Err(Wrong::expected(format!("more than nothing, such as {}", T::example()), value));
        }
        Ok(Self(read))
    }

    fn write(&self) -> Option<String> {
        self.0.write()
    }

    fn example() -> String {
        T::example()
    }
}

/// The wait after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Backoff {
    pub(super) first: Duration,
    pub(super) max: Duration,
}

impl Kind for Backoff {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        let table = fields(value, ["first", "max"], &Self::example())?;
        let backoff = Self { first: field(table, "first")?, max: field(table, "max")? };
        if backoff.first > backoff.max {
            let expected = format!("at least first, which is {}", backoff.first.write().unwrap_or_default());
            let found = backoff.max.write().unwrap_or_default();
            return Err(Wrong { within: Some("max".to_owned()), expected, found });
        }
        Ok(backoff)
    }

    fn write(&self) -> Option<String> {
        Some(format!("{{ first = {}, max = {} }}", self.first.write()?, self.max.write()?))
    }

    fn example() -> String {
        "{ first = \"500ms\", max = \"60s\" }".to_owned()
    }
}

/// How many deliveries a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rate {
    pub(super) per_second: f64,
    pub(super) burst: u32,
}

impl Kind for Rate {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        let table = fields(value, ["per_second", "burst"], &Self::example())?;
        let PerSecond(per_second) = field(table, "per_second")?;
        let Positive(burst) = field(table, "burst")?;
        Ok(Self { per_second, burst })
    }

    fn write(&self) -> Option<String> {
        Some(format!("{{ per_second = {}, burst = {} }}", self.per_second, self.burst))
    }

    fn example() -> String {
        "{ per_second = 20, burst = 40 }".to_owned()
    }
}

struct PerSecond(f64);

impl Kind for PerSecond {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        let read = number(value).filter(|number| (1e-6..=1e9).contains(number));
        read.map(Self).ok_or_else(|| Wrong::expected("a number from 0.000001 to 1000000000", value))
    }

    fn write(&self) -> Option<String> {
        Some(self.0.to_string())
    }

    fn example() -> String {
        "20".to_owned()
    }
}

impl Kind for NoService {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        match value.as_str() {
            Some("wait") => Ok(Self::Wait),
            Some("refuse") => Ok(Self::Refuse),
            _ => Err(Wrong::expected("\"wait\" or \"refuse\"", value)),
        }
    }

    fn write(&self) -> Option<String> {
        Some(if *self == Self::Refuse { "\"refuse\"" } else { "\"wait\"" }.to_owned())
    }

    fn example() -> String {
        "\"refuse\"".to_owned()
    }
}

impl Kind for OnUnknown {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        match value.as_str() {
            Some("create") => Ok(Self::Create),
            Some("refuse") => Ok(Self::Refuse),
            _ => Err(Wrong::expected("\"create\" or \"refuse\"", value)),
        }
    }

    fn write(&self) -> Option<String> {
        Some(if *self == Self::Refuse { "\"refuse\"" } else { "\"create\"" }.to_owned())
    }

    fn example() -> String {
        "\"create\"".to_owned()
    }
}

/// The table, which has these keys and no other.
fn fields<'v, 'i>(value: &'v DeValue<'i>, keys: [&str; 2], example: &str) -> Result<&'v DeTable<'i>, Wrong> {
    let table = value.as_table().ok_or_else(|| Wrong::expected(example, value))?;
    if let Some(key) = table.keys().map(|key| key.get_ref().as_ref()).find(|key| !keys.contains(key)) {
        let meant = nearest(key, keys.into_iter()).map_or_else(|| keys.join(" and "), str::to_owned);
        return Err(Wrong { within: Some(key.to_owned()), expected: meant, found: format!("the key {key}") });
    }
    Ok(table)
}

fn field<K: Kind>(table: &DeTable<'_>, key: &str) -> Result<K, Wrong> {
    let missing =
        || Wrong { within: None, expected: format!("a value such as {}", K::example()), found: "nothing".into() };
    let value = table.get(key).ok_or_else(missing);
    value.and_then(|value| K::read(value.get_ref())).map_err(|wrong| wrong.within(key))
}
