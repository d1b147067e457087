//! Logins for registries, from where `docker login` keeps them: `~/.docker/config.json` and the
//! helper programs that it names.
//!
//! Sources: docker/cli, `cli/config/configfile/file.go`; docker-credential-helpers, README
//! ("Development"). Nothing here ever appears in a message, an argument or a log.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kraken_foundation::{Context, Error, Kind, Result, text};
use serde::Deserialize;
use zeroize::Zeroizing;

/// The variable that names Docker's configuration folder.
const DOCKER_CONFIG: &str = "DOCKER_CONFIG";
/// The maximum size of the file, in bytes.
const MOST_FILE: u64 = 1 << 20;
/// The key of Docker Hub.
const HUB_KEY: &str = "https://index.docker.io/v1/";
/// The name of Docker Hub in references.
const HUB: &str = "docker.io";
/// The user name with which a helper says that the secret is an identity token.
const TOKEN_USER: &str = "<token>";
/// The longest answer of a helper, in bytes.
const MOST_ANSWER: u64 = 64 << 10;

/// A login for one registry.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// User and password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: Zeroizing<String>,
    },
    /// A token of the registry's own login, which is exchanged for a short-lived one.
    Identity(Zeroizing<String>),
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login(…)")
    }
}

/// Where logins come from.
#[derive(Debug, Default)]
pub struct Credentials {
    path: PathBuf,
    file: ConfigFile,
    /// Logins of kraken.toml, by registry; they have precedence.
    own: BTreeMap<String, Login>,
}

/// The part of Docker's configuration that is about logins.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConfigFile {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default)]
    creds_store: Option<String>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
struct Entry {
    /// `USER:PASSWORD` in base64.
    #[serde(default)]
    auth: Zeroizing<String>,
    #[serde(default)]
    identitytoken: Zeroizing<String>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entry(…)")
    }
}

/// What a helper answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: Zeroizing<String>,
}

impl Credentials {
    /// Reads `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`. A file that does not exist
    /// holds no logins.
    ///
    /// # Errors
    /// When it exists and cannot be read or understood.
    pub fn of_user() -> Result<Self> {
        let folder = match std::env::var_os(DOCKER_CONFIG).filter(|value| !value.is_empty()) {
            Some(folder) => PathBuf::from(folder),
            None => match std::env::home_dir() {
                Some(home) => home.join(".docker"),
                None => return Ok(Self::default()),
            },
        };
        Self::read(&folder.join("config.json"))
    }

    /// Reads a file of the form of Docker's `config.json`.
    ///
    /// # Errors
    /// When it exists and cannot be read or understood.
    pub fn read(path: &Path) -> Result<Self> {
        let mut bytes = Zeroizing::new(Vec::new());
        match fs::File::open(path) {
            Ok(file) => file.take(MOST_FILE).read_to_end(&mut bytes).doing("reading", path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error).doing("opening", path),
        };
        let file = match bytes.is_empty() {
            true => ConfigFile::default(),
            // The cause could repeat a secret, so only its place is shown.
            false => serde_json::from_slice(&bytes).map_err(|error| {
                let text = format!(
                    "reading {}: it is not a configuration of Docker (line {}, column {})",
                    path.display(),
                    error.line(),
                    error.column()
                );
                Error::new(Kind::Damaged, text).with_help("repair it, or move it away and log in again: docker login")
            })?,
        };
        Ok(Self {
            path: path.to_owned(),
            file,
            own: BTreeMap::new(),
        })
    }

    /// Adds the login that kraken.toml has for a registry.
    pub fn add(&mut self, registry: &str, login: Login) {
        self.own.insert(registry.to_owned(), login);
    }

    /// Returns the login for a registry (`docker.io`, `ghcr.io`); `None` when there is none.
    ///
    /// # Errors
    /// When a helper program fails, or what the file has cannot be a login.
    pub fn login(&self, registry: &str) -> Result<Option<Login>> {
        if let Some(login) = self.own.get(registry) {
            return Ok(Some(login.clone()));
        }
        let same = |key: &String| host(key) == host(key_of(registry));
        let helper = self.file.cred_helpers.iter().find(|(key, _)| same(key));
        if let Some(helper) = helper.map(|(_, helper)| helper).or(self.file.creds_store.as_ref())
            && let Some(login) = ask(helper, key_of(registry))?
        {
            return Ok(Some(login));
        }
        match self.file.auths.iter().find(|(key, _)| same(key)) {
            Some((_, entry)) => entry.login().ok_or_else(|| self.unreadable(registry)),
            None => Ok(None),
        }
    }

    fn unreadable(&self, registry: &str) -> Error {
        let text = format!(
            "reading {}: what it has for {} is not a login",
            self.path.display(),
            text::line(registry)
        );
        Error::new(Kind::Damaged, text).with_help(format!("log in again: docker login {}", text::line(registry)))
    }
}

impl Entry {
    /// Returns the login; `Some(None)` when the entry is empty, as beside a helper; `None` when it
    /// is not one.
    fn login(&self) -> Option<Option<Login>> {
        if !self.identitytoken.is_empty() {
            return Some(Some(Login::Identity(self.identitytoken.clone())));
        }
        if self.auth.is_empty() {
            return Some(None);
        }
        let decoded = Zeroizing::new(STANDARD.decode(self.auth.trim()).ok()?);
        let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
        Some(Some(Login::Password {
            user: user.to_owned(),
            // Docker's own files of old end with NUL bytes.
            password: Zeroizing::new(password.trim_end_matches('\0').to_owned()),
        }))
    }
}

/// Returns the key under which Docker keeps a registry.
fn key_of(registry: &str) -> &str {
    match registry {
        HUB => HUB_KEY,
        other => other,
    }
}

/// Returns the host, with its port, of a key, which can be an address.
fn host(key: &str) -> &str {
    let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}

/// Asks a helper program for a login.
fn ask(helper: &str, server: &str) -> Result<Option<Login>> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if helper.is_empty() || !helper.chars().all(plain) {
        let text = format!("{:?} cannot be the name of a credential helper", text::line(helper));
        return Err(Error::new(Kind::Damaged, text));
    }
    run(Path::new(&format!("docker-credential-{helper}")), server)
}

/// Runs a helper program, by its name or its path.
fn run(program: &Path, server: &str) -> Result<Option<Login>> {
    let name = program.file_name().unwrap_or_default().display();
    let failed = |why: String| {
        let text = format!("asking {name} for the login of {}: {why}", text::line(server));
        Error::new(Kind::Tool, text)
            .with_help("install the helper, or remove it from Docker's config.json and log in again")
    };
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    if let Some(mut input) = child.stdin.take() {
        // A helper that does not read its input answers or fails all the same.
        let _ = input.write_all(server.as_bytes());
    }
    let mut answer = Zeroizing::new(Vec::new());
    if let Some(output) = child.stdout.take() {
        output
            .take(MOST_ANSWER)
            .read_to_end(&mut answer)
            .map_err(|error| failed(error.to_string()))?;
    }
    let status = child.wait().map_err(|error| failed(error.to_string()))?;
    if !status.success() {
        // The words of docker-credential-helpers, `credentials/error.go`.
        let none = String::from_utf8_lossy(&answer).contains("credentials not found");
        return match none {
            true => Ok(None),
            false => Err(failed(format!("it ended with {status}"))),
        };
    }
    let answer: Answer = serde_json::from_slice(&answer).map_err(|_| failed("its answer is not JSON".into()))?;
    Ok(Some(match answer.username.as_str() {
        TOKEN_USER => Login::Identity(answer.secret),
        _ => Login::Password {
            user: answer.username,
            password: answer.secret,
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn read(text: &str) -> Result<Credentials> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        fs::write(&path, text).unwrap();
        Credentials::read(&path)
    }

    fn password(user: &str, password: &str) -> Login {
        Login::Password {
            user: user.into(),
            password: Zeroizing::new(password.into()),
        }
    }

    #[test]
    fn the_logins_of_docker_are_found_by_host() {
        let auth = |text: &str| STANDARD.encode(text);
        let text = format!(
            r#"{{"auths": {{
                "https://index.docker.io/v1/": {{"auth": "{}"}},
                "https://ghcr.io/v1/": {{"auth": "{}"}},
                "127.0.0.1:5000": {{"auth": "{}"}},
                "az.io": {{"auth": "", "identitytoken": "t0ken"}},
                "empty.io": {{}},
                "bad.io": {{"auth": "%%"}},
                "nocolon.io": {{"auth": "{}"}}
            }}, "HttpHeaders": {{}}}}"#,
            auth("hub:p:w"),
            auth("gh:pw\0\0"),
            auth("me:"),
            auth("user")
        );
        let credentials = read(&text).unwrap();
        for (registry, wanted) in [
            ("docker.io", Some(password("hub", "p:w"))),
            ("ghcr.io", Some(password("gh", "pw"))),
            ("127.0.0.1:5000", Some(password("me", ""))),
            ("az.io", Some(Login::Identity(Zeroizing::new("t0ken".into())))),
            ("empty.io", None),
            ("other.io", None),
        ] {
            assert_eq!(credentials.login(registry).unwrap(), wanted, "{registry}");
        }
        for registry in ["bad.io", "nocolon.io"] {
            let error = credentials.login(registry).unwrap_err();
            assert!(
                error.help().unwrap().contains(&format!("docker login {registry}")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_login_of_kraken_toml_comes_first() {
        let mut credentials = Credentials::default();
        credentials.add("ghcr.io", password("own", "x"));
        assert_eq!(credentials.login("ghcr.io").unwrap(), Some(password("own", "x")));
    }

    #[test]
    fn a_damaged_file_is_named_and_its_secrets_are_not_shown() {
        let error = read(r#"{"auths": {"a": {"auth": "c2VjcmV0"}}"#).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("config.json") && !shown.contains("c2VjcmV0"), "{shown}");
        let credentials = read(r#"{"auths": {"a": {"auth": "c2VjcmV0OnB3"}}}"#).unwrap();
        assert!(!format!("{credentials:?}").contains("c2VjcmV0"));
        assert!(!format!("{:?}", credentials.login("a").unwrap()).contains("pw"));
    }

    #[test]
    fn helpers_are_asked_and_their_failures_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let helper = folder.path().join("docker-credential-test");
        let script = r#"#!/bin/sh
            read -r server || true
            case $server in
              token.io) echo '{"ServerURL":"","Username":"<token>","Secret":"t"}' ;;
              *index.docker.io/v1/) echo '{"ServerURL":"","Username":"u","Secret":"p"}' ;;
              broken.io) echo oops; exit 1 ;;
              text.io) echo oops ;;
              *) echo "credentials not found in native keychain"; exit 1 ;;
            esac"#;
        fs::write(&helper, script).unwrap();
        fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
        let ask = |server: &str| run(&helper, server);
        assert_eq!(ask("docker.io").unwrap(), None);
        assert_eq!(ask(HUB_KEY).unwrap(), Some(password("u", "p")));
        assert_eq!(
            ask("token.io").unwrap(),
            Some(Login::Identity(Zeroizing::new("t".into())))
        );
        for server in ["broken.io", "text.io"] {
            let error = ask(server).unwrap_err();
            assert!(error.to_string().contains("docker-credential-test"), "{error}");
        }
        for helper in ["", "../x", "a b"] {
            assert!(super::ask(helper, "a").is_err(), "{helper}");
        }
        let error = super::ask("not-there", "a").unwrap_err();
        assert!(error.to_string().contains("docker-credential-not-there"), "{error}");
    }
}
