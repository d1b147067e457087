//! What can be wrong with an archive that a test makes.

/// What is wrong with an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// InRelease was changed after it was signed.
    SignedText,
    /// InRelease is signed with another key than the one that `key()` gives.
    OtherKey,
    /// InRelease is not signed at all.
    Unsigned,
    /// The key has expired a year ago; what is signed is not older.
    ExpiredKey,
    /// The key was revoked; `key()` says so.
    RevokedKey,
    /// The signature uses SHA-1.
    WeakHash,
    /// Packages differ from what Release lists, in a byte.
    PackagesByte,
    /// Packages are longer than what Release lists.
    PackagesSize,
    /// The packed Packages end too early; Release lists them like that.
    PackagesTruncated,
    /// The packed Packages unpack to far more than Release lists for the plain ones.
    PackagesBomb,
    /// The first `.deb` differs from what Packages list, in a byte.
    DebByte,
    /// The first `.deb` ends too early; Packages list the whole one.
    DebTruncated,
}
