//! Takes the known keys out of one table of the parsed TOML, and notes wrong types and unknown keys
//! with their places.

use std::fmt;

use serde::de::{DeserializeOwned, IntoDeserializer};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::field::{At, Field, Moment, Pair, Pairs};
use super::hints::{is_secret_name, printable, quoted, suggestion, unknown_key};
use super::options::{Options, Unfit};
use super::problem::{Problem, Problems};
use super::tree::Name;

/// A longer string cannot be a name, an address or a key.
const LONGEST_STRING: usize = 16 * 1024;

/// A table of the document while it is read.
pub(super) struct Section<'t, 'p> {
    name: String,
    table: &'t DeTable<'t>,
    known: &'static [Name],
    root: &'static [Name],
    problems: &'p mut Problems,
}

impl<'t, 'p> Section<'t, 'p> {
    /// Begins to read the whole document, whose keys are `root`.
    pub(super) fn document(table: &'t DeTable<'t>, root: &'static [Name], problems: &'p mut Problems) -> Self {
        Self {
            name: String::new(),
            table,
            known: root,
            root,
            problems,
        }
    }

    /// Begins to read a table below this one, which is called `name` in errors.
    fn below<'s>(&'s mut self, name: String, table: &'s DeTable<'s>, known: &'static [Name]) -> Section<'s, 's> {
        Section {
            name,
            table,
            known,
            root: self.root,
            problems: self.problems,
        }
    }

    fn take(&self, key: &str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.table.get(key)
    }

    /// Notes that `key` is of the wrong type.
    fn wrong_type<T>(&mut self, key: &str, value: &Spanned<DeValue<'_>>, want: &str, example: &str) -> Field<T> {
        self.problems.push(
            Problem::new(format!("`{key}` must be {want}"))
                .at(value.span(), format!("this is {}", kind(value.get_ref())))
                .help(format!("for example: {key} = {example}")),
        );
        Field::Wrong
    }

    /// Reads a string.
    pub(super) fn string(&mut self, key: &'static str) -> Field<String> {
        match self.take(key) {
            None => Field::Absent,
            Some(value) => given(key, value, self.text(key, value)),
        }
    }

    /// Reads a string value; notes what is wrong with the value of `key` when it is something else.
    fn text(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<String> {
        match value.get_ref() {
            DeValue::String(text) if text.len() <= LONGEST_STRING => Some(text.clone().into_owned()),
            DeValue::String(_) => {
                let span = value.span();
                self.problems.push(
                    Problem::new(format!("`{key}` is longer than {LONGEST_STRING} bytes"))
                        .at(span.start..span.start + 1, "this string"),
                );
                None
            }
            _ => {
                self.wrong_type::<()>(key, value, "a string, in quotes", "\"…\"");
                None
            }
        }
    }

    /// Reads a string in a list.
    fn item(&mut self, key: &'static str, value: &Spanned<DeValue<'_>>) -> Option<At<String>> {
        if matches!(value.get_ref(), DeValue::String(_)) {
            return self.text(key, value).map(|text| at(key, value, text));
        }
        self.wrong_type::<()>(key, value, "a list of strings, each in quotes", "[\"…\", \"…\"]");
        None
    }

    /// Reads a list of strings.
    pub(super) fn strings(&mut self, key: &'static str) -> Field<Vec<At<String>>> {
        let Some(value) = self.take(key) else {
            return Field::Absent;
        };
        let DeValue::Array(array) = value.get_ref() else {
            return self.wrong_type(key, value, "a list of strings", "[\"…\", \"…\"]");
        };
        let items: Vec<_> = array.iter().map(|item| self.item(key, item)).collect();
        given(key, value, items.into_iter().collect())
    }

    /// Reads a whole number that is not negative.
    pub(super) fn number(&mut self, key: &'static str) -> Field<u32> {
        let Some(value) = self.take(key) else {
            return Field::Absent;
        };
        let DeValue::Integer(integer) = value.get_ref() else {
            return self.wrong_type(key, value, "a whole number", "7");
        };
        match u32::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) => Field::Given(at(key, value, number)),
            Err(_) => {
                self.problems.push(
                    Problem::new(format!("`{key}` is out of range"))
                        .at(value.span(), "too large, or negative")
                        .help("write a smaller number, from 1 on"),
                );
                Field::Wrong
            }
        }
    }

    /// Reads a date or time, written as TOML's own type or as a string.
    pub(super) fn moment(&mut self, key: &'static str) -> Field<Moment> {
        match self.take(key) {
            None => Field::Absent,
            Some(value) => match value.get_ref() {
                DeValue::Datetime(time) => Field::Given(at(key, value, Moment(time.to_string()))),
                DeValue::String(_) => given(key, value, self.text(key, value).map(Moment)),
                _ => self.wrong_type(key, value, "a date or an RFC 3339 time", "2026-11-23"),
            },
        }
    }

    /// Reads one of the names of an enumeration, as its `Deserialize` knows them.
    pub(super) fn choice<T: DeserializeOwned>(&mut self, key: &'static str) -> Field<T> {
        let Some(value) = self.take(key) else {
            return Field::Absent;
        };
        let Some(text) = self.text(key, value) else {
            return Field::Wrong;
        };
        match T::deserialize(text.as_str().into_deserializer()) {
            Ok(choice) => Field::Given(at(key, value, choice)),
            Err(NotAChoice(choices)) => {
                self.problems.push(
                    Problem::new(format!("\"{}\" is not a valid `{key}`", printable(&text)))
                        .at(value.span(), format!("one of {}", quoted(choices)))
                        .help(
                            suggestion(&text, choices.iter().copied())
                                .unwrap_or_else(|| format!("choose one of {}", quoted(choices))),
                        ),
                );
                Field::Wrong
            }
        }
    }

    /// Reads a table of strings.
    pub(super) fn pairs(&mut self, key: &'static str) -> Field<Pairs> {
        let Some(value) = self.take(key) else {
            return Field::Absent;
        };
        let DeValue::Table(table) = value.get_ref() else {
            return self.wrong_type(key, value, "a table of strings", "{ rack = \"top\" }");
        };
        let items: Vec<_> = table
            .iter()
            .map(|(name, value)| {
                let text = self.text(&printable(name.get_ref()), value)?;
                Some(Pair {
                    name: At {
                        key,
                        value: name.get_ref().clone().into_owned(),
                        span: name.span(),
                    },
                    value: at(key, value, text),
                })
            })
            .collect();
        given(key, value, items.into_iter().collect::<Option<_>>().map(Pairs))
    }

    /// Reads `true` or `false`.
    pub(super) fn boolean(&mut self, key: &'static str) -> Field<bool> {
        let Some(value) = self.take(key) else {
            return Field::Absent;
        };
        match value.get_ref() {
            DeValue::Boolean(on) => Field::Given(at(key, value, *on)),
            _ => self.wrong_type(key, value, "true or false, without quotes", "true"),
        }
    }

    /// Reads a table of any values that JSON can express, for a program that knows their meaning.
    pub(super) fn options(&mut self, key: &'static str) -> Field<Options> {
        let Some(value) = self.take(key) else {
            return Field::Absent;
        };
        let DeValue::Table(table) = value.get_ref() else {
            return self.wrong_type(key, value, "a table", "{ debug = true }");
        };
        match super::options::table(table) {
            Ok(options) => Field::Given(at(key, value, options)),
            Err(Unfit { span, why }) => {
                self.problems.push(
                    Problem::new(format!("a value in `{key}` cannot be written as JSON: {why}"))
                        .at(span, why)
                        .help("write strings in quotes, whole numbers, true or false, lists and tables"),
                );
                Field::Wrong
            }
        }
    }

    /// Reads a section below this one, which has the keys `known`; returns its defaults when it is
    /// absent.
    pub(super) fn section<T: Default>(
        &mut self,
        key: &'static str,
        known: &'static [Name],
        read: impl FnOnce(&mut Section<'_, '_>) -> T,
    ) -> T {
        let Some(value) = self.take(key) else {
            return T::default();
        };
        let path = self.path(key);
        match value.get_ref() {
            DeValue::Table(table) => self.below(path, table, known).whole(read),
            _ => {
                self.problems.push(
                    Problem::new(format!("`{path}` must be a section"))
                        .at(value.span(), format!("this is {}", kind(value.get_ref())))
                        .help(format!("write [{path}] on a line of its own, and its keys below it")),
                );
                T::default()
            }
        }
    }

    /// Reads a list of sections, each with its place.
    pub(super) fn sections<T>(
        &mut self,
        key: &'static str,
        known: &'static [Name],
        read: impl Fn(&mut Section<'_, '_>) -> T,
    ) -> Vec<At<T>> {
        let Some(value) = self.take(key) else {
            return Vec::new();
        };
        let wrong = |value: &Spanned<DeValue<'_>>| {
            Problem::new(format!("`{key}` must be a list of sections"))
                .at(value.span(), format!("this is {}", kind(value.get_ref())))
                .help(format!("write [[{key}]], with double brackets, once for each {key}"))
        };
        let DeValue::Array(array) = value.get_ref() else {
            self.problems.push(wrong(value));
            return Vec::new();
        };
        let mut list = Vec::with_capacity(array.len());
        for item in array.iter() {
            let DeValue::Table(table) = item.get_ref() else {
                self.problems.push(wrong(item));
                continue;
            };
            let content = self.below(format!("[{key}]"), table, known).whole(&read);
            list.push(at(key, item, content));
        }
        list
    }

    fn path(&self, key: &str) -> String {
        match self.name.as_str() {
            "" => key.to_owned(),
            name => format!("{name}.{key}"),
        }
    }

    /// Reads all of the table, and reports the keys that it does not have.
    pub(super) fn whole<T>(mut self, read: impl FnOnce(&mut Section<'_, '_>) -> T) -> T {
        let content = read(&mut self);
        self.report_unknown();
        content
    }

    fn report_unknown(self) {
        for (key, value) in self.table {
            let name = key.get_ref().as_ref();
            if self.known.iter().any(|known| known.key == name) {
                continue;
            }
            if is_secret_name(name) {
                self.problems.hide(value.span());
            }
            let place = match self.name.as_str() {
                "" => "at the top of the file".to_owned(),
                name => format!("in [{name}]"),
            };
            self.problems.push(
                Problem::new(format!("unknown key `{}` {place}", printable(name)))
                    .at(key.span(), "nothing has this name")
                    .help(unknown_key(name, self.known, self.root)),
            );
        }
    }
}

/// Returns a value that was read for a key, with its place.
fn at<T>(key: &'static str, read: &Spanned<DeValue<'_>>, value: T) -> At<T> {
    At {
        key,
        value,
        span: read.span(),
    }
}

/// Returns the field for a value that was read for a key; `None` is a wrong value, which was noted
/// then.
fn given<T>(key: &'static str, read: &Spanned<DeValue<'_>>, value: Option<T>) -> Field<T> {
    value.map_or(Field::Wrong, |value| Field::Given(at(key, read, value)))
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}

/// serde's error for a name that an enumeration does not have. It holds the names that it has.
#[derive(Debug)]
struct NotAChoice(&'static [&'static str]);

impl fmt::Display for NotAChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not one of {}", quoted(self.0))
    }
}

impl std::error::Error for NotAChoice {}

impl serde::de::Error for NotAChoice {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(&[])
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self(expected)
    }
}
