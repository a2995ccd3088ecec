//! A table of keys, declared as a struct.

use toml::de::DeValue;

use super::kind::{Kind, Wrong};

/// A key of the file: how to read it into `S`, and how to write it from there.
pub(super) struct Key<S: 'static> {
    pub(super) name: &'static str,
    /// What it is for, a line an item.
    pub(super) comment: &'static [&'static str],
    pub(super) read: fn(&mut S, &DeValue<'_>) -> Result<(), Wrong>,
    /// Its value as TOML; none if it is not set.
    pub(super) write: fn(&S) -> Option<String>,
    /// A value that it could have.
    pub(super) example: fn() -> String,
}

/// What can be read from a table of the file, key by key.
pub(super) trait Settings: Sized + 'static {
    /// The keys, in the order in which they are printed.
    const KEYS: &'static [Key<Self>];
}

/// Reads a value of the kind that the field has.
pub(super) fn read_into<K: Kind>(field: &mut K, value: &DeValue<'_>) -> Result<(), Wrong> {
    *field = K::read(value)?;
    Ok(())
}

/// Declares a struct whose fields are the keys of a table. The first lines of a field's documentation are its comment.
macro_rules! settings {
    (
        $(#[$about:meta])*
        struct $name:ident {
            $( $(#[doc = $comment:literal])+ $key:ident: $kind:ty = $default:expr, )+
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq)]
        pub(super) struct $name {
            $( $(#[doc = $comment])+ pub(super) $key: $kind, )+
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $key: $default, )+ }
            }
        }

        impl $crate::configuration::settings::Settings for $name {
            const KEYS: &'static [$crate::configuration::settings::Key<Self>] = &[
                $( $crate::configuration::settings::Key {
                    name: stringify!($key),
                    comment: &[$( $comment, )+],
                    read: |settings, value| $crate::configuration::settings::read_into(&mut settings.$key, value),
                    write: |settings| $crate::configuration::kind::Kind::write(&settings.$key),
                    example: <$kind as $crate::configuration::kind::Kind>::example,
                }, )+
            ];
        }
    };
}
pub(super) use settings;
