//! A table of any values as JSON: for options that are not ours to understand.

use std::ops::Range;

use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// How deep tables and lists may be in one another: far more than any program's options are.
const DEEPEST: usize = 16;

/// Where a value stands that JSON cannot hold, and why it cannot.
pub(super) type Unfit = (Range<usize>, &'static str);

/// A table as JSON.
pub(super) fn table(table: &DeTable<'_>) -> Result<Map<String, Value>, Unfit> {
    table_at(table, DEEPEST)
}

fn table_at(table: &DeTable<'_>, depth: usize) -> Result<Map<String, Value>, Unfit> {
    table
        .iter()
        .map(|(key, item)| Ok((key.get_ref().clone().into_owned(), value(item, depth)?)))
        .collect()
}

fn value(item: &Spanned<DeValue<'_>>, depth: usize) -> Result<Value, Unfit> {
    let unfit = |why| (item.span(), why);
    let Some(depth) = depth.checked_sub(1) else {
        return Err(unfit("it is too deep inside other values"));
    };
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
            .ok_or_else(|| unfit("it is no finite number"))?,
        DeValue::Datetime(_) => return Err(unfit("JSON has no dates; put it in quotes")),
        DeValue::Array(array) => Value::Array(array.iter().map(|item| value(item, depth)).collect::<Result<_, _>>()?),
        DeValue::Table(inner) => Value::Object(table_at(inner, depth)?),
    })
}
