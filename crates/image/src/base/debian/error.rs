//! What is said when there is no `debian` base.

use kraken_foundation::{Error, Kind};

/// The environment variable that names the Debian mirror (`http://mirror.example/debian`) when the
/// host's apt configuration has none.
pub const MIRROR_VARIABLE: &str = "KRAKEN_FLASH_DEBIAN_MIRROR";

/// The host's apt has no Debian archive.
pub(super) fn no_mirror() -> Error {
    let text = format!(
        "composing the debian base: the apt configuration of this machine names no Debian archive; \
         name one with {MIRROR_VARIABLE}=http://HOST/debian"
    );
    Error::new(Kind::NotFound, text)
}

/// A program of the host could not be queried.
pub(super) fn host(command: &str, why: &str) -> Error {
    Error::new(Kind::Tool, format!("asking `{command}`: {why}"))
}

/// The archive could not be reached, or a file of it is not as expected.
pub(super) fn archive(uri: &str, why: &str) -> Error {
    let text = format!(
        "reading the release date of the Debian archive at {uri}: {why}; check the network and the mirror, or run `apt-get update`"
    );
    Error::new(Kind::Network, text)
}
