//! One package of an index, field by field.

use super::record::{MultiArch, Record};
use kraken_foundation::Sha256Hash;

/// A source package, from which packages are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourcePackage<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
}

/// One package of an [`Index`](crate::index::Index).
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    text: &'a str,
    record: &'a Record,
}

impl<'a> Entry<'a> {
    pub(super) fn new(text: &'a str, record: &'a Record) -> Self {
        Self { text, record }
    }

    /// Its name.
    pub fn name(&self) -> &'a str {
        self.record.name.of(self.text)
    }

    /// Its version.
    pub fn version(&self) -> &'a str {
        self.record.version.of(self.text)
    }

    /// Its architecture; `all` stays `all`.
    pub fn architecture(&self) -> &'a str {
        self.record.architecture.of(self.text)
    }

    /// Its path, relative to the archive; empty for packages that dpkg has installed.
    pub fn filename(&self) -> &'a str {
        self.record.filename.of(self.text)
    }

    /// The size of its file in bytes; 0 for packages that dpkg has installed.
    pub fn size(&self) -> u64 {
        self.record.size
    }

    /// The hash of its file; `None` for packages that dpkg has installed.
    pub fn sha256(&self) -> Option<Sha256Hash> {
        self.record.sha256
    }

    /// Its field Multi-Arch.
    pub fn multi_arch(&self) -> MultiArch {
        self.record.multi_arch
    }

    /// Whether no system works without it (`Essential: yes`).
    pub fn essential(&self) -> bool {
        self.record.essential
    }

    /// Whether it should not be removed (`Protected: yes`, `Important: yes`).
    pub fn protected(&self) -> bool {
        self.record.protected
    }

    /// 1 required, 2 important, 3 standard, 4 optional, 5 any other value, 0 no value.
    pub fn priority(&self) -> u8 {
        self.record.priority
    }

    /// The source package that it was built from.
    pub fn source(&self) -> SourcePackage<'a> {
        let source = self.record.source.of(self.text);
        if source.is_empty() {
            return SourcePackage {
                name: self.name(),
                version: self.version(),
            };
        }
        let (name, rest) = source.split_once(' ').unwrap_or((source, ""));
        let version = rest.trim().strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
        SourcePackage {
            name,
            version: version.unwrap_or(self.version()),
        }
    }

    /// The field Pre-Depends.
    pub fn pre_depends(&self) -> &'a str {
        self.record.pre_depends.of(self.text)
    }

    /// The field Depends.
    pub fn depends(&self) -> &'a str {
        self.record.depends.of(self.text)
    }

    /// The field Conflicts.
    pub fn conflicts(&self) -> &'a str {
        self.record.conflicts.of(self.text)
    }

    /// The field Breaks.
    pub fn breaks(&self) -> &'a str {
        self.record.breaks.of(self.text)
    }

    /// The field Recommends.
    pub fn recommends(&self) -> &'a str {
        self.record.recommends.of(self.text)
    }

    /// The field Suggests.
    pub fn suggests(&self) -> &'a str {
        self.record.suggests.of(self.text)
    }

    /// The field Provides.
    pub fn provides(&self) -> &'a str {
        self.record.provides.of(self.text)
    }
}
