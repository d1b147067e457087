//! A node's tree as it is on a new card, on which the card's script runs with the real dpkg, and
//! boots that end at a chosen step.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

pub(super) const MARK: &str = "var/lib/kraken-flash/configure";
pub(super) const POLICY: &str = "usr/sbin/policy-rc.d";
const WANTS: &str = "etc/systemd/system/multi-user.target.wants";
const UNIT: &str = "etc/systemd/system/kraken-configure.service";
const SCRIPT: &str = "usr/local/lib/kraken-flash/configure";
/// Packages that wait to be configured, and their dependencies.
const PACKAGES: [(&str, &str); 4] = [
    ("broken", ""),
    ("containerd", ""),
    ("docker.io", "containerd"),
    ("late", ""),
];
const DOCKER: [&str; 3] = ["containerd.service", "docker.socket", "docker.service"];
/// A package's service that is not one of Docker's: it is started because the package asked for it.
const LATE: &str = "late.service";

/// What a stub of a command does before its work: it counts the step, and ends everything at the
/// chosen step.
const STEP: &str = "read -r n < \"$R/count\"\necho $((n + 1)) > \"$R/count\"\necho \"${0##*/} $*\" >> \"$R/steps\"\n\
    [ $((n + 1)) -ne \"${CUT:-0}\" ] || kill -9 0\n";

/// A node's tree as it is on a new card.
pub(super) struct Node {
    folder: TempDir,
}

impl Node {
    pub(super) fn new() -> Self {
        let node = Self { folder: in_memory() };
        for folder in [
            "bin",
            "run",
            "etc",
            "tmp",
            "usr/sbin",
            "var/lib/dpkg/info",
            "var/lib/dpkg/updates",
            "var/lib/dpkg/triggers",
            WANTS,
        ] {
            fs::create_dir_all(node.path(folder)).unwrap();
        }
        node.put(MARK, "");
        node.put(UNIT, "");
        node.put("count", "0\n");
        let script = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/kraken-configure")).unwrap();
        assert!(
            !script.contains("{{") && !script.contains("{%"),
            "it is rendered as it stands"
        );
        node.put(SCRIPT, &script);
        node.executable(SCRIPT);
        node.commands();
        node.packages();
        node
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(super) fn put(&self, path: &str, text: &str) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), text).unwrap();
    }

    pub(super) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    pub(super) fn executable(&self, path: &str) {
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(super) fn program(&self, path: &str, lines: &str) {
        self.put(path, &format!("#!/bin/sh\nR=$KRAKEN_CONFIGURE_ROOT\n{lines}\n"));
        self.executable(path);
    }

    /// Commands that change something count as steps. dpkg is the real one, limited to the tree.
    fn commands(&self) {
        for name in ["mkdir", "mv", "ln", "rm"] {
            self.program(&format!("bin/{name}"), &format!("{STEP}exec /bin/{name} \"$@\""));
        }
        // After a sync of everything, all written files are safe.
        let sync = "[ $# -gt 0 ] || : > \"$R/unsynced\"";
        self.program("bin/sync", &format!("{STEP}{sync}"));
        let force = "--force-script-chrootless,not-root,unsafe-io,bad-path";
        self.program(
            "bin/dpkg",
            &format!("{STEP}exec /usr/bin/dpkg --root=\"$R\" {force} --log=/dev/null \"$@\""),
        );
        self.program(
            "bin/dpkg-query",
            "exec /usr/bin/dpkg-query --admindir=\"$R/var/lib/dpkg\" \"$@\"",
        );
        self.program(
            "bin/systemctl",
            &format!(
                "{STEP}[ -e \"$R/{UNIT}\" ] || echo \"$* while the unit's file is gone\" >> \"$R/faults\"\n\
                 case $1 in\n\
                 is-enabled) [ -L \"$R/{WANTS}/$3\" ] ;;\n\
                 is-system-running) echo starting ;;\n\
                 start) echo \"$3\" >> \"$R/run/started\" ;;\n\
                 *) echo \"systemctl $*\" >> \"$R/faults\" ;;\n\
                 esac"
            ),
        );
    }

    /// dpkg's database: four packages that are unpacked, one of them with a preinst that has not
    /// run yet.
    fn packages(&self) {
        let mut status = String::new();
        let installed = [("dpkg", "installed", ""), ("base", "installed", "")];
        let unpacked = PACKAGES.iter().map(|(name, depends)| (*name, "unpacked", *depends));
        for (name, state, depends) in installed.into_iter().chain(unpacked) {
            let depends = if depends.is_empty() {
                String::new()
            } else {
                format!("Depends: {depends}\n")
            };
            status += &format!(
                "Package: {name}\nStatus: install ok {state}\nMaintainer: Test <test@example.org>\nArchitecture: all\n\
                 Version: 1\n{depends}Description: test\n\n"
            );
            self.put(&format!("var/lib/dpkg/info/{name}.list"), "/.\n");
        }
        self.put("var/lib/dpkg/status", &status);
        for (name, _) in PACKAGES {
            // As debhelper's scripts do: enable, then start, unless policy-rc.d forbids it.
            // Starting Docker now would block forever.
            let starts: String = DOCKER
                .iter()
                .filter(|unit| unit.starts_with(name.trim_end_matches(".io")))
                .map(|unit| {
                    format!(
                        "ln -sf /lib/systemd/system/{unit} \"$R/{WANTS}/{unit}\"\n\
                         ! \"$R/{POLICY}\" {unit} start || echo \"{unit} is started by its package\" >> \"$R/faults\"\n"
                    )
                })
                .collect();
            let starts = match name {
                // Through an older script's name, and through invoke-rc.d, which passes its own
                // --quiet on.
                "late" => format!(
                    "ln -sf /lib/systemd/system/{LATE} \"$R/{WANTS}/{LATE}\"\n\
                     ! \"$R/{POLICY}\" --quiet late start || echo \"{LATE} is started by its package\" >> \"$R/faults\"\n"
                ),
                _ => starts,
            };
            self.program(
                &format!("var/lib/dpkg/info/{name}.postinst"),
                &format!(
                    "{STEP}echo {name} >> \"$R/unsynced\"\necho settings > \"$R/etc/{name}.conf\"\n\
                     [ {name} != broken ] || [ ! -e \"$R/fails\" ] || exit 1\n{starts}{STEP}"
                ),
            );
        }
        self.program(
            "var/lib/dpkg/info/late.preinst",
            &format!("{STEP}echo \"$*\" >> \"$R/preinst\""),
        );
        self.put("var/lib/kraken-flash/preinst", "late.preinst\tlate\tall\tinstall\n");
    }

    /// Runs the script; returns whether it succeeded. `cut` is the step at which everything ends.
    pub(super) fn run(&self, word: &str, cut: usize) -> bool {
        let args: &[&str] = if word.is_empty() { &[] } else { &[word] };
        let output = Command::new("dash")
            .arg(self.path(SCRIPT))
            .args(args)
            .env_clear()
            .env(
                "PATH",
                format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", self.path("bin").display()),
            )
            .env("KRAKEN_CONFIGURE_ROOT", self.folder.path())
            .env("R", self.folder.path())
            .env("CUT", cut.to_string())
            .stdin(Stdio::null())
            .process_group(0)
            .output()
            .unwrap_or_else(|error| panic!("dash cannot be run ({error}): apt-get install dash"));
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        self.put("said", &(self.read("said") + &said));
        output.status.success()
    }

    /// Boots as systemd does: it runs the script if the marker file exists, and in every case the
    /// end part. Returns whether all succeeded.
    pub(super) fn boot(&self, cut: usize) -> bool {
        let is_enabled = |unit: &&str| self.path(WANTS).join(unit).is_symlink();
        let start = |unit: &str| self.put("run/started", &(self.read("run/started") + unit + "\n"));
        // Enabled units are started like all others; Docker's only when no package is left to be
        // configured.
        Some(LATE)
            .iter()
            .filter(|unit| is_enabled(unit))
            .for_each(|unit| start(unit));
        if !self.path(MARK).exists() {
            DOCKER
                .iter()
                .filter(|unit| is_enabled(unit))
                .for_each(|unit| start(unit));
            return true;
        }
        let done = self.run("", cut);
        if cut > 0 && self.steps() >= cut {
            return false;
        }
        self.run("end", cut) && done
    }

    pub(super) fn steps(&self) -> usize {
        self.read("steps").lines().count()
    }

    /// Cuts the power for a moment: memory is empty, and files that packages' scripts wrote without
    /// a sync are empty.
    pub(super) fn power_cut(&self) {
        fs::remove_dir_all(self.path("run")).unwrap();
        fs::create_dir(self.path("run")).unwrap();
        for name in self.read("unsynced").lines() {
            self.put(&format!("etc/{name}.conf"), "");
        }
    }

    pub(super) fn state(&self, package: &str) -> String {
        let status = self.read("var/lib/dpkg/status");
        let paragraph = status
            .split("\n\n")
            .find(|text| text.starts_with(&format!("Package: {package}\n")));
        let line = paragraph.unwrap().lines().nth(1).unwrap();
        line.rsplit(' ').next().unwrap().to_owned()
    }

    pub(super) fn docker_is_started(&self) -> bool {
        let started = self.read("run/started");
        DOCKER.iter().all(|unit| started.lines().any(|line| line == *unit))
    }

    /// Checks that everything is configured, and that nothing is left of it but the unit, which
    /// does not run again.
    pub(super) fn is_done(&self, what: &str) {
        let said = self.read("said");
        for (name, _) in PACKAGES {
            assert_eq!(self.state(name), "installed", "{what}: {name}\n{said}");
            assert_eq!(
                self.read(&format!("etc/{name}.conf")),
                "settings\n",
                "{what}: {name}\n{said}"
            );
        }
        assert!(self.read("preinst").contains("install"), "{what}: {said}");
        assert!(self.docker_is_started(), "{what}: Docker is not started\n{said}");
        let started = self.read("run/started");
        assert!(
            started.lines().any(|unit| unit == LATE),
            "{what}: {LATE} is not started\n{said}"
        );
        assert_eq!(self.read("faults"), "", "{what}: {said}");
        assert_eq!(names(&self.path("var/lib/kraken-flash")), [""; 0], "{what}");
        assert_eq!(names(&self.path("usr/sbin")), [""; 0], "{what}");
        assert!(!self.path("run/kraken-flash/configuring").exists(), "{what}");
        assert!(
            self.path(UNIT).exists() && self.path(SCRIPT).exists(),
            "{what}: a part of the unit is gone"
        );
    }
}

/// dpkg syncs often, and hundreds of its runs must take only seconds.
fn in_memory() -> TempDir {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    };
    tempfile::tempdir_in(place).unwrap()
}

pub(super) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
