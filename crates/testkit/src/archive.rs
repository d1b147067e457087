//! A signed apt archive in a temporary folder: real `.deb` files, a key that real gpg makes, and a
//! web server on loopback.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

pub use super::damage::Damage;
use super::gpg::Gpg;
use super::served::Server;
use super::tools::{require, written};

/// Settings of an archive.
pub struct Builder {
    debs: Vec<PathBuf>,
    stanzas: Vec<String>,
    suite: String,
    component: String,
    architecture: String,
    by_hash: bool,
    plain_only: bool,
    date: i64,
    valid_until: Option<i64>,
    fields: String,
    damage: Option<Damage>,
    one_key: bool,
}

/// The archive. Its server ends with the test.
pub struct TestArchive {
    // Its agent must end before its folder is removed.
    gpg: Gpg,
    folder: tempfile::TempDir,
    suite: String,
    component: String,
    key: Vec<u8>,
    fingerprint: String,
    server: Option<Server>,
}

/// A day in seconds.
pub const DAY: i64 = 86_400;

/// Returns the time in seconds since 1970.
pub fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(now.expect("a clock after 1970").as_secs()).expect("a clock")
}

/// A file that Release lists.
struct ListedFile {
    /// Its path beside Release.
    name: String,
    bytes: Vec<u8>,
}

impl TestArchive {
    /// Starts an archive: suite `trixie`, component `main`, architecture arm64, made an hour ago,
    /// with files by hash.
    pub fn builder() -> Builder {
        Builder {
            debs: Vec::new(),
            stanzas: Vec::new(),
            suite: "trixie".to_owned(),
            component: "main".to_owned(),
            architecture: "arm64".to_owned(),
            by_hash: true,
            plain_only: false,
            date: now() - 3600,
            valid_until: None,
            fields: String::new(),
            damage: None,
            one_key: false,
        }
    }

    /// Returns the folder that is served.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().join("www")
    }

    /// Starts the web server, once.
    pub fn serve(mut self) -> Self {
        if self.server.is_none() {
            self.server = Some(Server::start(self.folder()));
        }
        self
    }

    /// Stops the web server: its address refuses connections from then on.
    pub fn stop(&mut self) {
        self.server.take().expect("`serve()` comes first").stop();
    }

    /// Returns the address of the web server itself. Panics unless it is served.
    pub fn address(&self) -> &str {
        &self.server.as_ref().expect("`serve()` comes first").address
    }

    /// Returns the archive's address. Panics unless it is served.
    pub fn uri(&self) -> String {
        let server = self.server.as_ref().expect("`serve()` comes first");
        format!("{}/debian", server.address)
    }

    /// Returns the public key, armored.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// Returns its fingerprint, upper-case hex.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    pub fn suite(&self) -> &str {
        &self.suite
    }

    /// Returns a one-line apt source for it; `signed_by` is the path of the key in the image.
    pub fn source_line(&self, signed_by: &str) -> String {
        format!(
            "deb [signed-by={signed_by}] {} {} {}\n",
            self.uri(),
            self.suite,
            self.component
        )
    }

    /// Returns the requested paths, in order.
    pub fn log(&self) -> Vec<String> {
        let server = self.server.as_ref().expect("`serve()` comes first");
        server.log.lock().expect("the log").clone()
    }
}

impl Builder {
    /// Adds a `.deb` file.
    pub fn deb(mut self, path: impl Into<PathBuf>) -> Self {
        self.debs.push(path.into());
        self
    }

    /// Adds a paragraph of Packages for a package that is never fetched: name, version and more
    /// fields, each line with its end.
    pub fn package(mut self, name: &str, version: &str, more: &str) -> Self {
        let hash = hex::encode(Sha256::digest(format!("{name}{version}")));
        let arch = if more.contains("Architecture:") {
            String::new()
        } else {
            format!("Architecture: {}\n", self.architecture)
        };
        self.stanzas.push(format!(
            "Package: {name}\nVersion: {version}\n{arch}{more}Filename: pool/{name}_{version}.deb\nSize: 1000\nSHA256: {hash}\n"
        ));
        self
    }

    /// Adds text to Packages as it is.
    pub fn packages_text(mut self, text: &str) -> Self {
        self.stanzas.push(text.to_owned());
        self
    }

    pub fn suite(mut self, suite: &str) -> Self {
        self.suite = suite.to_owned();
        self
    }

    pub fn component(mut self, component: &str) -> Self {
        self.component = component.to_owned();
        self
    }

    /// Makes no files by hash.
    pub fn no_by_hash(mut self) -> Self {
        self.by_hash = false;
        self
    }

    /// Makes only the plain Packages, without xz and gzip.
    pub fn plain_only(mut self) -> Self {
        self.plain_only = true;
        self
    }

    /// Sets the date in Release, in seconds since 1970.
    pub fn date(mut self, seconds: i64) -> Self {
        self.date = seconds;
        self
    }

    /// Sets until when it is valid, in seconds since 1970.
    pub fn valid_until(mut self, seconds: i64) -> Self {
        self.valid_until = Some(seconds);
        self
    }

    /// Adds fields to Release, each line with its end.
    pub fn fields(mut self, text: &str) -> Self {
        self.fields.push_str(text);
        self
    }

    /// Signs with the key itself, and not with a subkey of it.
    pub fn one_key(mut self) -> Self {
        self.one_key = true;
        self
    }

    pub fn damage(mut self, damage: Damage) -> Self {
        self.damage = Some(damage);
        self
    }

    /// Writes and signs it. Needs gpg, xz, gzip and dpkg-deb.
    pub fn build(self) -> TestArchive {
        require(&[
            ("gpg", "gnupg"),
            ("xz", "xz-utils"),
            ("gzip", "gzip"),
            ("dpkg-deb", "dpkg"),
        ]);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let gpg = Gpg::new(folder.path().join("gpg"), self.damage, self.one_key);
        self.publish(folder.path(), &gpg);
        TestArchive {
            key: gpg.public_key(),
            fingerprint: gpg.fingerprint.clone(),
            suite: self.suite,
            component: self.component,
            server: None,
            gpg,
            folder,
        }
    }

    /// Publishes it in the place of another one, at the same address and signed with the same key.
    pub fn build_over(self, archive: &TestArchive) {
        let folder = archive.folder.path();
        fs::remove_dir_all(folder.join("www")).expect("removing what was there");
        self.publish(folder, &archive.gpg);
    }

    fn publish(&self, folder: &Path, gpg: &Gpg) {
        let www = folder.join("www/debian");
        let index = format!("{}/binary-{}", self.component, self.architecture);
        let dist = www.join("dists").join(&self.suite);
        fs::create_dir_all(dist.join(&index)).expect("a folder");
        fs::create_dir_all(www.join("pool")).expect("a folder");
        let packages = self.packages(&www);
        let listed = self.write_indexes(&dist, &index, &packages);
        let release = self.release(&listed);
        let signed = match self.damage {
            Some(Damage::Unsigned) => release.into_bytes(),
            Some(Damage::SignedText) => {
                let text = String::from_utf8(gpg.sign(&release)).expect("armor");
                text.replacen("Origin: Test", "Origin: Rest", 1).into_bytes()
            }
            Some(Damage::OtherKey) => {
                let other = tempfile::tempdir().expect("a folder");
                Gpg::new(other.path().join("gpg"), None, self.one_key).sign(&release)
            }
            _ => gpg.sign(&release),
        };
        fs::write(dist.join("InRelease"), signed).expect("writing InRelease");
    }

    /// Puts the `.deb`s into the pool, and returns the text of Packages.
    fn packages(&self, www: &Path) -> String {
        let mut text = String::new();
        for (number, deb) in self.debs.iter().enumerate() {
            let control = written(Command::new("dpkg-deb").arg("-f").arg(deb));
            let control = String::from_utf8(control).expect("control text");
            let mut bytes = fs::read(deb).unwrap_or_else(|error| panic!("{}: {error}", deb.display()));
            let name = deb.file_name().expect("a name").to_string_lossy().replace('%', "_");
            text.push_str(&format!(
                "{}Filename: pool/{name}\nSize: {}\nSHA256: {}\n\n",
                control.trim_end().to_owned() + "\n",
                bytes.len(),
                hex::encode(Sha256::digest(&bytes))
            ));
            match self.damage {
                Some(Damage::DebByte) if number == 0 => *bytes.last_mut().expect("bytes") ^= 1,
                Some(Damage::DebTruncated) if number == 0 => bytes.truncate(bytes.len() / 2),
                _ => {}
            }
            fs::write(www.join("pool").join(name), bytes).expect("writing a package");
        }
        for stanza in &self.stanzas {
            text.push_str(stanza);
            text.push('\n');
        }
        text
    }

    /// Writes Packages in all packings; returns the files that Release must list.
    fn write_indexes(&self, dist: &Path, index: &str, packages: &str) -> Vec<ListedFile> {
        let path = dist.join(index).join("Packages");
        fs::write(&path, packages).expect("writing Packages");
        let mut listed = vec![ListedFile {
            name: format!("{index}/Packages"),
            bytes: packages.as_bytes().to_vec(),
        }];
        if self.damage == Some(Damage::PackagesBomb) {
            let zeros = "X: ".to_owned() + &"0".repeat(32 << 20);
            fs::write(&path, format!("{packages}{zeros}\n")).expect("writing Packages");
        }
        for (ending, tool) in [(".xz", "xz"), (".gz", "gzip")] {
            if self.plain_only {
                continue;
            }
            let mut bytes = written(Command::new(tool).arg("-c").arg(&path));
            if self.damage == Some(Damage::PackagesTruncated) {
                bytes.truncate(bytes.len() - 20);
            }
            listed.push(ListedFile {
                name: format!("{index}/Packages{ending}"),
                bytes,
            });
        }
        for ListedFile { name, bytes: content } in &listed {
            let mut bytes = content.clone();
            match self.damage {
                Some(Damage::PackagesByte) => {
                    let at = bytes.len() / 2;
                    bytes[at] ^= 1;
                }
                Some(Damage::PackagesSize) => bytes.extend([0; 100]),
                _ => {}
            }
            if name.ends_with("Packages") && !self.plain_only {
                // As on Debian's mirrors: listed, but missing.
                fs::remove_file(dist.join(name)).expect("removing Packages");
                continue;
            }
            fs::write(dist.join(name), &bytes).expect("writing an index");
            if self.by_hash {
                let hash = hex::encode(Sha256::digest(content));
                let folder = dist.join(index).join("by-hash/SHA256");
                fs::create_dir_all(&folder).expect("a folder");
                fs::write(folder.join(hash), &bytes).expect("writing an index");
            }
        }
        listed
    }

    fn release(&self, listed: &[ListedFile]) -> String {
        let mut text = format!(
            "Origin: Test\nLabel: Test\nSuite: stable\nCodename: {}\nDate: {}\nArchitectures: {}\nComponents: {}\n",
            self.suite,
            date(self.date),
            self.architecture,
            self.component
        );
        if let Some(until) = self.valid_until {
            text.push_str(&format!("Valid-Until: {}\n", date(until)));
        }
        if self.by_hash {
            text.push_str("Acquire-By-Hash: yes\n");
        }
        text.push_str(&self.fields);
        text.push_str("SHA256:\n");
        for ListedFile { name, bytes } in listed {
            text.push_str(&format!(
                " {} {} {name}\n",
                hex::encode(Sha256::digest(bytes)),
                bytes.len()
            ));
        }
        text
    }
}

/// Formats a date as `Sat, 21 Nov 2026 09:15:44 UTC`.
fn date(seconds: i64) -> String {
    let text = written(Command::new("date").env("LC_ALL", "C").args([
        "-u",
        "-d",
        &format!("@{seconds}"),
        "+%a, %d %b %Y %H:%M:%S UTC",
    ]));
    String::from_utf8(text).expect("a date").trim().to_owned()
}

/// Makes a `.deb` with dpkg-deb: control fields (each line with its end) and files, path and text.
pub fn make_deb(folder: &Path, name: &str, version: &str, control: &str, files: &[(&str, &str)]) -> PathBuf {
    require(&[("dpkg-deb", "dpkg")]);
    let tree = folder.join(format!("{name}-tree"));
    fs::create_dir_all(tree.join("DEBIAN")).expect("a folder");
    let arch = if control.contains("Architecture:") {
        ""
    } else {
        "Architecture: arm64\n"
    };
    let text = format!(
        "Package: {name}\nVersion: {version}\n{arch}Maintainer: Test <test@example.org>\n{control}Description: a test\n"
    );
    fs::write(tree.join("DEBIAN/control"), text).expect("writing control");
    for (path, text) in files {
        let path = tree.join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("writing a file");
    }
    let deb = folder.join(format!("{name}_{}_arm64.deb", version.replace(':', "%3a")));
    written(
        Command::new("dpkg-deb")
            .args(["--root-owner-group", "-b"])
            .arg(&tree)
            .arg(&deb),
    );
    deb
}
