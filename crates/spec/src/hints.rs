//! Hints for a user who wrote a key or a name that does not exist.

use super::tree::{Name, SectionNames, sections};

/// Returns whether an unknown key is likely to hold a secret.
pub(super) fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["pass", "secret", "token", "private", "hash", "psk"]
        .iter()
        .any(|word| name.contains(word))
}

/// Returns what to do about a key that its section does not have. `here` are the keys of the
/// section, `root` those of the whole file.
pub(super) fn unknown_key(name: &str, here: &[Name], root: &'static [Name]) -> String {
    let kebab = name.to_ascii_lowercase().replace('_', "-");
    let known: Vec<&str> = here.iter().map(|name| name.key).collect();
    let near = suggestion(name, known.iter().copied());
    // If it is written with underscores or capitals, it is a near miss and needs no other hint.
    let is_here = known.contains(&kebab.as_str());
    let (meant, home) = match is_here {
        true => (None, None),
        false => (meant(&kebab), home(&kebab, root)),
    };
    match (meant, near, home) {
        (Some(meant), _, _) => meant.to_owned(),
        (None, Some(near), Some(home)) => format!("{near} {home}"),
        (None, Some(hint), None) | (None, None, Some(hint)) => hint,
        (None, None, None) => format!("known here: {}", known.join(", ")),
    }
}

/// Returns what is meant by names that are not keys, and which of several keys with the same name
/// is most likely meant.
fn meant(name: &str) -> Option<&'static str> {
    Some(match name {
        "address" => "`address` belongs in a [[node]]; all nodes are counted up from `first-address` in [network]",
        "count" => "the number of nodes is `nodes` in [cluster]",
        "domain" => "the domain is `search` in [network], a list",
        "hostname" => "`hostname` belongs in a [[node]]; all nodes are named after `name` in [cluster]",
        "packages" => {
            "packages to bake in are `packages` in [system]; those that nodes fetch themselves, `packages-on-first-boot`"
        }
        "password" => {
            "a password is never written here: put its hash (mkpasswd) into a file and name it in `password-hash-file` in [user]"
        }
        "password-hash" => {
            "a hash is never written here: put it into a file and name it in `password-hash-file` in [user]"
        }
        "tell" => "`tell` is called `status` now, in [system]",
        "ssh-authorized-keys" => "SSH keys are `ssh-keys` in [user]",
        _ => return None,
    })
}

/// Returns the section with a key of this name, when only one section has it.
fn home(name: &str, root: &'static [Name]) -> Option<String> {
    let has = |section: &SectionNames| section.names.iter().any(|known| known.key == name);
    // A section at the top of the file is not in another section.
    let mut homes = sections(root)
        .into_iter()
        .filter(|section| !section.path.is_empty() && has(section));
    let home = homes.next().filter(|_| homes.next().is_none())?;
    let article = match home.is_list {
        true => "a ",
        false => "",
    };
    Some(format!("`{name}` belongs in {article}{}", home.header()))
}

/// Returns "did you mean …?" for a near miss.
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

/// Returns at most 60 characters of the text, none of them a control character.
pub(super) fn printable(text: &str) -> String {
    let mut shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().nth(60).is_some() {
        shown.push('…');
    }
    shown
}

/// Returns the names in quotes, with commas between them.
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
    fn the_error_of_an_unknown_key_names_its_section_or_its_near_miss() {
        for (text, want) in [
            ("[swarm]\nmode_ = \"baked\"\n", "did you mean `mode`?"),
            ("[user]\nssh_keys = []\n", "did you mean `ssh-keys`?"),
            (
                "[image]\nmirrors = {}\n",
                "did you mean `mirror`? `mirrors` belongs in [apt]",
            ),
            ("[system]\nlayout = \"de\"\n", "`layout` belongs in [system.keyboard]"),
            ("[user]\nmac = \"x\"\n", "`mac` belongs in a [[node]]"),
            ("[image]\ncount = 3\n", "the number of nodes is `nodes` in [cluster]"),
            // Two sections have it.
            ("[apt]\nname = \"x\"\n", "known here: mirrors, proxy, recommends"),
        ] {
            let errors = crate::parse("x", text).unwrap_err();
            assert_eq!(errors.problems()[0].hint(), Some(want), "{text}");
        }
    }

    #[test]
    fn what_is_shown_is_short_and_has_no_control_characters() {
        assert_eq!(printable("a\n\u{1b}[31m"), "a\\n\\u{1b}[31m");
        assert_eq!(printable(&"x".repeat(100)).chars().count(), 61);
    }
}
