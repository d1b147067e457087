//! A mapping that is being read: keys, and what `<<` adds.

use std::collections::HashSet;
use std::rc::Rc;

use kraken_foundation::text::line;

use crate::problem::{Place, Problem};
use crate::tree::{Entry, Kind, Node, Scalar, Value};

/// What is known of a mapping so far.
#[derive(Default)]
pub(super) struct Map {
    entries: Vec<Entry>,
    keys: HashSet<Rc<str>>,
    /// The key whose value is next.
    key: Option<Key>,
    merged: Option<Merged>,
}

/// A key whose value is still to come.
struct Key {
    name: Rc<str>,
    place: Place,
    /// `<<`
    merges: bool,
}

/// The value of `<<`.
struct Merged {
    node: Node,
    place: Place,
    /// How many keys stand before it.
    after: usize,
}

impl Map {
    /// Adds a key or, after a key, its value. Returns the place of a key.
    pub(super) fn add(&mut self, node: Node, merges: bool, text: &str) -> Result<Option<Place>, Problem> {
        let Some(key) = self.key.take() else {
            let key = new_key(node, merges)?;
            let place = key.place;
            self.key = Some(key);
            return Ok(Some(place));
        };
        if key.merges {
            self.merge_later(key.place, node)?;
        } else {
            self.entry(key, node, text)?;
        }
        Ok(None)
    }

    fn merge_later(&mut self, place: Place, node: Node) -> Result<(), Problem> {
        if self.merged.is_some() {
            let problem = Problem::new(place, "`<<` is there twice");
            return Err(problem.help("write one with a list: `<<: [*first, *second]`"));
        }
        self.merged = Some(Merged {
            node,
            place,
            after: self.entries.len(),
        });
        Ok(())
    }

    fn entry(&mut self, key: Key, mut value: Node, text: &str) -> Result<(), Problem> {
        let Key { name, place, .. } = key;
        if !self.keys.insert(Rc::clone(&name)) {
            let message = format!("`{}` is there twice", line(&name));
            return Err(Problem::new(place, message).help("keep one of them"));
        }
        if value.is_null() {
            // In `{a:}` Docker's parser takes the colon for a part of the key.
            let rest = text.get(place.end..).and_then(|rest| rest.strip_prefix(':'));
            if rest.is_some_and(|rest| rest.starts_with([',', '}', ']', '{', '['])) {
                let message = format!("`{}:` is not followed by a blank", line(&name));
                return Err(Problem::new(place, message).help("write `key: value`, or `key: ` with a blank"));
            }
            if value.place.line != place.line {
                // `key:` without a value: the parser is in the next line already.
                value.place = place;
            }
        }
        self.entries.push(Entry {
            key: name,
            place,
            value,
        });
        Ok(())
    }

    /// Returns all entries: the own ones, and what `<<` adds. What `<<` has, too, must stand behind
    /// it, or one release of Docker takes the own value and another one that of `<<`.
    pub(super) fn entries(mut self) -> Result<Vec<Entry>, Problem> {
        let Some(Merged { node, place, after }) = self.merged else {
            return Ok(self.entries);
        };
        let before: HashSet<Rc<str>> = self.entries[..after]
            .iter()
            .map(|entry| Rc::clone(&entry.key))
            .collect();
        let nodes = match node.value {
            Value::List(nodes) => nodes,
            value => vec![Node {
                place: node.place,
                value,
            }],
        };
        for node in nodes {
            let Value::Map(merged) = node.value else {
                let message = format!("`<<` merges mappings, this is {}", node.name());
                return Err(Problem::new(node.place, message).help("name an anchor of a mapping: `<<: *name`"));
            };
            if let Some(entry) = merged.iter().find(|entry| before.contains(&entry.key)) {
                let message = format!("`<<` stands behind `{}`, which it has, too", line(&entry.key));
                return Err(Problem::new(place, message).help("move `<<` to the beginning"));
            }
            for entry in merged {
                if self.keys.insert(Rc::clone(&entry.key)) {
                    self.entries.push(entry);
                }
            }
        }
        Ok(self.entries)
    }
}

fn new_key(node: Node, merges: bool) -> Result<Key, Problem> {
    match node.value {
        Value::Scalar(Scalar {
            text, kind: Kind::Text, ..
        }) => Ok(Key {
            name: text,
            place: node.place,
            merges,
        }),
        _ => {
            let message = format!("a key must be a text, this is {}", node.name());
            Err(Problem::new(node.place, message).help("put it into quotes"))
        }
    }
}
