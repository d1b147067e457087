//! What a YAML text says, as a tree in which everything has its place.

use std::rc::Rc;

use crate::problem::Place;

/// A value with its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key of a mapping, with its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Rc<str>,
    pub(crate) place: Place,
    pub(crate) value: Node,
}

/// A single value.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    /// What it says, with its variables replaced.
    pub(crate) text: Rc<str>,
    /// What is written in the file: messages show this, since a variable may hold a secret.
    pub(crate) written: Rc<str>,
    /// What it is by itself.
    pub(crate) kind: Kind,
    /// Whether a variable was replaced in it: then it may stand for a number.
    pub(crate) substituted: bool,
    /// Where all of it has ended, in bytes of the text: a comment behind it may be included.
    pub(crate) until: usize,
}

/// What a scalar is by itself, as the YAML readers of all releases of Docker see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// `yes`, `on` and their likes: a boolean in YAML 1.1, a text in YAML 1.2.
    OldBool,
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// A date, which Docker does not take as a text.
    Date,
    /// Everything else, and everything in quotes.
    Text,
}

impl Kind {
    /// How a message names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Null => "nothing",
            Kind::Bool(_) | Kind::OldBool => "a boolean",
            Kind::Integer(_) => "a number",
            Kind::Float(_) => "a decimal number",
            Kind::Date => "a date",
            Kind::Text => "a text",
        }
    }

    /// Returns what a scalar without quotes is.
    pub(crate) fn of_plain(text: &str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Kind::Null,
            "true" | "True" | "TRUE" => return Kind::Bool(true),
            "false" | "False" | "FALSE" => return Kind::Bool(false),
            "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "n" | "N" | "no" | "No" | "NO" | "off" | "Off"
            | "OFF" => return Kind::OldBool,
            ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf" | "-.INF" | ".nan" | ".NaN"
            | ".NAN" => return Kind::Float(f64::NAN),
            _ => {}
        }
        if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
            return Kind::Text;
        }
        if is_date(text) {
            return Kind::Date;
        }
        let digits = text.replace('_', "");
        if let Some(number) = integer(&digits) {
            return Kind::Integer(number);
        }
        match is_float(&digits).then(|| digits.parse()) {
            Some(Ok(number)) => Kind::Float(number),
            _ => Kind::Text,
        }
    }
}

/// Reads a whole number as Go does: `0444` and `0o444` are octal, `0x1f` and `0b11` as they look.
pub(crate) fn integer(text: &str) -> Option<i64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (base, digits) = match unsigned.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &unsigned[2..]),
        [b'0', b'o' | b'O', ..] => (8, &unsigned[2..]),
        [b'0', b'b' | b'B', ..] => (2, &unsigned[2..]),
        [b'0', _, ..] => (8, &unsigned[1..]),
        _ => (10, unsigned),
    };
    if !digits.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let number = i64::from_str_radix(digits, base).ok()?;
    Some(if text.starts_with('-') { -number } else { number })
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(m, e)| (m, Some(e)));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let right_mantissa = all_digits(whole) && all_digits(part) && !(whole.is_empty() && part.is_empty());
    let right_exponent = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    right_mantissa && right_exponent
}

/// `2026-12-01`, with or without a time.
fn is_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let digits = |part: Option<&str>, lengths: std::ops::RangeInclusive<usize>| {
        part.is_some_and(|part| lengths.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    digits(parts.next(), 4..=4)
        && digits(parts.next(), 1..=2)
        && parts.next().is_some_and(|rest| {
            let day = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let time = &rest[day..];
            (1..=2).contains(&day) && (time.is_empty() || time.starts_with(['T', 't', ' ']))
        })
}

impl Node {
    /// The scalar, when it is one.
    pub(crate) fn scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// Whether there is nothing: `key:` without a value.
    pub(crate) fn is_null(&self) -> bool {
        self.scalar().is_some_and(|scalar| scalar.kind == Kind::Null)
    }

    /// How a message names it.
    pub(crate) fn name(&self) -> &'static str {
        match &self.value {
            Value::Scalar(scalar) => scalar.kind.name(),
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// Returns the value of a key, when it is a mapping that has it.
    #[cfg(test)]
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries
                .iter()
                .find(|entry| &*entry.key == key)
                .map(|entry| &entry.value),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_are_what_docker_takes_them_for() {
        for (text, kind) in [
            ("", Kind::Null),
            ("~", Kind::Null),
            ("True", Kind::Bool(true)),
            ("on", Kind::OldBool),
            ("0444", Kind::Integer(292)),
            ("0o444", Kind::Integer(292)),
            ("1_000", Kind::Integer(1000)),
            ("-7", Kind::Integer(-7)),
            ("0x1F", Kind::Integer(31)),
            ("0", Kind::Integer(0)),
            ("08", Kind::Float(8.0)),
            ("0.5", Kind::Float(0.5)),
            ("1e3", Kind::Float(1000.0)),
            ("1.", Kind::Float(1.0)),
            ("2026-12-01", Kind::Date),
            ("2026-12-01T10:00:00Z", Kind::Date),
            ("10s", Kind::Text),
            ("1.2.3.4", Kind::Text),
            ("8080:80", Kind::Text),
            ("-", Kind::Text),
            ("+-1", Kind::Text),
            ("3-a", Kind::Text),
        ] {
            assert_eq!(Kind::of_plain(text), kind, "{text}");
        }
    }
}
