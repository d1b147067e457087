//! Environment variables: `env_file`, `environment`.

use std::collections::BTreeMap;

use kraken_foundation::text::line;

use crate::problem::Place;
use crate::reader::{Pair, Reader, Section, Text};
use crate::sources::FileKind;

/// The largest file of environment variables, in bytes.
const LONGEST_FILE: usize = 1 << 20;

/// Reads both into `NAME=value`, sorted. What is in `environment` wins; a variable that is empty or
/// has no value takes that of the caller, when there is one, as Docker does it.
pub(super) fn environment(section: &mut Section<'_>, reader: &mut Reader<'_>) -> Vec<String> {
    let mut variables: BTreeMap<String, Option<String>> = BTreeMap::new();
    if let Some(node) = section.take("env_file") {
        for Text { text, place, .. } in reader
            .unique_texts(node, &section.within("env_file"))
            .unwrap_or_default()
        {
            let mut of_files = BTreeMap::new();
            for Pair { name, value, .. } in file(&text, place, reader).unwrap_or_default() {
                of_files.insert(name, value);
            }
            variables.extend(with_values(of_files, reader));
        }
    }
    if let Some(node) = section.take("environment") {
        let what = section.within("environment");
        let mut own = BTreeMap::new();
        for Pair {
            name,
            value,
            shown,
            place,
        } in reader.pairs(node, &what).unwrap_or_default()
        {
            if name.contains(['=', '\0']) {
                let message = format!("`{shown}` of {what} is not the name of a variable");
                reader.wrong(place, message, "a name has no `=`");
            }
            if value.is_none() && (reader.sources.variables)(&name).is_none() {
                let message = format!("`{shown}` of {what} has no value: it is removed from the image's environment");
                reader.note(place, message);
            }
            own.insert(name, value);
        }
        variables.extend(with_values(own, reader));
    }
    let mut lines: Vec<String> = variables
        .into_iter()
        .map(|(name, value)| match value {
            Some(value) => format!("{name}={value}"),
            None => name,
        })
        .collect();
    lines.sort_unstable();
    lines
}

fn with_values(
    mut variables: BTreeMap<String, Option<String>>,
    reader: &Reader<'_>,
) -> BTreeMap<String, Option<String>> {
    for (name, value) in &mut variables {
        if value.as_ref().is_none_or(String::is_empty)
            && let Some(found) = (reader.sources.variables)(name)
        {
            *value = Some(found);
        }
    }
    variables
}

/// Reads a file of `NAME=value` lines. Quotes are a part of the value; `#` begins a comment only at
/// the beginning of a line; a name alone takes the caller's value, or is left out.
fn file(path: &str, place: Place, reader: &mut Reader<'_>) -> Option<Vec<Pair>> {
    let bytes = read(path, FileKind::Environment, LONGEST_FILE, place, reader)?;
    let Ok(text) = std::str::from_utf8(&bytes) else {
        let message = format!("the file {} is not UTF-8", line(path));
        return reader.refuse(place, message, "save it as UTF-8");
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut pairs = Vec::new();
    for (number, written) in text.lines().enumerate() {
        let written = written.trim_start();
        if written.is_empty() || written.starts_with('#') {
            continue;
        }
        let (name, value) = written
            .split_once('=')
            .map_or((written, None), |(name, value)| (name, Some(value)));
        if name.is_empty() || name.contains([' ', '\t', '\0']) {
            // The line may hold a secret.
            let message = format!("line {} of {} does not begin with a name", number + 1, line(path));
            return reader.refuse(place, message, "write `NAME=value`, without blanks around `=`");
        }
        let value = match value {
            Some(value) => value.to_owned(),
            None => match (reader.sources.variables)(name) {
                Some(value) => value,
                None => continue,
            },
        };
        pairs.push(Pair {
            name: name.to_owned(),
            value: Some(value),
            shown: String::new(),
            place,
        });
    }
    Some(pairs)
}

/// Reads a file that the compose file names.
pub(super) fn read(
    path: &str,
    kind: FileKind,
    most: usize,
    place: Place,
    reader: &mut Reader<'_>,
) -> Option<zeroize::Zeroizing<Vec<u8>>> {
    let what = kind.name();
    if path.is_empty() {
        return reader.refuse(place, format!("the {what} has no path"), "write the path of a file");
    }
    match reader.sources.files.read(path, kind, most) {
        Ok(bytes) if bytes.len() <= most => Some(bytes),
        Ok(bytes) => {
            let message = format!(
                "the {what} {} has {} bytes, at most {most} are allowed",
                line(path),
                bytes.len()
            );
            reader.refuse(place, message, "make the file smaller")
        }
        Err(error) => {
            let message = format!("reading the {what} {}: {}", line(path), line(&error.to_string()));
            reader.refuse(place, message, "the path begins at the folder of kraken.toml")
        }
    }
}
