//! A table of any values as JSON: options of another program, each with its place in the text.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Options of another program, and where they stand in the text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// The options, as JSON.
    pub values: serde_json::Map<String, serde_json::Value>,
    /// The place of each value inside, by its path: keys and numbers of list items, with `/`
    /// between them.
    pub places: BTreeMap<String, Place>,
}

/// Where an option stands. An item of a list has no key of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its key.
    pub key: Range<usize>,
    /// Its value.
    pub value: Range<usize>,
}

impl Options {
    /// Returns the place of a value, by its path.
    pub fn value_span(&self, path: &str) -> Option<Range<usize>> {
        self.places.get(path).map(|place| place.value.clone())
    }

    /// Returns the place of a key, by its path.
    pub fn key_span(&self, path: &str) -> Option<Range<usize>> {
        self.places.get(path).map(|place| place.key.clone())
    }
}

/// How deep tables and lists may be nested: far deeper than the options of any program are.
const DEEPEST: usize = 16;

/// The place of a value that JSON cannot hold, and why it cannot.
pub(super) struct Unfit {
    pub(super) span: Range<usize>,
    /// A clause: "it is too large a number".
    pub(super) why: &'static str,
}

/// Returns a table as JSON, with the place of each value.
pub(super) fn table(table: &DeTable<'_>) -> Result<Options, Unfit> {
    let mut places = BTreeMap::new();
    let values = Reader { places: &mut places }.table(table, "", DEEPEST)?;
    Ok(Options { values, places })
}

struct Reader<'a> {
    places: &'a mut BTreeMap<String, Place>,
}

impl Reader<'_> {
    fn table(&mut self, table: &DeTable<'_>, path: &str, depth: usize) -> Result<Map<String, Value>, Unfit> {
        let mut map = Map::new();
        for (key, item) in table {
            let name = key.get_ref().clone().into_owned();
            let value = self.value(item, key.span(), &below(path, &name), depth)?;
            map.insert(name, value);
        }
        Ok(map)
    }

    fn value(
        &mut self,
        item: &Spanned<DeValue<'_>>,
        key: Range<usize>,
        path: &str,
        depth: usize,
    ) -> Result<Value, Unfit> {
        let unfit = |why| Unfit { span: item.span(), why };
        let Some(depth) = depth.checked_sub(1) else {
            return Err(unfit("it is too deep inside other values"));
        };
        let value = item.span();
        self.places.insert(path.to_owned(), Place { key, value });
        Ok(match item.get_ref() {
            DeValue::String(text) => Value::String(text.clone().into_owned()),
            DeValue::Boolean(on) => Value::Bool(*on),
            DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
                .map(Value::from)
                .map_err(|_| unfit("it is too large a number"))?,
            DeValue::Float(float) => float
                .as_str()
                .parse()
                .ok()
                .and_then(Number::from_f64)
                .map(Value::Number)
                .ok_or_else(|| unfit("it is not a finite number"))?,
            DeValue::Datetime(_) => return Err(unfit("JSON has no dates; put it in quotes")),
            DeValue::Array(array) => {
                let mut items = Vec::with_capacity(array.len());
                for (index, item) in array.iter().enumerate() {
                    items.push(self.value(item, item.span(), &below(path, &index.to_string()), depth)?);
                }
                Value::Array(items)
            }
            DeValue::Table(inner) => Value::Object(self.table(inner, path, depth)?),
        })
    }
}

/// Returns the path of an entry of a table or a list.
pub(super) fn below(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        path => format!("{path}/{name}"),
    }
}
