//! One HTTP exchange, on a thread of its own: the caller that waits for it can be interrupted, and
//! reading overlaps with the processing of the bytes.

use std::io::Read;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use ureq::http::HeaderMap;
pub use ureq::http::{HeaderName, header};
use url::Url;

use kraken_foundation::interrupt::{Interrupt, Interrupted};

/// Bytes handed on at a time.
const BLOCK: usize = 256 << 10;

/// A chain of more redirects than this is considered a loop.
pub const MOST_REDIRECTS: u32 = 8;

/// How often the interrupt is checked while nothing arrives.
const CHECK_EVERY: Duration = Duration::from_millis(50);

/// Makes requests. Unless one is named, proxies come from `http_proxy`, `https_proxy`, `all_proxy`
/// and `no_proxy`.
#[derive(Clone, Debug)]
pub struct Client {
    agent: ureq::Agent,
}

/// A header of a request.
#[derive(Clone)]
pub struct Header {
    /// Its name.
    pub name: HeaderName,
    /// Its value, which can be a secret: no message shows it.
    pub value: String,
}

impl std::fmt::Debug for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: …", self.name)
    }
}

/// A field of a form that is posted.
#[derive(Clone, Copy)]
pub struct FormField<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value, which can be a secret.
    pub value: &'a str,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// What comes before the body.
    pub head: Head,
    /// The body.
    pub body: Vec<u8>,
}

/// The answer before the body.
#[derive(Debug)]
pub struct Head {
    /// Status code (RFC 9110).
    pub status: u16,
    headers: HeaderMap,
}

/// Which part of a file a 206 answer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// The place of its first byte in the file.
    pub first: u64,
    /// The size of the file in bytes; `None` when the server does not tell.
    pub total: Option<u64>,
}

/// What arrives.
pub enum Event {
    /// The answer begins.
    Head(Head),
    /// Some bytes of the body.
    Block(Vec<u8>),
    /// The body is complete.
    End,
    /// Nothing more comes.
    Failed(Failure),
}

/// Why an exchange failed.
#[derive(Debug)]
pub struct Failure {
    /// What the library reported.
    pub why: String,
    /// Whether another attempt could help.
    pub passing: bool,
}

/// An exchange under way. Dropping it ends the exchange.
pub struct Exchange(Receiver<Event>);

impl Head {
    /// A header as text, when there is one and it is ASCII.
    pub fn text(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns all headers of a name that are ASCII, in order.
    pub fn all(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        self.headers
            .get_all(name)
            .into_iter()
            .filter_map(|value| value.to_str().ok())
    }

    /// `Content-Length`, in bytes.
    pub fn length(&self) -> Option<u64> {
        self.text(header::CONTENT_LENGTH)?.trim().parse().ok()
    }

    /// The header `Content-Range` of a 206 answer (`bytes 5-9/10`).
    pub fn range(&self) -> Option<ContentRange> {
        let (span, total) = self
            .text(header::CONTENT_RANGE)?
            .trim()
            .strip_prefix("bytes ")?
            .split_once('/')?;
        let (first, _) = span.split_once('-')?;
        Some(ContentRange {
            first: first.trim().parse().ok()?,
            total: total.trim().parse().ok(),
        })
    }

    /// Returns what distinguishes this version of the file from another: a strong `ETag`, else
    /// `Last-Modified` (RFC 9110, 13.1.5).
    pub fn validator(&self) -> Option<String> {
        let tag = self.text(header::ETAG).filter(|tag| !tag.starts_with("W/"));
        tag.or_else(|| self.text(header::LAST_MODIFIED)).map(str::to_owned)
    }
}

impl Client {
    /// Makes a client; after `stall` without a byte, a connection counts as hanging.
    pub fn new(user_agent: &str, stall: Duration) -> Self {
        Self::build(user_agent, stall, None)
    }

    /// As [`Client::new`], with this proxy instead of the environment's.
    ///
    /// # Errors
    /// Why the proxy is invalid.
    pub fn with_proxy(user_agent: &str, stall: Duration, proxy: &str) -> Result<Self, String> {
        let proxy = ureq::Proxy::new(proxy).map_err(|error| error.to_string())?;
        Ok(Self::build(user_agent, stall, Some(proxy)))
    }

    fn build(user_agent: &str, stall: Duration, proxy: Option<ureq::Proxy>) -> Self {
        let tls = ureq::tls::TlsConfig::builder()
            .root_certs(ureq::tls::RootCerts::PlatformVerifier)
            .build();
        let mut config = ureq::Agent::config_builder();
        if proxy.is_some() {
            config = config.proxy(proxy);
        }
        let config = config
            .user_agent(user_agent)
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(MOST_REDIRECTS)
            // A login is for the host that asked for it, and not for where that host leads.
            .redirect_auth_headers(ureq::config::RedirectAuthHeaders::SameHost)
            // If the server packed the body, neither the size nor the bytes would be those that
            // were hashed.
            .accept_encoding("identity")
            .timeout_resolve(Some(stall))
            .timeout_connect(Some(stall))
            .timeout_recv_response(Some(stall))
            .timeout_per_read(Some(stall))
            .timeout_per_write(Some(stall))
            .build();
        Self { agent: config.into() }
    }

    /// Begins to fetch `url`. A redirect from an `https` address to an `http` one is not followed,
    /// and `Authorization` does not follow a redirect to another host.
    pub fn get(&self, url: &Url, headers: &[Header]) -> Exchange {
        let mut request = self.agent.get(url.as_str());
        for header in headers {
            request = request.header(&header.name, &header.value);
        }
        let request = configured(request, url);
        begin(move || request.call())
    }

    /// Begins to post a form (`application/x-www-form-urlencoded`) to `url`.
    pub fn post(&self, url: &Url, form: &[FormField<'_>]) -> Exchange {
        let request = configured(self.agent.post(url.as_str()), url);
        let form: Vec<(String, String)> = form
            .iter()
            .map(|field| (field.name.to_owned(), field.value.to_owned()))
            .collect();
        begin(move || request.send_form(form))
    }
}

fn configured<T>(request: ureq::RequestBuilder<T>, url: &Url) -> ureq::RequestBuilder<T> {
    let mut config = request.config().https_only(url.scheme() == "https");
    if is_loopback(url) {
        // A proxy elsewhere has another loopback.
        config = config.proxy(None);
    }
    config.build()
}

/// Starts the thread of an exchange.
fn begin(call: impl FnOnce() -> Result<ureq::http::Response<ureq::Body>, ureq::Error> + Send + 'static) -> Exchange {
    let (sender, receiver) = sync_channel(8);
    // Not joined: a thread that hangs in name resolution must not keep an interrupted program
    // waiting.
    std::thread::spawn(move || {
        let last = match call() {
            Ok(response) => transfer(response, &sender),
            Err(error) => Event::Failed(explain(error)),
        };
        let _ = sender.send(last);
    });
    Exchange(receiver)
}

/// Whether an address is of this machine itself.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn transfer(response: ureq::http::Response<ureq::Body>, sender: &SyncSender<Event>) -> Event {
    let (parts, body) = response.into_parts();
    let head = Head {
        status: parts.status.as_u16(),
        headers: parts.headers,
    };
    if sender.send(Event::Head(head)).is_err() {
        return Event::End;
    }
    let mut reader = body.into_with_config().limit(u64::MAX).reader();
    loop {
        let mut block = vec![0; BLOCK];
        match reader.read(&mut block) {
            Ok(0) => return Event::End,
            Ok(count) => block.truncate(count),
            Err(error) => return Event::Failed(explain(ureq::Error::from(error))),
        }
        if sender.send(Event::Block(block)).is_err() {
            return Event::End;
        }
    }
}

fn explain(error: ureq::Error) -> Failure {
    use ureq::Error;
    let (why, passing) = match error {
        Error::Timeout(_) => ("nothing arrived for too long".to_owned(), true),
        Error::HostNotFound => ("there is no such host, or no network".to_owned(), false),
        Error::TooManyRedirects => (format!("more than {MOST_REDIRECTS} redirects: a loop"), false),
        Error::RequireHttpsOnly(_) => ("it redirects from https to http, which is refused".to_owned(), false),
        Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => {
            ("nothing arrived for too long".to_owned(), true)
        }
        Error::Io(error) => (format!("the connection broke: {error}"), true),
        Error::ConnectionFailed => ("no connection".to_owned(), true),
        Error::Protocol(error) => (format!("the answer is not HTTP: {error}"), true),
        // Its message repeats the address, which may contain a password.
        Error::BadUri(_) => (
            "it, or where it redirects to, is not an http or https address".to_owned(),
            false,
        ),
        other => (other.to_string(), false),
    };
    Failure { why, passing }
}

impl Exchange {
    /// Returns the next event; waits for it.
    pub fn next(&self, interrupt: &Interrupt) -> Result<Event, Interrupted> {
        loop {
            interrupt.check()?;
            match self.0.recv_timeout(CHECK_EVERY) {
                Ok(event) => return Ok(event),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let why = "the exchange ended without an answer".to_owned();
                    return Ok(Event::Failed(Failure { why, passing: true }));
                }
            }
        }
    }
}
