//! Packages from the image's own archives, downloaded by the host's apt with its own settings, and
//! kept in the cache folder by their file names.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kraken_fetch::Cache;

use super::image::Mount;
use testkit::run;

/// Returns the packages that `apt-get install --no-install-recommends NAMES` would install in the
/// image, in an order in which they can be unpacked.
pub(crate) fn closure(image: &Mount, names: &[&str]) -> Vec<PathBuf> {
    Archive::open(image).fetch(image, &[&["install"], names].concat())
}

/// Returns only these packages, whatever they depend on (`NAME:ARCHITECTURE` for an architecture
/// other than the image's).
pub(crate) fn these(image: &Mount, names: &[&str]) -> Vec<PathBuf> {
    Archive::open(image).fetch(image, &[&["download"], names].concat())
}

struct Archive {
    /// The lists and the state of apt.
    state: PathBuf,
    debs: PathBuf,
    /// Parallel tests wait until the lists are read and the packages are there.
    _lock: fs::File,
}

impl Archive {
    fn open(image: &Mount) -> Self {
        let root = Cache::open(None).unwrap().root().join("tests/packages");
        for folder in ["apt/lists/partial", "apt/archives/partial", "debs"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let lock = fs::File::create(root.join("lock")).unwrap();
        lock.lock().unwrap();
        let archive = Self {
            state: root.join("apt"),
            debs: root.join("debs"),
            _lock: lock,
        };
        // Lists that are an hour old are good enough; those of a suite that has changed are not,
        // because its packages are removed.
        let fresh = archive.state.join("fresh");
        let age = fs::metadata(&fresh)
            .and_then(|stat| stat.modified())
            .ok()
            .and_then(|time| time.elapsed().ok());
        let architectures = image.architectures().join(" ");
        let same = fs::read_to_string(&fresh).is_ok_and(|text| text == architectures);
        if !same || age.is_none_or(|age| age.as_secs() > 6 * 3600) {
            run(archive.apt(image).arg("update"));
            fs::write(fresh, architectures).unwrap();
        }
        archive
    }

    fn apt(&self, image: &Mount) -> Command {
        let root = image.path().display();
        let state = self.state.display();
        let mut command = Command::new("apt-get");
        for option in [
            format!("Dir::State={state}"),
            format!("Dir::State::lists={state}/lists"),
            format!("Dir::State::status={root}/var/lib/dpkg/status"),
            format!("Dir::Cache={state}"),
            "Dir::Etc::sourcelist=/dev/null".into(),
            format!("Dir::Etc::sourceparts={root}/etc/apt/sources.list.d"),
            "Dir::Etc::trusted=/dev/null".into(),
            format!("Dir::Etc::trustedparts={root}/etc/apt/trusted.gpg.d"),
            "Dir::Etc::preferences=/dev/null".into(),
            format!("Dir::Etc::preferencesparts={root}/etc/apt/preferences.d"),
            "APT::Architecture=arm64".into(),
            "Acquire::Languages=none".into(),
            "APT::Sandbox::User=root".into(),
        ] {
            command.args(["-o", &option]);
        }
        for architecture in image.architectures() {
            command.args(["-o", &format!("APT::Architectures::={architecture}")]);
        }
        command
    }

    /// Asks apt what it would download, and downloads what is not in the cache yet.
    fn fetch(&self, image: &Mount, request: &[&str]) -> Vec<PathBuf> {
        let mut ask = self.apt(image);
        ask.args(["--print-uris", "-qq", "-y", "--no-install-recommends"])
            .args(request);
        let mut paths = Vec::new();
        for line in run(&mut ask).lines().filter(|line| line.starts_with('\'')) {
            // 'ADDRESS' FILE SIZE HASH
            let mut words = line.split(' ');
            let (address, name) = (words.next().unwrap().trim_matches('\''), words.next().unwrap());
            let size = words.next().unwrap();
            let path = self.debs.join(name);
            if fs::metadata(&path).is_ok_and(|stat| stat.len().to_string() == size) {
                paths.push(path);
                continue;
            }
            let hash = words.next().unwrap();
            run(Command::new("/usr/lib/apt/apt-helper")
                .args(["download-file", address])
                .arg(&path)
                .arg(hash));
            paths.push(path);
        }
        assert!(!paths.is_empty(), "apt has nothing to fetch for {request:?}");
        paths
    }
}

impl Mount {
    /// Returns the image's architecture and the foreign ones whose packages it accepts.
    pub(crate) fn architectures(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path().join("var/lib/dpkg/arch")).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

/// Returns the file name as the image sees it below `/mnt`.
pub(crate) fn inside(path: &Path) -> String {
    format!("/mnt/{}", path.file_name().unwrap().to_string_lossy())
}
