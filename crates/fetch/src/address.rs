//! Addresses of bases: what is accepted, how a mirror replaces a host, and how an address is shown
//! without secrets.

use kraken_foundation::{Error, Kind, Result};
use url::Url;

/// Reads an address, which must be `http` or `https`. A user and password in it are used, and never
/// shown.
///
/// # Errors
/// When it is not an address, or one of another scheme.
pub fn parse(text: &str) -> Result<Url> {
    let url = Url::parse(text).map_err(|error| {
        let shown = cut(text);
        let text = format!("reading the address {shown:?}: {error}; write it as https://host/path");
        Error::new(Kind::Usage, text)
    })?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        scheme => {
            let shown = cut(text);
            let text = format!(
                "{shown}: addresses start with http:// or https://, not {scheme}:; name a file on this machine by its path alone"
            );
            Err(Error::new(Kind::Usage, text))
        }
    }
}

/// Returns the address as it may appear in a message, a log or a manifest: without user, password,
/// query and fragment.
pub fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Addresses that cannot have a user (`mailto:`) refuse the call; then there is nothing to hide.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

/// Returns `url` with scheme and host of `mirror`, whose path is put before that of `url`.
pub fn on_mirror(url: &Url, mirror: &Url) -> Url {
    let mut moved = mirror.clone();
    let prefix = mirror.path().trim_end_matches('/');
    moved.set_path(&format!("{prefix}{}", url.path()));
    moved.set_query(url.query());
    moved.set_fragment(None);
    moved
}

/// Returns a text that is not an address, without what could be a user (before an `@`) or a secret
/// (in a query).
fn cut(text: &str) -> String {
    let host = text.rsplit('@').next().unwrap_or_default();
    let end = host.find(['?', '#']).unwrap_or(host.len());
    host[..end].chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_addresses_are_accepted() {
        for (text, good) in [
            ("https://example.org/a.img.xz", true),
            ("http://127.0.0.1:8000/a.img", true),
            ("HTTPS://EXAMPLE.ORG/a", true),
            ("file:///etc/passwd", false),
            ("ftp://example.org/a", false),
            ("https://user:secret@example.org/a", true),
            ("https://", false),
            ("a.img.xz", false),
            ("", false),
        ] {
            assert_eq!(parse(text).is_ok(), good, "{text}");
        }
    }

    #[test]
    fn messages_show_neither_password_nor_query() {
        for text in [
            "https://u:s3cret@example.org/a?token=s3cret#s3cret",
            "ftp://u:s3cret@h/x?s3cret",
            "u:s3cret@",
            "https://[s3cret@",
        ] {
            let shown = match parse(text) {
                Ok(url) => shown(&url),
                Err(error) => error.to_string(),
            };
            assert!(!shown.contains("s3cret"), "{shown}");
        }
    }

    #[test]
    fn a_mirror_takes_the_place_of_scheme_and_host_and_goes_before_the_path() {
        for (url, mirror, want) in [
            ("https://a.org/x/y.img", "http://b.org", "http://b.org/x/y.img"),
            (
                "https://a.org/x/y.img",
                "http://b.org:81/m/",
                "http://b.org:81/m/x/y.img",
            ),
            (
                "https://a.org:4/x%20y?z=1",
                "https://b.org/m/n",
                "https://b.org/m/n/x%20y?z=1",
            ),
        ] {
            let moved = on_mirror(&parse(url).expect("url"), &parse(mirror).expect("mirror"));
            assert_eq!(moved.as_str(), want);
        }
    }
}
