//! Variables in a compose file: `$NAME`, `${NAME}`, with a default, an alternative or a message.

use std::rc::Rc;

use kraken_foundation::text;

use crate::problem::{Place, Problem, Problems};
use crate::tree::{Kind, Node, Scalar, Value};

/// What all texts together may have after the replacement, in bytes.
const LONGEST: usize = 16 << 20;

/// Returns the value of a variable, when it is set.
pub(crate) type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Replaces the variables in every text of the tree.
pub(crate) fn replace(node: &mut Node, lookup: &Lookup<'_>, problems: &mut Problems) {
    let mut left = LONGEST;
    // A tree is at most 64 levels deep.
    replace_within(node, lookup, problems, &mut left);
}

fn replace_within(node: &mut Node, lookup: &Lookup<'_>, problems: &mut Problems, left: &mut usize) {
    match &mut node.value {
        Value::List(nodes) => {
            for node in nodes {
                replace_within(node, lookup, problems, left);
            }
        }
        Value::Map(entries) => {
            for entry in entries {
                replace_within(&mut entry.value, lookup, problems, left);
            }
        }
        Value::Scalar(scalar) => {
            if let Err(problem) = replace_scalar(scalar, node.place, lookup, left) {
                problems.push(problem);
            }
        }
    }
}

fn replace_scalar(scalar: &mut Scalar, place: Place, lookup: &Lookup<'_>, left: &mut usize) -> Result<(), Problem> {
    if scalar.kind != Kind::Text || !scalar.text.contains('$') {
        return Ok(());
    }
    let replaced = replaced(&scalar.text, place, lookup, *left)?;
    *left = left.saturating_sub(replaced.len());
    // `$$` alone changes the text, but Docker takes a text for a number only when it changed.
    scalar.substituted = *replaced != *scalar.text;
    scalar.text = Rc::from(replaced);
    Ok(())
}

/// Returns a text with its variables replaced.
fn replaced(text: &str, place: Place, lookup: &Lookup<'_>, left: usize) -> Result<String, Problem> {
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        made.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            made.push('$');
            rest = after;
        } else if let Some(inside) = rest.strip_prefix('{') {
            let end = inside.find('}').ok_or_else(|| invalid(place))?;
            made.push_str(&braced(&inside[..end], place, lookup)?);
            rest = &inside[end + 1..];
        } else {
            let name = &rest[..name_length(rest)];
            if name.is_empty() {
                return Err(invalid(place));
            }
            made.push_str(&lookup(name).ok_or_else(|| unset(name, place))?);
            rest = &rest[name.len()..];
        }
        if made.len() > left {
            return Err(Problem::new(place, "the variables make the file too large").help("use them less often"));
        }
    }
    made.push_str(rest);
    Ok(made)
}

/// Returns the value of what is in braces.
fn braced(inside: &str, place: Place, lookup: &Lookup<'_>) -> Result<String, Problem> {
    let (name, rest) = inside.split_at(name_length(inside));
    if name.is_empty() {
        return Err(invalid(place));
    }
    let value = lookup(name);
    let (colon, rest) = rest.strip_prefix(':').map_or((false, rest), |rest| (true, rest));
    // With a colon, an empty variable counts as one that is not set.
    let there = value.as_deref().is_some_and(|value| !(colon && value.is_empty()));
    let mut rest = rest.chars();
    match rest.next() {
        None if !colon => value.ok_or_else(|| unset(name, place)),
        Some('-') => Ok(value.filter(|_| there).unwrap_or_else(|| rest.as_str().to_owned())),
        Some('+') => Ok(if there { rest.as_str().to_owned() } else { String::new() }),
        Some('?') => value.filter(|_| there).ok_or_else(|| {
            let message = format!("the variable `{name}` is needed: {}", text::line(rest.as_str()));
            Problem::new(place, message).help(format!("set `{name}`"))
        }),
        _ => Err(invalid(place)),
    }
}

/// Returns the length of the name that a text begins with.
fn name_length(text: &str) -> usize {
    let is_part = |(at, c): (usize, char)| c == '_' || c.is_ascii_alphabetic() || (at > 0 && c.is_ascii_digit());
    text.char_indices()
        .find(|&part| !is_part(part))
        .map_or(text.len(), |(at, _)| at)
}

fn invalid(place: Place) -> Problem {
    Problem::new(place, "a `$` is not followed by the name of a variable")
        .help("write `$$` for a single `$`, or `${NAME}` for a variable")
}

fn unset(name: &str, place: Place) -> Problem {
    Problem::new(place, format!("the variable `{name}` is not set"))
        .help(format!("set it, or write a default: `${{{name}:-default}}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> Result<String, String> {
        let lookup = |name: &str| match name {
            "FULL" => Some("value".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        replaced(text, Place::default(), &lookup, LONGEST).map_err(|problem| problem.to_string())
    }

    #[test]
    fn every_form_is_replaced() {
        for (text, want) in [
            ("$FULL-${FULL}", "value-value"),
            ("$$FULL $${FULL}", "$FULL ${FULL}"),
            ("${EMPTY:-x}${EMPTY-x}", "x"),
            ("${NONE:-x}${NONE-y}", "xy"),
            ("${NONE:-a:b-c?d}", "a:b-c?d"),
            ("${FULL:?no}${EMPTY?no}", "value"),
            ("${FULL:+x}${EMPTY:+y}${EMPTY+z}${NONE+w}", "xz"),
            ("${EMPTY}", ""),
        ] {
            assert_eq!(with(text).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_variable_is_refused() {
        for (text, want) in [
            ("$NONE", "the variable `NONE` is not set"),
            ("${NONE}", "the variable `NONE` is not set"),
            ("${EMPTY:?why not}", "the variable `EMPTY` is needed: why not"),
            ("a$", "a `$` is not followed by the name of a variable"),
            ("$1", "a `$` is not followed by the name of a variable"),
            ("${FULL", "a `$` is not followed by the name of a variable"),
            ("${FULL!}", "a `$` is not followed by the name of a variable"),
            ("${FULL:}", "a `$` is not followed by the name of a variable"),
            ("${}", "a `$` is not followed by the name of a variable"),
        ] {
            assert_eq!(with(text), Err(want.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_variables_multiply_is_limited() {
        let lookup = |_: &str| Some("x".repeat(1000));
        assert!(replaced(&"$A".repeat(1000), Place::default(), &lookup, 100_000).is_err());
    }
}
