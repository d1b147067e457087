//! The faults that a test can put into an archive.

/// A fault of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// InRelease was changed after it was signed.
    SignedText,
    /// InRelease is signed with another key than the one that `key()` returns.
    OtherKey,
    /// InRelease is not signed at all.
    Unsigned,
    /// The key expired a year ago; the signed text is not older.
    ExpiredKey,
    /// The key was revoked; `key()` says so.
    RevokedKey,
    /// The signature uses SHA-1.
    WeakHash,
    /// Packages differ in a byte from what Release lists.
    PackagesByte,
    /// Packages are longer than what Release lists.
    PackagesSize,
    /// The packed Packages end too early; Release lists them like that.
    PackagesTruncated,
    /// The packed Packages unpack to far more than Release lists for the plain ones.
    PackagesBomb,
    /// The first `.deb` differs in a byte from what Packages list.
    DebByte,
    /// The first `.deb` ends too early; Packages list the whole one.
    DebTruncated,
}
