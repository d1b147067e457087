//! Images in memory, with the files that provisioning reads, and a cluster to put on them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use kraken_disk::{FileTree, MemoryTree};
use kraken_foundation::Sha256Hash;
use kraken_foundation::mac::Mac;
use kraken_image::base::OsImage;
use kraken_image::provision::{self, Assets, Context, Rejoin};
use kraken_overlay::{EntryPath, Kind, Overlay, Volume};
use kraken_spec::{
    Apt, Availability, BaseRef, Board, Cluster, Docker, DockerSource, Image, InterfaceChoice, Keyboard, Network, Node,
    NodeId, Role, SecretText, Sudo, Swarm, SwarmMode, System, User,
};
use kraken_swarm_state::ClusterKeys;

pub const FLOOR: i64 = 1_767_225_600; // 2026-01-01
pub const HASH: &str = "$y$j9T$abcdefgh$0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";

/// An image: its two volumes.
pub struct Disk {
    pub boot: MemoryTree,
    pub root: MemoryTree,
}

impl Disk {
    pub fn os(&self) -> OsImage {
        OsImage::read(&self.boot, &self.root, FLOOR).unwrap()
    }

    /// Runs `work` with a context over this image.
    pub fn with<T>(&self, cluster: &Cluster, work: impl FnOnce(&Context<'_>) -> T) -> T {
        let os = self.os();
        work(&Context {
            cluster,
            os: &os,
            boot: &self.boot,
            root: &self.root,
            clock_floor: FLOOR,
            base_sha256: Sha256Hash([0; 32]),
            keys: Some(&ClusterKeys::from_seed([7; 32])),
            rejoin: Rejoin::No,
        })
    }

    /// Writes an overlay over the image.
    pub fn lay(&mut self, overlay: &Overlay) {
        for (volume, path, entry) in overlay.iter() {
            let tree = match volume {
                Volume::Boot => &mut self.boot,
                Volume::Root => &mut self.root,
            };
            match &entry.kind {
                Kind::File(bytes) => tree.file(path.as_str(), bytes.read().unwrap()),
                Kind::Directory => tree.directory(path.as_str()),
                Kind::Symlink(target) => tree.symlink(path.as_str(), std::str::from_utf8(target).unwrap()),
                Kind::Absent => tree.remove(path.as_str()),
                // Removed after everything in it.
                Kind::AbsentIfEmpty => continue,
                Kind::HardLink(_) | Kind::DirectoryIfMissing | Kind::Node(_) => panic!("{path}: packages bring these"),
            };
            tree.set_attributes(path.as_str(), entry.mode, entry.uid, entry.gid, entry.mtime);
        }
        let all: Vec<_> = overlay.iter().collect();
        for (_, path, entry) in all.iter().rev() {
            if entry.kind == Kind::AbsentIfEmpty {
                self.root.remove(path.as_str());
            }
        }
    }

    /// Returns the image after a life as a person's machine, as far as files show it: booted, with
    /// keys and logs, the person's networks, a swarm. No account.
    pub fn lived(mut self) -> Self {
        for path in MACHINES_OWN {
            self.root.file(path, *b"of one machine\n");
        }
        self.root
            .file("/etc/machine-id", *b"0123456789abcdef0123456789abcdef\n")
            .file(
                "/var/lib/NetworkManager/NetworkManager.state",
                *b"[main]\nWirelessEnabled=false\n",
            )
            .file("/var/lib/systemd/timesync/clock", *b"")
            .symlink("/var/lib/cloud/instance", "/var/lib/cloud/instances/x");
        self
    }
}

/// Files that belong to one machine.
pub const MACHINES_OWN: [&str; 24] = [
    "/etc/NetworkManager/system-connections/home.nmconnection",
    "/etc/docker/key.json",
    "/etc/dhcpcd.duid",
    "/etc/netplan/90-NM-0a1b.yaml",
    "/etc/ssh/ssh_host_ecdsa_key",
    "/etc/ssh/ssh_host_ecdsa_key.pub",
    "/etc/ssh/ssh_host_ed25519_key",
    "/etc/ssh/ssh_host_ed25519_key.pub",
    "/var/lib/NetworkManager/internal-0a1b-eth0.lease",
    "/var/lib/NetworkManager/secret_key",
    "/var/lib/NetworkManager/timestamps",
    "/var/lib/cloud/data/instance-id",
    "/var/lib/cloud/instances/x/user-data.txt",
    "/var/lib/dbus/machine-id",
    "/var/lib/dhcp/dhclient.leases",
    "/var/lib/dhcpcd/eth0.lease",
    "/var/lib/docker/engine-id",
    "/var/lib/docker/swarm/raft/wal-v3-encrypted/0000000000000005-0000000000000123.wal",
    "/var/lib/systemd/credential.secret",
    "/var/lib/systemd/random-seed",
    "/var/lib/tailscale/tailscaled.state",
    "/var/log/apt/history.log",
    "/var/log/journal/0123456789abcdef0123456789abcdef/system.journal",
    "/var/swap",
];

impl Disk {
    /// Replaces a file of the root volume, or appends lines to it.
    pub fn append(&mut self, path: &str, lines: &str) -> &mut Self {
        let mut text = self.root.read(path, 1 << 20).unwrap().unwrap_or_default();
        text.extend_from_slice(lines.as_bytes());
        self.root.file(path, text);
        self
    }
}

fn elf(class: u8, machine: u16, flags: u32) -> Vec<u8> {
    let mut bytes = vec![0; 64];
    bytes[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, 1]);
    bytes[18..20].copy_from_slice(&machine.to_le_bytes());
    bytes[36..40].copy_from_slice(&flags.to_le_bytes());
    bytes
}

fn status(packages: &[(&str, &str)]) -> String {
    packages.iter().fold(String::new(), |all, (name, version)| {
        all + &format!("Package: {name}\nStatus: install ok installed\nVersion: {version}\nDescription: x\n more\n\n")
    })
}

fn debian(codename: &str, packages: &[(&str, &str)], cmdline: &str) -> Disk {
    let (mut boot, mut root) = (MemoryTree::new(), MemoryTree::new());
    boot.file("/cmdline.txt", format!("{cmdline}\n").into_bytes());
    let release = format!("PRETTY_NAME=\"Debian GNU/Linux ({codename})\"\nID=debian\nVERSION_CODENAME={codename}\n");
    let passwd = "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/usr/sbin/nologin\n\
                  systemd-timesync:x:991:991::/:/usr/sbin/nologin\npi:x:1000:1000:,,,:/home/pi:/bin/bash\n";
    let group = "root:x:0:\nadm:x:4:pi\ndialout:x:20:\nsudo:x:27:pi\nvideo:x:44:\nusers:x:100:\nnetdev:x:101:\n\
                 systemd-timesync:x:991:\nshadow:x:42:\npi:x:1000:\n";
    root.symlink("/bin", "usr/bin")
        .symlink("/lib", "usr/lib")
        .symlink("/sbin", "usr/sbin")
        .symlink("/etc/os-release", "../usr/lib/os-release")
        .file("/usr/lib/os-release", release.into_bytes())
        .file("/usr/bin/dpkg", elf(2, 183, 0))
        .file("/var/lib/dpkg/status", status(packages).into_bytes())
        .file("/etc/passwd", passwd.as_bytes())
        .file("/etc/group", group.as_bytes())
        .file("/etc/shadow", *b"root:*:20000:0:99999:7:::\npi:!:20000:0:99999:7:::\n")
        .file("/etc/gshadow", *b"root:*::\nadm:*::pi\nsudo:*::pi\npi:!::\n")
        .file("/etc/subuid", *b"pi:100000:65536\n")
        .file("/etc/subgid", *b"pi:100000:65536\n")
        .file("/etc/sudoers", *b"%sudo ALL=(ALL:ALL) ALL\n")
        .file(
            "/etc/hosts",
            *b"127.0.0.1\tlocalhost\n127.0.1.1\traspberrypi\n::1\tlocalhost ip6-localhost\n",
        )
        .file("/etc/hostname", *b"raspberrypi\n")
        .file("/etc/machine-id", *b"uninitialized\n")
        .file("/etc/skel/.bashrc", *b"# bashrc\n")
        .file("/etc/skel/.profile", *b"# profile\n")
        .file("/usr/share/zoneinfo/Etc/UTC", *b"TZif2")
        .file("/usr/share/zoneinfo/Europe/Berlin", *b"TZif2")
        .file("/usr/sbin/locale-gen", *b"#!/bin/sh\n")
        .file("/etc/locale.gen", *b"# en_GB.UTF-8 UTF-8\n")
        .file(
            "/usr/share/i18n/SUPPORTED",
            *b"C.UTF-8 UTF-8\naa_ER UTF-8\nca_ES.UTF-8 UTF-8\nca_ES ISO-8859-1\nca_ES@valencia UTF-8\nde_AT.UTF-8 UTF-8\n\
              de_DE.UTF-8 UTF-8\nde_DE@euro ISO-8859-15\nen_GB.UTF-8 UTF-8\nen_GB ISO-8859-1\n",
        )
        .file("/usr/lib/systemd/system/ssh.service", *b"[Unit]\n")
        .file("/usr/lib/systemd/system/getty@.service", *b"[Unit]\n")
        .set_attributes("/etc/shadow", 0o640, 0, 42, 0)
        .set_attributes("/etc/gshadow", 0o640, 0, 42, 0);
    Disk { boot, root }
}

fn fstab(disk: &mut Disk, mount: &str) {
    let text = format!("proc /proc proc defaults 0 0\nPARTUUID=1-01 {mount} vfat defaults 0 2\n");
    disk.root.file("/etc/fstab", text.into_bytes());
}

fn wanted(disk: &mut Disk, unit: &str) {
    let link = format!("/etc/systemd/system/multi-user.target.wants/{unit}");
    disk.root.symlink(&link, &format!("/lib/systemd/system/{unit}"));
}

/// Raspberry Pi OS Trixie, or our Debian: cloud-init, netplan, NetworkManager.
pub fn trixie() -> Disk {
    let packages = [
        ("cloud-init", "25.1.4-1"),
        ("netplan.io", "1.1.2"),
        ("network-manager", "1.52.1"),
    ];
    let cmdline =
        "console=serial0,115200 console=tty1 root=PARTUUID=1-02 rootfstype=ext4 fsck.repair=yes rootwait resize";
    let mut disk = debian("trixie", &packages, cmdline);
    fstab(&mut disk, "/boot/firmware");
    wanted(&mut disk, "NetworkManager.service");
    let config = "datasource:\n  NoCloud:\n    seedfrom: file:///boot/firmware\n";
    disk.root
        .file(
            "/usr/lib/systemd/system-generators/cloud-init-generator",
            *b"#!/bin/sh\n",
        )
        .file("/etc/cloud/cloud.cfg.d/99_raspberry-pi.cfg", config.as_bytes());
    disk.boot
        .file("/user-data", *b"#cloud-config\n# nothing\n")
        .file("/meta-data", *b"dsmode: local\ninstance_id: rpios-image\n")
        .file("/network-config", *b"# nothing\n");
    disk
}

/// Raspberry Pi OS Bookworm: NetworkManager, no cloud-init.
pub fn bookworm() -> Disk {
    let packages = [
        ("network-manager", "1.42.4-1+rpt1"),
        ("raspberrypi-sys-mods", "20240424"),
    ];
    let cmdline = "console=tty1 root=PARTUUID=1-02 rootwait quiet init=/usr/lib/raspberrypi-sys-mods/firstboot";
    let mut disk = debian("bookworm", &packages, cmdline);
    fstab(&mut disk, "/boot/firmware");
    wanted(&mut disk, "NetworkManager.service");
    wanted(&mut disk, "userconfig.service");
    disk.root
        .file("/etc/rpi-issue", *b"Raspberry Pi reference 2024-07-04\n");
    disk
}

/// Raspberry Pi OS Bullseye: dhcpcd, `/boot`, fake-hwclock, armhf, and `pi` with its well-known
/// password.
pub fn bullseye() -> Disk {
    let packages = [("dhcpcd5", "1:8.1.2"), ("raspberrypi-sys-mods", "20210901")];
    let mut disk = debian("bullseye", &packages, "console=tty1 root=PARTUUID=1-02 rootwait quiet");
    fstab(&mut disk, "/boot");
    wanted(&mut disk, "dhcpcd.service");
    disk.root
        .file("/usr/bin/dpkg", elf(1, 40, 0x0500_0400))
        .file("/usr/sbin/fake-hwclock", *b"#!/bin/sh\n")
        .file(
            "/etc/shadow",
            *b"root:*:18000:0:99999:7:::\npi:$6$x$known:18000:0:99999:7:::\n",
        )
        .set_attributes("/etc/shadow", 0o644, 0, 42, 0)
        .file(
            "/etc/dhcpcd.conf",
            *b"hostname\ninterface eth9\nstatic ip_address=10.0.0.1/24\n",
        );
    disk
}

/// The default cluster of seven, with a fixed key.
pub fn kraken() -> Cluster {
    let nodes = (1..=7u8).map(|number| Node {
        id: NodeId {
            number: u32::from(number),
            hostname: format!("kraken-{number}"),
            address: Ipv4Addr::new(192, 168, 3, 10 + number),
            role: if number == 1 { Role::Manager } else { Role::Worker },
        },
        board: Board::Pi3,
        mac: Some(Mac([0xb8, 0x27, 0xeb, 0, 0, number])),
        labels: BTreeMap::new(),
        availability: Availability::Active,
    });
    Cluster {
        name: "kraken".to_owned(),
        network: Network {
            subnet: "192.168.3.0/24".parse().unwrap(),
            gateway: Ipv4Addr::new(192, 168, 3, 1),
            dns: vec!["192.168.3.1".parse().unwrap()],
            search: Vec::new(),
            interface: InterfaceChoice::Auto,
        },
        image: Image {
            base: BaseRef::Debian,
            sha256: None,
            catalogue: None,
            mirror: None,
            used: kraken_spec::UsedImage::Refuse,
        },
        user: User {
            name: "kraken".to_owned(),
            groups: ["adm", "sudo", "video", "netdev", "gpio"].map(str::to_owned).to_vec(),
            ssh_keys: vec![
                "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ me@desk".to_owned(),
            ],
            password_hash: None,
            sudo: Sudo::Nopasswd,
        },
        system: System {
            timezone: "Etc/UTC".to_owned(),
            locale: "C.UTF-8".to_owned(),
            keyboard: Keyboard::default(),
            packages: Vec::new(),
            debs: Vec::new(),
            packages_on_first_boot: Vec::new(),
            overlay: None,
            clock_floor: Some(FLOOR),
            status: true,
        },
        docker: Docker {
            source: DockerSource::None,
            ..Docker::default()
        },
        apt: Apt::default(),
        swarm: Swarm {
            mode: SwarmMode::None,
            keys_file: "kraken.keys".into(),
            address_pools: Vec::new(),
            pool_avoids: None,
            subnet_size: 24,
            data_port: 4789,
        },
        nodes: nodes.collect(),
    }
}

/// A combination of options.
pub struct OptionCase {
    pub name: String,
    pub cluster: Cluster,
}

/// Every combination of the options that change a cloud-init file.
pub fn every_option() -> Vec<OptionCase> {
    let mut all = Vec::new();
    for interface in [
        InterfaceChoice::Auto,
        InterfaceChoice::Onboard,
        InterfaceChoice::Gigabit,
        InterfaceChoice::Mac,
    ] {
        for sudo in [Sudo::Nopasswd, Sudo::Password, Sudo::None] {
            for bits in 0..16u8 {
                let [password, packages, locale, search] = [1, 2, 4, 8].map(|bit| bits & bit != 0);
                let mut cluster = kraken();
                cluster.network.interface = interface;
                cluster.user.sudo = sudo;
                if password {
                    cluster.user.password_hash = Some(SecretText::new(HASH.to_owned()));
                }
                if packages {
                    cluster.system.packages_on_first_boot = vec!["htop".to_owned(), "vim-tiny".to_owned()];
                }
                if locale {
                    cluster.system.locale = "en_GB.UTF-8".to_owned();
                    cluster.system.timezone = "Europe/Berlin".to_owned();
                    cluster.system.keyboard.layout = "de".to_owned();
                }
                if search {
                    cluster.network.search = vec!["lan".to_owned(), "example.org".to_owned()];
                    cluster.network.dns.push("2001:db8::53".parse().unwrap());
                }
                let name = format!("{interface:?}-{sudo:?}-{bits:04b}").to_lowercase();
                all.push(OptionCase { name, cluster });
            }
        }
    }
    all
}

/// Returns what is removed from a base that has been in use, and what is restored.
pub fn pristine(disk: &Disk, cluster: &Cluster) -> Overlay {
    let assets = Assets::embedded().unwrap();
    disk.with(cluster, |ctx| provision::pristine(ctx, &assets)).unwrap()
}

/// What is laid over the image of a node.
#[derive(Debug, PartialEq)]
pub struct NodeOverlays {
    /// The overlay of all nodes.
    pub common: Overlay,
    /// The overlay of this one.
    pub node: Overlay,
}

/// Returns the overlays of a node.
pub fn make(disk: &Disk, cluster: &Cluster, number: usize) -> NodeOverlays {
    let assets = Assets::embedded().unwrap();
    disk.with(cluster, |ctx| NodeOverlays {
        common: provision::common(ctx, &assets).unwrap(),
        node: provision::node(ctx, &assets, &cluster.nodes[number - 1]).unwrap(),
    })
}

/// Returns the text of a file of an overlay.
pub fn text(overlay: &Overlay, volume: Volume, path: &str) -> String {
    match overlay
        .get(volume, &EntryPath::new(path).unwrap())
        .map(|entry| &entry.kind)
    {
        Some(Kind::File(bytes)) => String::from_utf8(bytes.read().unwrap().to_vec()).unwrap(),
        other => panic!("{path} is {other:?}"),
    }
}
