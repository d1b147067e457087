//! Volumes: the top-level ones, and what a service mounts.

use std::collections::BTreeMap;

use kraken_foundation::text::line;

use crate::api::{BindOptions, Driver, Mount, TmpfsOptions, VolumeOptions};
use crate::keys;
use crate::reader::{Reader, Section, nearest, raw, written};
use crate::tree::{Node, Value};

/// The ways in which mounts within a bind mount are passed on.
const PROPAGATIONS: [&str; 6] = ["rprivate", "private", "rshared", "shared", "rslave", "slave"];

/// A top-level volume.
pub(super) struct Volume {
    name: String,
    labels: BTreeMap<String, String>,
    driver: Option<Driver>,
}

/// The top-level volumes, under their names in the compose file.
pub(super) type Volumes = BTreeMap<String, Volume>;

/// Reads the top-level `volumes`.
pub(super) fn volumes(node: Option<&Node>, reader: &mut Reader<'_>) -> Volumes {
    let mut volumes = Volumes::new();
    let Some(node) = node else { return volumes };
    for entry in reader.entries(node, "volumes").unwrap_or_default() {
        let path = format!("volumes.{}", line(&entry.key));
        let mut volume = Volume {
            name: format!("{}_{}", reader.stack, entry.key),
            labels: reader.labels(None, &path),
            driver: None,
        };
        if !entry.value.is_null() {
            let Some(mut section) = reader.section(&entry.value, &keys::VOLUME, path) else {
                continue;
            };
            if let Some(node) = section.take("name") {
                volume.name = reader.word(node, &section.within("name")).unwrap_or(volume.name);
            }
            volume.labels = reader.labels(section.take("labels"), &section.within("labels"));
            let name = section.take("driver");
            let name = name.and_then(|node| reader.choice(node, &section.within("driver"), &["local"]));
            let options = section.take("driver_opts");
            let options = options.and_then(|node| reader.options(node, &section.within("driver_opts")));
            volume.driver = (name.is_some() || options.is_some()).then(|| Driver {
                name: name.unwrap_or_default(),
                options: options.unwrap_or_default(),
            });
        }
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if volume.name.len() < 2
            || !volume.name.starts_with(|c: char| c.is_ascii_alphanumeric())
            || !volume.name.chars().all(is_part)
        {
            let message = format!("`{}` cannot be the name of a volume", line(&volume.name));
            reader.wrong(entry.place, message, "use letters, digits, `_`, `.` and `-`");
        }
        volumes.insert(entry.key.to_string(), volume);
    }
    volumes
}

/// What a mount says, in either form.
#[derive(Default)]
struct Written {
    r#type: String,
    source: String,
    /// How messages show the source: as it is written.
    shown: String,
    target: String,
    is_read_only: bool,
    propagation: Option<String>,
    /// `volume` is there; whether a new volume stays empty.
    no_copy: Option<bool>,
    /// `tmpfs` is there; its size.
    size: Option<i64>,
}

/// Reads the mounts of a service.
pub(super) fn mounts(section: &mut Section<'_>, volumes: &Volumes, reader: &mut Reader<'_>) -> Vec<Mount> {
    let what = section.within("volumes");
    let Some(node) = section.take("volumes") else {
        return Vec::new();
    };
    let mut mounts = Vec::new();
    for node in reader.list(node, &what).unwrap_or_default() {
        let written = match &node.value {
            Value::Map(_) => long(node, &what, reader),
            _ => short(node, &what, reader),
        };
        mounts.extend(written.and_then(|written| mount(written, node, &what, volumes, reader)));
    }
    mounts
}

fn long(node: &Node, what: &str, reader: &mut Reader<'_>) -> Option<Written> {
    let mut section = reader.section(node, &keys::MOUNT, what.to_owned())?;
    let mut written = Written::default();
    match section.take("type") {
        Some(node) => {
            written.r#type = reader.choice(node, &section.within("type"), &["volume", "bind", "tmpfs"])?;
        }
        None => {
            return reader.refuse(
                node.place,
                format!("{what} has a mount without `type`"),
                "write `type: volume`",
            );
        }
    }
    let source = section.take("source");
    let source = source.and_then(|node| reader.word(node, &section.within("source")));
    written.source = source.unwrap_or_default();
    written.shown = section.take("source").map(raw).unwrap_or_default();
    let target = section.take("target");
    let target = target.and_then(|node| reader.word(node, &section.within("target")));
    written.target = target.unwrap_or_default();
    let read_only = section.take("read_only");
    let read_only = read_only.and_then(|node| reader.flag(node, &section.within("read_only")));
    written.is_read_only = read_only.unwrap_or_default();
    if let Some(node) = section.take("bind") {
        let mut bind = reader.section(node, &keys::MOUNT_BIND, section.within("bind"))?;
        let propagation = bind.take("propagation");
        let propagation = propagation.and_then(|node| reader.choice(node, &bind.within("propagation"), &PROPAGATIONS));
        written.propagation = Some(propagation.unwrap_or_default());
    }
    if let Some(node) = section.take("volume") {
        let mut volume = reader.section(node, &keys::MOUNT_VOLUME, section.within("volume"))?;
        let no_copy = volume.take("nocopy");
        let no_copy = no_copy.and_then(|node| reader.flag(node, &volume.within("nocopy")));
        written.no_copy = Some(no_copy.unwrap_or_default());
    }
    if let Some(node) = section.take("tmpfs") {
        let mut tmpfs = reader.section(node, &keys::MOUNT_TMPFS, section.within("tmpfs"))?;
        let size = tmpfs.take("size");
        let size = size.and_then(|node| reader.number_within(node, &tmpfs.within("size"), 0, i64::MAX));
        written.size = Some(size.unwrap_or_default());
    }
    Some(written)
}

/// Reads `source:target:options`, `source:target` or `target`.
fn short(node: &Node, what: &str, reader: &mut Reader<'_>) -> Option<Written> {
    let text = reader.text(node, what)?;
    let parts: Vec<&str> = text.split(':').collect();
    if parts.iter().any(|part| part.is_empty()) || parts.len() > 3 {
        let message = format!("{} is not a mount", written(node));
        return reader.refuse(
            node.place,
            message,
            "write `volume:/path`, `/path/on/node:/path` or `/path`",
        );
    }
    if parts.len() > 1 && parts[0].chars().count() == 1 && parts[0] != "/" && parts[0] != "." {
        let message = format!(
            "{} begins with a single letter, which Docker takes for a drive of Windows",
            written(node)
        );
        return reader.refuse(
            node.place,
            message,
            "use a longer name, or the long form with `type: volume`",
        );
    }
    let mut mount = Written {
        target: parts[parts.len().min(2) - 1].to_owned(),
        r#type: "volume".to_owned(),
        ..Written::default()
    };
    if parts.len() > 1 {
        mount.source = parts[0].to_owned();
        mount.shown = raw(node).split(':').next().unwrap_or_default().to_owned();
        if mount.source.starts_with(['.', '/', '~', '\\']) {
            mount.r#type = "bind".to_owned();
        }
    }
    for option in parts
        .get(2)
        .copied()
        .unwrap_or_default()
        .split(',')
        .filter(|option| !option.is_empty())
    {
        match option {
            "ro" => mount.is_read_only = true,
            "rw" => mount.is_read_only = false,
            "nocopy" => mount.no_copy = Some(true),
            _ if PROPAGATIONS.contains(&option) => mount.propagation = Some(option.to_owned()),
            _ => {
                let message = format!(
                    "{} has the option `{}`, which a swarm ignores",
                    written(node),
                    line(option)
                );
                return reader.refuse(node.place, message, "remove the option");
            }
        }
    }
    Some(mount)
}

/// Checks a mount, and makes it.
fn mount(written: Written, node: &Node, what: &str, volumes: &Volumes, reader: &mut Reader<'_>) -> Option<Mount> {
    let place = node.place;
    if !written.target.starts_with('/') {
        let message = format!("{what} has a mount whose target is not an absolute path");
        return reader.refuse(place, message, "begin the target with `/`");
    }
    let kind = written.r#type.as_str();
    for (option, is_there, of) in [
        ("bind", written.propagation.is_some(), "bind"),
        ("volume", written.no_copy.is_some(), "volume"),
        ("tmpfs", written.size.is_some(), "tmpfs"),
    ] {
        if is_there && of != kind {
            let message = format!("{what} has options of `{option}` at a mount of the type `{kind}`");
            return reader.refuse(place, message, "remove them, or change the type");
        }
    }
    let mut mount = Mount {
        r#type: written.r#type.clone(),
        source: written.source.clone(),
        target: written.target,
        read_only: written.is_read_only,
        ..Mount::default()
    };
    match kind {
        "bind" => {
            if !written.source.starts_with('/') {
                let message = format!("{what} mounts a folder of the node whose path is not absolute");
                return reader.refuse(
                    place,
                    message,
                    "begin it with `/`: there is no folder of the project on a node",
                );
            }
            mount.bind_options = written.propagation.map(|propagation| BindOptions { propagation });
        }
        "tmpfs" => {
            if !written.source.is_empty() {
                let message = format!("{what} has a tmpfs with a source");
                return reader.refuse(place, message, "remove `source`");
            }
            mount.tmpfs_options = written.size.map(|size_bytes| TmpfsOptions { size_bytes });
        }
        _ if written.source.is_empty() => {
            if written.no_copy.is_some() {
                reader.note(
                    place,
                    format!("the options of a volume without a name have no effect ({what})"),
                );
            }
        }
        _ => {
            let Some(volume) = volumes.get(&written.source) else {
                let message = format!("{what} mounts the volume `{}`, which is not declared", written.shown);
                let help = match nearest(&written.source, volumes.keys().map(String::as_str)) {
                    Some(name) => format!("did you mean `{name}`?"),
                    None => "declare it below `volumes` at the top level".to_owned(),
                };
                return reader.refuse(place, message, help);
            };
            mount.source.clone_from(&volume.name);
            mount.volume_options = Some(VolumeOptions {
                no_copy: written.no_copy.unwrap_or_default(),
                labels: volume.labels.clone(),
                driver_config: volume.driver.clone(),
            });
        }
    }
    Some(mount)
}
