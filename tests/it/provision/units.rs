//! Our units beside Docker's, as systemd reads them: no key that it does not know, and no unit that
//! waits for itself.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use kraken_overlay::{Kind, Overlay, Volume};
use kraken_spec::{DockerSource, SwarmMode};

use super::run;
use testkit::images::{Disk, bookworm, bullseye, kraken, make, text, trixie};

/// The order in Docker's units: docker.io 20.10 (Debian 12), 26.1 (Debian 13), docker-ce 28 and 29.
const DOCKERS: [(&str, &str); 3] = [
    (
        "20.10",
        "After=network-online.target docker.socket firewalld.service containerd.service\nWants=network-online.target containerd.service\nRequires=docker.socket\n",
    ),
    (
        "26.1",
        "After=network-online.target docker.socket firewalld.service containerd.service time-set.target\nWants=network-online.target containerd.service\nRequires=docker.socket\n",
    ),
    (
        "28 and 29",
        "After=network-online.target nss-lookup.target docker.socket firewalld.service containerd.service time-set.target\nWants=network-online.target containerd.service\nRequires=docker.socket\n",
    ),
];

/// Copies the root volume's units into a folder of the host, with those that are enabled.
fn lay(overlay: &Overlay, folder: &Path) {
    for (volume, path, entry) in overlay.iter() {
        let Some(name) = path.as_str().strip_prefix("/etc/systemd/system/") else {
            continue;
        };
        let place = folder.join(name);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        match &entry.kind {
            Kind::File(bytes) if volume == Volume::Root => fs::write(place, bytes.read().unwrap()).unwrap(),
            Kind::Symlink(target) => symlink(OsStr::from_bytes(target), place).unwrap(),
            _ => {}
        }
    }
}

/// Writes Docker's units, enabled as after the first boot.
fn docker(folder: &Path, order: &str) {
    for (name, text) in [
        (
            "docker.service",
            format!("[Unit]\n{order}[Service]\nType=notify\nExecStart=/bin/true\n"),
        ),
        (
            "docker.socket",
            "[Socket]\nListenStream=/run/docker.sock\nSocketGroup=root\n".to_owned(),
        ),
        (
            "containerd.service",
            "[Unit]\nAfter=network.target local-fs.target dbus.service\n[Service]\nType=notify\nExecStart=/bin/true\n"
                .to_owned(),
        ),
    ] {
        fs::write(folder.join(name), text).unwrap();
        let target = if name.ends_with(".socket") {
            "sockets"
        } else {
            "multi-user"
        };
        let wants = folder.join(format!("{target}.target.wants"));
        fs::create_dir_all(&wants).unwrap();
        symlink(folder.join(name), wants.join(name)).unwrap();
    }
}

/// Returns systemd's complaints about these units.
fn faults(folder: &Path) -> Vec<String> {
    let units = format!(
        "SYSTEMD_UNIT_PATH={}:/usr/lib/systemd/system:/lib/systemd/system",
        folder.display()
    );
    let mut args = vec![
        units,
        "systemd-analyze".to_owned(),
        "verify".to_owned(),
        "--man=no".to_owned(),
        "multi-user.target".to_owned(),
    ];
    let ours = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    args.extend(
        ours.filter(|path| path.is_file())
            .map(|path| path.display().to_string()),
    );
    let args: Vec<&std::ffi::OsStr> = args.iter().map(std::convert::AsRef::as_ref).collect();
    let (_, text) = run("env", &args, "systemd");
    // A program that only the node has is not a fault of the unit; complaints about the machine's
    // own units do not count.
    let of_ours = |line: &&str| {
        ["kraken", "docker", "containerd", "cycle"]
            .iter()
            .any(|word| line.contains(word))
    };
    text.lines()
        .filter(of_ours)
        .filter(|line| !line.contains("is not executable"))
        .map(str::to_owned)
        .collect()
}

fn baked(mut disk: Disk) -> Disk {
    disk.root
        .file(
            "/var/lib/kraken-flash/packages.json",
            *br#"{"packages": [], "files": []}"#,
        )
        .file("/usr/bin/python3", *b"ELF");
    disk
}

#[test]
fn systemd_takes_all_units_and_none_waits_for_itself() {
    let mut cluster = kraken();
    cluster.docker.source = DockerSource::Debian;
    cluster.swarm.mode = SwarmMode::Baked;
    cluster.system.packages_on_first_boot = vec!["htop".to_owned()];
    cluster.system.locale = "en_GB.UTF-8".to_owned();
    for (disk, (version, order)) in [trixie(), bookworm(), bullseye()].map(baked).iter().zip(DOCKERS) {
        let folder = tempfile::tempdir().unwrap();
        lay(&make(disk, &cluster, 1).common, folder.path());
        for unit in [
            "kraken-configure.service",
            "kraken-swarm.service",
            "kraken-status.service",
            "kraken-host-keys.service",
        ] {
            assert!(folder.path().join(unit).is_file(), "{unit}");
        }
        docker(folder.path(), order);
        assert_eq!(faults(folder.path()), [""; 0], "Docker {version}");
        // The oracle sees a cycle: sockets are started before all services.
        let unit = folder.path().join("kraken-configure.service");
        let text = fs::read_to_string(&unit).unwrap();
        fs::write(
            &unit,
            text.replace("Before=docker.service", "Before=docker.socket docker.service"),
        )
        .unwrap();
        assert!(
            faults(folder.path()).iter().any(|line| line.contains("ordering cycle")),
            "Docker {version}"
        );
    }
}

#[test]
fn what_runs_while_packages_are_configured_has_no_limit_and_an_end_of_its_own() {
    let mut cluster = kraken();
    cluster.docker.source = DockerSource::Debian;
    let folder = tempfile::tempdir().unwrap();
    lay(&make(&baked(trixie()), &cluster, 1).common, folder.path());
    let unit = fs::read_to_string(folder.path().join("kraken-configure.service")).unwrap();
    for line in [
        "TimeoutStartSec=infinity",
        "ExecStopPost=-/usr/local/lib/kraken-flash/configure end",
    ] {
        assert!(unit.lines().any(|got| got == line), "{line} not in {unit}");
    }
}

#[test]
fn packages_from_the_network_are_installed_after_what_a_power_cut_left_half_done() {
    let mut cluster = kraken();
    cluster.system.packages_on_first_boot = vec!["htop".to_owned(), "vim-tiny".to_owned()];
    let common = make(&bookworm(), &cluster, 1).common;
    let folder = tempfile::tempdir().unwrap();
    let script = text(&common, Volume::Root, "/usr/local/lib/kraken-flash/packages");
    fs::write(folder.path().join("packages"), script).unwrap();
    // apt refuses to install while a package is half configured.
    for (name, lines) in [
        ("dpkg", "echo \"dpkg $*\" >> calls\nrm -f half"),
        (
            "apt-get",
            "echo \"apt-get $*\" >> calls\n[ \"$1\" = update ] || [ ! -e half ]",
        ),
        (
            "rm",
            "[ \"$2\" != half ] || exec /bin/rm -f half\necho \"rm $*\" >> calls",
        ),
    ] {
        let place = folder.path().join(name);
        fs::write(&place, format!("#!/bin/sh\n{lines}\n")).unwrap();
        fs::set_permissions(&place, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    fs::write(folder.path().join("half"), "").unwrap();
    let status = std::process::Command::new("dash")
        .arg("packages")
        .current_dir(folder.path())
        .env("PATH", format!("{}:/usr/bin:/bin", folder.path().display()))
        .status()
        .unwrap();
    let calls = fs::read_to_string(folder.path().join("calls")).unwrap();
    assert!(status.success(), "{calls}");
    let calls: Vec<_> = calls.lines().collect();
    assert_eq!(calls[0], "dpkg --configure -a --force-confdef --force-confold");
    let options = "-o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold";
    assert_eq!(
        calls[2],
        format!("apt-get install -y --no-install-recommends {options} -- htop vim-tiny")
    );
    assert_eq!(
        calls[3],
        "rm -f /etc/systemd/system/multi-user.target.wants/kraken-packages.service"
    );
}
