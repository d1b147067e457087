//! Real apt-get on a private folder: it sees the status, sources and keys that are put there, and
//! nothing of the host but its proxy.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::tools::require;

/// A root folder for apt.
pub struct Apt {
    root: PathBuf,
    architectures: Vec<String>,
}

/// What apt-get would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Simulated {
    /// Name (with `:arch` when foreign) and version of each package that would be unpacked.
    pub installs: BTreeSet<(String, String)>,
    /// Names of packages that would be removed.
    pub removes: BTreeSet<String>,
}

/// How a run of apt-get ended.
pub struct AptRun {
    /// Whether it succeeded.
    pub good: bool,
    /// What it printed to its standard output.
    pub out: String,
    /// What it printed to its standard error.
    pub errors: String,
}

impl Apt {
    /// Makes the folders that apt requires; `architectures` begins with its own.
    pub fn new(root: &Path, architectures: &[&str]) -> Self {
        require(&[("apt-get", "apt")]);
        for folder in [
            "var/lib/apt/lists/partial",
            "var/cache/apt/archives/partial",
            "var/log/apt",
            "var/lib/dpkg",
            "etc/apt/trusted.gpg.d",
            "etc/apt/sources.list.d",
            "etc/apt/preferences.d",
        ] {
            fs::create_dir_all(root.join(folder)).expect("a folder");
        }
        Self {
            root: root.to_owned(),
            architectures: architectures.iter().map(|arch| (*arch).to_owned()).collect(),
        }
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Writes a file into the root folder.
    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, bytes).expect("writing a file");
    }

    /// Runs apt-get.
    pub fn run(&self, arguments: &[&str]) -> AptRun {
        let root = self.root.display();
        let archs: String = self.architectures.iter().map(|arch| format!(" \"{arch}\";")).collect();
        let mut text = format!(
            "Dir \"{root}\";\nDir::State::status \"{root}/var/lib/dpkg/status\";\nDir::Etc \"{root}/etc/apt\";\n\
             Dir::Etc::parts \"/dev/null\";\nDir::Etc::main \"/dev/null\";\nDir::Etc::trusted \"/dev/null\";\n\
             Dir::Etc::trustedparts \"{root}/etc/apt/trusted.gpg.d\";\nDir::Bin::methods \"/usr/lib/apt/methods\";\n\
             APT::Architecture \"{}\";\nAPT::Architectures {{{archs} }};\nAPT::Sandbox::User \"root\";\nAcquire::Languages \"none\";\n",
            self.architectures[0],
        );
        if let Ok(proxy) = std::env::var("http_proxy") {
            text += &format!("Acquire::http::Proxy \"{proxy}\";\nAcquire::http::Proxy::127.0.0.1 \"DIRECT\";\n");
        }
        self.write("apt.conf", text);
        let output = Command::new("apt-get")
            .args(arguments)
            .env("APT_CONFIG", self.at("apt.conf"))
            .env("LC_ALL", "C")
            .output()
            .expect("running apt-get");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        AptRun {
            good: output.status.success(),
            out: text(&output.stdout),
            errors: text(&output.stderr),
        }
    }

    /// Fetches its lists.
    pub fn update(&self) {
        let AptRun { good, out, errors } = self.run(&["update"]);
        assert!(good && !errors.contains("W:"), "apt-get update: {out}{errors}");
    }

    /// Returns what `apt-get install` would do, or its error.
    pub fn simulate(&self, packages: &[&str], recommends: bool) -> Result<Simulated, String> {
        let recommends = if recommends {
            "--install-recommends"
        } else {
            "--no-install-recommends"
        };
        let AptRun { good, out, errors } = self.run(&[&["install", "-s", recommends], packages].concat());
        if !good {
            // The chosen packages may be in no order in which apt could unpack and configure them:
            // this test does not judge that.
            let unordered = [
                "dependency cycle",
                "MaxLoopCount",
                "Couldn't configure",
                "Could not perform immediate",
            ];
            if unordered.iter().any(|why| errors.contains(why)) && !out.contains("will be REMOVED") {
                return self.addresses(packages, recommends);
            }
            return Err(out + &errors);
        }
        let mut simulated = Simulated::default();
        for line in out.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["Inst", name, ..] => {
                    let version = words.iter().find_map(|word| word.strip_prefix('('));
                    simulated
                        .installs
                        .insert((name.to_owned(), version.expect("a version").to_owned()));
                }
                ["Remv", name, ..] => {
                    simulated.removes.insert(name.to_owned());
                }
                _ => {}
            }
        }
        Ok(simulated)
    }

    /// Returns what `apt-get install` would fetch; removals are not part of that output.
    fn addresses(&self, packages: &[&str], recommends: &str) -> Result<Simulated, String> {
        let AptRun { good, out, errors } =
            self.run(&[&["install", "-y", "--print-uris", recommends], packages].concat());
        if !good {
            return Err(out + &errors);
        }
        let mut simulated = Simulated::default();
        for line in out.lines().filter(|line| line.starts_with('\'')) {
            let file = line
                .split(' ')
                .nth(1)
                .and_then(|file| file.strip_suffix(".deb"))
                .expect("a file name");
            let parts: Vec<&str> = file.split('_').collect();
            let name = match parts[2] == "all" || parts[2] == self.architectures[0] {
                true => parts[0].to_owned(),
                false => format!("{}:{}", parts[0], parts[2]),
            };
            simulated.installs.insert((name, parts[1].replace("%3a", ":")));
        }
        Ok(simulated)
    }
}
