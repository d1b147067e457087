//! The record of a package in an index, as spans of its text.

use kraken_foundation::Sha256Hash;

/// Whether a package may be installed for several architectures (the field Multi-Arch).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MultiArch {
    /// It serves packages of its own architecture only.
    #[default]
    No,
    /// Several architectures of it can be installed together.
    Same,
    /// It serves packages of any architecture.
    Foreign,
    /// It serves any architecture where a relation requests that (`:any`).
    Allowed,
}

/// A span of an index's text: where it begins and ends, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Span {
    /// Returns the text of the span.
    pub(super) fn of(self, text: &str) -> &str {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// One package of an index, as spans of its text.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    pub(super) name: Span,
    pub(super) version: Span,
    pub(super) architecture: Span,
    pub(super) source: Span,
    pub(super) filename: Span,
    pub(super) pre_depends: Span,
    pub(super) depends: Span,
    pub(super) conflicts: Span,
    pub(super) breaks: Span,
    pub(super) recommends: Span,
    pub(super) suggests: Span,
    pub(super) provides: Span,
    pub(super) size: u64,
    pub(super) sha256: Option<Sha256Hash>,
    pub(super) multi_arch: MultiArch,
    pub(super) essential: bool,
    pub(super) protected: bool,
    pub(super) priority: u8,
}
