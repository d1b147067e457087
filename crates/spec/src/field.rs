//! A value of `kraken.toml` and its place in the text.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use schemars::{JsonSchema, Schema, SchemaGenerator};

/// A value and its place in the text, as a range of bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct At<T> {
    /// The key whose value it is, or whose value is the list or table that contains it.
    pub key: &'static str,
    /// The value.
    pub value: T,
    /// Where the value stands.
    pub span: Range<usize>,
}

/// The value of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Field<T> {
    /// The key is absent: its default holds.
    #[default]
    Absent,
    /// The key is there, but its value cannot be used; that was reported. What depends on it is not
    /// checked.
    Wrong,
    /// The key is there with a usable value.
    Given(At<T>),
}

impl<T> Field<T> {
    /// Returns the place of the value, when there is a usable one.
    pub fn span(&self) -> Option<Range<usize>> {
        match self {
            Field::Given(at) => Some(at.span.clone()),
            Field::Absent | Field::Wrong => None,
        }
    }

    /// Returns whether the key is there, with a usable value or not.
    pub fn is_set(&self) -> bool {
        !matches!(self, Field::Absent)
    }
}

/// A date or a time, written as TOML's own type or as a string.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moment(pub String);

impl AsRef<str> for Moment {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// One line of a table of strings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pair {
    /// The text before the `=`.
    pub name: At<String>,
    /// The text after the `=`.
    pub value: At<String>,
}

/// A table of strings, in the order of the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs(pub Vec<Pair>);

/// In the schema a type is what the user writes: places are not part of the format.
macro_rules! schema_of {
    ($content:ty => $($type:tt)+) => {
        impl $($type)+ {
            fn inline_schema() -> bool {
                <$content>::inline_schema()
            }
            fn schema_name() -> Cow<'static, str> {
                <$content>::schema_name()
            }
            fn schema_id() -> Cow<'static, str> {
                <$content>::schema_id()
            }
            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                <$content>::json_schema(generator)
            }
        }
    };
}
schema_of!(T => <T: JsonSchema> JsonSchema for At<T>);
schema_of!(T => <T: JsonSchema> JsonSchema for Field<T>);
schema_of!(String => JsonSchema for Moment);
schema_of!(BTreeMap<String, String> => JsonSchema for Pairs);
