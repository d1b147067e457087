//! Unpacks twice, with the image's own dpkg and with this crate, and compares everything.
#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod archive;
pub(crate) mod compare;
pub(crate) mod image;
pub(crate) mod status;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use kraken_disk::{ImageFile, apply};
use kraken_foundation::interrupt::Interrupt;
use tempfile::TempDir;

use compare::{Counts, Times, compare};
use image::{Image, Mount};

use testkit::deb::Package;
use testkit::run;

/// One comparison: an image, its preparation, and the packages.
pub(crate) struct Bench {
    pub folder: TempDir,
    before: Image,
    /// The time that the crate writes: after the base's and all packages' times, before dpkg's run.
    /// Seconds since 1970.
    given: i64,
    thorough: bool,
}

impl Bench {
    pub(crate) fn new() -> Self {
        // Not below /tmp, which may be in memory.
        let folder = tempfile::Builder::new()
            .prefix("oracle-")
            .tempdir_in("/var/tmp")
            .unwrap();
        let before = Image::of_base(folder.path().join("before.img"));
        std::fs::create_dir(folder.path().join("debs")).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Self {
            folder,
            before,
            given: now.as_secs() as i64,
            thorough: false,
        }
    }

    /// Reads every file of both images, also those that did not change.
    pub(crate) fn thorough(mut self) -> Self {
        self.thorough = true;
        self
    }

    /// Returns where the image sees packages, below `/mnt`.
    pub(crate) fn debs(&self) -> PathBuf {
        self.folder.path().join("debs")
    }

    /// Changes the image before the comparison.
    pub(crate) fn prepare<T>(&self, work: impl FnOnce(&Mount) -> T) -> T {
        let mount = self.before.mount(true);
        let result = work(&mount);
        drop(mount);
        result
    }

    /// Installs packages before the comparison, without running their scripts.
    pub(crate) fn install(&self, packages: &[Package]) {
        let paths: Vec<String> = packages
            .iter()
            .map(|package| archive::inside(&package.write(&self.debs())))
            .collect();
        self.prepare(|mount| {
            let words: Vec<&str> = ["dpkg", "--force-unsafe-io", "--force-depends", "--install"]
                .into_iter()
                .chain(paths.iter().map(String::as_str))
                .collect();
            mount.run(&words, &self.debs())
        });
    }

    /// Runs a program of the image before the comparison.
    pub(crate) fn run(&self, words: &[&str]) -> String {
        self.prepare(|mount| mount.run(words, &self.debs()))
    }

    pub(crate) fn write(&self, packages: &[Package]) -> Vec<PathBuf> {
        packages.iter().map(|package| package.write(&self.debs())).collect()
    }

    /// Copies packages to where the image sees them.
    pub(crate) fn take(&self, debs: &[PathBuf]) -> Vec<PathBuf> {
        let taken = debs.iter().map(|deb| {
            let to = self.debs().join(deb.file_name().unwrap());
            run(Command::new("cp").arg("--reflink=auto").arg(deb).arg(&to));
            to
        });
        taken.collect()
    }

    /// Unpacks twice, and compares; fails with every difference.
    pub(crate) fn compare(&self, debs: &[PathBuf]) -> Outcome {
        let at = |name: &str| self.folder.path().join(name);
        let dpkgs = self.before.copy(at("dpkg.img"));
        // The time stamps of files are those of the clock's last tick; half a second is many ticks.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        let start = SystemTime::now();
        let said = by_dpkg(&dpkgs, debs, &self.debs());
        let ours = self.before.copy(at("ours.img"));
        let (unpacked, seconds) = self.by_us(&ours, debs);
        let [before, want, have] = [&self.before, &dpkgs, &ours].map(|image| image.mount(false));
        let times = Times {
            start,
            given: self.given,
        };
        let (counts, mut found) = compare(before.path(), want.path(), have.path(), &times, self.thorough);
        found.extend(status::differences(want.path(), have.path()));
        self.is_enough(debs, &before, &have, &mut found);
        assert!(
            found.is_empty(),
            "{} differences:\n{}\n\ndpkg said:\n{said}",
            found.len(),
            found.join("\n")
        );
        assert!(
            counts.changed > 0 && counts.files > 10_000,
            "nothing was compared: {counts:?}"
        );
        println!("{counts:#?}\nunpack and apply: {seconds:.2} s");
        drop((before, want, have));
        ours.is_clean(self.folder.path());
        Outcome {
            counts,
            preinsts: unpacked.preinsts,
            said,
        }
    }

    fn by_us(&self, image: &Image, debs: &[PathBuf]) -> (kraken_debian::Unpacked, f64) {
        let scratch = tempfile::tempdir_in(self.folder.path()).unwrap();
        let begin = Instant::now();
        let root = image.root_tree();
        let unpacked = kraken_debian::unpack(&root, debs, scratch.path(), self.given, &Interrupt::new())
            .unwrap_or_else(|error| panic!("{error}"));
        let disk = Arc::new(ImageFile::open_write(&image.path).unwrap());
        apply(disk, &image.layout(), &unpacked.overlay).unwrap_or_else(|error| panic!("{error}"));
        (unpacked, begin.elapsed().as_secs_f64())
    }

    /// Checks that the announced space of the packages together is not less than the space that
    /// they used.
    fn is_enough(&self, debs: &[PathBuf], before: &Mount, after: &Mount, found: &mut Vec<String>) {
        let (mut bytes, mut inodes) = (0, 0);
        for deb in debs {
            let need = kraken_debian::deb::measure(deb).unwrap_or_else(|error| panic!("{error}"));
            bytes += need.bytes;
            inodes += need.inodes;
        }
        let ((old_bytes, old_inodes), (new_bytes, new_inodes)) = (before.used(), after.used());
        if old_bytes + bytes < new_bytes || old_inodes + inodes < new_inodes {
            found.push(format!(
                "the packages were said to need {bytes} bytes and {inodes} inodes, and took {} and {}",
                new_bytes - old_bytes,
                new_inodes - old_inodes
            ));
        }
    }
}

/// The result of a comparison that a test may read.
pub(crate) struct Outcome {
    pub counts: Counts,
    pub preinsts: Vec<kraken_debian::Preinst>,
    /// The output of dpkg.
    pub said: String,
}

fn by_dpkg(image: &Image, debs: &[PathBuf], folder: &Path) -> String {
    let paths: Vec<String> = debs.iter().map(|deb| archive::inside(deb)).collect();
    // Packages that must be configured before another are configured on the first boot. Triggers
    // stay pending, because they also run on the first boot.
    let words: Vec<&str> = [
        "dpkg",
        "--force-unsafe-io",
        "--force-depends",
        "--no-triggers",
        "--unpack",
    ]
    .into_iter()
    .chain(paths.iter().map(String::as_str))
    .collect();
    image.mount(true).run(&words, folder)
}
