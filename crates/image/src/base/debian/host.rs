//! What the host provides: the Debian mirror of its apt, apt's proxies, the archive's keys, the
//! tools.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use super::error::{self, MIRROR_VARIABLE};
use kraken_foundation::{Error, Kind, Result};

/// The public keys of the Debian archive, from the package `debian-archive-keyring`.
pub(super) const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const TRIXIE_KEY: &str = "/usr/share/keyrings/debian-archive-trixie-stable.gpg";
/// Registers the arm64 emulator with the kernel (binfmt.d(5)), from the package `qemu-user-static`
/// or `qemu-user-binfmt`.
const EMULATOR: &str = "/usr/lib/binfmt.d/qemu-aarch64.conf";
/// apt's downloader, which uses apt's own proxies and certificates.
pub(super) const APT_HELPER: &str = "/usr/lib/apt/apt-helper";

/// Programs, and the Debian packages that contain them.
const TOOLS: [(&str, &str); 14] = [
    ("apt-get", "apt"),
    ("apt-config", "apt"),
    ("debugfs", "e2fsprogs"),
    ("dpkg-divert", "dpkg"),
    ("dumpe2fs", "e2fsprogs"),
    ("e2fsck", "e2fsprogs"),
    ("gzip", "gzip"),
    ("mcopy", "mtools"),
    ("mke2fs", "e2fsprogs"),
    ("mkfs.vfat", "dosfstools"),
    ("mmdebstrap", "mmdebstrap"),
    ("mount", "mount"),
    ("sfdisk", "fdisk"),
    ("unshare", "util-linux"),
];

/// Returns a search path with the administrators' programs, which an ordinary user's `PATH` may
/// lack.
pub(super) fn search_path() -> String {
    let own = std::env::var("PATH").unwrap_or_default();
    format!("{own}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin")
}

/// What is missing on this machine.
#[derive(Debug, Default)]
pub(super) struct Missing {
    what: BTreeSet<String>,
    packages: BTreeSet<String>,
}

impl Missing {
    /// Looks for everything that composing needs.
    pub(super) fn find() -> Self {
        let path = search_path();
        let mut missing = Self::default();
        for (tool, package) in TOOLS {
            let found = path
                .split(':')
                .any(|folder| !folder.is_empty() && Path::new(folder).join(tool).is_file());
            missing.unless(found, tool, package);
        }
        missing.unless(Path::new(APT_HELPER).is_file(), APT_HELPER, "apt");
        let keys = Path::new(KEYRING).is_file() && Path::new(TRIXIE_KEY).is_file();
        missing.unless(keys, "the keys of Debian trixie", "debian-archive-keyring");
        if std::env::consts::ARCH != "aarch64" {
            missing.unless(Path::new(EMULATOR).is_file(), "the arm64 emulator", "qemu-user-static");
        }
        missing
    }

    fn unless(&mut self, found: bool, what: &str, package: &str) {
        if !found {
            self.what.insert(what.to_owned());
            self.packages.insert(package.to_owned());
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.what.is_empty()
    }
}

impl Missing {
    /// Says what is missing, and how to install it.
    pub(super) fn error(self) -> Error {
        let what: Vec<String> = self.what.into_iter().collect();
        let packages: Vec<String> = self.packages.into_iter().collect();
        let text = format!(
            "composing the debian base: this machine lacks {}; install it with: apt-get install {}",
            what.join(", "),
            packages.join(" ")
        );
        Error::new(Kind::NotFound, text)
    }
}

/// The Debian archive that the host's apt uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// Address of the main archive, without a slash at its end.
    pub archive: String,
    /// Address of the archive of security updates, if the host uses one.
    pub security: Option<String>,
}

impl Mirror {
    /// Returns the archive that the environment variable names, else that of the host's apt.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when neither names a Debian archive; [`Kind::Tool`] when apt cannot be
    /// queried.
    pub fn of_host() -> Result<Self> {
        if let Some(archive) = std::env::var(MIRROR_VARIABLE).ok().filter(|text| !text.is_empty()) {
            let archive = checked(&archive).ok_or_else(error::no_mirror)?;
            return Ok(Self {
                archive,
                security: None,
            });
        }
        let targets = ask(
            "apt-get",
            &[
                "indextargets",
                "--format",
                "$(ORIGIN)\t$(REPO_URI)\t$(RELEASE)",
                "Created-By: Packages",
            ],
        )?;
        if let Some(mirror) = Self::from_index_targets(&targets) {
            return Ok(mirror);
        }
        // When its lists were removed, apt knows no targets, but it still knows what it would
        // fetch.
        let addresses = ask("apt-get", &["update", "--print-uris"])?;
        Self::from_addresses(&addresses).ok_or_else(error::no_mirror)
    }

    /// Parses lines of `'ADDRESS' FILE SIZE` (apt-get(8), `--print-uris`).
    fn from_addresses(lines: &str) -> Option<Self> {
        let targets: String = lines
            .lines()
            .filter_map(|line| {
                let address = line.strip_prefix('\'')?.split('\'').next()?;
                let (archive, suite) = address.strip_suffix("/InRelease")?.rsplit_once("/dists/")?;
                Some(format!("\t{archive}\t{suite}\n"))
            })
            .collect();
        Self::from_index_targets(&targets)
    }

    /// Parses lines of `ORIGIN TAB REPO_URI TAB RELEASE` (apt-get(8), `indextargets`). When the
    /// lists were never fetched, ORIGIN stays an unexpanded `$(ORIGIN)`; then the address must end
    /// as Debian archives' addresses do.
    fn from_index_targets(lines: &str) -> Option<Self> {
        let (mut archive, mut security) = (None, None);
        for line in lines.lines() {
            let mut fields = line.split('\t');
            let (Some(origin), Some(uri), Some(release)) = (fields.next(), fields.next(), fields.next()) else {
                continue;
            };
            let Some(uri) = checked(uri) else { continue };
            let known = origin == "Debian";
            let unknown = origin.is_empty() || origin.starts_with("$(");
            let is_security = release.ends_with("-security");
            let ending = if is_security { "/debian-security" } else { "/debian" };
            if release.contains("backports") || !(known || unknown && uri.ends_with(ending)) {
                continue;
            }
            let place = if is_security { &mut security } else { &mut archive };
            place.get_or_insert(uri);
        }
        archive.map(|archive| Self { archive, security })
    }

    /// Returns one-line apt sources for a suite, with its updates.
    pub(super) fn sources(&self, suite: &str) -> String {
        let components = "main non-free-firmware";
        self.suites(suite)
            .iter()
            .map(|SuiteSource { archive, suite }| format!("deb {archive} {suite} {components}\n"))
            .collect()
    }

    /// Returns the addresses of the suite's `InRelease` files.
    pub(super) fn releases(&self, suite: &str) -> Vec<String> {
        self.suites(suite)
            .iter()
            .map(|SuiteSource { archive, suite }| format!("{archive}/dists/{suite}/InRelease"))
            .collect()
    }

    /// Returns a suite with its updates.
    fn suites(&self, suite: &str) -> Vec<SuiteSource<'_>> {
        let source = |archive, suite| SuiteSource { archive, suite };
        let mut suites = vec![
            source(self.archive.as_str(), suite.to_owned()),
            source(self.archive.as_str(), format!("{suite}-updates")),
        ];
        if let Some(security) = &self.security {
            suites.push(source(security, format!("{suite}-security")));
        }
        suites
    }
}

/// Where a suite is had from.
struct SuiteSource<'a> {
    /// Address of the archive, without a slash at its end.
    archive: &'a str,
    suite: String,
}

/// Accepts an address that can stand in a source line: no blanks, no brackets, a scheme that apt
/// supports. An address with credentials is not accepted, because the credentials would land in the
/// image.
fn checked(uri: &str) -> Option<String> {
    let uri = uri.trim_end_matches('/');
    let rest = ["http://", "https://"]
        .iter()
        .find_map(|scheme| uri.strip_prefix(scheme))?;
    let plain = rest
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"@[]\"'$`\\".contains(&byte));
    (plain && !rest.is_empty()).then(|| uri.to_owned())
}

/// Returns the parts of the host's apt configuration that say how to reach an archive: proxies and
/// certificates (apt-transport-http(1)).
pub(super) fn proxy_settings() -> Result<String> {
    Ok(only_proxies(&ask("apt-config", &["dump", "Acquire"])?))
}

fn only_proxies(dump: &str) -> String {
    let wanted = |line: &&str| {
        let key = line.split(' ').next().unwrap_or_default().to_ascii_lowercase();
        let transport = key.starts_with("acquire::http::") || key.starts_with("acquire::https::");
        let setting = ["proxy", "verify-", "cainfo", "capath"]
            .iter()
            .any(|part| key.contains(part));
        transport && setting && line.ends_with(';')
    };
    dump.lines().filter(wanted).map(|line| format!("{line}\n")).collect()
}

/// Runs a program of the host and returns what it printed.
fn ask(program: &str, arguments: &[&str]) -> Result<String> {
    let failed = |why: String| error::host(&format!("{program} {}", arguments.join(" ")), &why);
    let output = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .env("PATH", search_path())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(failed(format!("{}: {}", output.status, said.trim())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_the_hosts_own() {
        let lines = "Node\thttp://other.example/node/\tnodistro\n\
                     Debian Backports\thttp://a.example/debian/\tbookworm-backports\n\
                     Debian\thttp://a.example/debian/\tbookworm\n\
                     Debian\thttp://b.example/debian/\tbookworm-updates\n\
                     Debian\thttps://s.example/debian-security/\tbookworm-security\n";
        let mirror = Mirror::from_index_targets(lines).unwrap();
        assert_eq!(mirror.archive, "http://a.example/debian");
        assert_eq!(mirror.security.as_deref(), Some("https://s.example/debian-security"));
        assert_eq!(
            mirror.releases("trixie"),
            [
                "http://a.example/debian/dists/trixie/InRelease",
                "http://a.example/debian/dists/trixie-updates/InRelease",
                "https://s.example/debian-security/dists/trixie-security/InRelease",
            ]
        );
        assert_eq!(mirror.sources("trixie").lines().count(), 3);
    }

    #[test]
    fn a_mirror_is_known_before_its_lists_were_fetched() {
        let lines = "$(ORIGIN)\thttp://x.example/tools/\tstable\n$(ORIGIN)\thttp://a.example/debian/\ttrixie\n";
        let mirror = Mirror::from_index_targets(lines).unwrap();
        assert_eq!(
            (mirror.archive.as_str(), mirror.security),
            ("http://a.example/debian", None)
        );
    }

    #[test]
    fn a_mirror_is_known_where_the_lists_were_cleared_away() {
        let lines = "'http://x.example/tools/dists/stable/InRelease' x 0 \n'http://a.example/debian/dists/bookworm/InRelease' y 0 \n\
                     'http://a.example/debian/dists/bookworm/main/binary-amd64/Packages.xz' z 0 \n\
                     'http://s.example/debian-security/dists/bookworm-security/InRelease' z 0 \n";
        let mirror = Mirror::from_addresses(lines).unwrap();
        assert_eq!(mirror.archive, "http://a.example/debian");
        assert_eq!(mirror.security.as_deref(), Some("http://s.example/debian-security"));
    }

    #[test]
    fn what_is_no_debian_archive_is_no_mirror() {
        for lines in [
            "",
            "Ubuntu\thttp://a.example/ubuntu/\tnoble\n",
            "Debian\tfile:/srv/debian/\ttrixie\n",
            "Debian\thttp://user:secret@a.example/debian/\ttrixie\n",
            "Debian\thttp://a.example/de bian/\ttrixie\n",
            "Debian\thttp:///\ttrixie\n",
        ] {
            assert_eq!(Mirror::from_index_targets(lines), None, "{lines:?}");
        }
    }

    #[test]
    fn only_the_way_to_the_archive_is_taken_from_apts_settings() {
        let dump = "Acquire \"\";\nAcquire::http \"\";\nAcquire::http::Proxy \"http://p.example:3142\";\n\
                    Acquire::http::Proxy::a.example \"DIRECT\";\nAcquire::https::CAInfo \"/etc/ca.pem\";\n\
                    Acquire::AllowInsecureRepositories \"1\";\nAcquire::Languages \"de\";\n";
        assert_eq!(
            only_proxies(dump).lines().collect::<Vec<_>>(),
            [
                "Acquire::http::Proxy \"http://p.example:3142\";",
                "Acquire::http::Proxy::a.example \"DIRECT\";",
                "Acquire::https::CAInfo \"/etc/ca.pem\";",
            ]
        );
    }
}
