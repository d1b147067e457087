//! `section!` declares a section of `kraken.toml` as a struct, and each key as a field of it.
//! Everything else follows from the field: its name (`first_address` is written `first-address`);
//! from its type the reader; from its doc comment and its schemars attributes the schema, the
//! commented file of `kraken-flash init` and the table in `docs/kraken-toml.md` (`keys`).
//!
//! serde's own derive does not read the sections, because it stops at the first mistake and forgets
//! where a value stood.

use super::cluster::{DockerSource, InterfaceChoice, Sudo, SwarmMode, UsedImage};
use super::field::{At, Field, Moment, Pairs};
use super::node::{Availability, Board, Role};
use super::options::Options;
use super::section::Section;
use super::tree::{Holds, Name};

/// A section that `section!` declares.
pub(super) trait Keyed: Default {
    /// Its keys, in the order of the declaration.
    const NAMES: &'static [Name];

    /// Takes all its keys out of a table.
    fn read(section: &mut Section<'_, '_>) -> Self;
}

/// The type of a field of a section.
pub(super) trait Entry: Sized {
    /// What the key holds.
    const HOLDS: Holds;

    /// Takes the field out of the table that it is in.
    fn take(section: &mut Section<'_, '_>, key: &'static str) -> Self;
}

/// The type of a value.
pub(super) trait Content: Sized {
    /// Takes the value out of the table that it is in.
    fn take(section: &mut Section<'_, '_>, key: &'static str) -> Field<Self>;
}

impl<T: Content> Entry for Field<T> {
    const HOLDS: Holds = Holds::Value;

    fn take(section: &mut Section<'_, '_>, key: &'static str) -> Self {
        T::take(section, key)
    }
}

impl<T: Keyed> Entry for Vec<At<T>> {
    const HOLDS: Holds = Holds::List(T::NAMES);

    fn take(section: &mut Section<'_, '_>, key: &'static str) -> Self {
        section.sections(key, T::NAMES, T::read)
    }
}

/// Maps a type to the method of a section that reads it.
macro_rules! read_by {
    ($($type:ty: $method:ident,)+) => {
        $(impl Content for $type {
            fn take(section: &mut Section<'_, '_>, key: &'static str) -> Field<Self> {
                section.$method(key)
            }
        })+
    };
}

read_by! {
    String: string,
    u32: number,
    bool: boolean,
    Moment: moment,
    Vec<At<String>>: strings,
    Pairs: pairs,
    Options: options,
    Availability: choice,
    Board: choice,
    DockerSource: choice,
    InterfaceChoice: choice,
    Role: choice,
    Sudo: choice,
    SwarmMode: choice,
    UsedImage: choice,
}

/// Returns the name of a field with hyphens: `first_address` → `first-address`.
pub(super) const fn with_hyphens<const LENGTH: usize>(name: &str) -> [u8; LENGTH] {
    let name = name.as_bytes();
    let mut key = [0; LENGTH];
    let mut at = 0;
    while at < LENGTH {
        key[at] = match name[at] {
            b'_' => b'-',
            other => other,
        };
        at += 1;
    }
    key
}

/// The key that a field declares, as it is written in the file.
macro_rules! key {
    ($field:ident) => {
        const {
            const KEY: [u8; stringify!($field).len()] = $crate::declare::with_hyphens(stringify!($field));
            match std::str::from_utf8(&KEY) {
                Ok(key) => key,
                Err(_) => panic!("the name of a field is not ASCII"),
            }
        }
    };
}

/// Declares a section.
macro_rules! section {
    ($(#[$about:meta])* pub struct $section:ident { $($(#[$key:meta])* pub $field:ident: $type:ty,)+ }) => {
        #[derive(Clone, Debug, Default, schemars::JsonSchema)]
        #[schemars(rename_all = "kebab-case", deny_unknown_fields, default)]
        $(#[$about])*
        pub struct $section {
            $($(#[$key])* pub $field: $type,)+
        }

        impl $crate::declare::Keyed for $section {
            const NAMES: &'static [$crate::tree::Name] = &[$($crate::tree::Name {
                key: $crate::declare::key!($field),
                holds: <$type as $crate::declare::Entry>::HOLDS,
            }),+];

            fn read(section: &mut $crate::section::Section<'_, '_>) -> Self {
                Self {
                    $($field: $crate::declare::Entry::take(section, $crate::declare::key!($field)),)+
                }
            }
        }

        impl $crate::declare::Entry for $section {
            const HOLDS: $crate::tree::Holds =
                $crate::tree::Holds::Keys(<Self as $crate::declare::Keyed>::NAMES);

            fn take(section: &mut $crate::section::Section<'_, '_>, key: &'static str) -> Self {
                use $crate::declare::Keyed;
                section.section(key, Self::NAMES, Self::read)
            }
        }
    };
}

pub(super) use {key, section};
