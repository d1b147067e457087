//! Paths inside a file system of an image.

use std::cmp::Ordering;
use std::fmt;

/// A normalised absolute path inside a file system: `/etc/hostname`.
///
/// It cannot escape: no `.` or `..`, no empty component, no NUL, each component at most 255 bytes,
/// the whole at most 4095 bytes (ext4's and Linux's limits). It need not be UTF-8: the names of
/// files in a container image are bytes.
#[derive(Clone)]
pub struct EntryPath(Form);

#[derive(Clone)]
enum Form {
    Text(String),
    /// With the same in characters, for messages.
    Bytes {
        bytes: Vec<u8>,
        shown: String,
    },
}

/// Why a string is not an [`EntryPath`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path:?} cannot be a path inside an image: {why}")]
pub struct BadPath {
    path: String,
    why: &'static str,
}

impl EntryPath {
    /// Checks and normalises `path`: adds a leading `/` when it is missing, and drops a leading
    /// `./`.
    ///
    /// # Errors
    /// [`BadPath`] when the path could leave the file system or cannot exist in it.
    pub fn new(path: &str) -> Result<Self, BadPath> {
        Self::from_bytes(path.as_bytes())
    }

    /// As [`new`](Self::new), of a path that need not be UTF-8.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn from_bytes(path: &[u8]) -> Result<Self, BadPath> {
        let bad = |why| BadPath {
            path: String::from_utf8_lossy(path).chars().take(200).collect(),
            why,
        };
        let mut clean = Vec::with_capacity(path.len() + 1);
        let relative = path.strip_prefix(b"./").unwrap_or(path);
        let relative = relative.strip_prefix(b"/").unwrap_or(relative);
        for part in relative.split(|byte| *byte == b'/') {
            match part {
                b"" => return Err(bad("it has an empty component")),
                b"." | b".." => return Err(bad("it has a `.` or `..` component")),
                _ if part.contains(&0) => return Err(bad("it has a NUL byte")),
                _ if part.len() > 255 => return Err(bad("a component is longer than 255 bytes")),
                _ => {
                    clean.push(b'/');
                    clean.extend_from_slice(part);
                }
            }
        }
        if clean.len() > 4095 {
            return Err(bad("it is longer than 4095 bytes"));
        }
        Ok(Self::of_clean(clean))
    }

    fn of_clean(bytes: Vec<u8>) -> Self {
        Self(match String::from_utf8(bytes) {
            Ok(text) => Form::Text(text),
            Err(error) => {
                let bytes = error.into_bytes();
                let shown = String::from_utf8_lossy(&bytes).into_owned();
                Form::Bytes { bytes, shown }
            }
        })
    }

    /// Returns the path as it is in the file system, with its leading `/`.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Form::Text(text) => text.as_bytes(),
            Form::Bytes { bytes, .. } => bytes,
        }
    }

    /// Returns the path as text, with its leading `/`. Bytes that are not UTF-8 are shown as
    /// U+FFFD; where those can occur, it is for messages only.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Form::Text(text) => text,
            Form::Bytes { shown, .. } => shown,
        }
    }

    /// Returns the containing directory; `None` for an entry of the root directory.
    pub fn parent(&self) -> Option<EntryPath> {
        match self.last_slash() {
            0 => None,
            at => Some(Self::of_clean(self.as_bytes()[..at].to_owned())),
        }
    }

    /// Returns the last component, as [`as_str`](Self::as_str) shows it.
    pub fn name(&self) -> &str {
        self.as_str().rsplit('/').next().unwrap_or_default()
    }

    fn last_slash(&self) -> usize {
        self.as_bytes().iter().rposition(|byte| *byte == b'/').unwrap_or(0)
    }
}

impl PartialEq for EntryPath {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for EntryPath {}

impl PartialOrd for EntryPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for EntryPath {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl std::hash::Hash for EntryPath {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Display for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalised() {
        for (given, want) in [
            ("/etc/hosts", "/etc/hosts"),
            ("etc/hosts", "/etc/hosts"),
            ("./etc/hosts", "/etc/hosts"),
        ] {
            assert_eq!(EntryPath::new(given).unwrap().as_str(), want);
        }
    }

    #[test]
    fn paths_cannot_escape() {
        let long = "x".repeat(256);
        for given in [
            "",
            "/",
            "..",
            "/../etc",
            "/etc/../../x",
            "/etc/./x",
            "/etc//x",
            "/etc/",
            "a\0b",
            long.as_str(),
        ] {
            assert!(EntryPath::new(given).is_err(), "{given:?} was taken");
        }
    }

    #[test]
    fn names_of_any_bytes_stay_what_they_are() {
        let one = EntryPath::from_bytes(b"/a/\xff").unwrap();
        let two = EntryPath::from_bytes(b"/a/\xfe").unwrap();
        assert_eq!((one.as_bytes(), one.as_str()), (&b"/a/\xff"[..], "/a/\u{fffd}"));
        assert!(one != two && two < one && one.name() == two.name());
        assert_eq!(one.parent(), Some(EntryPath::new("/a").unwrap()));
        let below = EntryPath::from_bytes(b"\xff/b").unwrap();
        assert_eq!(below.parent().unwrap().as_bytes(), b"/\xff");
        assert_eq!(below.parent().unwrap().parent(), None);
        assert!(EntryPath::from_bytes(b"\xff/../b").is_err());
    }
}
