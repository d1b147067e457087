//! Registries: documents and blobs over HTTP, with logins, mirrors and the limits that a registry
//! sets.
//!
//! Sources: OCI distribution specification 1.1 ("Pull"); Docker's token authentication
//! (`distribution`, `spec/auth/token.md` and `oauth.md`).

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kraken_fetch::http::{self, FormField, Head, Header, header};
use kraken_fetch::{Downloads, FetchError, address};
use kraken_foundation::{Context, Error, Kind, Result, text};
use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

use crate::challenge::{self, Challenge};
use crate::credentials::{Credentials, Login};
use crate::digest::Digest;
use crate::document::{Descriptor, MOST_DOCUMENT};
use crate::media;
use crate::place::{Place, check_private, own_server, token_server};
use crate::range::FileRange;
use crate::reference::Reference;

/// The longest answer of a token server, in bytes.
const MOST_TOKEN: u64 = 256 << 10;
/// How this program names itself to a token server.
const CLIENT: &str = "kraken-flash";

/// Registries, and what is needed to be let in.
pub struct Registries<'a> {
    downloads: &'a Downloads<'a>,
    credentials: Credentials,
    /// The address that is asked instead of a registry's own, by registry.
    mirrors: BTreeMap<String, Url>,
    /// The header `Authorization` by server and repository.
    authorizations: RefCell<BTreeMap<Place, Zeroizing<String>>>,
    /// Mirrors that failed, and are not asked again.
    failed: RefCell<BTreeSet<Place>>,
}

/// A document as a registry sent it.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The media type that the registry announced.
    pub media_type: Option<String>,
}

/// What a token server answers.
#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: Zeroizing<String>,
    #[serde(default)]
    access_token: Zeroizing<String>,
}

impl<'a> Registries<'a> {
    /// Makes a client that downloads into the cache of `downloads`.
    pub fn new(downloads: &'a Downloads<'a>, credentials: Credentials) -> Self {
        Self {
            downloads,
            credentials,
            mirrors: BTreeMap::new(),
            authorizations: RefCell::default(),
            failed: RefCell::default(),
        }
    }

    /// Asks `mirror` before the registry itself.
    pub fn add_mirror(&mut self, registry: &str, mirror: Url) {
        self.mirrors.insert(registry.to_owned(), mirror);
    }

    /// Where downloads are kept.
    pub fn downloads(&self) -> &'a Downloads<'a> {
        self.downloads
    }

    /// Returns the document that a name leads to: from the cache when the name has a digest.
    ///
    /// # Errors
    /// When the registry does not have it, does not let the user in, does not answer, or answers
    /// with something else.
    pub fn document(&self, reference: &Reference) -> Result<Received> {
        if let Some(digest) = reference.digest()
            && let Some(bytes) = self.cached(digest)?
        {
            return Ok(Received {
                bytes,
                media_type: None,
            });
        }
        let selector = reference.selector();
        let doing = || format!("asking {} for {reference}", reference.registry());
        if self.downloads.is_offline() {
            return Err(offline(reference));
        }
        let received = self.on_each_server(reference, |place| {
            let url = place.address("manifests", &selector)?;
            let answer = self.ask(place, &url, MOST_DOCUMENT)?;
            let media_type = answer.head.text(header::CONTENT_TYPE).map(str::to_owned);
            let found = Digest::of(&answer.body);
            if reference.digest().is_some_and(|wanted| wanted != found) {
                return Err(lied(&place.server, &found));
            }
            let announced = answer.head.text(http::HeaderName::from_static("docker-content-digest"));
            if announced.is_some_and(|announced| announced.parse() != Ok(found)) {
                return Err(lied(&place.server, &found));
            }
            self.downloads.keep_bytes(&answer.body)?;
            Ok(Received {
                bytes: answer.body,
                media_type,
            })
        });
        received.context(doing)
    }

    /// Returns the path in the cache of a blob of the reference's repository.
    ///
    /// # Errors
    /// As [`Registries::document`].
    pub fn blob(&self, reference: &Reference, wanted: &Descriptor) -> Result<PathBuf> {
        if let Some(path) = self.downloads.cached(&wanted.digest.0)? {
            return Ok(path);
        }
        if self.downloads.is_offline() {
            return Err(offline(reference));
        }
        let fetched = self.on_each_server(reference, |place| {
            let url = place.address("blobs", &wanted.digest.to_string())?;
            let fetch = || {
                let headers = self.headers(place, &[]);
                self.downloads.file_with(&url, &headers, wanted.size, &wanted.digest.0)
            };
            match fetch() {
                // Tokens live for minutes, downloads may take longer.
                Err(error) if is_status(&error, 401) => {
                    self.renew(place)?;
                    fetch()
                }
                other => other,
            }
        });
        fetched.context(|| format!("fetching a part of {reference}"))
    }

    fn cached(&self, digest: Digest) -> Result<Option<Vec<u8>>> {
        let Some(path) = self.downloads.cached(&digest.0)? else {
            return Ok(None);
        };
        FileRange::whole(&path)?.read(MOST_DOCUMENT).map(Some)
    }

    /// Runs `work` with the mirror, where there is one; if that fails, with the registry itself.
    fn on_each_server<T>(&self, reference: &Reference, work: impl Fn(&Place) -> Result<T>) -> Result<T> {
        let place = |server: Url| Place {
            server,
            repository: reference.repository().to_owned(),
        };
        let own = place(own_server(reference)?);
        let mirror = self.mirrors.get(reference.registry()).cloned().map(place);
        let Some(mirror) = mirror.filter(|mirror| !self.failed.borrow().contains(mirror)) else {
            return work(&own);
        };
        match work(&mirror) {
            Err(error) if matches!(error.kind(), Kind::Network | Kind::NotFound | Kind::Permission) => {
                let shown = address::shown(&mirror.server);
                let note = format!(
                    "the mirror {shown} is of no use for {reference} ({error}); asking {}",
                    reference.registry()
                );
                self.downloads.job().note(&note);
                self.failed.borrow_mut().insert(mirror);
                work(&own)
            }
            other => other,
        }
    }

    /// Sends a request; logs in when the server demands it.
    fn ask(&self, place: &Place, url: &Url, most: u64) -> Result<http::Answer> {
        let accept = Header {
            name: header::ACCEPT,
            value: media::ACCEPT.to_owned(),
        };
        let send = || {
            let headers = self.headers(place, std::slice::from_ref(&accept));
            self.downloads.ask(url, &headers, most)
        };
        let mut answer = send()?;
        if answer.head.status == 401 {
            self.authorize(place, &answer.head)?;
            answer = send()?;
        }
        match answer.head.status {
            200 => Ok(answer),
            401 | 403 => Err(self.denied(place, answer.head.status)),
            404 => {
                let (registry, repository) = (place.registry(), &place.repository);
                let text = format!("{registry} does not have it, or has no repository {repository}");
                Err(Error::new(Kind::NotFound, text).with_help("check the name and the tag of the image"))
            }
            status => Err(kraken_fetch::refused(url, status)),
        }
    }

    /// Logs in again, without asking for anything: what the server answers to its own address says
    /// how.
    fn renew(&self, place: &Place) -> Result<()> {
        self.authorizations.borrow_mut().remove(place);
        let answer = self.downloads.ask(&place.base()?, &[], MOST_TOKEN)?;
        match answer.head.status {
            401 => self.authorize(place, &answer.head),
            _ => Ok(()),
        }
    }

    fn headers(&self, place: &Place, more: &[Header]) -> Vec<Header> {
        let mut headers = more.to_vec();
        if let Some(authorization) = self.authorizations.borrow().get(place) {
            headers.push(authorization_header(authorization));
        }
        headers
    }

    /// Obtains what the server demands in this answer.
    fn authorize(&self, place: &Place, head: &Head) -> Result<()> {
        let offered: Vec<&str> = head.all(header::WWW_AUTHENTICATE).collect();
        let challenge = challenge::parse(&offered.join(", "));
        let registry = place.registry();
        let login = self.credentials.login(&registry)?;
        if login.is_some() {
            check_private(&place.server)?;
        }
        let authorization = match (challenge, login) {
            (None, _) => {
                let text = format!("{registry} demands a login of a kind that is not known here");
                return Err(Error::new(Kind::Unsupported, text));
            }
            (Some(Challenge::Basic), Some(Login::Password { user, password })) => basic(&user, &password),
            (Some(Challenge::Basic), _) => return Err(self.denied(place, 401)),
            (Some(Challenge::Bearer { realm, service, scope }), login) => {
                let realm = token_server(&place.server, &realm)?;
                if login.is_some() {
                    check_private(&realm)?;
                }
                // The server's own address has no scope, or one of all repositories.
                let scope = scope.filter(|scope| scope.contains(&place.repository));
                let scope = scope.unwrap_or_else(|| format!("repository:{}:pull", place.repository));
                let token = self.token(&realm, service.as_deref(), &scope, login.as_ref());
                let token = token.context(|| format!("logging in to {registry}"))?;
                Zeroizing::new(format!("Bearer {}", *token))
            }
        };
        self.authorizations.borrow_mut().insert(place.clone(), authorization);
        Ok(())
    }

    /// Asks a token server for a token.
    fn token(
        &self,
        realm: &Url,
        service: Option<&str>,
        scope: &str,
        login: Option<&Login>,
    ) -> Result<Zeroizing<String>> {
        let answer = match login {
            Some(Login::Identity(token)) => {
                let field = |name, value| FormField { name, value };
                let form = [
                    field("grant_type", "refresh_token"),
                    field("service", service.unwrap_or_default()),
                    field("client_id", CLIENT),
                    field("scope", scope),
                    field("refresh_token", token.as_str()),
                ];
                self.downloads.post(realm, &form, MOST_TOKEN)?
            }
            _ => {
                let mut url = realm.clone();
                url.query_pairs_mut()
                    .extend_pairs(service.map(|service| ("service", service)))
                    .append_pair("scope", scope);
                let headers: Vec<Header> = match login {
                    Some(Login::Password { user, password }) => vec![authorization_header(&basic(user, password))],
                    _ => Vec::new(),
                };
                self.downloads.ask(&url, &headers, MOST_TOKEN)?
            }
        };
        match (answer.head.status, login) {
            (200, _) => {}
            (status @ (400..=499), Some(_)) => {
                let shown = address::shown(realm);
                let text = format!("{shown} refuses the login that is known here (status {status})");
                return Err(Error::new(Kind::Permission, text).with_help("log in again: docker login"));
            }
            (status, _) => return Err(kraken_fetch::refused(realm, status)),
        }
        let body = Zeroizing::new(answer.body);
        let token: Option<Token> = serde_json::from_slice(&body).ok();
        let token = token.map(|token| match token.token.is_empty() {
            true => token.access_token,
            false => token.token,
        });
        // A header takes visible characters only (RFC 9110, 5.5).
        let good = |token: &Zeroizing<String>| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        token.filter(good).ok_or_else(|| {
            let text = format!("{} did not answer with a token", address::shown(realm));
            Error::new(Kind::Network, text)
        })
    }

    fn denied(&self, place: &Place, status: u16) -> Error {
        let registry = place.registry();
        let known = self.credentials.login(&registry).is_ok_and(|login| login.is_some());
        let (why, help) = match known {
            true => (
                "refuses the login that is known here, or the login may not read this image",
                format!("check the name of the image, or log in again: docker login {registry}"),
            ),
            false => (
                "does not give it without a login, or does not have it",
                format!("check the name of the image, or log in: docker login {registry}"),
            ),
        };
        Error::new(Kind::Permission, format!("{registry} {why} (status {status})")).with_help(help)
    }
}

fn authorization_header(value: &str) -> Header {
    Header {
        name: header::AUTHORIZATION,
        value: value.to_owned(),
    }
}

fn basic(user: &str, password: &str) -> Zeroizing<String> {
    let pair = Zeroizing::new(format!("{user}:{password}"));
    Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())))
}

/// Whether the server answered with this status.
fn is_status(error: &Error, wanted: u16) -> bool {
    matches!(error.downcast_ref::<FetchError>(), Some(FetchError::Status { status, .. }) if *status == wanted)
}

fn lied(server: &Url, found: &Digest) -> Error {
    let text = format!(
        "{} answers with another document than the one with this digest: it has {found}",
        text::line(&address::shown(server))
    );
    Error::new(Kind::Damaged, text).with_help("use another registry or mirror: this one is damaged or not honest")
}

fn offline(reference: &Reference) -> Error {
    let text = format!("{reference} is not in the cache, and the network must not be used");
    Error::new(Kind::Network, text).with_help("run `kraken-flash fetch` first")
}
