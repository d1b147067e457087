//! How packages, their versions and the indexes that have them are numbered.

/// A package: a name and an architecture. They are numbered by first mention, as in apt, which
/// breaks ties by this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PackageId(pub(super) u32);

/// A version of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct VersionId(pub(super) u32);

/// An index of an archive: which archive, which part of it.
pub(super) type PartId = (usize, usize);
