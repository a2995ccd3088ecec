//! The broker's own keys from the environment: `ROUNDTRIP_LISTEN` is the key `listen`, and so on. Channels have no such
//! variables.

use std::env::VarError;

use toml::de::DeValue;

use super::broker_keys::BrokerKeys;
use super::settings::Settings;

/// Reads every variable that is set.
pub(super) fn read(into: &mut BrokerKeys, variable: impl Fn(&str) -> Result<String, VarError>) -> Result<(), String> {
    for key in BrokerKeys::KEYS {
        let name = format!("ROUNDTRIP_{}", key.name.to_uppercase());
        let text = match variable(&name) {
            Ok(text) => text,
            Err(VarError::NotPresent) => continue,
            Err(VarError::NotUnicode(_)) => return Err(format!("{name}: expected text, found bytes that are none")),
        };
        (key.read)(into, &value(&text))
            .map_err(|wrong| format!("{name}: expected {}, found {}", wrong.expected, wrong.found))?;
    }
    Ok(())
}

/// A number, a truth value or a list as in the file; everything else is text without its quotes.
fn value(text: &str) -> DeValue<'_> {
    match DeValue::parse(text).map(toml::Spanned::into_inner) {
        Ok(value @ (DeValue::Integer(_) | DeValue::Boolean(_) | DeValue::Array(_))) => value,
        _ => DeValue::String(text.into()),
    }
}
