//! Reading the file: its tables, key by key, with the line of everything that is wrong.
//!
//! The file is read as a tree that knows where each value stands, and not straight into structs: so every mistake is told
//! at once, with its key, and a key in the wrong table is told the right one.

use std::collections::BTreeMap;
use std::ops::Range;

use roundtrip::ChannelName;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::broker_keys::BrokerKeys;
use super::channel_keys::ChannelKeys;
use super::kind::{Kind, Wrong, described};
use super::mistake::{Mistake, about};
use super::settings::{Key, Settings};
use super::{Channel, Configuration};
use crate::nearest::nearest;

/// The tables of the file, as it writes them.
const DEFAULTS: &str = "[defaults]";
const CHANNEL: &str = "[[channel]]";

/// Reads what the text says into `configuration`, which has what holds where it says nothing.
pub(super) fn read(text: &str, mut configuration: Configuration) -> Result<Configuration, Vec<Mistake>> {
    let lines = Lines(text);
    let root = DeTable::parse(text).map_err(|error| {
        // The parser's words may have lines of their own.
        let sentence = error.message().lines().collect::<Vec<_>>().join("; ");
        vec![Mistake::new(lines.of(error.span().unwrap_or_default()), "", format!("this is not TOML: {sentence}"))]
    })?;
    let mut reader = Reader { lines, mistakes: Vec::new() };
    reader.root(root.get_ref(), &mut configuration);
    if reader.mistakes.is_empty() {
        return Ok(configuration);
    }
    reader.mistakes.sort_by_key(|mistake| mistake.line);
    Err(reader.mistakes)
}

struct Reader<'t> {
    lines: Lines<'t>,
    mistakes: Vec<Mistake>,
}

impl Reader<'_> {
    fn root(&mut self, root: &DeTable<'_>, into: &mut Configuration) {
        self.table(root, "", &["defaults", "channel"], &mut into.broker);
        if let Some(defaults) = root.get("defaults") {
            match defaults.get_ref().as_table() {
                Some(table) => self.table(table, DEFAULTS, &[], &mut into.defaults),
                None => {
                    self.wrong(defaults, "", "defaults", &Wrong::expected("a table: [defaults]", defaults.get_ref()))
                }
            }
        }
        let Some(channels) = root.get("channel") else { return };
        let Some(list) = channels.get_ref().as_array() else {
            let expected = "two brackets, [[channel]], and one such table for each channel";
            return self.wrong(channels, "", "channel", &Wrong::expected(expected, channels.get_ref()));
        };
        let mut named = BTreeMap::new();
        for channel in list.iter() {
            match channel.get_ref().as_table() {
                Some(table) => {
                    let line = self.lines.of(channel.span());
                    let declared = self.channel(table, line, &mut named, &into.defaults);
                    into.channels.extend(declared);
                }
                None => self.wrong(channel, "", "channel", &Wrong::expected("a table: [[channel]]", channel.get_ref())),
            }
        }
    }

    /// A channel; none if it has no name.
    fn channel(
        &mut self,
        table: &DeTable<'_>,
        line: usize,
        named: &mut BTreeMap<ChannelName, usize>,
        defaults: &ChannelKeys,
    ) -> Option<Channel> {
        let value = table.get("name");
        let shown = match value {
            Some(name) => format!("{CHANNEL} {}", described(name.get_ref())),
            None => {
                let expected = "expected the channel's name, such as name = \"patient_summary_request\", found none";
                self.mistakes.push(Mistake::new(line, CHANNEL, expected));
                CHANNEL.to_owned()
            }
        };
        let mut keys = defaults.clone();
        self.table(table, &shown, &["name"], &mut keys);
        let value = value?;
        let name =
            ChannelName::read(value.get_ref()).map_err(|wrong| self.wrong(value, CHANNEL, "name", &wrong)).ok()?;
        let line = self.lines.of(value.span());
        if let Some(first) = named.insert(name.clone(), line) {
            let sentence = format!("expected each channel once, found it in line {first} too");
            self.mistakes.push(Mistake::new(line, about(&shown, "name"), sentence));
        }
        if let (None, Err(error)) = (&keys.reply_channel, name.default_reply_channel()) {
            let sentence =
                format!("expected a reply_channel, since the one that follows from the name is none: {error}");
            self.mistakes.push(Mistake::new(line, &shown, sentence));
        }
        Some(Channel { name, keys })
    }

    /// The keys of one table. Those of `besides` are somebody else's to read.
    fn table<S: Settings>(&mut self, table: &DeTable<'_>, shown: &str, besides: &[&str], into: &mut S) {
        for (key, value) in table.iter() {
            let name = key.get_ref().as_ref();
            if besides.contains(&name) {
                continue;
            }
            match S::KEYS.iter().find(|known| known.name == name) {
                Some(known) => {
                    if let Err(wrong) = (known.read)(into, value.get_ref()) {
                        self.wrong(value, shown, name, &wrong);
                    }
                }
                None => {
                    let line = self.lines.of(key.span());
                    self.mistakes.push(Mistake::new(line, shown, unknown::<S>(name, shown, besides)));
                }
            }
        }
    }

    fn wrong(&mut self, value: &Spanned<DeValue<'_>>, table: &str, key: &str, wrong: &Wrong) {
        self.mistakes.push(Mistake::value(self.lines.of(value.span()), table, key, wrong));
    }
}

/// What to say of a key that a table does not have.
fn unknown<S: Settings>(key: &str, table: &str, besides: &[&str]) -> String {
    let at_the_top = table.is_empty();
    if at_the_top && has(ChannelKeys::KEYS, key) {
        return format!(
            "{key} is a channel's: expected it below {DEFAULTS} or a {CHANNEL}, found it at the top of the file"
        );
    }
    if !at_the_top && has(BrokerKeys::KEYS, key) {
        return format!("{key} is the broker's own: expected it at the top of the file, found it below {table}");
    }
    let known = || besides.iter().copied().chain(S::KEYS.iter().map(|known| known.name));
    match nearest(key, known()) {
        Some(meant) => format!("expected a known key, found {key}: did you mean {meant}?"),
        None => format!("expected one of {}, found {key}", known().collect::<Vec<_>>().join(", ")),
    }
}

fn has<S>(keys: &[Key<S>], name: &str) -> bool {
    keys.iter().any(|key| key.name == name)
}

/// The lines of a text, counted from 1.
#[derive(Clone, Copy)]
struct Lines<'t>(&'t str);

impl Lines<'_> {
    fn of(self, span: Range<usize>) -> usize {
        self.0.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1
    }
}
