//! The base `debian`: composed once (then taken from the cache), sound, and like Raspberry Pi OS
//! where it matters.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kraken_fetch::Cache;
use kraken_flash::base::debian;
use kraken_foundation::Job;
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::progress::Silent;
use testkit::tools::require;

const MIB: u64 = 1 << 20;

fn base() -> PathBuf {
    let cache = Cache::open(None).unwrap();
    debian::obtain(
        cache.root(),
        &debian::Release::TRIXIE,
        false,
        Job::new(&Silent, &Interrupt::new()),
    )
    .unwrap_or_else(|error| panic!("{error}"))
}

/// Runs a checker of the host, which must find nothing.
fn clean(program: &str, arguments: &[&str], file: &Path) {
    let output = Command::new(program)
        .env("PATH", std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin")
        .args(arguments)
        .arg(file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {}\n{said}", output.status);
}

/// Copies a file system out of the image, with its holes.
fn cut(image: &Path, to: &Path, skip_mib: u64, count_mib: u64) {
    let status = Command::new("dd")
        .arg(format!("if={}", image.display()))
        .arg(format!("of={}", to.display()))
        .args(["bs=1M", "conv=sparse", "status=none", "iflag=fullblock"])
        .args([format!("skip={skip_mib}"), format!("count={count_mib}")])
        .status()
        .unwrap();
    assert!(status.success());
    fs::File::options()
        .write(true)
        .open(to)
        .unwrap()
        .set_len(count_mib * MIB)
        .unwrap();
}

/// Runs a command of debugfs(8).
fn debugfs(file_system: &Path, request: &str) -> String {
    let output = Command::new("debugfs")
        .env("PATH", std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin")
        .args(["-R", request])
        .arg(file_system)
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn root_the_base_is_sound_and_like_raspberry_pi_os() {
    require(&[
        ("debugfs", "e2fsprogs"),
        ("fsck.fat", "dosfstools"),
        ("sfdisk", "fdisk"),
        ("mcopy", "mtools"),
    ]);
    let image = base();
    let folder = tempfile::tempdir().unwrap();
    let (boot, root) = (folder.path().join("boot.fs"), folder.path().join("root.fs"));
    cut(&image, &boot, 8, 512);
    cut(&image, &root, 520, 1480);

    assert_eq!(fs::metadata(&image).unwrap().len(), 2000 * MIB);
    clean("sfdisk", &["--verify", "--quiet"], &image);
    clean("fsck.fat", &["-n"], &boot);
    clean("e2fsck", &["-fn"], &root);

    the_packages_are_all_installed(&root);
    nothing_of_this_machine_is_left(&root);
    for (path, wanted) in [
        ("/etc/hostname", "raspberrypi"),
        ("/etc/fstab", "/boot/firmware  vfat"),
        (
            "/etc/cloud/cloud.cfg.d/99_raspberry-pi.cfg",
            "seedfrom: file:///boot/firmware",
        ),
        ("/etc/netplan/00-network-manager-all.yaml", "renderer: NetworkManager"),
    ] {
        assert!(
            debugfs(&root, &format!("cat {path}")).contains(wanted),
            "{path} lacks {wanted:?}"
        );
    }
    // No first boot (machine-id(5)), and no id that all nodes would share.
    let id = debugfs(&root, "stat /etc/machine-id");
    assert!(id.contains("Type: regular") && id.contains("Size: 0"), "{id}");
    let hold = debugfs(&root, "ls /etc/systemd/system/multi-user.target.wants");
    assert!(hold.contains("regenerate_ssh_host_keys.service"), "{hold}");
    assert!(!hold.contains(" ssh.service"), "the SSH server is on: {hold}");
    assert!(
        !debugfs(&root, "ls /etc/ssh").contains("ssh_host_"),
        "there are host keys"
    );

    let files = Command::new("mdir")
        .args(["-b", "-i"])
        .arg(&boot)
        .arg("::/")
        .output()
        .unwrap();
    let files = String::from_utf8_lossy(&files.stdout).into_owned();
    for name in [
        "bootcode.bin",
        "start.elf",
        "fixup.dat",
        "config.txt",
        "cmdline.txt",
        "kernel8.img",
        "initramfs8",
        "bcm2710-rpi-3-b.dtb",
        "user-data",
        "meta-data",
        "network-config",
    ] {
        assert!(files.lines().any(|line| line.ends_with(name)), "no {name} in:\n{files}");
    }
}

fn the_packages_are_all_installed(root: &Path) {
    let status = debugfs(root, "cat /var/lib/dpkg/status");
    let states: Vec<&str> = status
        .lines()
        .filter_map(|line| line.strip_prefix("Status: "))
        .collect();
    assert!(states.len() > 150, "{} packages only", states.len());
    assert!(
        states.iter().all(|state| *state == "install ok installed"),
        "{states:?}"
    );
    assert!(!status.contains("\nTriggers-Pending:"), "a trigger was not run");
}

fn nothing_of_this_machine_is_left(root: &Path) {
    assert!(
        !debugfs(root, "cat /var/lib/dpkg/diversions").contains(".emulated"),
        "a diversion is left"
    );
    for (folder, name) in [
        ("/", ".native"),
        ("/usr/lib", "x86_64-linux-gnu"),
        ("/usr/bin", ".emulated"),
        ("/usr/sbin", "policy-rc.d"),
        ("/usr/sbin", "start-stop-daemon.REAL"),
        ("/etc/apt/apt.conf.d", "00host"),
        ("/etc/dpkg/dpkg.cfg.d", "00host"),
    ] {
        let list = debugfs(root, &format!("ls {folder}"));
        assert!(!list.is_empty() && !list.contains(name), "{folder} has {name}");
    }
}
