//! What the image's dpkg is configured to leave out: `path-exclude` and `path-include` (dpkg(1),
//! dpkg.cfg(5)).

use super::database::text;
use crate::deb::{Body, DataEntry};
use kraken_disk::FileTree;
use kraken_foundation::Result;

/// The main file, read after all files of the folder.
const MAIN: &str = "/etc/dpkg/dpkg.cfg";
const FOLDER: &str = "/etc/dpkg/dpkg.cfg.d";

/// Patterns in the order of the configuration; the last one that matches decides.
pub struct PathFilter {
    patterns: Vec<(bool, String)>,
}

impl PathFilter {
    /// Reads the configuration of an image.
    ///
    /// # Errors
    /// When a file of it cannot be read.
    pub fn read(root: &dyn FileTree) -> Result<Self> {
        let mut filter = Self { patterns: Vec::new() };
        // Names are those of run-parts(8): without dots, so no `.dpkg-old`.
        let plain = |name: &String| {
            name.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        for name in root.list(FOLDER)?.into_iter().filter(plain) {
            filter.add(&text(root, &format!("{FOLDER}/{name}"))?);
        }
        filter.add(&text(root, MAIN)?);
        Ok(filter)
    }

    fn add(&mut self, config: &str) {
        for line in config.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
            let Some((option, value)) = line.split_once(|c: char| c == '=' || c.is_whitespace()) else {
                continue;
            };
            let value = value.trim_start_matches(|c: char| c == '=' || c.is_whitespace());
            let quoted = ['"', '\'']
                .iter()
                .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
            let include = match option {
                "path-include" => true,
                "path-exclude" => false,
                _ => continue,
            };
            self.patterns.push((include, quoted.unwrap_or(value).to_owned()));
        }
    }

    /// Whether dpkg would leave a file at this path out.
    pub fn leaves_out_file(&self, path: &str) -> bool {
        let last = self
            .patterns
            .iter()
            .rev()
            .find(|(_, pattern)| fits(pattern.as_bytes(), path.as_bytes()));
        last.is_some_and(|(include, _)| !include)
    }

    /// Whether dpkg would leave this entry out. A folder, or a link that may lead to one, stays
    /// when something below it could be included.
    pub(super) fn leaves_out(&self, entry: &DataEntry) -> bool {
        let path = entry.path.as_str();
        if !self.leaves_out_file(path) {
            return false;
        }
        let may_hold = matches!(entry.body, Body::Directory | Body::Symlink(_));
        !(may_hold
            && self
                .patterns
                .iter()
                .any(|(include, pattern)| *include && path.starts_with(stem(pattern))))
    }
}

/// Returns a pattern up to its first wildcard, without slashes at the end.
fn stem(pattern: &str) -> &str {
    let end = pattern.find(['*', '?', '[', '\\']).unwrap_or(pattern.len());
    pattern[..end].trim_end_matches('/')
}

/// Whether a name matches a pattern as with fnmatch(3) without flags: `*` also matches slashes.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut place) = (0, 0);
    // The place of the last `*`, and the end of what it matches so far.
    let mut back: Option<(usize, usize)> = None;
    while place < name.len() {
        if pattern.get(at) == Some(&b'*') {
            back = Some((at, place));
            at += 1;
            continue;
        }
        match one(&pattern[at.min(pattern.len())..], name[place]) {
            Some(width) => {
                at += width;
                place += 1;
            }
            None => {
                let Some((star, stands)) = back else { return false };
                back = Some((star, stands + 1));
                at = star + 1;
                place = stands + 1;
            }
        }
    }
    pattern[at.min(pattern.len())..].iter().all(|byte| *byte == b'*')
}

/// Returns how many bytes of the pattern match this byte; `None` when they do not.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'\\', literal, ..] => (*literal == byte).then_some(2),
        [b'[', set @ ..] => {
            let negated = matches!(set.first(), Some(b'!' | b'^'));
            let start = usize::from(negated);
            // A bracket that comes first is one of the set.
            let Some(len) = set.iter().skip(start + 1).position(|end| *end == b']') else {
                return (byte == b'[').then_some(1);
            };
            let end = start + 1 + len;
            let mut among = false;
            let mut rest = &set[start..end];
            while let Some((low, more)) = rest.split_first() {
                rest = match more {
                    [b'-', high, more @ ..] => {
                        among |= (*low..=*high).contains(&byte);
                        more
                    }
                    _ => {
                        among |= *low == byte;
                        more
                    }
                };
            }
            (among != negated).then_some(end + 2)
        }
        [literal, ..] => (*literal == byte).then_some(1),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_fnmatch_has_it() {
        for (pattern, name, want) in [
            ("/usr/share/doc/*", "/usr/share/doc/a/b", true),
            ("/usr/share/doc/*", "/usr/share/doc", false),
            ("/usr/share/doc/*/copyright", "/usr/share/doc/a/copyright", true),
            ("/usr/share/doc/*/copyright", "/usr/share/doc/copyright", false),
            ("*", "/x", true),
            ("/a?c", "/abc", true),
            ("/a[b-d]e", "/ace", true),
            ("/a[!b-d]e", "/ace", false),
            ("/a[]]e", "/a]e", true),
            ("/a[e", "/a[e", true),
            ("/a\\*e", "/a*e", true),
            ("/a\\*e", "/abe", false),
            ("/a", "/a/b", false),
            ("", "/a", false),
            ("/*a*a*a*b", "/aaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ] {
            assert_eq!(fits(pattern.as_bytes(), name.as_bytes()), want, "{pattern} {name}");
        }
    }

    #[test]
    fn settings_are_read_in_dpkgs_order() {
        let mut root = kraken_disk::MemoryTree::new();
        root.file(MAIN, *b"# x\nno-debsig\npath-include=/a/b\n")
            .file("/etc/dpkg/dpkg.cfg.d/z", *b"path-exclude /a/*\n")
            .file("/etc/dpkg/dpkg.cfg.d/b", *b"path-exclude = \"/c d\"\n")
            .file("/etc/dpkg/dpkg.cfg.d/c.dpkg-old", *b"path-exclude=/*\n");
        let filter = PathFilter::read(&root).unwrap();
        let patterns: Vec<_> = filter
            .patterns
            .iter()
            .map(|(include, pattern)| (*include, pattern.as_str()))
            .collect();
        assert_eq!(patterns, [(false, "/c d"), (false, "/a/*"), (true, "/a/b")]);
    }
}
