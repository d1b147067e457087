//! Resolves one field: returns its value or its default, checked, and notes what is wrong.

use std::fmt::Display;
use std::path::Path;

use crate::field::{At, Field};
use crate::hints::printable;
use crate::mask;
use crate::names::{Check, help_of};
use crate::problem::{Problem, Problems};

/// Returns the text of a field, or its default; `None` when it is wrong. What `check` finds is
/// noted.
pub(super) fn checked(
    field: &Field<String>,
    default: &str,
    check: impl FnOnce(&str) -> Check,
    problems: &mut Problems,
) -> Option<String> {
    match field {
        Field::Absent => Some(default.to_owned()),
        Field::Wrong => None,
        Field::Given(at) => check_text(at, check, problems),
    }
}

/// Checks one text and notes what is wrong.
pub(super) fn check_text(
    at: &At<String>,
    check: impl FnOnce(&str) -> Check,
    problems: &mut Problems,
) -> Option<String> {
    parsed(at, |text| check(text).map(|()| text.to_owned()), problems)
}

/// Parses a text, or notes why that is not possible.
pub(super) fn parsed<T>(
    at: &At<impl AsRef<str>>,
    parse: impl FnOnce(&str) -> Check<T>,
    problems: &mut Problems,
) -> Option<T> {
    let text = at.value.as_ref();
    match parse(text) {
        Ok(value) => Some(value),
        Err(error) => {
            let why = error.to_string();
            let shown = printable(&mask::paint_over(text, &[]));
            problems.push(
                Problem::new(format!("\"{shown}\" cannot be `{}`: {why}", at.key))
                    .at(at.span.clone(), why)
                    .help(help_of(&error)),
            );
            None
        }
    }
}

/// Returns a field or its default; `None` when it is wrong.
pub(super) fn value_or<T: Clone>(field: &Field<T>, default: T) -> Option<T> {
    match field {
        Field::Absent => Some(default),
        Field::Wrong => None,
        Field::Given(at) => Some(at.value.clone()),
    }
}

/// Returns a list of checked texts, without repetitions, or its default. More than `most` of them
/// are refused.
pub(super) fn checked_list(
    field: &Field<Vec<At<String>>>,
    most: usize,
    default: &[&str],
    check: impl Fn(&str) -> Check,
    problems: &mut Problems,
) -> Option<Vec<String>> {
    let list = match field {
        Field::Absent => return Some(default.iter().map(|text| (*text).to_owned()).collect()),
        Field::Wrong => return None,
        Field::Given(list) => list,
    };
    if list.value.len() > most {
        problems.push(
            Problem::new(format!("`{}` has more than {most} entries", list.key))
                .at(list.span.clone(), format!("{} entries", list.value.len()))
                .help("shorten the list"),
        );
        return None;
    }
    let texts: Vec<_> = list.value.iter().map(|at| check_text(at, &check, problems)).collect();
    let mut kept: Vec<String> = Vec::new();
    for text in texts {
        let text = text?;
        if !kept.contains(&text) {
            kept.push(text);
        }
    }
    Some(kept)
}

/// Returns the mistake that a file which the spec names cannot be used.
pub(super) fn bad_file(
    at: &At<String>,
    path: &Path,
    what: &str,
    why: impl Display,
    help: impl Into<String>,
) -> Problem {
    Problem::new(format!("reading the {what} {}: {why}", path.display()))
        .at(at.span.clone(), "named here")
        .help(help)
}
