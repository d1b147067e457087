//! What reads, and single values.

use std::collections::HashSet;

use kraken_foundation::text::line;

use crate::keys::{SectionKeys, Support};
use crate::problem::{Note, Place, Problem, Problems};
use crate::sources::Sources;
use crate::tree::{Entry, Kind, Node, Scalar, Value, integer};
use crate::values;

/// What reads, with what it has found.
pub(crate) struct Reader<'a> {
    /// The stack's name.
    pub(crate) stack: &'a str,
    pub(crate) sources: &'a Sources<'a>,
    pub(crate) problems: Problems,
    pub(crate) notes: Vec<Note>,
}

/// A mapping of which the keys are known.
pub(crate) struct Section<'n> {
    keys: &'static SectionKeys,
    entries: Vec<&'n Entry>,
    pub(crate) place: Place,
    /// How messages name it: `services.web.deploy`.
    pub(crate) path: String,
}

/// A text with its place.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) text: String,
    /// How messages show it: as it is written, since a variable may hold a secret.
    pub(crate) shown: String,
    pub(crate) place: Place,
}

impl<'n> Section<'n> {
    /// Returns the value of a key, when it is there.
    pub(crate) fn take(&mut self, name: &'static str) -> Option<&'n Node> {
        debug_assert_eq!(
            self.keys.find(name).map(|key| key.support),
            Some(Support::Translated),
            "{name} of {}",
            self.keys.path
        );
        let found = self.entries.iter().find(|entry| &*entry.key == name);
        #[cfg(test)]
        if found.is_some() {
            taken::note(self.keys.path, name);
        }
        found.map(|entry| &entry.value)
    }

    /// Returns how messages name a key in it.
    pub(crate) fn within(&self, key: &str) -> String {
        format!("{}.{}", self.path, line(key))
    }
}

impl Reader<'_> {
    /// Notes a mistake.
    pub(crate) fn wrong(&mut self, place: Place, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Problem::new(place, message).help(help));
    }

    /// Notes a mistake and returns nothing.
    pub(crate) fn refuse<T>(&mut self, place: Place, message: impl Into<String>, help: impl Into<String>) -> Option<T> {
        self.wrong(place, message, help);
        None
    }

    /// Notes what a swarm does not do.
    pub(crate) fn note(&mut self, place: Place, message: impl Into<String>) {
        self.notes.push(Note {
            message: message.into(),
            place,
        });
    }

    /// Takes a mapping, and judges each of its keys. `None` when it is not one.
    pub(crate) fn section<'n>(
        &mut self,
        node: &'n Node,
        keys: &'static SectionKeys,
        path: String,
    ) -> Option<Section<'n>> {
        let entries = self.entries(node, &path)?;
        let entries = entries.iter().filter(|entry| self.is_translated(entry, keys, &path));
        Some(Section {
            keys,
            entries: entries.collect(),
            place: node.place,
            path,
        })
    }

    fn is_translated(&mut self, entry: &Entry, keys: &'static SectionKeys, path: &str) -> bool {
        let Entry { key: name, place, .. } = entry;
        let shown = line(name);
        let Some(key) = keys.find(name) else {
            if !(keys.extensions && name.starts_with("x-")) {
                let known = keys.keys.iter().filter(|key| key.support == Support::Translated);
                let help = match nearest(name, known.map(|key| key.name)) {
                    Some(name) => format!("did you mean `{name}`?"),
                    None => "docs/stacks.md lists the keys".to_owned(),
                };
                self.wrong(*place, format!("{path} has the unknown key `{shown}`"), help);
            }
            return false;
        };
        match key.support {
            Support::Translated => true,
            Support::Noted => {
                self.noted_value(name, &entry.value, &format!("{path}.{shown}"));
                self.note(*place, format!("`{shown}` of {path} has no effect: {}", key.about));
                false
            }
            Support::Refused => {
                let message = format!("`{shown}` of {path} is not supported: {}", key.about);
                self.wrong(*place, message, "remove it, or write what the sentence says instead");
                false
            }
        }
    }

    /// Checks the form of a value that has no effect: Docker refuses the file when it is wrong.
    fn noted_value(&mut self, name: &str, node: &Node, what: &str) {
        match (name, &node.value) {
            ("build", Value::Map(_)) => {}
            ("depends_on" | "links", _) => {
                self.list(node, what);
                if let Value::List(_) = node.value {
                    self.unique_texts(node, what);
                }
            }
            ("expose", _) => {
                let mut seen = HashSet::new();
                for node in self.list(node, what).unwrap_or_default() {
                    if !seen.insert(written(node)) {
                        self.wrong(
                            node.place,
                            format!("{what} has {} twice", written(node)),
                            "keep one of them",
                        );
                    }
                    match node.scalar().map(|scalar| scalar.kind) {
                        Some(Kind::Integer(_)) => {}
                        _ => drop(self.text(node, what)),
                    }
                }
            }
            _ => drop(self.text(node, what)),
        }
    }

    /// Takes any mapping. `what` is how messages name it.
    pub(crate) fn entries<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Entry]> {
        match &node.value {
            Value::Map(entries) => Some(entries),
            _ => self.refuse(
                node.place,
                format!("{what} must be a mapping, this is {}", node.name()),
                "write `key: value` lines, indented",
            ),
        }
    }

    /// Takes a list.
    pub(crate) fn list<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Node]> {
        match &node.value {
            Value::List(nodes) => Some(nodes),
            _ => self.refuse(
                node.place,
                format!("{what} must be a list, this is {}", node.name()),
                "write `- value` lines, or `[value, value]`",
            ),
        }
    }

    /// Takes a text. Docker does not take a number for one, and neither does this.
    pub(crate) fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        match node.scalar() {
            Some(Scalar {
                text, kind: Kind::Text, ..
            }) => Some(text.to_string()),
            _ => self.refuse(
                node.place,
                format!("{what} must be a text, this is {}", node.name()),
                "put the value into quotes",
            ),
        }
    }

    /// Takes a text that must not be empty.
    pub(crate) fn word(&mut self, node: &Node, what: &str) -> Option<String> {
        let text = self.text(node, what)?;
        match text.is_empty() {
            true => self.refuse(
                node.place,
                format!("{what} is empty"),
                "write a value, or remove the key",
            ),
            false => Some(text),
        }
    }

    /// Takes one of `choices`.
    pub(crate) fn choice(&mut self, node: &Node, what: &str, choices: &[&str]) -> Option<String> {
        let text = self.text(node, what)?;
        if choices.contains(&text.as_str()) {
            return Some(text);
        }
        let message = format!("{what} cannot be {}", written(node));
        self.refuse(node.place, message, format!("write one of: {}", choices.join(", ")))
    }

    /// Takes a whole number.
    pub(crate) fn integer(&mut self, node: &Node, what: &str) -> Option<i64> {
        let found = node.scalar().and_then(|scalar| match scalar.kind {
            Kind::Integer(number) => Some(number),
            Kind::Text if scalar.substituted => integer(&scalar.text),
            _ => None,
        });
        match found {
            Some(number) => Some(number),
            None => self.refuse(
                node.place,
                format!("{what} must be a whole number, this is {}", node.name()),
                "write it without quotes",
            ),
        }
    }

    /// Takes a whole number within limits, both included.
    pub(crate) fn number_within(&mut self, node: &Node, what: &str, least: i64, most: i64) -> Option<i64> {
        let number = self.integer(node, what)?;
        match (least..=most).contains(&number) {
            true => Some(number),
            false => self.refuse(
                node.place,
                format!("{what} cannot be {number}"),
                format!("write a number from {least} to {most}"),
            ),
        }
    }

    /// Takes a count: 0 or more.
    pub(crate) fn count(&mut self, node: &Node, what: &str) -> Option<u64> {
        let number = self.number_within(node, what, 0, i64::MAX)?;
        u64::try_from(number).ok()
    }

    /// Takes a number of 0 to 1.
    pub(crate) fn ratio(&mut self, node: &Node, what: &str) -> Option<f32> {
        let found = node.scalar().and_then(|scalar| match scalar.kind {
            Kind::Integer(number) => Some(if number == 1 {
                1.0
            } else if number == 0 {
                0.0
            } else {
                f32::NAN
            }),
            Kind::Float(_) => scalar.text.parse().ok(),
            Kind::Text if scalar.substituted => scalar.text.parse().ok(),
            _ => None,
        });
        match found {
            Some(ratio) if (0.0..=1.0).contains(&ratio) => Some(ratio),
            _ => self.refuse(
                node.place,
                format!("{what} must be a number from 0 to 1"),
                "write it without quotes: 0.25",
            ),
        }
    }

    /// Takes `true` or `false`.
    pub(crate) fn flag(&mut self, node: &Node, what: &str) -> Option<bool> {
        let found = node.scalar().and_then(|scalar| match scalar.kind {
            Kind::Bool(flag) => Some(flag),
            Kind::Text if scalar.substituted => match scalar.text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "y" => Some(true),
                "false" | "no" | "off" | "n" => Some(false),
                _ => None,
            },
            _ => None,
        });
        match found {
            Some(flag) => Some(flag),
            None => self.refuse(
                node.place,
                format!("{what} must be true or false"),
                "write `true` or `false`, without quotes",
            ),
        }
    }

    /// Takes a duration in nanoseconds, which is not negative.
    pub(crate) fn duration(&mut self, node: &Node, what: &str) -> Option<i64> {
        let text = self.text(node, what)?;
        match values::duration(&text) {
            Some(nanoseconds) => Some(nanoseconds),
            None => self.refuse(
                node.place,
                format!("{what} cannot be {}", written(node)),
                "write numbers with units: `1m30s`, `500ms`",
            ),
        }
    }

    /// Takes a text or a list of texts.
    pub(crate) fn texts(&mut self, node: &Node, what: &str) -> Option<Vec<Text>> {
        let one = |text: String, node: &Node| Text {
            text,
            shown: raw(node),
            place: node.place,
        };
        match &node.value {
            Value::List(nodes) => {
                let texts = nodes.iter().map(|node| Some(one(self.text(node, what)?, node)));
                Some(texts.collect::<Vec<_>>().into_iter().flatten().collect())
            }
            _ => Some(vec![one(self.text(node, what)?, node)]),
        }
    }

    /// Takes a text or a list of texts, each once.
    pub(crate) fn unique_texts(&mut self, node: &Node, what: &str) -> Option<Vec<Text>> {
        let texts = self.texts(node, what)?;
        let mut seen = HashSet::new();
        for Text { text, shown, place } in &texts {
            if !seen.insert(text) {
                self.wrong(*place, format!("{what} has `{shown}` twice"), "keep one of them");
            }
        }
        Some(texts)
    }

    /// Takes a list of texts.
    pub(crate) fn text_list(&mut self, node: &Node, what: &str) -> Option<Vec<Text>> {
        self.list(node, what)?;
        self.texts(node, what)
    }
}

/// Returns what is written at a place, for a message: a variable's value may be a secret.
pub(crate) fn written(node: &Node) -> String {
    match node.scalar() {
        Some(_) => format!("`{}`", raw(node)),
        None => node.name().to_owned(),
    }
}

/// As [`written`], without quotes; nothing when it is not a single value.
pub(crate) fn raw(node: &Node) -> String {
    line(node.scalar().map_or("", |scalar| &scalar.written))
}

/// Returns the name that is most like `name`, when one is.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name: String = name.chars().take(64).collect();
    let likeness = known.map(|known| (strsim::jaro_winkler(&name, known), known));
    let best = likeness.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (best.0 > 0.8).then_some(best.1)
}

/// What was taken, for the test that every translated key is.
#[cfg(test)]
pub(crate) mod taken {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    thread_local! {
        static TAKEN: RefCell<BTreeSet<(&'static str, &'static str)>> = const { RefCell::new(BTreeSet::new()) };
    }

    pub(crate) fn note(section: &'static str, key: &'static str) {
        TAKEN.with_borrow_mut(|taken| taken.insert((section, key)));
    }

    pub(crate) fn contains(section: &'static str, key: &'static str) -> bool {
        TAKEN.with_borrow(|taken| taken.contains(&(section, key)))
    }
}
