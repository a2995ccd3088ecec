//! The configuration in force as a file: every key with its comment, what is not set as a comment with an example.

use super::channel_keys::ChannelKeys;
use super::settings::Settings;
use super::{Channel, Configuration};

const ABOUT: &str = "\
# Durations: \"500ms\", \"30s\", \"5m\", \"24h\". Sizes: \"64KiB\", \"16MiB\", \"1GiB\", or a number of bytes.
# The broker's own keys come first; a variable such as ROUNDTRIP_LISTEN or a flag goes before what the file says.
";

pub(super) fn print(configuration: &Configuration) -> String {
    let mut text = ABOUT.to_owned();
    whole(&mut text, &configuration.broker);
    text.push_str("\n# For every channel that does not say otherwise.\n[defaults]\n");
    whole(&mut text, &configuration.defaults);
    if configuration.channels.is_empty() {
        text.push_str("\n# A table of its own for each channel, with what differs from [defaults].\n");
        text.push_str("# [[channel]]\n# name = \"patient_summary_request\"\n");
    }
    for Channel { name, keys } in &configuration.channels {
        text.extend(["\n[[channel]]\nname = \"", name.as_str(), "\"\n"]);
        for key in ChannelKeys::KEYS {
            let (value, inherited) = ((key.write)(keys), (key.write)(&configuration.defaults));
            if let Some(value) = value.filter(|value| inherited.as_ref() != Some(value)) {
                text.extend([key.name, " = ", &value, "\n"]);
            }
        }
    }
    text
}

/// Every key of a table.
fn whole<S: Settings>(text: &mut String, settings: &S) {
    for key in S::KEYS {
        text.push('\n');
        key.comment.iter().for_each(|line| text.extend(["#", line, "\n"]));
        let (name, value) = (key.name, (key.write)(settings));
        match value {
            Some(value) => text.extend([name, " = ", &value, "\n"]),
            None => text.extend(["# ", name, " = ", &(key.example)(), "\n"]),
        }
    }
}
