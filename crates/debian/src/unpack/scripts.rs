//! What a preinst script would do before files are unpacked, as far as it can be determined without
//! running it.

use kraken_disk::NodeType;

/// Whether a script diverts files (dpkg-divert(1)). Questions (`--truename`, `--listpackage`,
/// `--list`) do not. A diversion of a name that no package has used since /bin and /lib became
/// links does not matter either (`--no-rename`, to `….usr-is-merged`): no file is touched, so it
/// can be done later.
pub(super) fn diverts(script: &str) -> bool {
    logical_lines(script).iter().any(|line| {
        line.split("dpkg-divert").skip(1).any(|call| {
            let asks = ["--truename", "--listpackage", "--list"]
                .iter()
                .any(|option| call.contains(option));
            let touches_nothing = call.contains("--no-rename") && call.contains(".usr-is-merged");
            !(asks || touches_nothing)
        })
    })
}

/// A folder that a script turns into a link, or the other way round.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Switch {
    pub(super) path: String,
    /// What it is before.
    pub(super) was: NodeType,
}

/// Returns the folders and links that a script turns into the other kind
/// (dpkg-maintscript-helper(1)).
pub(super) fn switches(script: &str) -> Vec<Switch> {
    let mut found = Vec::new();
    for line in logical_lines(script) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(at) = words.iter().position(|word| *word == "dpkg-maintscript-helper") else {
            continue;
        };
        let was = match words.get(at + 1) {
            Some(&"dir_to_symlink") => NodeType::Directory,
            Some(&"symlink_to_dir") => NodeType::Symlink,
            _ => continue,
        };
        if let Some(path) = words.get(at + 2) {
            let path = path.trim_matches(['"', '\'']).to_owned();
            found.push(Switch { path, was });
        }
    }
    found
}

/// Returns the lines of a shell script without comments, with lines joined that continue after a
/// `\`.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for next in text.lines() {
        let next = next.trim_end();
        if line.is_empty() && next.trim_start().starts_with('#') {
            continue;
        }
        match next.strip_suffix('\\') {
            Some(part) => {
                line.push_str(part);
                line.push(' ');
            }
            None => {
                line.push_str(next);
                lines.push(std::mem::take(&mut line));
            }
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diversions_are_seen_through_comments_and_line_ends() {
        for (script, wanted) in [
            ("#!/bin/sh\nif true; then dpkg-divert --add /x; fi\n", true),
            ("dpkg-divert --package a \\\n --rename --add /x", true),
            (
                "if [ \"$(dpkg-divert --truename /x)\" = /x ]; then dpkg-divert --add /x; fi",
                true,
            ),
            ("#!/bin/sh\n# dpkg-divert was used once\n", false),
            ("if [ \"$(dpkg-divert --truename /x)\" = /x ]; then true; fi", false),
            (
                "dpkg-divert --package a --no-rename \\\n --divert \"/lib/$x.usr-is-merged\" --add /lib/$x",
                false,
            ),
        ] {
            assert_eq!(diverts(script), wanted, "{script}");
        }
    }

    #[test]
    fn folders_that_become_links_are_seen() {
        let script = "set -e\ndpkg-maintscript-helper dir_to_symlink /usr/share/doc/a a-common 1.2~ a -- \"$@\"\n\
                      dpkg-maintscript-helper rm_conffile /etc/a 1.0 -- \"$@\"\n";
        let wanted = Switch {
            path: "/usr/share/doc/a".to_owned(),
            was: NodeType::Directory,
        };
        assert_eq!(switches(script), [wanted]);
    }
}
