//! Walks the parsed TOML and takes the known keys out of it, noting everything that is wrong instead of stopping at the first.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeOwned, IntoDeserializer};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, Problems};
use super::raw::{At, Field, RawCluster, RawConfig, RawImage, RawKeyboard, RawNetwork, RawNode, RawSystem, RawUser};

/// Strings longer than this are no name, address or key.
const LONGEST_STRING: usize = 16 * 1024;

/// Reads a whole spec.
pub(super) fn config(text: &str, problems: &mut Problems) -> RawConfig {
    let (document, syntax) = DeTable::parse_recoverable(text);
    if !syntax.is_empty() {
        // What was recovered is a guess; more mistakes found in a guess would mislead.
        for error in syntax {
            let span = error.span().unwrap_or(text.len()..text.len());
            let problem = Problem::new(format!("this is not TOML: {}", error.message()));
            problems.push(
                problem
                    .at(span, "here")
                    .help("strings stand in quotes, each key on a line of its own: https://toml.io/en/v1.0.0"),
            );
        }
        return RawConfig::default();
    }
    let mut top = Section::new("", document.get_ref(), problems);
    let config = RawConfig {
        cluster: top.section("cluster", cluster),
        network: top.section("network", network),
        image: top.section("image", image),
        user: top.section("user", user),
        system: top.section("system", system),
        node: top.sections("node", node),
    };
    top.finish();
    config
}

fn cluster(section: &mut Section<'_, '_>) -> RawCluster {
    RawCluster {
        name: section.string("name"),
        nodes: section.number("nodes"),
    }
}

fn network(section: &mut Section<'_, '_>) -> RawNetwork {
    RawNetwork {
        subnet: section.string("subnet"),
        first_address: section.string("first-address"),
        gateway: section.string("gateway"),
        dns: section.strings("dns"),
        search: section.strings("search"),
        interface: section.choice("interface"),
    }
}

fn image(section: &mut Section<'_, '_>) -> RawImage {
    RawImage {
        base: section.string("base"),
        sha256: section.string("sha256"),
        catalogue: section.string("catalogue"),
        mirror: section.string("mirror"),
    }
}

fn user(section: &mut Section<'_, '_>) -> RawUser {
    RawUser {
        name: section.string("name"),
        groups: section.strings("groups"),
        ssh_keys: section.strings("ssh-keys"),
        password_hash_file: section.string("password-hash-file"),
        sudo: section.choice("sudo"),
    }
}

fn system(section: &mut Section<'_, '_>) -> RawSystem {
    RawSystem {
        timezone: section.string("timezone"),
        locale: section.string("locale"),
        keyboard: section.section("keyboard", keyboard),
        packages_on_first_boot: section.strings("packages-on-first-boot"),
        overlay: section.string("overlay"),
        clock_floor: section.time("clock-floor"),
    }
}

fn keyboard(section: &mut Section<'_, '_>) -> RawKeyboard {
    RawKeyboard {
        model: section.string("model"),
        layout: section.string("layout"),
        variant: section.string("variant"),
    }
}

fn node(section: &mut Section<'_, '_>, span: Range<usize>) -> RawNode {
    RawNode {
        number: section.number("number"),
        hostname: section.string("hostname"),
        address: section.string("address"),
        role: section.choice("role"),
        board: section.choice("board"),
        mac: section.string("mac"),
        labels: section.map("labels"),
        span,
    }
}

/// A table of the document while it is read.
struct Section<'t, 'p> {
    name: String,
    table: &'t DeTable<'t>,
    known: Vec<&'static str>,
    problems: &'p mut Problems,
}

impl<'t, 'p> Section<'t, 'p> {
    fn new(name: impl Into<String>, table: &'t DeTable<'t>, problems: &'p mut Problems) -> Self {
        Self {
            name: name.into(),
            table,
            known: Vec::new(),
            problems,
        }
    }

    fn take(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.known.push(key);
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

    fn string(&mut self, key: &'static str) -> Field<String> {
        match self.take(key) {
            None => Field::Absent,
            Some(value) => self.text(key, value).map_or(Field::Wrong, Field::Given),
        }
    }

    /// A string value; notes what is wrong when it is something else.
    fn text(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<At<String>> {
        match value.get_ref() {
            DeValue::String(text) if text.len() <= LONGEST_STRING => Some(At {
                value: text.clone().into_owned(),
                span: value.span(),
            }),
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

    /// A string in a list.
    fn item(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<At<String>> {
        if matches!(value.get_ref(), DeValue::String(_)) {
            return self.text(key, value);
        }
        self.wrong_type::<()>(key, value, "a list of strings, each in quotes", "[\"…\", \"…\"]");
        None
    }

    fn strings(&mut self, key: &'static str) -> Field<Vec<At<String>>> {
        let Some(value) = self.take(key) else {
            return Field::Absent;
        };
        let DeValue::Array(array) = value.get_ref() else {
            return self.wrong_type(key, value, "a list of strings", "[\"…\", \"…\"]");
        };
        let items: Vec<_> = array.iter().map(|item| self.item(key, item)).collect();
        match items.into_iter().collect() {
            Some(texts) => Field::Given(At {
                value: texts,
                span: value.span(),
            }),
            None => Field::Wrong,
        }
    }

    fn number(&mut self, key: &'static str) -> Field<u32> {
        let Some(value) = self.take(key) else {
            return Field::Absent;
        };
        let DeValue::Integer(integer) = value.get_ref() else {
            return self.wrong_type(key, value, "a whole number", "7");
        };
        match u32::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) => Field::Given(At {
                value: number,
                span: value.span(),
            }),
            Err(_) => {
                self.problems.push(
                    Problem::new(format!("`{key}` is out of range"))
                        .at(value.span(), "not a number of nodes")
                        .help("nodes are numbered 1, 2, 3, …"),
                );
                Field::Wrong
            }
        }
    }

    /// A date or time, written as TOML's own type or as a string.
    fn time(&mut self, key: &'static str) -> Field<String> {
        match self.take(key) {
            None => Field::Absent,
            Some(value) => match value.get_ref() {
                DeValue::Datetime(time) => Field::Given(At {
                    value: time.to_string(),
                    span: value.span(),
                }),
                DeValue::String(_) => self.text(key, value).map_or(Field::Wrong, Field::Given),
                _ => self.wrong_type(key, value, "a date or an RFC 3339 time", "2026-11-23"),
            },
        }
    }

    /// One of the names of an enumeration, as its `Deserialize` knows them.
    fn choice<T: DeserializeOwned>(&mut self, key: &'static str) -> Field<T> {
        let at = match self.string(key) {
            Field::Given(at) => at,
            Field::Absent => return Field::Absent,
            Field::Wrong => return Field::Wrong,
        };
        match T::deserialize(at.value.as_str().into_deserializer()) {
            Ok(value) => Field::Given(At { value, span: at.span }),
            Err(NotAChoice(choices)) => {
                self.problems.push(
                    Problem::new(format!("\"{}\" is no `{key}`", printable(&at.value)))
                        .at(at.span, format!("one of {}", quoted(choices)))
                        .help(
                            suggestion(&at.value, choices.iter().copied())
                                .unwrap_or_else(|| format!("choose one of {}", quoted(choices))),
                        ),
                );
                Field::Wrong
            }
        }
    }

    fn map(&mut self, key: &'static str) -> Field<Vec<(At<String>, At<String>)>> {
        let Some(value) = self.take(key) else {
            return Field::Absent;
        };
        let DeValue::Table(table) = value.get_ref() else {
            return self.wrong_type(key, value, "a table of strings", "{ rack = \"top\" }");
        };
        let items: Vec<_> = table
            .iter()
            .map(|(name, value)| {
                let name = At {
                    value: name.get_ref().clone().into_owned(),
                    span: name.span(),
                };
                self.text(&printable(&name.value), value).map(|value| (name, value))
            })
            .collect();
        match items.into_iter().collect() {
            Some(pairs) => Field::Given(At {
                value: pairs,
                span: value.span(),
            }),
            None => Field::Wrong,
        }
    }

    fn section<T: Default>(&mut self, key: &'static str, read: impl FnOnce(&mut Section<'_, '_>) -> T) -> T {
        let Some(value) = self.take(key) else {
            return T::default();
        };
        let path = self.path(key);
        match value.get_ref() {
            DeValue::Table(table) => {
                let mut section = Section::new(path, table, self.problems);
                let read = read(&mut section);
                section.finish();
                read
            }
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

    fn sections<T>(&mut self, key: &'static str, read: impl Fn(&mut Section<'_, '_>, Range<usize>) -> T) -> Vec<T> {
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
            let mut section = Section::new(format!("[{key}]"), table, self.problems);
            list.push(read(&mut section, item.span()));
            section.finish();
        }
        list
    }

    fn path(&self, key: &str) -> String {
        match self.name.as_str() {
            "" => key.to_owned(),
            name => format!("{name}.{key}"),
        }
    }

    /// Reports the keys that nobody asked for.
    fn finish(self) {
        for (key, value) in self.table {
            let name = key.get_ref().as_ref();
            if self.known.contains(&name) {
                continue;
            }
            if is_secret_name(name) {
                self.problems.hide(value.span());
            }
            let place = match self.name.as_str() {
                "" => "at the top of the file".to_owned(),
                name => format!("in [{name}]"),
            };
            let help = elsewhere(name)
                .or_else(|| suggestion(name, self.known.iter().copied()))
                .unwrap_or_else(|| format!("known here: {}", self.known.join(", ")));
            self.problems.push(
                Problem::new(format!("unknown key `{}` {place}", printable(name)))
                    .at(key.span(), "nothing has this name")
                    .help(help),
            );
        }
    }
}

/// Whether a key that we do not know is likely to hold a secret.
fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["pass", "secret", "token", "private", "hash", "psk"]
        .iter()
        .any(|word| name.contains(word))
}

/// Names that people know from other tools or put into the wrong section.
fn elsewhere(name: &str) -> Option<String> {
    let homes: BTreeMap<&str, &str> = BTreeMap::from([
        (
            "address",
            "`address` belongs in a [[node]]; all nodes are counted up from `first-address` in [network]",
        ),
        ("base", "`base` belongs in [image]"),
        ("count", "the number of nodes is `nodes` in [cluster]"),
        ("domain", "the domain is `search` in [network], a list"),
        ("gateway", "`gateway` belongs in [network]"),
        ("groups", "`groups` belongs in [user]"),
        (
            "hostname",
            "`hostname` belongs in a [[node]]; all nodes are named after `name` in [cluster]",
        ),
        ("interface", "`interface` belongs in [network]"),
        ("keyboard", "`keyboard` belongs in [system]"),
        ("locale", "`locale` belongs in [system]"),
        ("packages", "packages are `packages-on-first-boot` in [system]"),
        (
            "password",
            "a password is never written here: put its hash (mkpasswd) into a file and name it in `password-hash-file` in [user]",
        ),
        (
            "password-hash",
            "a hash is never written here: put it into a file and name it in `password-hash-file` in [user]",
        ),
        ("role", "`role` belongs in a [[node]]"),
        ("ssh-keys", "`ssh-keys` belongs in [user]"),
        ("ssh-authorized-keys", "SSH keys are `ssh-keys` in [user]"),
        ("subnet", "`subnet` belongs in [network]"),
        ("sudo", "`sudo` belongs in [user]"),
        ("timezone", "`timezone` belongs in [system]"),
    ]);
    let kebab = name.to_ascii_lowercase().replace('_', "-");
    homes.get(kebab.as_str()).map(|text| (*text).to_owned())
}

/// "did you mean …?" for a near miss.
fn suggestion<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    if given.len() > 64 {
        return None;
    }
    let given = given.to_ascii_lowercase().replace('_', "-");
    known
        .map(|name| (strsim::jaro_winkler(&given, name), name))
        .filter(|(likeness, _)| *likeness > 0.85)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| format!("did you mean `{name}`?"))
}

/// At most 60 characters, none of them a control character.
pub(super) fn printable(text: &str) -> String {
    let mut shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().nth(60).is_some() {
        shown.push('…');
    }
    shown
}

fn quoted(names: &[&str]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
    names.join(", ")
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

/// serde's answer to a name that an enumeration does not have: the names that it has.
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
