//! Why a request cannot be fulfilled.

use crate::pick::RequestedPackage;

/// Why a request cannot be fulfilled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// Neither the image nor an archive has such a package.
    #[error(
        "there is no package {asked}: neither the image nor its archives have one; check the name, or name an archive that has it"
    )]
    NoSuchPackage {
        /// The request.
        asked: RequestedPackage,
    },
    /// The package exists, but is not available.
    #[error("the package {asked} cannot be had: the archives have none, or a pin of the image keeps it away")]
    NoCandidate {
        /// The request.
        asked: RequestedPackage,
    },
    /// The version is not available.
    #[error("there is no version {asked}; to be had are: {}", versions.join(", "))]
    NoSuchVersion {
        /// The request.
        asked: RequestedPackage,
        /// The versions, newest first.
        versions: Vec<String>,
    },
    /// The architecture is not one of the image's.
    #[error("{asked}: the image is of the architecture {}; it takes no others", known.join(", "))]
    OtherArchitecture {
        /// The request.
        asked: String,
        /// The image's architectures.
        known: Vec<String>,
    },
    /// The name stands for several packages.
    #[error("{asked} is a virtual package; name one that provides it: {}", providers.join(", "))]
    Virtual {
        /// The request.
        asked: RequestedPackage,
        /// Packages that provide it.
        providers: Vec<String>,
    },
    /// A `.deb` of the user's cannot be used.
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
        /// The requested version.
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
    /// An installed package would have to be removed.
    #[error(
        "{because} cannot be installed beside {package} {installed}, which the image has: packages are never removed; leave out {because}, or take a base without {package}"
    )]
    Removal {
        /// The package that would have to be removed.
        package: String,
        /// Its installed version.
        installed: String,
        /// The package that conflicts with it.
        because: String,
    },
    /// A required package is not available.
    #[error("{} cannot be installed: {}", asked, chain.join("; "))]
    Unsatisfiable {
        /// The request, or the package that would be broken.
        asked: String,
        /// Which package needs which, down to the one that cannot be fulfilled.
        chain: Vec<String>,
    },
    /// The planning thread could not run.
    #[error("choosing packages: {0}")]
    Thread(String),
}
