//! Names with values: environment, labels, options of drivers.

use std::collections::{BTreeMap, HashSet};

use kraken_foundation::text::line;

use super::single::{Reader, Text};
use crate::problem::Place;
use crate::tree::{Kind, Node, Value};

/// Between these, Docker writes a decimal number without an exponent.
const WITHOUT_EXPONENT: std::ops::Range<f64> = 1e-4..1e6;

/// One of the values of `KEY: [NAME=value]` or `KEY: {NAME: value}`.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) name: String,
    pub(crate) value: Option<String>,
    /// How messages show the name: as it is written.
    pub(crate) shown: String,
    pub(crate) place: Place,
}

impl Reader<'_> {
    /// Takes what can be written as a mapping or as a list of `NAME=value`.
    pub(crate) fn pairs(&mut self, node: &Node, what: &str) -> Option<Vec<Pair>> {
        let pairs: Vec<Pair> = match &node.value {
            Value::List(_) => {
                let texts = self.text_list(node, what)?;
                let pairs = texts.into_iter().map(|Text { text, shown, place }| {
                    let shown = shown.split('=').next().unwrap_or_default().to_owned();
                    let (name, value) = match text.split_once('=') {
                        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                        None => (text, None),
                    };
                    Pair {
                        name,
                        value,
                        shown,
                        place,
                    }
                });
                pairs.collect()
            }
            Value::Map(entries) => {
                let pairs = entries.iter().map(|entry| {
                    let what = format!("`{}` of {what}", line(&entry.key));
                    Some(Pair {
                        name: entry.key.to_string(),
                        shown: line(&entry.key),
                        value: self.value(&entry.value, &what)?,
                        place: entry.place,
                    })
                });
                pairs.collect::<Vec<_>>().into_iter().flatten().collect()
            }
            Value::Scalar(_) => {
                let message = format!("{what} must be a mapping or a list, this is {}", node.name());
                return self.refuse(node.place, message, "write `NAME: value` lines, indented");
            }
        };
        let mut seen = HashSet::new();
        for Pair { name, shown, place, .. } in &pairs {
            if name.is_empty() {
                self.wrong(
                    *place,
                    format!("{what} has an entry without a name"),
                    "write `NAME=value`",
                );
            } else if !seen.insert(name) {
                self.wrong(*place, format!("{what} has `{shown}` twice"), "keep one of them");
            }
        }
        Some(pairs)
    }

    /// Takes a value that Docker turns into a text: a text, nothing, or a number, if it is written
    /// as Docker would write it. The outer `None` is a mistake, the inner one is nothing.
    #[expect(clippy::option_option, reason = "both are meant")]
    fn value(&mut self, node: &Node, what: &str) -> Option<Option<String>> {
        let Some(scalar) = node.scalar() else {
            let message = format!("{what} must be a single value, this is {}", node.name());
            return self.refuse(node.place, message, "put it into quotes");
        };
        let same = match scalar.kind {
            Kind::Null => return Some(None),
            Kind::Text => true,
            Kind::Integer(number) => number.to_string() == *scalar.text,
            Kind::Float(number) => WITHOUT_EXPONENT.contains(&number.abs()) && number.to_string() == *scalar.text,
            Kind::Date => {
                let message = format!("{what} is a date, which Docker would write in another way");
                return self.refuse(node.place, message, "put it into quotes");
            }
            Kind::Bool(_) | Kind::OldBool => {
                let message = format!("{what} is {}, and Docker takes only texts and numbers", node.name());
                return self.refuse(node.place, message, "put it into quotes");
            }
        };
        match same {
            true => Some(Some(scalar.text.to_string())),
            false => self.refuse(
                node.place,
                format!("{what} is a number that Docker would write in another way"),
                "put it into quotes",
            ),
        }
    }

    /// Takes a mapping of names to texts, as drivers have it.
    pub(crate) fn options(&mut self, node: &Node, what: &str) -> Option<BTreeMap<String, String>> {
        let entries = self.entries(node, what)?;
        let options = entries.iter().map(|entry| {
            let what = format!("`{}` of {what}", line(&entry.key));
            let value = self.value(&entry.value, &what)?;
            Some((entry.key.to_string(), value.unwrap_or_default()))
        });
        Some(options.collect::<Vec<_>>().into_iter().flatten().collect())
    }

    /// Takes labels: a name without a value has the empty one.
    pub(crate) fn labels(&mut self, node: Option<&Node>, what: &str) -> BTreeMap<String, String> {
        let pairs = node.and_then(|node| self.pairs(node, what)).unwrap_or_default();
        let mut labels = BTreeMap::new();
        for Pair {
            name,
            value,
            shown,
            place,
        } in pairs
        {
            if name.starts_with("com.docker.stack.") {
                let message = format!("{what} has `{shown}`, which Docker sets itself");
                self.wrong(place, message, "remove it");
            }
            labels.insert(name, value.unwrap_or_default());
        }
        labels.insert("com.docker.stack.namespace".to_owned(), self.stack.to_owned());
        labels
    }
}
