//! Names of images, as people write them: `wordpress:6`, `ghcr.io/owner/name@sha256:…`.
//!
//! The grammar is that of Docker's (`distribution/reference`). What Docker does with a short name
//! is done here, too: without a registry it is Docker Hub's, and without an owner it is
//! `library`'s.

use std::fmt;
use std::str::FromStr;

use kraken_foundation::text;

use crate::digest::Digest;

/// The registry of names that name none.
const HUB: &str = "docker.io";
/// Where Docker Hub's registry answers.
const HUB_HOST: &str = "registry-1.docker.io";
/// The old name of Docker Hub.
const OLD_HUB: &str = "index.docker.io";
/// The owner of Docker Hub's official images.
const OFFICIAL: &str = "library";
/// The tag of names that have neither tag nor digest.
const LATEST: &str = "latest";
/// The maximum length of registry and repository, in bytes.
const MOST_NAME: usize = 255;
/// The maximum length of a tag, in bytes.
const MOST_TAG: usize = 128;

/// The name of an image in a registry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// A text that does not name an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{shown:?} is not the name of an image: {why}")]
pub struct NotAReference {
    shown: String,
    why: &'static str,
}

impl Reference {
    /// Returns the registry as it is named: `docker.io`, `ghcr.io`, `127.0.0.1:5000`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Returns the host, with its port, that answers for the registry.
    pub fn host(&self) -> &str {
        match self.registry.as_str() {
            HUB => HUB_HOST,
            other => other,
        }
    }

    /// Returns the repository in its registry: `library/wordpress`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Returns the tag; `None` when only a digest names the image.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Returns the digest, when the name has one.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Returns what stands in the place of a tag or a digest in a registry's addresses; a digest
    /// counts more than a tag.
    pub fn selector(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => LATEST.to_owned(),
        }
    }

    /// Returns the name without tag and digest as Docker shows it: `wordpress`.
    pub fn familiar_name(&self) -> String {
        if self.registry != HUB {
            return self.canonical_name();
        }
        let name = match self.repository.split_once('/') {
            Some((OFFICIAL, name)) if !name.contains('/') => name,
            _ => &self.repository,
        };
        name.to_owned()
    }

    /// Returns the name without tag and digest in full: `docker.io/library/wordpress`.
    pub fn canonical_name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// Returns the same name with this digest; the tag stays.
    #[must_use]
    pub fn pinned(&self, digest: Digest) -> Self {
        Self {
            digest: Some(digest),
            ..self.clone()
        }
    }
}

/// The familiar form: `wordpress:6`, `wordpress:6@sha256:…`.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.familiar_name())?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Reference {
    type Err = NotAReference;

    fn from_str(text: &str) -> Result<Self, NotAReference> {
        let bad = |why| NotAReference {
            shown: text::line(&text.chars().take(MOST_NAME).collect::<String>()),
            why,
        };
        let (rest, digest) = match text.split_once('@') {
            None => (text, None),
            Some((rest, digest)) => {
                let digest = digest
                    .parse()
                    .map_err(|_| bad("after the @ comes sha256: and 64 digits"))?;
                (rest, Some(digest))
            }
        };
        // A colon after the last slash begins a tag, any other one a port.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        if let Some(tag) = tag
            && !is_tag(tag)
        {
            return Err(bad(
                "a tag has letters, digits, `_`, `.` and `-`, at most 128, and begins with neither . nor -",
            ));
        }
        let (registry, path) = match name.split_once('/') {
            Some((first, rest)) if is_registry_like(first) => (first, rest),
            _ => (HUB, name),
        };
        if !is_host(registry) {
            return Err(bad("its registry is not a host name, possibly with a port"));
        }
        let registry = match registry {
            OLD_HUB => HUB,
            other => other,
        };
        if path.is_empty() {
            return Err(bad("it has no name"));
        }
        if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(bad("names are in lower case"));
        }
        if !path.split('/').all(is_component) {
            return Err(bad(
                "its parts have lower-case letters and digits, with `.`, `_`, `__` or `-` between them",
            ));
        }
        let repository = match registry == HUB && !path.contains('/') {
            true => format!("{OFFICIAL}/{path}"),
            false => path.to_owned(),
        };
        if registry.len() + 1 + repository.len() > MOST_NAME {
            return Err(bad("it is longer than 255 bytes"));
        }
        if tag.is_none() && digest.is_none() && is_hash(path) {
            return Err(bad(
                "64 hexadecimal digits alone are the id of an image, which no registry knows",
            ));
        }
        Ok(Self {
            registry: registry.to_owned(),
            repository,
            tag: tag
                .map(str::to_owned)
                .or_else(|| digest.is_none().then(|| LATEST.to_owned())),
            digest,
        })
    }
}

/// Whether the first part of a name is a registry and not an owner.
fn is_registry_like(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':']) || first.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        // An IPv6 address stands in brackets.
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) if address.parse::<std::net::Ipv6Addr>().is_ok() => (None, port),
            _ => return false,
        },
        None => match text.find(':') {
            Some(at) => (Some(&text[..at]), &text[at..]),
            None => (Some(text), ""),
        },
    };
    let good_port = match port.strip_prefix(':') {
        Some(port) => port.parse::<u16>().is_ok_and(|port| port > 0),
        None => port.is_empty(),
    };
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    good_port && host.is_none_or(|host| host.split('.').all(label))
}

fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= MOST_TAG
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(part: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = part.bytes().next().is_some_and(plain) && part.bytes().next_back().is_some_and(plain);
    let mut separators = part.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    ends && separators
        .all(|separator| matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-'))
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn names_are_read_as_docker_reads_them() {
        let pinned = format!("ghcr.io/o/n:1@sha256:{HEX}");
        let digest_only = format!("n@sha256:{HEX}");
        for (text, canonical, familiar, selector) in [
            ("wordpress", "docker.io/library/wordpress", "wordpress:latest", "latest"),
            ("wordpress:6", "docker.io/library/wordpress", "wordpress:6", "6"),
            ("owner/name", "docker.io/owner/name", "owner/name:latest", "latest"),
            ("docker.io/library/a:b", "docker.io/library/a", "a:b", "b"),
            ("index.docker.io/a", "docker.io/library/a", "a:latest", "latest"),
            ("library/a/b:1", "docker.io/library/a/b", "library/a/b:1", "1"),
            (
                "127.0.0.1:5000/a/b:c",
                "127.0.0.1:5000/a/b",
                "127.0.0.1:5000/a/b:c",
                "c",
            ),
            ("localhost/a", "localhost/a", "localhost/a:latest", "latest"),
            ("[::1]:5000/a", "[::1]:5000/a", "[::1]:5000/a:latest", "latest"),
            (
                "a.b/c__d/e--f.g:H.i-j",
                "a.b/c__d/e--f.g",
                "a.b/c__d/e--f.g:H.i-j",
                "H.i-j",
            ),
            (
                &pinned,
                "ghcr.io/o/n",
                &pinned,
                &pinned[pinned.find("sha256").unwrap()..],
            ),
            (&digest_only, "docker.io/library/n", &digest_only, &digest_only[2..]),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.canonical_name(), canonical, "{text}");
            assert_eq!(reference.to_string(), familiar, "{text}");
            assert_eq!(reference.selector(), selector, "{text}");
            assert_eq!(familiar.parse(), Ok(reference), "{text}");
        }
        assert_eq!("a".parse::<Reference>().unwrap().host(), "registry-1.docker.io");
        assert_eq!("quay.io/a/b".parse::<Reference>().unwrap().host(), "quay.io");
    }

    #[test]
    fn what_is_no_name_is_refused_with_a_reason() {
        let long = "a".repeat(256);
        for (text, why) in [
            ("", "has no name"),
            ("Wordpress", "lower case"),
            ("a:", "a tag has"),
            ("a:-x", "a tag has"),
            ("a@sha256:12", "after the @"),
            ("a@md5:12", "after the @"),
            ("a..b", "its parts have"),
            ("a___b", "its parts have"),
            ("-a", "its parts have"),
            ("a/", "its parts have"),
            ("a//b", "its parts have"),
            ("../a", "registry is not a host"),
            ("a b", "its parts have"),
            ("http://a/b", "registry is not a host"),
            ("x_y.org/a", "registry is not a host"),
            ("host:99999/a", "registry is not a host"),
            (HEX, "the id of an image"),
            (&long, "longer than 255"),
        ] {
            let error = text.parse::<Reference>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_a_name_survives_its_text(text in "[a-zA-Z0-9./:@_\\-\\[\\]é]{0,40}") {
            if let Ok(reference) = text.parse::<Reference>() {
                prop_assert_eq!(reference.to_string().parse(), Ok(reference));
            }
        }
    }
}
