//! A package's paragraph of dpkg's status, in dpkg's order of fields and with dpkg's spelling of
//! them (lib/dpkg/parse.c, dump.c).

use crate::control::{Field, Paragraph};

/// The fields in the order in which dpkg writes them to its status; the others follow, in the order
/// of the control file.
const ORDER: &[&str] = &[
    "Package",
    "Essential",
    "Protected",
    "Status",
    "Priority",
    "Section",
    "Installed-Size",
    "Origin",
    "Maintainer",
    "Bugs",
    "Architecture",
    "Multi-Arch",
    "Source",
    "Version",
    "Config-Version",
    "Replaces",
    "Provides",
    "Depends",
    "Pre-Depends",
    "Recommends",
    "Suggests",
    "Breaks",
    "Conflicts",
    "Enhances",
    "Conffiles",
    "Description",
    "Triggers-Pending",
    "Triggers-Awaited",
];
/// Fields that name other packages.
const RELATIONS: &[&str] = &[
    "Replaces",
    "Provides",
    "Depends",
    "Pre-Depends",
    "Recommends",
    "Suggests",
    "Breaks",
    "Conflicts",
    "Enhances",
];
/// Fields of indexes that dpkg does not keep in its status.
const DROPPED: &[&str] = &["Filename", "Size", "MD5sum", "MSDOS-Filename", "SHA1", "SHA256"];

/// Returns the paragraph of a package that is unpacked. `conffiles` is the field's value, each line
/// with a blank before it; empty for none.
pub(super) fn unpacked(control: &Paragraph<'_>, config_version: Option<&str>, conffiles: &str) -> String {
    let mut text = String::new();
    for name in ORDER {
        match *name {
            "Status" => line(&mut text, name, "install ok unpacked"),
            "Config-Version" => {
                if let Some(version) = config_version {
                    line(&mut text, name, version);
                }
            }
            // These fields are dpkg's, not the package's.
            "Triggers-Pending" | "Triggers-Awaited" => {}
            "Conffiles" => {
                if !conffiles.is_empty() {
                    text.push_str("Conffiles:\n");
                    text.push_str(conffiles);
                }
            }
            _ => {
                if let Some(value) = control.get(name).filter(|value| is_kept(name, value)) {
                    match *name {
                        "Version" => line(&mut text, name, &version(value)),
                        // A value that dpkg knows is written in dpkg's spelling.
                        "Priority" => line(&mut text, name, &priority(value)),
                        _ if RELATIONS.contains(name) => line(&mut text, name, &relations(value)),
                        _ => line(&mut text, name, value),
                    }
                }
            }
        }
    }
    for Field { name, value } in control.fields() {
        let among = |names: &[&str]| names.iter().any(|other| other.eq_ignore_ascii_case(name));
        if !among(ORDER) && !among(DROPPED) && !value.is_empty() {
            line(&mut text, name, value);
        }
    }
    text
}

/// Whether dpkg writes a field: it omits an empty one, and a `no` that is the default.
fn is_kept(name: &str, value: &str) -> bool {
    let is_default = matches!(name, "Essential" | "Protected" | "Multi-Arch") && value == "no";
    !value.is_empty() && !is_default
}

fn line(text: &mut String, name: &str, value: &str) {
    text.push_str(name);
    text.push_str(if value.starts_with('\n') { ":" } else { ": " });
    text.push_str(value);
    text.push('\n');
}

/// The priorities that dpkg knows by name; any other one stays as it is.
const PRIORITIES: &[&str] = &["required", "important", "standard", "optional", "extra", "unknown"];

fn priority(value: &str) -> String {
    let lower = value.to_ascii_lowercase();
    match PRIORITIES.contains(&lower.as_str()) {
        true => lower,
        false => value.to_owned(),
    }
}

/// Returns a version in dpkg's spelling: without an epoch that is zero.
pub(super) fn version(text: &str) -> String {
    match text.split_once(':') {
        Some((epoch, rest)) => match epoch.trim().parse::<u64>() {
            Ok(0) => rest.to_owned(),
            Ok(epoch) => format!("{epoch}:{rest}"),
            Err(_) => text.to_owned(),
        },
        None => text.to_owned(),
    }
}

/// Returns relations in dpkg's spelling: `a (>= 1) | b:any, c`.
fn relations(value: &str) -> String {
    let groups = value.split(',').map(str::trim).filter(|group| !group.is_empty());
    let groups: Vec<String> = groups
        .map(|group| group.split('|').map(relation).collect::<Vec<_>>().join(" | "))
        .collect();
    groups.join(", ")
}

fn relation(text: &str) -> String {
    let text = text.trim();
    let Some((name, version)) = text.split_once('(') else {
        return text.to_owned();
    };
    let version = version
        .trim_end_matches(|c: char| c == ')' || c.is_whitespace())
        .trim_start();
    let end = version.find(|c| !"<>=".contains(c)).unwrap_or(version.len());
    let (operator, version) = version.split_at(end);
    let operator = match operator {
        "<" => "<=",
        ">" => ">=",
        "" => "=",
        other => other,
    };
    format!("{} ({operator} {})", name.trim(), self::version(version.trim()))
}

/// Returns the paragraph of a package that is unpacked and waits for others to run triggers.
pub(super) fn awaiting(paragraph: &str, whom: &str) -> String {
    edited(paragraph, "unpacked", "Triggers-Awaited", whom)
}

/// Returns a paragraph in which a conffile is marked as one that the package does not have any
/// longer.
pub(super) fn with_obsolete(paragraph: &str, path: &str) -> String {
    let mut inside = false;
    let mut text = String::new();
    for line in paragraph.lines() {
        if !line.starts_with([' ', '\t']) {
            inside = line.eq_ignore_ascii_case("Conffiles:");
        }
        text.push_str(line);
        let mut words = line.split_ascii_whitespace();
        if inside && words.next() == Some(path) && words.all(|word| word != "obsolete") {
            text.push_str(" obsolete");
        }
        text.push('\n');
    }
    text
}

/// Returns a paragraph with another state, and a field set; other lines stay as they are.
pub(super) fn edited(paragraph: &str, state: &str, field: &str, value: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut skipping = false;
    for line in paragraph.lines() {
        if line.starts_with([' ', '\t']) {
            if !skipping {
                lines.push(line.to_owned());
            }
            continue;
        }
        skipping = line
            .split(':')
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case(field));
        if let Some(words) = line.strip_prefix("Status: ") {
            let keep = words.rsplit_once(' ').map_or("install ok", |(keep, _)| keep);
            lines.push(format!("Status: {keep} {state}"));
        } else if !skipping {
            lines.push(line.to_owned());
        }
    }
    let rank = |name: &str| ORDER.iter().position(|other| other.eq_ignore_ascii_case(name));
    let own = rank(field).unwrap_or(usize::MAX);
    // Before the first field that comes later in dpkg's order, or that dpkg does not know.
    let at = lines
        .iter()
        .position(|line| {
            let name = line.split(':').next().unwrap_or_default();
            !line.starts_with([' ', '\t']) && rank(name).is_none_or(|other| other > own)
        })
        .unwrap_or(lines.len());
    lines.insert(at, format!("{field}: {value}"));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::single;

    #[test]
    fn fields_come_in_dpkgs_order_and_spelling() {
        let control = "Package: a\nVersion: 1\nHomepage: https://example.org\nDescription: x\n y\nArchitecture: all\nMulti-Arch: no\nEssential: no\n\
                       Depends: b(>=1)|c:any ,d\nPriority: optional\nSize: 3\n";
        let text = unpacked(&single(control).unwrap(), Some("0.9"), " /etc/a newconffile\n");
        assert_eq!(
            text,
            "Package: a\nStatus: install ok unpacked\nPriority: optional\nArchitecture: all\nVersion: 1\nConfig-Version: 0.9\n\
             Depends: b (>= 1) | c:any, d\nConffiles:\n /etc/a newconffile\nDescription: x\n y\nHomepage: https://example.org\n"
        );
    }

    #[test]
    fn a_state_and_a_field_are_set() {
        let before = "Package: libc-bin\nStatus: install ok installed\nVersion: 1\nConffiles:\n /etc/x 1\nDescription: x\n y\nHomepage: z\n";
        let after = edited(before, "triggers-pending", "Triggers-Pending", "ldconfig");
        assert_eq!(
            after,
            "Package: libc-bin\nStatus: install ok triggers-pending\nVersion: 1\nConffiles:\n /etc/x 1\nDescription: x\n y\n\
             Triggers-Pending: ldconfig\nHomepage: z\n"
        );
        let again = edited(&after, "triggers-pending", "Triggers-Pending", "ldconfig /usr");
        assert_eq!(again, after.replace("ldconfig\n", "ldconfig /usr\n"));
    }
}
