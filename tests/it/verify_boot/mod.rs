//! `verify --boot`, in QEMU: a good cluster, a board, and what remains afterwards.

mod broken;
mod fallback;
mod kept_out;
mod limits;
mod reports;
mod set;
mod stand_in;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use reports::{SYSTEM, assert_all_passed, assert_grew, assert_is_a_swarm, node};
use serde_json::Value;
use sha2::{Digest, Sha256};
use testkit::archive::TestArchive;
use testkit::child::Killed;
use testkit::docker;
use testkit::pi_os::PiOs;
use testkit::run;
use testkit::tools::require;
use testkit::world::{Image, World, trixie};

/// A folder with this kraken.toml and its images, and a cache folder of its own for the results of
/// a run.
struct Bench {
    folder: tempfile::TempDir,
    /// The argument of `--base`.
    base: String,
    /// The second archive of a stand-in for Raspberry Pi OS, served as long as this exists.
    archive: Option<TestArchive>,
}

impl Bench {
    fn new(spec: &str) -> Self {
        require(&[
            ("qemu-system-aarch64", "qemu-system-arm"),
            ("qemu-io", "qemu-utils"),
            ("ssh", "openssh-client"),
            ("debugfs", "e2fsprogs"),
            ("mcopy", "mtools"),
        ]);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("kraken.toml"), spec).unwrap();
        Self {
            folder,
            base: "debian".to_owned(),
            archive: None,
        }
    }

    /// On a stand-in for Raspberry Pi OS, which `change` changes first.
    fn on_pi_os(pi_os: PiOs, spec: &str, change: impl FnOnce(&Image)) -> Self {
        let mut bench = Self::new(spec);
        let archive = pi_os.archive();
        let base = bench.path("pi-os.img");
        change(&pi_os.make(&base, &archive));
        bench.base = base.display().to_string();
        bench.archive = Some(archive);
        bench
    }

    fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kraken-flash"));
        command.current_dir(&self.folder).args(arguments);
        command
    }

    fn build(&self) {
        run(&mut self.program(&["build", "--base", &self.base, "--no-sums", "-o", "images"]));
    }

    /// Runs `verify --boot --json` with these arguments; returns its exit code and its report.
    fn boot(&self, arguments: &[&str]) -> (i32, Value) {
        let output = self
            .program(&["verify", "--boot", "--json", "--consoles", "consoles"])
            .args(arguments)
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let report: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        // Facts that a failed check does not print by itself.
        let nodes = report["nodes"].as_array().filter(|_| !output.status.success());
        for node in nodes.into_iter().flatten() {
            for line in node["console-tail"].as_array().into_iter().flatten() {
                eprintln!("{} | {}", node["hostname"], line.as_str().unwrap_or_default());
            }
        }
        (output.status.code().unwrap_or(-1), report)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn image_path(&self, number: u32) -> PathBuf {
        self.path(&format!("images/kraken-{number}.img"))
    }

    fn image(&self, number: u32) -> Image {
        Image::open(&self.image_path(number))
    }

    /// Returns every image's time and hash.
    fn fingerprints(&self) -> BTreeMap<PathBuf, (SystemTime, Vec<u8>)> {
        let images = fs::read_dir(self.path("images"))
            .unwrap()
            .map(|entry| entry.unwrap().path());
        images
            .filter(|path| path.to_string_lossy().contains(".img"))
            .map(|path| {
                let mut hash = Sha256::new();
                std::io::copy(&mut fs::File::open(&path).unwrap(), &mut hash).unwrap();
                let modified = fs::metadata(&path).unwrap().modified().unwrap();
                (path, (modified, hash.finalize().to_vec()))
            })
            .collect()
    }
}

/// Returns the processes, sockets and folders of a run with this folder as its cache.
fn traces(cache: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let marker = cache.display().to_string();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        if command.contains(&marker) {
            found.push(command);
        }
    }
    found.extend(
        fs::read_dir(cache.join("boot"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path().display().to_string()),
    );
    let sockets = fs::read_dir(cache.join("tmp")).into_iter().flatten().flatten();
    found.extend(sockets.map(|entry| entry.path().display().to_string()));
    found
}

#[test]
fn qemu_boot_two_nodes_from_golden_and_patch_are_a_swarm_that_survives() {
    // Its disk has another id from the first boot on: it boots again only if its command line is
    // read again.
    let spec = "[cluster]\nnodes = 2\n[docker]\nuser-in-group = true\ndaemon = { debug = true }\n\
                [system]\npackages = [\"htop\"]\ndebs = [\"./own.deb\"]\noverlay = \"extra\"\n";
    let bench = Bench::on_pi_os(PiOs::Trixie, spec, |_| ());
    require(&[("dpkg-deb", "dpkg")]);
    docker::own_deb(bench.folder.path(), 2, "kraken");
    let container = bench.path("extra/root").join(docker::IMAGE.trim_start_matches('/'));
    fs::create_dir_all(container.parent().unwrap()).unwrap();
    docker::busybox_image(&container);
    let (code, report) = bench.boot(&[
        "--base",
        &bench.base,
        // Nothing is configured, and what the unit has just written may not be on the disk.
        "--cut-power-at",
        "2:kraken-flash: configuring ",
        // Some packages are configured, others are not, and one is half configured.
        "--cut-power-at",
        "2:Setting up containerd",
        "--html",
        "report.html",
        "--junit",
        "report.xml",
    ]);
    assert_is_a_swarm(&report, 2);
    assert_all_passed(&node(&report, 2)["checks"], &["power-cuts"]);
    for number in 1..=2 {
        assert_grew(&node(&report, number)["checks"]);
    }
    assert_eq!(code, 0);
    let page = fs::read_to_string(bench.path("report.html")).unwrap();
    assert!(page.contains("kraken-2") && page.contains("power"), "{page}");
    let xml = fs::read_to_string(bench.path("report.xml")).unwrap();
    assert!(xml.contains("failures=\"0\""), "{xml}");
    // The serial line alone shows it, too, which a user with a cable sees.
    for number in 1..=2 {
        let said = fs::read_to_string(bench.path(&format!("consoles/console-kraken-{number}.log"))).unwrap();
        for stage in ["booting", "network up  configuring packages", "docker up  swarm Ready"] {
            let line = format!("kraken-{number}  192.168.3.1{number}     {stage}");
            assert!(said.contains(&line), "{line}: {said}");
        }
        assert!(said.contains("kraken-own: all is right"), "{said}");
    }
}

#[test]
fn full_boot_on_a_raspberry_pi_3b_reaches_a_login() {
    let bench = Bench::new("[cluster]\nnodes = 1\n[swarm]\nmode = \"none\"\n[docker]\npackages = []\n");
    bench.build();
    // Compressed: many users keep them so.
    run(Command::new("gzip").arg("-1").arg(bench.image_path(1)));
    let before = bench.fingerprints();
    let (code, report) = bench.boot(&["--machine", "raspi3b", "images/kraken-1.img.gz"]);
    assert_eq!(node(&report, 1)["image"], "images/kraken-1.img.gz");
    assert_all_passed(&node(&report, 1)["checks"], &SYSTEM);
    assert_eq!(report["machine"], "raspi3b");
    assert_eq!(code, 0);
    assert!(bench.fingerprints() == before, "booting changed the image");
}

/// A kernel that does nothing (Linux, `Documentation/arch/arm64/booting.rst`): runs that are
/// stopped here need no more of a guest.
fn idle_kernel() -> Vec<u8> {
    let mut kernel = vec![0; 4096];
    // `b .`
    kernel[..4].copy_from_slice(&0x1400_0000_u32.to_le_bytes());
    // The image's size in memory.
    kernel[0x10..0x18].copy_from_slice(&4096_u64.to_le_bytes());
    // A 32-bit kernel has other data here. This kernel would not end when the speed of the machine
    // is measured, so another program is run for that.
    kernel[0x24..0x28].copy_from_slice(&0x016f_2818_u32.to_le_bytes());
    kernel[0x38..0x3c].copy_from_slice(b"ARM\x64");
    kernel
}

#[test]
fn qemu_boot_leaves_nothing_when_it_is_stopped_or_killed() {
    require(&[("qemu-system-aarch64", "qemu-system-arm"), ("qemu-io", "qemu-utils")]);
    let world = World::new(2, trixie().boot_file("kernel8.img", idle_kernel()));
    world.does(&["build", "--no-sums"]);
    let cache = world.at("cache");
    fs::create_dir_all(cache.join("tmp")).unwrap();
    for (signal, code) in [("INT", Some(130)), ("KILL", None)] {
        let mut process = Killed::spawn(
            world
                .program()
                .args(["verify", "--boot", "images"])
                .env("TMPDIR", cache.join("tmp"))
                .stdout(Stdio::null()),
        );
        let end = Instant::now() + Duration::from_secs(120);
        let is_up = |cache: &Path| {
            traces(cache)
                .iter()
                .filter(|trace| trace.contains("virtio-blk-pci"))
                .count()
                == 2
        };
        while !is_up(&cache) {
            assert!(Instant::now() < end, "no guests: {:#?}", traces(&cache));
            assert!(process.try_wait().unwrap().is_none(), "it ended before its guests ran");
            std::thread::sleep(Duration::from_millis(200));
        }
        std::thread::sleep(Duration::from_secs(1));
        run(Command::new("kill").args([&format!("-{signal}"), &process.id().to_string()]));
        assert_eq!(process.wait().unwrap().code(), code, "after SIG{signal}");
        let end = Instant::now() + Duration::from_secs(15);
        while !traces(&cache).is_empty() {
            assert!(Instant::now() < end, "left after SIG{signal}: {:#?}", traces(&cache));
            std::thread::sleep(Duration::from_millis(200));
        }
        assert!(
            !cache.join("consoles").exists(),
            "no console was asked for, and nothing failed"
        );
    }
}

#[test]
fn full_boot_of_three_nodes_where_there_is_room_for_two() {
    let bench = Bench::new("[cluster]\nnodes = 3\n");
    let (code, report) = bench.boot(&["--base", "debian", "--at-once", "2"]);
    assert_is_a_swarm(&report, 3);
    let checks = report["cluster-checks"].as_array().unwrap();
    let seen = checks.iter().find(|check| check["name"] == "ready").unwrap()["seen"]
        .as_str()
        .unwrap();
    for words in ["group 1 of 2", "kraken-2  Ready", "group 2 of 2", "kraken-3  Ready"] {
        assert!(seen.contains(words), "{words:?} in {seen}");
    }
    assert_eq!(code, 0);
}

#[test]
fn full_boot_of_the_kraken_of_seven() {
    let bench = Bench::new("");
    let (code, report) = bench.boot(&["--base", "debian", "--html", "report.html"]);
    assert_eq!(report["nodes"].as_array().unwrap().len(), 7);
    assert_is_a_swarm(&report, 7);
    assert_eq!(code, 0);
}
