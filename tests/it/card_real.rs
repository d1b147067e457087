//! The guard, with devices that this machine really has: loop devices that are mounted, used as
//! swap, stacked, hidden in another namespace.
//!
//! Needs root, loop devices, btrfs, XFS, and Debian's e2fsprogs, btrfs-progs, xfsprogs, fdisk,
//! util-linux. Where a kernel has no zram, that test prints so.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use kraken_flash::card::{self, Bus, Device, FindError, HolderKind, Host, Identity, Policy, Verdict};
use tempfile::TempDir;
use testkit::{output, run};

/// All permissions that options can give.
const EVERYTHING: Policy = Policy {
    needed: None,
    allow_fixed: true,
    allow_large: true,
    unmount: true,
};

/// An action that is undone in every case, the latest first, in the order in which fields of a test
/// are dropped.
struct Undo(Vec<String>);

impl Undo {
    fn with(words: &[&str]) -> Self {
        Self(words.iter().map(|word| (*word).to_owned()).collect())
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        let _ = Command::new(&self.0[0])
            .args(&self.0[1..])
            .stderr(Stdio::null())
            .status();
    }
}

/// A scratch folder, and the things that were made in it; they are undone from the last to the
/// first.
struct Bench {
    undo: Vec<Undo>,
    folder: TempDir,
}

impl Drop for Bench {
    fn drop(&mut self) {
        while let Some(last) = self.undo.pop() {
            drop(last);
        }
    }
}

impl Bench {
    fn new() -> Self {
        Self {
            undo: Vec::new(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn image(&self, name: &str, mib: u64) -> PathBuf {
        let path = self.at(name);
        File::create(&path).unwrap().set_len(mib << 20).unwrap();
        path
    }

    /// Makes a loop device over a file, or over a device.
    fn attach(&mut self, file: &Path, options: &[&str]) -> PathBuf {
        let said = run(Command::new("losetup")
            .args(["--find", "--show"])
            .args(options)
            .arg(file));
        let device = said.trim().to_owned();
        self.undo.push(Undo::with(&["losetup", "-d", &device]));
        device.into()
    }

    fn mount(&mut self, device: &Path, name: &str, options: &[&str]) -> PathBuf {
        let point = self.at(name);
        fs::create_dir_all(&point).unwrap();
        run(Command::new("mount").args(options).arg(device).arg(&point));
        self.undo.push(Undo::with(&["umount", point.to_str().unwrap()]));
        point
    }

    fn swap_on(&mut self, area: &Path) {
        run(Command::new("mkswap").arg("-q").arg(area));
        run(Command::new("swapon").arg(area));
        self.undo.push(Undo::with(&["swapoff", area.to_str().unwrap()]));
    }

    /// Undoes the last action now.
    fn undo(&mut self) {
        self.undo.pop();
    }
}

fn find(path: &Path) -> Device {
    card::find(&Host::system(), path).unwrap_or_else(|error| panic!("{error}"))
}

fn judged(path: &Path) -> Verdict {
    card::judge(&find(path), &EVERYTHING)
}

/// Returns the kinds of the refusals when everything is allowed.
fn refused(path: &Path) -> Vec<&'static str> {
    judged(path).refusals.iter().map(card::Reason::kind).collect()
}

fn ext4(device: &Path, label: &str) {
    run(Command::new("mkfs.ext4").args(["-q", "-F", "-L", label]).arg(device));
}

fn shown(points: &[card::HostPath]) -> Vec<&Path> {
    points.iter().map(card::HostPath::path).collect()
}

#[test]
fn root_a_mounted_loop_device_is_refused_until_it_is_unmounted() {
    let mut bench = Bench::new();
    let file = bench.image("card.img", 64);
    let device = bench.attach(&file, &[]);
    ext4(&device, "data");
    let point = bench.mount(&device, "a b\tc", &[]);
    let found = find(&device);
    assert_eq!(found.bus, Bus::Loop);
    assert_eq!(found.size, 64 << 20);
    assert_eq!(found.backing_file.as_ref().map(card::HostPath::path), Some(&*file));
    assert_eq!(shown(&found.volume.mounts), [&*point]);
    assert_eq!(found.volume.file_system.as_deref(), Some("ext4"));
    assert_eq!(found.volume.label.as_deref(), Some("data"));
    assert_eq!(refused(&device), ["mounted"], "unmounting is for what can be taken out");
    assert!(judged(&device).unmount.is_empty());
    bench.undo();
    assert!(judged(&device).is_good());
    let plain = card::judge(&find(&device), &Policy::default());
    assert_eq!(plain.refusals[0].lifted_by(), Some(card::ALLOW_FIXED));
}

#[test]
fn root_swap_on_a_device_and_in_a_file_is_refused() {
    let mut bench = Bench::new();
    let file = bench.image("swap.img", 16);
    let device = bench.attach(&file, &[]);
    bench.swap_on(&device);
    assert!(find(&device).volume.swap);
    assert_eq!(refused(&device), ["swap"]);

    let file = bench.image("card.img", 64);
    let device = bench.attach(&file, &[]);
    ext4(&device, "");
    let point = bench.mount(&device, "card", &[]);
    let area = point.join("swapfile");
    run(Command::new("dd")
        .arg("if=/dev/zero")
        .arg(format!("of={}", area.display()))
        .args(["bs=1M", "count=8"]));
    run(Command::new("chmod").arg("600").arg(&area));
    bench.swap_on(&area);
    assert_eq!(shown(&find(&device).swaps), [&*area]);
    assert_eq!(refused(&device), ["swap", "mounted"]);
}

#[test]
fn root_both_devices_of_a_mounted_btrfs_are_refused() {
    let mut bench = Bench::new();
    let (first, second) = (bench.image("a.img", 160), bench.image("b.img", 160));
    let (first, second) = (bench.attach(&first, &[]), bench.attach(&second, &[]));
    run(Command::new("mkfs.btrfs")
        .args(["-q", "-f", "-L", "pair"])
        .args([&first, &second]));
    // Without udev the kernel does not learn of the second one.
    let both = format!("device={},device={}", first.display(), second.display());
    let point = bench.mount(&first, "pair", &["-o", &both]);
    for (device, other) in [(&first, &second), (&second, &first)] {
        let found = find(device);
        let holder = &found.holders[0];
        assert_eq!((holder.kind, holder.name.as_str()), (HolderKind::Btrfs, "pair"));
        assert_eq!(holder.with, [other.file_name().unwrap().to_str().unwrap()]);
        assert_eq!(shown(&holder.mounts), [&*point]);
        assert_eq!(refused(device), ["held"]);
    }
    bench.undo();
    assert!(judged(&first).is_good() && judged(&second).is_good());
}

/// A shell in a mount namespace of its own, with something mounted in it.
struct Elsewhere(Child);

impl Drop for Elsewhere {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

fn mount_elsewhere(device: &Path, point: &Path) -> Elsewhere {
    fs::create_dir_all(point).unwrap();
    let script = "mount \"$1\" \"$2\" && echo mounted && read -r _";
    let mut shell = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"])
        .args([device, point])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(shell.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "mounted\n");
    Elsewhere(shell)
}

#[test]
fn root_a_btrfs_that_is_mounted_in_another_namespace_is_seen() {
    let mut bench = Bench::new();
    let file = bench.image("a.img", 160);
    let device = bench.attach(&file, &[]);
    run(Command::new("mkfs.btrfs").args(["-q", "-f"]).arg(&device));
    let elsewhere = mount_elsewhere(&device, &bench.at("hidden"));
    assert!(find(&device).volume.mounts.is_empty());
    let verdict = judged(&device);
    assert!(verdict.refusals[0].to_string().contains("cannot see it"), "{verdict:?}");
    drop(elsewhere);
    assert!(judged(&device).is_good());
}

/// The limit of what can be read, and the kernel's own answer: an exclusive opening, which every
/// writer must do.
#[test]
fn root_an_ext4_in_another_namespace_is_found_by_the_exclusive_opening_only() {
    use std::os::unix::fs::OpenOptionsExt;
    let mut bench = Bench::new();
    let file = bench.image("a.img", 64);
    let device = bench.attach(&file, &[]);
    ext4(&device, "");
    let exclusive = || {
        let flags = rustix::fs::OFlags::EXCL.bits() as i32;
        fs::OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(flags)
            .open(&device)
    };
    let elsewhere = mount_elsewhere(&device, &bench.at("hidden"));
    assert!(judged(&device).is_good());
    assert_eq!(exclusive().unwrap_err().kind(), std::io::ErrorKind::ResourceBusy);
    drop(elsewhere);
    assert!(exclusive().is_ok());
}

#[test]
fn root_a_partitioned_device_shows_its_table_and_what_holds_it() {
    let mut bench = Bench::new();
    let file = bench.image("card.img", 128);
    let script = bench.at("script");
    fs::write(
        &script,
        "label: dos\nlabel-id: 0xa1b2c3d4\nsize=65536, type=c\ntype=83\n",
    )
    .unwrap();
    run(Command::new("sfdisk")
        .arg("-q")
        .arg(&file)
        .stdin(File::open(&script).unwrap()));
    let device = bench.attach(&file, &["-P"]);
    let part = |number: u32| PathBuf::from(format!("{}p{number}", device.display()));
    // A kernel that does not read partition tables itself gets the list of partitions from the
    // test.
    if !part(2).exists() {
        run(Command::new("partx").arg("--add").arg(&device));
    }
    ext4(&part(2), "photos");
    let found = find(&device);
    assert_eq!(
        found.table.as_ref().map(|table| (&*table.kind, table.id.as_deref())),
        Some(("dos", Some("a1b2c3d4")))
    );
    let numbers: Vec<(u32, u64)> = found.partitions.iter().map(|p| (p.number, p.size)).collect();
    assert_eq!(numbers[0], (1, 32 << 20));
    assert_eq!(found.partitions[1].part_uuid.as_deref(), Some("a1b2c3d4-02"));
    assert_eq!(found.labels(), ["photos"]);
    let verdict = judged(&device);
    assert!(verdict.is_good());
    assert!(
        verdict.warnings.iter().any(|reason| reason.kind() == "labels"),
        "{verdict:?}"
    );
    match card::find(&Host::system(), &part(2)) {
        Err(FindError::Partition { number: 2, disk, .. }) => assert_eq!(disk, device),
        other => panic!("{other:?}"),
    }

    let upper = bench.attach(&part(2), &[]);
    let found = find(&device);
    assert_eq!(found.holders[0].path.as_deref(), Some(&*upper));
    assert_eq!(refused(&device), ["held"]);
    let point = bench.mount(&upper, "upper", &[]);
    assert_eq!(shown(&find(&device).holders[0].mounts), [&*point]);
    assert_eq!(refused(&device), ["held"]);
}

#[test]
fn root_a_device_with_an_image_in_use_on_it_is_refused() {
    let mut bench = Bench::new();
    let file = bench.image("card.img", 96);
    let device = bench.attach(&file, &[]);
    ext4(&device, "");
    let point = bench.mount(&device, "card", &[]);
    let inner = point.join("inner.img");
    File::create(&inner).unwrap().set_len(16 << 20).unwrap();
    let upper = bench.attach(&inner, &[]);
    let found = find(&device);
    assert_eq!(found.holders[0].kind, HolderKind::Loop);
    assert_eq!(found.holders[0].path.as_deref(), Some(&*upper));
    assert_eq!(refused(&device), ["held", "mounted"]);
}

#[test]
fn root_the_log_of_an_xfs_counts_as_mounted() {
    let mut bench = Bench::new();
    let (data, log) = (bench.image("data.img", 400), bench.image("log.img", 128));
    let (data, log) = (bench.attach(&data, &[]), bench.attach(&log, &[]));
    run(Command::new("mkfs.xfs")
        .args(["-q", "-f", "-l"])
        .arg(format!("logdev={},size=100m", log.display()))
        .arg(&data));
    let point = bench.mount(&data, "data", &["-o", &format!("logdev={}", log.display())]);
    assert_eq!(shown(&find(&log).mounts()), [&*point]);
    assert_eq!(refused(&log), ["mounted"]);
}

#[test]
fn root_a_read_only_device_is_refused_and_another_file_is_another_device() {
    let mut bench = Bench::new();
    let (first, second) = (bench.image("a.img", 16), bench.image("b.img", 16));
    let device = bench.attach(&first, &["-r"]);
    assert_eq!(refused(&device), ["read-only"]);
    let identity = Identity::of(&find(&device));
    assert_eq!(identity.check(&find(&device)), Ok(()));
    bench.undo();
    run(Command::new("losetup").arg(&device).arg(&second));
    bench
        .undo
        .push(Undo::with(&["losetup", "-d", device.to_str().unwrap()]));
    let swapped = identity.check(&find(&device)).unwrap_err();
    assert!(swapped.to_string().contains("disk sequence number"), "{swapped}");
}

#[test]
fn root_swap_in_compressed_memory_is_seen() {
    let control = Path::new("/sys/class/zram-control/hot_add");
    let Ok(number) = fs::read_to_string(control) else {
        println!("this kernel has no zram");
        return;
    };
    let number = number.trim();
    let device = PathBuf::from(format!("/dev/zram{number}"));
    let mut bench = Bench::new();
    let remove = format!("echo {number} > /sys/class/zram-control/hot_remove");
    bench.undo.push(Undo::with(&["sh", "-c", &remove]));
    fs::write(format!("/sys/block/zram{number}/disksize"), "16M").unwrap();
    bench.swap_on(&device);
    assert_eq!(find(&device).bus, Bus::Zram);
    assert_eq!(refused(&device), ["swap", "block-size"]);
}

#[test]
fn root_the_systems_own_disk_is_refused_whatever_is_allowed() {
    let devices = card::list(&Host::system()).unwrap();
    let known = devices.iter().filter(|device| !device.system.is_empty());
    for device in known {
        assert_eq!(card::judge(device, &EVERYTHING).refusals[0].kind(), "system");
    }
    let unknown = devices.iter().all(|device| device.system_unknown.is_some());
    assert!(
        unknown || devices.iter().any(|device| !device.system.is_empty()),
        "{devices:?}"
    );
    let mut bench = Bench::new();
    let file = bench.image("a.img", 16);
    let device = bench.attach(&file, &[]);
    let listed = output(Command::new(env!("CARGO_BIN_EXE_kraken-flash")).args(["devices", "--all"]));
    let said = testkit::said(&listed);
    assert!(
        listed.status.success() && said.contains(&format!("{}: 16.7 MB", device.display())),
        "{said}"
    );
}

/// As in a container or a live system: the root is an overlay, and the table of mounts does not
/// list its devices.
#[test]
fn root_under_an_overlay_whose_layers_are_hidden_the_systems_disk_is_not_taken_for_free() {
    if !fs::read_to_string("/proc/filesystems").unwrap().contains("\toverlay\n") {
        println!("this kernel has no overlayfs");
        return;
    }
    let mut bench = Bench::new();
    let file = bench.image("a.img", 16);
    let device = bench.attach(&file, &[]);
    let script = "set -e; mount -t tmpfs tmpfs \"$1\"; mkdir \"$1/up\" \"$1/work\" \"$1/root\"
        mount -t overlay overlay -o lowerdir=/,upperdir=\"$1/up\",workdir=\"$1/work\" \"$1/root\"
        for folder in proc sys dev; do mount --rbind /$folder \"$1/root/$folder\"; done
        exec chroot \"$1/root\" \"$2\" devices --json";
    let scratch = bench.at("scratch");
    fs::create_dir(&scratch).unwrap();
    let listed = output(
        Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"])
            .args([&*scratch, Path::new(env!("CARGO_BIN_EXE_kraken-flash"))]),
    );
    assert!(listed.status.success(), "{}", testkit::said(&listed));
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    let devices = listed["devices"].as_array().unwrap();
    let own = |found: &&serde_json::Value| found["path"] == device.to_str().unwrap();
    let mut seen = 0;
    for found in devices {
        let refusals = found["verdict"]["refusals"].as_array().unwrap();
        let guarded = refusals
            .iter()
            .any(|refusal| ["system", "system-unknown"].contains(&refusal["kind"].as_str().unwrap()));
        assert!(guarded, "{found}");
        seen += 1;
    }
    assert!(seen > 0);
    let ours = &devices.iter().find(own).expect("the loop device")["verdict"]["refusals"][0];
    assert_eq!(ours["lifted-by"], card::ALLOW_FIXED, "{ours}");
}
