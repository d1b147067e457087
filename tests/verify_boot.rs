//! `verify --boot`, in QEMU: a good cluster, a board, cards that are broken on purpose, and what is left behind.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use common::qemu::require;
use common::run;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A folder with this kraken.toml, whose images are to be had, and a cache folder of its own for what a run leaves.
struct Bench {
    folder: tempfile::TempDir,
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
        Self { folder }
    }

    fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kraken-flash"));
        command.current_dir(&self.folder).args(arguments);
        command
    }

    fn build(&self) {
        run(&mut self.program(&["build", "--base", "debian", "--no-sums", "-o", "images"]));
    }

    /// Runs `verify --boot --json` with these arguments; its exit code and its report.
    fn boot(&self, arguments: &[&str]) -> (i32, Value) {
        let output = self
            .program(&["verify", "--boot", "--json", "--consoles", "consoles"])
            .args(arguments)
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let report = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        (output.status.code().unwrap_or(-1), report)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn image(&self, number: u32) -> PathBuf {
        self.path(&format!("images/kraken-{number}.img"))
    }

    /// Every image's time and hash.
    fn fingerprints(&self) -> BTreeMap<PathBuf, (SystemTime, Vec<u8>)> {
        let images = fs::read_dir(self.path("images"))
            .unwrap()
            .map(|entry| entry.unwrap().path());
        images
            .filter(|path| path.extension().is_some_and(|extension| extension == "img"))
            .map(|path| {
                let mut hash = Sha256::new();
                std::io::copy(&mut fs::File::open(&path).unwrap(), &mut hash).unwrap();
                let modified = fs::metadata(&path).unwrap().modified().unwrap();
                (path, (modified, hash.finalize().to_vec()))
            })
            .collect()
    }
}

/// Start of a partition of an image, in bytes.
fn start(image: &Path, partition: usize) -> u64 {
    let table: Value = serde_json::from_str(&run(Command::new("sfdisk").arg("-J").arg(image))).unwrap();
    table["partitiontable"]["partitions"][partition]["start"]
        .as_u64()
        .unwrap()
        * 512
}

fn mtools(image: &Path) -> String {
    format!("{}@@{}", image.display(), start(image, 0))
}

/// Has debugfs(8) change the root volume.
fn debugfs(image: &Path, requests: &[String]) -> String {
    let script = image.with_extension("debugfs");
    fs::write(&script, requests.join("\n")).unwrap();
    let device = format!("{}?offset={}", image.display(), start(image, 1));
    let said = run(Command::new("debugfs").args(["-w", "-f"]).arg(&script).arg(device));
    fs::remove_file(script).unwrap();
    said
}

/// Replaces a file of the root volume; its mode is set anew.
fn put(image: &Path, path: &str, bytes: &[u8], mode: u32, owner: u32) {
    let file = image.with_extension("new");
    fs::write(&file, bytes).unwrap();
    debugfs(
        image,
        &[
            format!("rm {path}"),
            format!("write {} {path}", file.display()),
            format!("set_inode_field {path} mode 0100{mode:o}"),
            format!("set_inode_field {path} uid {owner}"),
            format!("set_inode_field {path} gid {owner}"),
        ],
    );
    fs::remove_file(file).unwrap();
}

fn get(image: &Path, path: &str) -> Vec<u8> {
    let file = image.with_extension("got");
    debugfs(image, &[format!("dump {path} {}", file.display())]);
    let bytes = fs::read(&file).unwrap();
    fs::remove_file(file).unwrap();
    assert!(!bytes.is_empty(), "{path} is not there");
    bytes
}

fn node(report: &Value, number: u64) -> &Value {
    let nodes = report["nodes"].as_array().unwrap();
    nodes.iter().find(|node| node["node"] == number).unwrap()
}

/// Name, outcome, evidence and cause of every check.
fn checks(of: &Value) -> Vec<(String, String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    of.as_array()
        .unwrap()
        .iter()
        .map(|check| {
            (
                text(&check["name"]),
                text(&check["outcome"]),
                text(&check["seen"]),
                text(&check["cause"]),
            )
        })
        .collect()
}

fn assert_fails(of: &Value, name: &str, words: &[&str]) {
    let all = checks(of);
    let failed = all
        .iter()
        .find(|(check, outcome, ..)| check == name && outcome == "failed");
    let (.., seen, cause) = failed.unwrap_or_else(|| panic!("{name} did not fail: {all:#?}"));
    for word in words {
        assert!(
            seen.contains(word) || cause.contains(word),
            "{name} says nothing of {word}: {seen}; {cause}"
        );
    }
}

fn assert_all_passed(of: &Value, names: &[&str]) {
    let all = checks(of);
    for (name, outcome, seen, cause) in &all {
        assert!(
            outcome == "passed" || outcome == "not-applicable",
            "{name}: {outcome}: {seen}; {cause}"
        );
    }
    for name in names {
        assert!(
            all.iter()
                .any(|(check, outcome, ..)| check == name && outcome == "passed"),
            "{name}: {all:#?}"
        );
    }
}

const SYSTEM: [&str; 14] = [
    "boot-files",
    "kernel",
    "root",
    "room",
    "hostname",
    "address",
    "nic",
    "gateway",
    "cloud-init",
    "user",
    "ssh-key",
    "ssh-login",
    "packages",
    "units",
];

/// Every node is up, and they are one swarm that survives.
fn assert_is_a_swarm(report: &Value, nodes: u64) {
    for number in 1..=nodes {
        let node = node(report, number);
        assert_all_passed(&node["checks"], &SYSTEM);
        assert_all_passed(&node["checks"], &["docker", "swarm-node"]);
    }
    let names = [
        "addresses",
        "ready",
        "roles",
        "tokens",
        "service",
        "power-cut",
        "manager-reboot",
    ];
    assert_all_passed(&report["cluster-checks"], &names);
}

/// Processes, sockets and folders that a run with this folder as its cache has.
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
    let bench = Bench::new("[cluster]\nnodes = 2\n");
    let (code, report) = bench.boot(&["--base", "debian", "--html", "report.html", "--junit", "report.xml"]);
    assert_is_a_swarm(&report, 2);
    assert_eq!(code, 0);
    let page = fs::read_to_string(bench.path("report.html")).unwrap();
    assert!(page.contains("kraken-2") && page.contains("power"), "{page}");
    let xml = fs::read_to_string(bench.path("report.xml")).unwrap();
    assert!(xml.contains("failures=\"0\""), "{xml}");
    assert!(
        !bench.path("consoles").exists(),
        "nothing failed, and consoles were kept"
    );
}

#[test]
fn qemu_boot_on_a_raspberry_pi_3b_reaches_a_login() {
    let bench = Bench::new("[cluster]\nnodes = 1\n[swarm]\nmode = \"none\"\n[docker]\npackages = []\n");
    bench.build();
    let before = bench.fingerprints();
    let (code, report) = bench.boot(&["--machine", "raspi3b", "images/kraken-1.img"]);
    assert_all_passed(&node(&report, 1)["checks"], &SYSTEM);
    assert_eq!(report["machine"], "raspi3b");
    assert_eq!(code, 0);
    assert!(bench.fingerprints() == before, "booting changed the image");
}

#[test]
fn full_boot_a_kernel_without_virtio_has_debians_in_its_place() {
    let bench = Bench::new("[cluster]\nnodes = 1\n");
    bench.build();
    let image = bench.image(1);
    // As Raspberry Pi OS is for `virt`: a kernel that does not start there, and no module for its disk.
    let modules = debugfs(&image, &["ls -p /usr/lib/modules".to_owned()]);
    let release = modules.split('/').find(|word| word.ends_with("-arm64")).unwrap();
    for list in ["modules.dep", "modules.builtin"] {
        let path = format!("/usr/lib/modules/{release}/{list}");
        let text = String::from_utf8(get(&image, &path)).unwrap();
        let lines: String = text
            .split_inclusive('\n')
            .filter(|line| !line.contains("virtio"))
            .collect();
        put(&image, &path, lines.as_bytes(), 0o644, 0);
    }
    let file = bench.path("file");
    fs::write(&file, vec![0x55; 1 << 20]).unwrap();
    for name in ["kernel8.img", "initramfs8"] {
        run(Command::new("mcopy")
            .args(["-o", "-i", &mtools(&image)])
            .arg(&file)
            .arg(format!("::/{name}")));
    }
    let before = bench.fingerprints();
    let (code, report) = bench.boot(&["images/kraken-1.img"]);
    let checks = &node(&report, 1)["checks"];
    assert_all_passed(checks, &SYSTEM);
    assert_all_passed(checks, &["docker", "swarm-node"]);
    let all = self::checks(checks);
    let (.., seen, _) = all.iter().find(|(name, ..)| name == "boot-files").unwrap();
    assert!(
        seen.contains("linux-image-") && seen.contains("busybox-static"),
        "{seen}"
    );
    assert_eq!(code, 0);
    assert!(bench.fingerprints() == before, "booting changed the image");
}

/// Leaves a few MiB on the root volume.
fn fill(image: &Path, scratch: &Path) {
    let free = debugfs(image, &["stats -h".to_owned()]);
    let value = |name: &str| -> u64 {
        free.lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap()
            .trim()
            .parse()
            .unwrap()
    };
    let bytes = (value("Free blocks:") - 1500) * value("Block size:");
    fs::write(scratch, vec![7; usize::try_from(bytes).unwrap()]).unwrap();
    debugfs(image, &[format!("write {} /var/fill", scratch.display())]);
    fs::remove_file(scratch).unwrap();
}

#[test]
fn qemu_boot_names_what_is_wrong_with_each_of_six_cards() {
    let bench = Bench::new("[cluster]\nnodes = 6\n[swarm]\nmode = \"none\"\n[docker]\npackages = []\n");
    bench.build();
    // 1: there is no kernel.
    run(Command::new("mdel").args(["-i", &mtools(&bench.image(1)), "::/kernel8.img"]));
    // 2: another root device.
    let file = bench.path("file");
    run(Command::new("mcopy")
        .args(["-n", "-o", "-i", &mtools(&bench.image(2)), "::/cmdline.txt"])
        .arg(&file));
    let line = fs::read_to_string(&file).unwrap();
    let at = line.find("PARTUUID=").unwrap() + "PARTUUID=".len();
    fs::write(&file, format!("{}deadbeef-02{}", &line[..at], &line[at + 11..])).unwrap();
    run(Command::new("mcopy")
        .args(["-o", "-i", &mtools(&bench.image(2))])
        .arg(&file)
        .arg("::/cmdline.txt"));
    // 3: user-data that is none.
    fs::write(&file, "#cloud-config\nusers: [\n  - name: }\n").unwrap();
    run(Command::new("mcopy")
        .args(["-o", "-i", &mtools(&bench.image(3))])
        .arg(&file)
        .arg("::/user-data"));
    // 4: somebody else's key.
    let stranger = bench.path("stranger");
    run(Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "stranger", "-f"])
        .arg(&stranger));
    let key = fs::read_to_string(bench.path("kraken_ed25519.pub")).unwrap();
    let other = fs::read_to_string(bench.path("stranger.pub")).unwrap();
    run(Command::new("mcopy")
        .args(["-n", "-o", "-i", &mtools(&bench.image(4)), "::/user-data"])
        .arg(&file));
    let seed = fs::read_to_string(&file).unwrap();
    let word = |line: &str| line.split_whitespace().nth(1).unwrap().to_owned();
    assert!(seed.contains(&word(&key)), "{seed}");
    fs::write(&file, seed.replace(&word(&key), &word(&other))).unwrap();
    run(Command::new("mcopy")
        .args(["-o", "-i", &mtools(&bench.image(4))])
        .arg(&file)
        .arg("::/user-data"));
    // The root volume holds it from the start, too.
    put(
        &bench.image(4),
        "/home/kraken/.ssh/authorized_keys",
        other.as_bytes(),
        0o600,
        1000,
    );
    // 5: no room, nor anything to grow into.
    fill(&bench.image(5), &bench.path("fill"));
    // 6: the address of 4.
    fs::copy(bench.image(4), bench.image(6)).unwrap();

    let before = bench.fingerprints();
    let (code, report) = bench.boot(&["images", "--card-size", "1"]);
    assert_eq!(code, 3);
    let checks = |number: u64| &node(&report, number)["checks"];
    assert_fails(checks(1), "boot-files", &["kernel8.img"]);
    assert_fails(checks(2), "root", &["deadbeef", "PARTUUID"]);
    assert_fails(checks(3), "cloud-init", &["no valid cloud-config"]);
    assert_fails(checks(4), "ssh-key", &["SHA256:", "other SSH keys"]);
    assert_fails(checks(4), "ssh-login", &["Permission denied"]);
    assert_fails(checks(5), "room", &["MiB free", "full"]);
    assert_fails(checks(6), "address", &["192.168.3.14 is claimed by", "one address"]);
    assert_fails(
        &report["cluster-checks"],
        "addresses",
        &["192.168.3.14", "kraken-4", "kraken-6", "two cards"],
    );
    for number in [2, 3, 4, 6] {
        let node = node(&report, number);
        let console = node["console"]
            .as_str()
            .unwrap_or_else(|| panic!("no console of node {number}"));
        assert!(fs::metadata(bench.path(console)).unwrap().len() > 1000, "{console}");
        assert!(!node["console-tail"].as_array().unwrap().is_empty());
    }
    assert!(bench.fingerprints() == before, "booting changed an image");
}

#[test]
fn full_boot_names_cards_that_cannot_be_members() {
    let bench = Bench::new("[cluster]\nnodes = 3\n");
    bench.build();
    const CERTIFICATES: &str = "/var/lib/docker/swarm/certificates";
    debugfs(&bench.image(2), &[format!("rm {CERTIFICATES}/swarm-node.key")]);
    let path = format!("{CERTIFICATES}/swarm-node.crt");
    let mut certificate = get(&bench.image(3), &path);
    let middle = certificate.iter().position(|byte| *byte == b'\n').unwrap() + 200;
    certificate[middle] = if certificate[middle] == b'A' { b'B' } else { b'A' };
    put(&bench.image(3), &path, &certificate, 0o644, 0);
    let (code, report) = bench.boot(&["images"]);
    assert_eq!(code, 3);
    assert_all_passed(&node(&report, 1)["checks"], &["docker", "swarm-node"]);
    for number in [2, 3] {
        assert_fails(&node(&report, number)["checks"], "swarm-node", &["certificate"]);
    }
}

#[test]
fn qemu_boot_leaves_nothing_when_it_is_stopped_or_killed() {
    let bench = Bench::new("[cluster]\nnodes = 2\n[swarm]\nmode = \"none\"\n[docker]\npackages = []\n");
    bench.build();
    let cache = bench.path("cache");
    fs::create_dir_all(cache.join("tmp")).unwrap();
    for (signal, code) in [("INT", Some(130)), ("KILL", None)] {
        let mut process = bench
            .program(&["verify", "--boot", "images", "--consoles", "consoles"])
            .env("KRAKEN_FLASH_CACHE", &cache)
            .env("TMPDIR", cache.join("tmp"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let end = Instant::now() + Duration::from_secs(300);
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
        std::thread::sleep(Duration::from_secs(5));
        run(Command::new("kill").args([&format!("-{signal}"), &process.id().to_string()]));
        assert_eq!(process.wait().unwrap().code(), code, "after SIG{signal}");
        let end = Instant::now() + Duration::from_secs(15);
        while !traces(&cache).is_empty() {
            assert!(Instant::now() < end, "left after SIG{signal}: {:#?}", traces(&cache));
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

#[test]
fn full_boot_of_the_kraken_of_seven() {
    let bench = Bench::new("");
    let (code, report) = bench.boot(&["--base", "debian", "--html", "report.html"]);
    assert_eq!(report["nodes"].as_array().unwrap().len(), 7);
    assert_is_a_swarm(&report, 7);
    assert_eq!(code, 0);
}
