//! Where an image comes from, as a user writes it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::reference::{NotAReference, Reference};

/// The prefix of images that are made of Debian packages.
const DEBIAN: &str = "debian:";

/// Where an image comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The name of an image in a registry: `wordpress:6`.
    Registry(Reference),
    /// An OCI layout, an archive of one, or a `docker save` archive. It begins with `/`, `./` or
    /// `../`, since `images/web.tar` is a name that a registry could have.
    Local(LocalSource),
    /// `debian:NAME`: an image that is made of Debian packages. Docker Hub's own image of that name
    /// is written `docker.io/debian:TAG`.
    Debian(String),
}

/// A file or folder with images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalSource {
    /// The file or folder.
    pub path: PathBuf,
    /// Which image in it: what is behind `#`.
    pub name: Option<String>,
}

/// A text that does not say where an image comes from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotASource {
    /// It is not the name of an image either.
    #[error("{0}; a path begins with / or ./")]
    Reference(#[from] NotAReference),
    /// There is nothing behind the `#`, or behind `debian:`.
    #[error("there is no name behind {0:?}")]
    NoName(&'static str),
}

impl Source {
    /// Returns the same source, with a relative path taken as inside `folder`.
    #[must_use]
    pub fn within(self, folder: &Path) -> Self {
        match self {
            Self::Local(LocalSource { path, name }) => Self::Local(LocalSource {
                path: folder.join(path),
                name,
            }),
            other => other,
        }
    }
}

impl FromStr for Source {
    type Err = NotASource;

    fn from_str(text: &str) -> Result<Self, NotASource> {
        let is_path = ["/", "./", "../"].iter().any(|start| text.starts_with(start)) || text == "." || text == "..";
        if is_path {
            let (path, name) = match text.rsplit_once('#') {
                Some((_, "")) => return Err(NotASource::NoName("#")),
                Some((path, name)) => (path, Some(name.to_owned())),
                None => (text, None),
            };
            return Ok(Self::Local(LocalSource {
                path: path.into(),
                name,
            }));
        }
        match text.strip_prefix(DEBIAN) {
            Some("") => Err(NotASource::NoName(DEBIAN)),
            // With a digest it is the image of Docker Hub.
            Some(name) if !name.contains('@') => {
                text.parse::<Reference>()?;
                Ok(Self::Debian(name.to_owned()))
            }
            _ => Ok(Self::Registry(text.parse()?)),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(reference) => {
                let name = reference.to_string();
                // Docker Hub's own image of that name.
                let registry = if name.starts_with(DEBIAN) { "docker.io/" } else { "" };
                write!(f, "{registry}{name}")
            }
            Self::Local(LocalSource { path, name: None }) => path.display().fmt(f),
            Self::Local(LocalSource { path, name: Some(name) }) => write!(f, "{}#{name}", path.display()),
            Self::Debian(name) => write!(f, "{DEBIAN}{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_users_write_is_understood() {
        let local = |path: &str, name: Option<&str>| {
            Source::Local(LocalSource {
                path: path.into(),
                name: name.map(str::to_owned),
            })
        };
        for (text, wanted) in [
            ("./web.tar", local("./web.tar", None)),
            ("/srv/layout#web:1", local("/srv/layout", Some("web:1"))),
            ("../a#b#c", local("../a#b", Some("c"))),
            (".", local(".", None)),
            ("debian:web", Source::Debian("web".into())),
            ("wordpress:6", Source::Registry("wordpress:6".parse().unwrap())),
            ("debian", Source::Registry("debian:latest".parse().unwrap())),
            (
                "docker.io/debian:13",
                Source::Registry("library/debian:13".parse().unwrap()),
            ),
        ] {
            assert_eq!(text.parse(), Ok(wanted.clone()), "{text}");
            assert_eq!(wanted.to_string().parse(), Ok(wanted), "{text}");
        }
        for (text, why) in [
            ("./a#", "no name"),
            ("debian:", "no name"),
            ("debian:a b", "not the name"),
            ("~/a", "a path begins with"),
            ("", "has no name"),
        ] {
            let error = text.parse::<Source>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
        let within = local("a/b", None).within(Path::new("/c"));
        assert_eq!(within, local("/c/a/b", None));
    }
}
