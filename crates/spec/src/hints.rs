//! What to tell somebody who wrote a key or a name that we do not have.

use std::collections::BTreeMap;

/// Whether a key that we do not know is likely to hold a secret.
pub(super) fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["pass", "secret", "token", "private", "hash", "psk"]
        .iter()
        .any(|word| name.contains(word))
}

/// Names that people know from other tools or put into the wrong section.
pub(super) fn elsewhere(name: &str) -> Option<String> {
    let homes: BTreeMap<&str, &str> = BTreeMap::from([
        (
            "address",
            "`address` belongs in a [[node]]; all nodes are counted up from `first-address` in [network]",
        ),
        ("base", "`base` belongs in [image]"),
        ("count", "the number of nodes is `nodes` in [cluster]"),
        ("domain", "the domain is `search` in [network], a list"),
        ("gateway", "`gateway` belongs in [network]"),
        ("groups", "`groups` belongs in [user]"),
        (
            "hostname",
            "`hostname` belongs in a [[node]]; all nodes are named after `name` in [cluster]",
        ),
        ("interface", "`interface` belongs in [network]"),
        ("keyboard", "`keyboard` belongs in [system]"),
        ("keys-file", "`keys-file` belongs in [swarm]"),
        ("locale", "`locale` belongs in [system]"),
        (
            "packages",
            "packages to bake in are `packages` in [system]; those that nodes fetch themselves, `packages-on-first-boot`",
        ),
        ("debs", "`debs` belongs in [system]"),
        ("daemon", "`daemon` belongs in [docker]"),
        ("managers", "`managers` belongs in [swarm]"),
        ("mirrors", "`mirrors` belongs in [apt]"),
        ("proxy", "`proxy` belongs in [apt]"),
        (
            "password",
            "a password is never written here: put its hash (mkpasswd) into a file and name it in `password-hash-file` in [user]",
        ),
        (
            "password-hash",
            "a hash is never written here: put it into a file and name it in `password-hash-file` in [user]",
        ),
        ("role", "`role` belongs in a [[node]]"),
        ("ssh-keys", "`ssh-keys` belongs in [user]"),
        ("ssh-authorized-keys", "SSH keys are `ssh-keys` in [user]"),
        ("subnet", "`subnet` belongs in [network]"),
        ("sudo", "`sudo` belongs in [user]"),
        ("tell", "`tell` belongs in [system]"),
        ("timezone", "`timezone` belongs in [system]"),
    ]);
    let kebab = name.to_ascii_lowercase().replace('_', "-");
    homes.get(kebab.as_str()).map(|text| (*text).to_owned())
}

/// "did you mean …?" for a near miss.
pub(super) fn suggestion<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    if given.len() > 64 {
        return None;
    }
    let given = given.to_ascii_lowercase().replace('_', "-");
    known
        .map(|name| (strsim::jaro_winkler(&given, name), name))
        .filter(|(likeness, _)| *likeness > 0.85)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| format!("did you mean `{name}`?"))
}

/// At most 60 characters, none of them a control character.
pub(super) fn printable(text: &str) -> String {
    let mut shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().nth(60).is_some() {
        shown.push('…');
    }
    shown
}

/// The names in quotes, with commas between them.
pub(super) fn quoted(names: &[&str]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_are_recognised_and_others_are_not() {
        for (given, want) in [
            ("nmae", Some("name")),
            ("ssh_keys", Some("ssh-keys")),
            ("sshkeys", Some("ssh-keys")),
            ("Hostname", Some("hostname")),
            ("qqqq", None),
            ("", None),
        ] {
            let found = suggestion(given, ["name", "ssh-keys", "hostname"].into_iter());
            assert_eq!(found, want.map(|name| format!("did you mean `{name}`?")), "{given}");
        }
    }

    #[test]
    fn what_is_shown_is_short_and_has_no_control_characters() {
        assert_eq!(printable("a\n\u{1b}[31m"), "a\\n\\u{1b}[31m");
        assert_eq!(printable(&"x".repeat(100)).chars().count(), 61);
    }
}
