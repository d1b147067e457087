//! Why a request cannot be fulfilled.

use crate::pick::Asked;

/// Why a request cannot be fulfilled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// Nobody has such a package.
    #[error(
        "there is no package {asked}: neither the image nor its archives have one; check the name, or name an archive that has it"
    )]
    NoSuchPackage {
        /// What was asked for.
        asked: Asked,
    },
    /// There is one, but it is not to be had.
    #[error("the package {asked} cannot be had: the archives have none, or a pin of the image keeps it away")]
    NoCandidate {
        /// What was asked for.
        asked: Asked,
    },
    /// The version is not to be had.
    #[error("there is no version {asked}; to be had are: {}", versions.join(", "))]
    NoSuchVersion {
        /// What was asked for.
        asked: Asked,
        /// The versions, newest first.
        versions: Vec<String>,
    },
    /// The architecture is none of the image's.
    #[error("{asked}: the image is of the architecture {}; it takes no others", known.join(", "))]
    OtherArchitecture {
        /// What was asked for.
        asked: String,
        /// The image's architectures.
        known: Vec<String>,
    },
    /// Several packages could be meant.
    #[error("{asked} is a virtual package; name one that provides it: {}", providers.join(", "))]
    Virtual {
        /// What was asked for.
        asked: Asked,
        /// Packages that provide it.
        providers: Vec<String>,
    },
    /// A `.deb` at hand cannot be used.
    #[error("{named}: {why}")]
    LocalDeb {
        /// Its path.
        named: String,
        /// What is wrong.
        why: String,
    },
    /// An older version would replace a newer one.
    #[error(
        "{package} {installed} is installed, and {asked} is older: downgrades are not done; ask for a newer version"
    )]
    Downgrade {
        /// The package.
        package: String,
        /// Its installed version.
        installed: String,
        /// The version that was asked for.
        asked: String,
    },
    /// A package on hold would be changed.
    #[error(
        "{package} {installed} is on hold in the image and is not changed: release the hold in the base image, or do not ask for it"
    )]
    Held {
        /// The package.
        package: String,
        /// Its installed version.
        installed: String,
    },
    /// An installed package would have to go.
    #[error(
        "{because} cannot be installed beside {package} {installed}, which the image has: packages are never removed; leave out {because}, or take a base without {package}"
    )]
    Removal {
        /// The package that would have to go.
        package: String,
        /// Its installed version.
        installed: String,
        /// The package that is in its way.
        because: String,
    },
    /// Something that is needed is not to be had.
    #[error("{} cannot be installed: {}", asked, chain.join("; "))]
    Unsatisfiable {
        /// What was asked for, or the package that would be broken.
        asked: String,
        /// Who needs what, down to what nothing fulfils.
        chain: Vec<String>,
    },
    /// The planning itself could not run.
    #[error("choosing packages: {0}")]
    Thread(String),
}
