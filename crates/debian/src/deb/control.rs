//! `control.tar`: the fields of a package, its scripts, its lists.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use super::error::{bad, bad_entry, unreadable};
use crate::control::{Paragraph, single};
use kraken_foundation::Result;

/// The maximum size of a control file, in bytes; `md5sums` of a package with a hundred thousand
/// files has some 8 MiB.
const LARGEST: u64 = 32 << 20;
/// The maximum number of control files.
const MOST: usize = 500;

/// The maximum length of a name, version or architecture, in bytes.
const LONGEST: usize = 128;

/// One control file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlFile {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Permission bits.
    pub mode: u16,
    /// Modification time, in seconds since 1970-01-01 UTC.
    pub mtime: i64,
}

/// The control files.
#[derive(Clone, Debug)]
pub struct ControlFiles {
    /// `control` itself.
    pub control: String,
    /// All others by name: `md5sums`, `conffiles`, `postinst`, `triggers` …
    pub others: BTreeMap<String, ControlFile>,
}

impl ControlFiles {
    /// Reads the members of a `control.tar`.
    pub(super) fn read(reader: impl Read, path: &Path) -> Result<Self> {
        let mut archive = tar::Archive::new(reader);
        let mut control = None;
        let mut others = BTreeMap::new();
        for entry in archive.entries().map_err(unreadable(path))? {
            let mut entry = entry.map_err(unreadable(path))?;
            let raw = entry.path_bytes().into_owned();
            let refuse = |why: &str| bad_entry(path, &raw, &format!("in its control.tar {why}"));
            match entry.header().entry_type() {
                tar::EntryType::Directory if matches!(raw.as_slice(), b"." | b"./" | b"") => continue,
                tar::EntryType::Regular => {}
                _ => return Err(refuse("is not a file")),
            }
            let name = std::str::from_utf8(&raw).map_err(|_| refuse("has a name that is not UTF-8"))?;
            let name = name.strip_prefix("./").unwrap_or(name);
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_+.".contains(c);
            if name.is_empty() || name.len() > 64 || name == "list" || !name.chars().all(plain) || name.starts_with('.')
            {
                return Err(refuse("has a name that no control file has"));
            }
            if entry.size() > LARGEST || others.len() >= MOST {
                return Err(refuse("is too large, or one of too many"));
            }
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(unreadable(path))?;
            let header = entry.header();
            let file = ControlFile {
                bytes,
                mode: (header.mode().map_err(unreadable(path))? & 0o7777) as u16,
                mtime: i64::try_from(header.mtime().map_err(unreadable(path))?).unwrap_or(i64::MAX),
            };
            if name == "control" {
                let text = String::from_utf8(file.bytes).map_err(|_| refuse("is not UTF-8"))?;
                if control.replace(text).is_some() {
                    return Err(refuse("is there twice"));
                }
            } else if others.insert(name.to_owned(), file).is_some() {
                return Err(refuse("is there twice"));
            }
        }
        let control = control.ok_or_else(|| bad(path, "it has no control file"))?;
        let files = Self { control, others };
        files.check(path)?;
        Ok(files)
    }

    /// Returns the fields of `control`.
    ///
    /// # Errors
    /// None for files that came out of [`super::Deb::open`], which has checked them.
    pub fn paragraph(&self, path: &Path) -> Result<Paragraph<'_>> {
        single(&self.control).map_err(|error| bad(path, &format!("its control file: {error}")))
    }

    /// Returns a control file as text; empty when there is none.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub fn text(&self, name: &str, path: &Path) -> Result<&str> {
        match self.others.get(name) {
            None => Ok(""),
            Some(file) => std::str::from_utf8(&file.bytes).map_err(|_| bad(path, &format!("its {name} is not UTF-8"))),
        }
    }

    fn check(&self, path: &Path) -> Result<()> {
        let text = |c: char| !c.is_control() || "\n\t\r".contains(c);
        if !self.control.chars().all(text) {
            return Err(bad(path, "its control file has a character that is not text"));
        }
        let paragraph = self.paragraph(path)?;
        let field = |name: &str| {
            paragraph
                .get(name)
                .filter(|value| !value.is_empty() && !value.contains('\n'))
                // Together they form the names of files.
                .filter(|value| value.len() <= LONGEST)
                .ok_or_else(|| {
                    bad(
                        path,
                        &format!("its control file has no {name}, or none that can be one"),
                    )
                })
        };
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
        let package = field("Package")?;
        if !package.starts_with(|c: char| c.is_ascii_alphanumeric()) || !package.chars().all(word) {
            return Err(bad(path, "its name is none that a package can have"));
        }
        let version = field("Version")?;
        let good = |c: char| c.is_ascii_alphanumeric() || ".+-:~".contains(c);
        if !version.chars().all(good) {
            return Err(bad(path, "its version is none that a package can have"));
        }
        let architecture = field("Architecture")?;
        if !architecture.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            return Err(bad(path, "its architecture is none that there is"));
        }
        Ok(())
    }
}
