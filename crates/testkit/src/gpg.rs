//! Keys and signatures made by real gpg, at times of our choice.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use super::damage::Damage;
use super::tools::written;

/// A private gpg with a key: an RSA key that certifies with an Ed25519 subkey that signs, as
/// Debian's are made; or one key for both, as Raspberry Pi's is.
pub struct Gpg {
    home: PathBuf,
    pub fingerprint: String,
    digest: &'static str,
}

impl Gpg {
    pub fn new(home: PathBuf, damage: Option<Damage>, one_key: bool) -> Self {
        fs::create_dir_all(&home).expect("a folder");
        written(Command::new("chmod").arg("700").arg(&home));
        let mut gpg = Self {
            home,
            fingerprint: String::new(),
            digest: if damage == Some(Damage::WeakHash) {
                "SHA1"
            } else {
                "SHA512"
            },
        };
        let (time, lasts) = match damage {
            Some(Damage::ExpiredKey) => ("2 years ago", "1y"),
            _ => ("2 hours ago", "0"),
        };
        let run = |gpg: &Self, arguments: &[&str]| written(gpg.at(time).args(arguments));
        run(
            &gpg,
            &[
                "--quick-generate-key",
                "Test <test@example.org>",
                "rsa2048",
                if one_key { "cert,sign" } else { "cert" },
                lasts,
            ],
        );
        let list = String::from_utf8(run(&gpg, &["--with-colons", "--list-keys"])).expect("a list");
        let line = list
            .lines()
            .find(|line| line.starts_with("fpr:"))
            .expect("a fingerprint");
        gpg.fingerprint = line.split(':').nth(9).expect("a fingerprint").to_owned();
        let fingerprint = gpg.fingerprint.clone();
        if !one_key {
            run(&gpg, &["--quick-add-key", &fingerprint, "ed25519", "sign", lasts]);
        }
        if damage == Some(Damage::RevokedKey) {
            let file = gpg.home.join(format!("openpgp-revocs.d/{fingerprint}.rev"));
            let text = fs::read_to_string(file)
                .expect("a revocation")
                .replace(":-----BEGIN", "-----BEGIN");
            let ready = gpg.home.join("ready.rev");
            fs::write(&ready, text).expect("writing a revocation");
            // Everything is signed before the revocation: gpg does not sign with a revoked key.
            fs::write(gpg.home.join("revoke-later"), ready.display().to_string()).expect("writing a note");
        }
        gpg
    }

    /// Returns gpg as it would run at another time.
    fn at(&self, time: &str) -> Command {
        let mut command = Command::new("gpg");
        command.args([
            "--faked-system-time",
            &seconds(time).to_string(),
            "--batch",
            "--quiet",
            "--no-tty",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
            "--homedir",
        ]);
        command.arg(&self.home);
        command
    }

    pub fn sign(&self, text: &str) -> Vec<u8> {
        let file = self.home.join("Release");
        fs::write(&file, text).expect("writing Release");
        let expired = written(self.at("now").args(["--with-colons", "--list-keys"]));
        let expired = String::from_utf8_lossy(&expired)
            .lines()
            .any(|line| line.starts_with("pub:e"));
        let mut command = self.at(if expired { "20 months ago" } else { "1 hour ago" });
        command.args([
            "--digest-algo",
            self.digest,
            "--allow-weak-digest-algos",
            "--clearsign",
            "--output",
            "-",
        ]);
        written(command.arg(&file))
    }

    pub fn public_key(&self) -> Vec<u8> {
        if let Ok(ready) = fs::read_to_string(self.home.join("revoke-later")) {
            written(self.at("now").args(["--import", &ready]));
        }
        written(self.at("now").args(["--armor", "--export", &self.fingerprint]))
    }
}

/// Converts a time to seconds since 1970.
fn seconds(time: &str) -> u64 {
    const HOUR: u64 = 3600;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_secs();
    match time {
        "now" => now,
        "1 hour ago" => now - HOUR,
        "2 hours ago" => now - 2 * HOUR,
        "20 months ago" => now - 600 * 24 * HOUR,
        "2 years ago" => now - 730 * 24 * HOUR,
        other => panic!("{other} is not a time"),
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        // The agent would outlive the test.
        let _ = Command::new("gpgconf")
            .arg("--homedir")
            .arg(&self.home)
            .args(["--kill", "all"])
            .status();
    }
}
