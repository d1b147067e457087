//! The requested packages, and the chosen ones.

use std::fmt;
use std::str::FromStr;

use url::Url;

use kraken_foundation::Sha256Hash;

/// A requested package: `name`, `name:arch`, `name=version` or `name:arch=version`, as for apt-get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestedPackage {
    /// Its name; it may be a virtual one that a single package provides.
    pub name: String,
    /// Its architecture; without one, the image's own.
    pub architecture: Option<String>,
    /// Exactly this version.
    pub version: Option<String>,
}

impl FromStr for RequestedPackage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (package, version) = match text.split_once('=') {
            Some((package, version)) => (package, Some(version)),
            None => (text, None),
        };
        let (name, architecture) = match package.split_once(':') {
            Some((name, architecture)) => (name, Some(architecture)),
            None => (package, None),
        };
        let word = |text: &str| {
            text.starts_with(|c: char| c.is_ascii_alphanumeric())
                && text
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b))
        };
        let is_version = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
        if !word(name) || !architecture.is_none_or(word) || !version.is_none_or(is_version) {
            return Err(format!(
                "`{text}` is not a package: write NAME, NAME:ARCH or NAME=VERSION"
            ));
        }
        Ok(Self {
            name: name.to_owned(),
            architecture: architecture.map(str::to_owned),
            version: version.map(str::to_owned),
        })
    }
}

impl fmt::Display for RequestedPackage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(architecture) = &self.architecture {
            write!(f, ":{architecture}")?;
        }
        match &self.version {
            Some(version) => write!(f, "={version}"),
            None => Ok(()),
        }
    }
}

/// A `.deb` of the user's: it is installed whatever the archives contain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalDeb {
    /// Its name in messages: its path.
    pub named: String,
    /// The text of its control file.
    pub control: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its hash.
    pub sha256: Sha256Hash,
}

/// The packages to install.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Packages from the archives.
    pub packages: Vec<RequestedPackage>,
    /// The user's own packages.
    pub debs: Vec<LocalDeb>,
    /// Whether recommended packages are installed, too.
    pub recommends: bool,
}

/// Where a chosen package comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PickFrom {
    /// An archive.
    Archive {
        /// Its whole address.
        url: Url,
        /// Its path in the archive.
        filename: String,
    },
    /// The place in [`Request::debs`].
    Local(usize),
}

/// A package to unpack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pick {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture, or `all`.
    pub architecture: String,
    /// Where it comes from.
    pub from: PickFrom,
    /// Size of its file in bytes.
    pub size: u64,
    /// Hash of its file.
    pub sha256: Sha256Hash,
    /// The installed version that it replaces.
    pub upgrades: Option<String>,
    /// Whether the request names it.
    pub asked: bool,
    /// The package that brought it in, unless the request names it.
    pub needed_by: Option<String>,
    /// `Essential: yes`.
    pub essential: bool,
}

/// The result of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolution {
    /// The packages to unpack, sorted by name, then architecture.
    pub picks: Vec<Pick>,
    /// Requested packages that are installed already in the newest available version: name and
    /// version.
    pub already: Vec<(String, String)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_asked_for_as_with_apt_get() {
        for text in [
            "docker.io",
            "libc6:armhf",
            "htop=3.4.1-5",
            "libstdc++6:arm64=14.2.0-19",
            "0ad",
        ] {
            assert_eq!(text.parse::<RequestedPackage>().unwrap().to_string(), text);
        }
        for text in [
            "", "Docker", "a b", "-y", "a/trixie", "a=", "a:", "../x", "a;b", "a=1/2",
        ] {
            let error = text.parse::<RequestedPackage>().unwrap_err();
            assert!(error.contains("is not a package"), "{text}");
        }
    }
}
