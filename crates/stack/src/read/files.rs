//! Secrets and configs: the top-level ones, and those that a service has.

use std::collections::{BTreeMap, BTreeSet};

use kraken_foundation::text::line;
use zeroize::Zeroizing;

use super::environment::read;
use crate::api::{ConfigReference, ConfigSpec, Driver, FileTarget, SecretData, SecretReference, SecretSpec};
use crate::keys;
use crate::problem::Place;
use crate::reader::{Reader, Section, nearest, raw};
use crate::sources::{FileKind, PasswordRequest};
use crate::tree::{Entry, Node, Value};
use crate::values;

/// The most bytes of a secret, and of a config in the oldest release (swarmkit,
/// `MaxSecretSize`).
const LONGEST: usize = 500 * 1024;
/// How many characters a generated password has where the file does not say.
const PASSWORD: i64 = 32;

/// What services refer to.
pub(super) struct FileObjects {
    /// The name in Docker.
    pub(super) name: String,
}

/// A secret or a config with its name in the compose file.
pub(super) struct Keyed<T> {
    pub(super) key: String,
    pub(super) spec: T,
}

/// Reads the top-level `secrets`.
pub(super) fn secrets(node: Option<&Node>, reader: &mut Reader<'_>) -> Vec<Keyed<SecretSpec>> {
    each(node, "secrets", reader, |entry, reader| {
        let path = format!("secrets.{}", line(&entry.key));
        let mut section = reader.section(&entry.value, &keys::SECRET, path)?;
        let data = secret_data(entry, &mut section, reader);
        Some(SecretSpec {
            name: name(entry, &mut section, reader),
            labels: reader.labels(section.take("labels"), &section.within("labels")),
            data: SecretData::new(data.unwrap_or_default()),
            templating: templating(&mut section, reader),
        })
    })
}

/// Reads the top-level `configs`.
pub(super) fn configs(node: Option<&Node>, reader: &mut Reader<'_>) -> Vec<Keyed<ConfigSpec>> {
    each(node, "configs", reader, |entry, reader| {
        let path = format!("configs.{}", line(&entry.key));
        let mut section = reader.section(&entry.value, &keys::CONFIG, path)?;
        let data = match section.take("file") {
            Some(node) => content(node, FileKind::Config, &section.within("file"), reader),
            None => reader.refuse(entry.place, format!("{} has no `file`", section.path), "name a file"),
        };
        Some(ConfigSpec {
            name: name(entry, &mut section, reader),
            labels: reader.labels(section.take("labels"), &section.within("labels")),
            data: data.map(|data| data.to_vec()).unwrap_or_default(),
            templating: templating(&mut section, reader),
        })
    })
}

fn each<T>(
    node: Option<&Node>,
    what: &str,
    reader: &mut Reader<'_>,
    one: impl Fn(&Entry, &mut Reader<'_>) -> Option<T>,
) -> Vec<Keyed<T>> {
    let Some(node) = node else { return Vec::new() };
    let entries = reader.entries(node, what).unwrap_or_default();
    let objects = entries.iter().filter_map(|entry| {
        let key = entry.key.to_string();
        Some(Keyed {
            key,
            spec: one(entry, reader)?,
        })
    });
    objects.collect()
}

fn name(entry: &Entry, section: &mut Section<'_>, reader: &mut Reader<'_>) -> String {
    let written = section.take("name");
    let written = written.and_then(|node| reader.word(node, &section.within("name")));
    let name = written.unwrap_or_else(|| format!("{}_{}", reader.stack, entry.key));
    if !values::is_file_name(&name) {
        let message = format!("`{}` cannot be the name of a secret or a config", line(&name));
        reader.wrong(entry.place, message, "use at most 64 letters, digits, `-`, `_` and `.`");
    }
    name
}

fn templating(section: &mut Section<'_>, reader: &mut Reader<'_>) -> Option<Driver> {
    let node = section.take("template_driver")?;
    let name = reader.choice(node, &section.within("template_driver"), &["golang"])?;
    Some(Driver {
        name,
        options: BTreeMap::new(),
    })
}

fn content(node: &Node, kind: FileKind, what: &str, reader: &mut Reader<'_>) -> Option<Zeroizing<Vec<u8>>> {
    let path = reader.text(node, what)?;
    let data = read(&path, kind, LONGEST, node.place, reader)?;
    match data.is_empty() {
        true => {
            let message = format!("the {} {} is empty, which Docker refuses", kind.name(), line(&path));
            reader.refuse(node.place, message, "write something into the file")
        }
        false => Some(data),
    }
}

/// Returns the content of a secret: of its file, or a password made for it.
fn secret_data(entry: &Entry, section: &mut Section<'_>, reader: &mut Reader<'_>) -> Option<Zeroizing<Vec<u8>>> {
    let (file, generate) = (section.take("file"), section.take("x-kraken-generate"));
    let length = section.take("x-kraken-length");
    let length = match length {
        Some(node) if generate.is_none() => {
            reader.wrong(
                node.place,
                "`x-kraken-length` stands without `x-kraken-generate`",
                "remove it",
            );
            PASSWORD
        }
        Some(node) => reader.number_within(node, &section.within("x-kraken-length"), 8, 128)?,
        None => PASSWORD,
    };
    match (file, generate) {
        (Some(node), None) => content(node, FileKind::Secret, &section.within("file"), reader),
        (None, Some(node)) => {
            reader.choice(node, &section.within("x-kraken-generate"), &["password"])?;
            let password = (reader.sources.passwords)(&PasswordRequest {
                stack: reader.stack,
                secret: &entry.key,
                length: usize::try_from(length).ok()?,
            });
            Some(Zeroizing::new(password.as_bytes().to_vec()))
        }
        (Some(_), Some(node)) => {
            let message = format!("{} has both `file` and `x-kraken-generate`", section.path);
            reader.refuse(node.place, message, "keep one of them")
        }
        (None, None) => {
            let help = "name a `file` beside kraken.toml, or write `x-kraken-generate: password`";
            reader.refuse(entry.place, format!("{} has no content", section.path), help)
        }
    }
}

/// A secret or a config of a service.
struct Reference {
    name: String,
    file: FileTarget,
}

/// Reads the `secrets` of a service, in the order of their names in Docker.
pub(super) fn secret_references(
    section: &mut Section<'_>,
    declared: &BTreeMap<String, FileObjects>,
    reader: &mut Reader<'_>,
) -> Vec<SecretReference> {
    let what = section.within("secrets");
    let found = section
        .take("secrets")
        .and_then(|node| references(node, &what, declared, reader));
    let references = found.unwrap_or_default().into_iter();
    let references = references.map(|Reference { name, file }| SecretReference {
        file,
        secret_name: name,
    });
    references.collect()
}

/// Reads the `configs` of a service, in the order of their names in Docker.
pub(super) fn config_references(
    section: &mut Section<'_>,
    declared: &BTreeMap<String, FileObjects>,
    reader: &mut Reader<'_>,
) -> Vec<ConfigReference> {
    let what = section.within("configs");
    let found = section
        .take("configs")
        .and_then(|node| references(node, &what, declared, reader));
    let references = found.unwrap_or_default().into_iter();
    let references = references.map(|Reference { name, file }| ConfigReference {
        file,
        config_name: name,
    });
    references.collect()
}

fn references(
    node: &Node,
    what: &str,
    declared: &BTreeMap<String, FileObjects>,
    reader: &mut Reader<'_>,
) -> Option<Vec<Reference>> {
    let (mut references, mut targets) = (Vec::new(), BTreeSet::new());
    for node in reader.list(node, what)? {
        let Some(Named {
            source,
            shown,
            file,
            place,
        }) = reference(node, what, reader)
        else {
            continue;
        };
        let Some(object) = declared.get(&source) else {
            let message = format!("{what} names `{shown}`, which is not declared");
            let help = match nearest(&source, declared.keys().map(String::as_str)) {
                Some(name) => format!("did you mean `{name}`?"),
                None => "declare it at the top level".to_owned(),
            };
            reader.wrong(place, message, help);
            continue;
        };
        if !targets.insert(file.name.clone()) {
            let message = format!("{what} has two files with the same target");
            reader.wrong(place, message, "give one of them another `target`");
        }
        references.push(Reference {
            name: object.name.clone(),
            file,
        });
    }
    references.sort_by(|a, b| a.name.cmp(&b.name));
    Some(references)
}

/// A secret or a config as a service names it.
struct Named {
    source: String,
    /// How messages show it: as it is written.
    shown: String,
    file: FileTarget,
    place: Place,
}

fn reference(node: &Node, what: &str, reader: &mut Reader<'_>) -> Option<Named> {
    let mut file = FileTarget {
        name: String::new(),
        uid: "0".to_owned(),
        gid: "0".to_owned(),
        mode: 0o444,
    };
    if !matches!(node.value, Value::Map(_)) {
        let source = reader.word(node, what)?;
        file.name.clone_from(&source);
        return Some(Named {
            source,
            shown: raw(node),
            file,
            place: node.place,
        });
    }
    let mut section = reader.section(node, &keys::FILE_REFERENCE, what.to_owned())?;
    let Some(source) = section.take("source") else {
        return reader.refuse(
            node.place,
            format!("{what} has an entry without `source`"),
            "name what is mounted",
        );
    };
    let shown = raw(source);
    let source = reader.word(source, &section.within("source"))?;
    file.name = match section.take("target") {
        Some(node) => reader.word(node, &section.within("target"))?,
        None => source.clone(),
    };
    let mut owner = |key: &'static str, reader: &mut Reader<'_>| {
        let Some(node) = section.take(key) else {
            return Some("0".to_owned());
        };
        let owner = reader.text(node, &format!("{what}.{key}"))?;
        match owner.parse::<u32>() {
            Ok(_) => Some(owner),
            Err(_) => reader.refuse(
                node.place,
                format!("{what}.{key} is not a number"),
                "write it as `\"1000\"`",
            ),
        }
    };
    file.uid = owner("uid", reader)?;
    file.gid = owner("gid", reader)?;
    if let Some(node) = section.take("mode") {
        let mode = reader.number_within(node, &format!("{what}.mode"), 0, 0o7777)?;
        file.mode = u32::try_from(mode).ok()?;
    }
    Some(Named {
        source,
        shown,
        file,
        place: node.place,
    })
}
