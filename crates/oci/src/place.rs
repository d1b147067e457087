//! A repository on a server, and which servers may be asked, and sent a login to.

use kraken_fetch::{address, http};
use kraken_foundation::{Context, Error, Kind, Result};
use url::Url;

use crate::reference::Reference;

/// A repository on a server.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) server: Url,
    pub(crate) repository: String,
}

impl Place {
    /// Returns the registry as logins name it.
    pub(crate) fn registry(&self) -> String {
        let host = self.server.host_str().unwrap_or_default();
        match (host, self.server.port()) {
            ("registry-1.docker.io", None) => "docker.io".to_owned(),
            (host, None) => host.to_owned(),
            (host, Some(port)) => format!("{host}:{port}"),
        }
    }

    /// Returns the server's own address of the protocol.
    pub(crate) fn base(&self) -> Result<Url> {
        address::parse(&format!("{}/v2/", self.server.as_str().trim_end_matches('/')))
    }

    /// Returns the address of a document (`manifests`) or a blob (`blobs`).
    pub(crate) fn address(&self, kind: &str, selector: &str) -> Result<Url> {
        let base = self.server.as_str().trim_end_matches('/');
        address::parse(&format!("{base}/v2/{}/{kind}/{selector}", self.repository))
    }
}

/// Returns the server of a registry. Only this machine's own may answer without TLS, as with
/// Docker.
pub(crate) fn own_server(reference: &Reference) -> Result<Url> {
    let https = address::parse(&format!("https://{}", reference.host()))?;
    match http::is_loopback(&https) {
        true => address::parse(&format!("http://{}", reference.host())),
        false => Ok(https),
    }
}

/// Checks the address of a token server: a password must not go over an open line because a
/// registry says so.
pub(crate) fn token_server(server: &Url, realm: &str) -> Result<Url> {
    let realm = address::parse(realm).context(|| "reading where the registry gives tokens")?;
    match server.scheme() == "https" && realm.scheme() != "https" {
        true => {
            let text = format!(
                "the registry sends logins to {}, which is not encrypted; that is refused",
                address::shown(&realm)
            );
            Err(Error::new(Kind::Network, text))
        }
        false => Ok(realm),
    }
}

/// Checks that a login can be sent to a server: encrypted, or not leaving this machine.
///
/// # Errors
/// When other machines on the way could read it.
pub(crate) fn check_private(server: &Url) -> Result<()> {
    if server.scheme() == "https" || http::is_loopback(server) {
        return Ok(());
    }
    let shown = address::shown(server);
    let text = format!("sending a login to {shown}: it is not encrypted, so others could read it; that is refused");
    Err(Error::new(Kind::Network, text).with_help("write the mirror with https://, or use one that needs no login"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        address::parse(text).unwrap()
    }

    #[test]
    fn only_loopback_is_asked_without_tls() {
        for (name, wanted) in [
            ("wordpress", "https://registry-1.docker.io/"),
            ("quay.io/a/b", "https://quay.io/"),
            ("192.168.0.1:5000/a", "https://192.168.0.1:5000/"),
            ("127.0.0.1:5000/a", "http://127.0.0.1:5000/"),
            ("localhost/a", "http://localhost/"),
            ("[::1]:5000/a", "http://[::1]:5000/"),
        ] {
            assert_eq!(own_server(&name.parse().unwrap()).unwrap().as_str(), wanted, "{name}");
        }
    }

    #[test]
    fn logins_go_over_no_open_line() {
        let registry = url("https://r.example");
        assert!(token_server(&registry, "https://auth.example/token").is_ok());
        let error = token_server(&registry, "http://auth.example/token")
            .unwrap_err()
            .to_string();
        assert!(error.contains("not encrypted"), "{error}");
        assert!(token_server(&registry, "not an address").is_err());
        for (server, good) in [
            ("https://r.example", true),
            ("http://127.0.0.1:1", true),
            ("http://mirror.lan", false),
        ] {
            assert_eq!(check_private(&url(server)).is_ok(), good, "{server}");
        }
    }

    #[test]
    fn a_repository_has_its_addresses() {
        let place = Place {
            server: url("https://mirror.example:8443/cache/"),
            repository: "library/a".into(),
        };
        assert_eq!(place.registry(), "mirror.example:8443");
        let address = place.address("blobs", "sha256:00").unwrap();
        assert_eq!(
            address.as_str(),
            "https://mirror.example:8443/cache/v2/library/a/blobs/sha256:00"
        );
    }
}
