//! dpkg's list of packages, compared stanza by stanza and field by field, so that a difference can
//! be read.

use std::fs;
use std::path::Path;

/// Returns the differences of the two `status` files in words; another test compares their bytes.
pub(crate) fn differences(dpkgs: &Path, ours: &Path) -> Vec<String> {
    let read = |root: &Path| fs::read_to_string(root.join("var/lib/dpkg/status")).unwrap();
    let (want, have) = (read(dpkgs), read(ours));
    let (want, have) = (stanzas(&want), stanzas(&have));
    let names = |all: &[Vec<(String, String)>]| -> Vec<String> { all.iter().map(|stanza| name(stanza)).collect() };
    let mut found = Vec::new();
    if names(&want) != names(&have) {
        let missing = names(&want).into_iter().filter(|name| !names(&have).contains(name));
        let more = names(&have).into_iter().filter(|name| !names(&want).contains(name));
        found.push(format!(
            "status: ours lacks {:?}, has {:?} besides, or they are in another order",
            missing.collect::<Vec<_>>(),
            more.collect::<Vec<_>>()
        ));
    }
    for stanza in &want {
        let Some(other) = have.iter().find(|other| name(other) == name(stanza)) else {
            continue;
        };
        if stanza == other {
            continue;
        }
        let fields = |stanza: &[(String, String)]| stanza.iter().map(|(field, _)| field.clone()).collect::<Vec<_>>();
        if fields(stanza) != fields(other) {
            found.push(format!(
                "status of {}: dpkg's fields are {:?}, ours {:?}",
                name(stanza),
                fields(stanza),
                fields(other)
            ));
        }
        for (field, value) in stanza {
            let ours = other.iter().find(|(other, _)| other == field);
            if let Some((_, ours)) = ours.filter(|(_, ours)| ours != value) {
                found.push(format!(
                    "status of {}: {field}: dpkg's is {value:?}, ours {ours:?}",
                    name(stanza)
                ));
            }
        }
    }
    found
}

fn name(stanza: &[(String, String)]) -> String {
    let get = |wanted: &str| {
        let field = stanza.iter().find(|(field, _)| field == wanted);
        field.map(|(_, value)| value.as_str()).unwrap_or_default()
    };
    format!("{}:{}", get("Package"), get("Architecture"))
}

fn stanzas(text: &str) -> Vec<Vec<(String, String)>> {
    text.split("\n\n")
        .filter(|stanza| !stanza.trim().is_empty())
        .map(|stanza| {
            let mut fields: Vec<(String, String)> = Vec::new();
            for line in stanza.lines() {
                match line.split_once(':') {
                    Some((field, value)) if !line.starts_with(' ') => fields.push((field.into(), value.trim().into())),
                    _ => {
                        let (_, value) = fields.last_mut().expect("a field before its continuation");
                        value.push('\n');
                        value.push_str(line);
                    }
                }
            }
            fields
        })
        .collect()
}
