//! What lands on a card, from images in memory: golden files, fixed points, hostile values, accounts.

#[path = "common/images.rs"]
mod images;

use std::fmt::Write as _;
use std::path::PathBuf;

use images::{Disk, FLOOR, HASH, bookworm, bullseye, every_option, kraken, trixie};
use kraken_flash::base::NetworkStack;
use kraken_flash::disk::FileTree;
use kraken_flash::overlay::{EntryPath, Kind, Overlay, Volume};
use kraken_flash::provision::{self, Assets, NodeRecord};
use kraken_flash::spec::{Cluster, InterfaceChoice, SecretText, Sudo};
use yaml_rust2::YamlLoader;

fn make(disk: &Disk, cluster: &Cluster, number: usize) -> (Overlay, Overlay) {
    let assets = Assets::embedded().unwrap();
    disk.with(cluster, |ctx| {
        (
            provision::common(ctx, &assets).unwrap(),
            provision::node(ctx, &assets, &cluster.nodes[number - 1]).unwrap(),
        )
    })
}

fn text(overlay: &Overlay, volume: Volume, path: &str) -> String {
    match overlay
        .get(volume, &EntryPath::new(path).unwrap())
        .map(|entry| &entry.kind)
    {
        Some(Kind::File(bytes)) => String::from_utf8(bytes.to_vec()).unwrap(),
        other => panic!("{path} is {other:?}"),
    }
}

fn dump(overlay: &Overlay) -> String {
    let mut out = String::new();
    for (volume, path, entry) in overlay.iter() {
        assert!(
            entry.mtime == FLOOR || entry.kind == Kind::Absent,
            "{path} has another time"
        );
        let (mode, uid, gid) = (entry.mode, entry.uid, entry.gid);
        match &entry.kind {
            Kind::File(bytes) => {
                writeln!(out, "=== {volume} {path} {mode:04o} {uid}:{gid}").unwrap();
                out.push_str(&String::from_utf8_lossy(bytes));
            }
            Kind::Directory => writeln!(out, "=== {volume} {path}/ {mode:04o} {uid}:{gid}").unwrap(),
            Kind::Symlink(target) => writeln!(out, "=== {volume} {path} -> {target}").unwrap(),
            Kind::Absent => writeln!(out, "=== {volume} {path} (absent)").unwrap(),
        }
    }
    out
}

/// Compares with `tests/golden/provision/NAME.txt`; `KRAKEN_BLESS=1` writes it instead.
fn golden(name: &str, got: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/provision/{name}.txt"));
    if std::env::var_os("KRAKEN_BLESS").is_some() {
        std::fs::write(&path, got).unwrap();
    }
    let want = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        want == got,
        "{} differs; look at it with KRAKEN_BLESS=1 and git diff. Got:\n{got}",
        path.display()
    );
}

#[test]
fn the_files_of_the_default_cluster_are_these() {
    for (name, disk) in [("trixie", trixie()), ("bookworm", bookworm()), ("bullseye", bullseye())] {
        let (common, first) = make(&disk, &kraken(), 1);
        let (_, third) = make(&disk, &kraken(), 3);
        golden(&format!("{name}-common"), &dump(&common));
        golden(&format!("{name}-node-1"), &dump(&first));
        golden(&format!("{name}-node-3"), &dump(&third));
    }
}

#[test]
fn an_image_says_what_it_is() {
    for (disk, arch, rpi, cloud_init, network, mount) in [
        (
            trixie(),
            "arm64",
            false,
            true,
            NetworkStack::NetplanNetworkManager,
            "/boot/firmware",
        ),
        (
            bookworm(),
            "arm64",
            true,
            false,
            NetworkStack::NetworkManager,
            "/boot/firmware",
        ),
        (bullseye(), "armhf", true, false, NetworkStack::Dhcpcd, "/boot"),
    ] {
        let os = disk.os();
        assert_eq!(os.id, "debian");
        assert_eq!(
            (os.architecture.as_str(), os.raspberry_pi_os, os.network),
            (arch, rpi, network)
        );
        assert_eq!((os.cloud_init.is_some(), os.boot_mount.as_str()), (cloud_init, mount));
    }
    let cloud_init = trixie().os().cloud_init.unwrap();
    assert!(cloud_init.seeds_from_boot);
    assert_eq!(cloud_init.version, "25.1.4-1");
}

#[test]
fn raspberry_pi_os_does_not_ask_for_a_user_name() {
    let mut with_cloud_init = trixie();
    with_cloud_init
        .root
        .file("/etc/rpi-issue", *b"Raspberry Pi reference 2026-06-18\n");
    for disk in [with_cloud_init, bookworm(), bullseye()] {
        let (common, _) = make(&disk, &kraken(), 1);
        let kind = |path: &str| {
            common
                .get(Volume::Root, &EntryPath::new(path).unwrap())
                .unwrap()
                .kind
                .clone()
        };
        let masked = Kind::Symlink("/dev/null".to_owned());
        assert_eq!(kind("/etc/systemd/system/userconfig.service"), masked);
        assert_eq!(kind("/etc/ssh/sshd_config.d/rename_user.conf"), Kind::Absent);
        assert!(matches!(
            kind("/etc/systemd/system/getty.target.wants/getty@tty1.service"),
            Kind::Symlink(_)
        ));
    }
}

/// Lays the root volume's files into a folder of the host.
fn lay_out(overlay: &Overlay, folder: &std::path::Path) {
    for (volume, path, entry) in overlay.iter() {
        if let (Volume::Root, Kind::File(bytes)) = (volume, &entry.kind) {
            let place = folder.join(&path.as_str()[1..]);
            std::fs::create_dir_all(place.parent().unwrap()).unwrap();
            std::fs::write(place, bytes).unwrap();
        }
    }
}

fn run(program: &str, args: &[&std::ffi::OsStr], install: &str) -> (bool, String) {
    let output = std::process::Command::new(program)
        .args(args)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("SYSTEMD_LOG_COLOR", "0")
        .output()
        .unwrap_or_else(|error| panic!("{program} cannot be run ({error}): apt-get install {install}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

#[test]
fn systemd_and_sudo_take_our_files() {
    let mut cluster = kraken();
    cluster.system.packages_on_first_boot = vec!["htop".to_owned()];
    cluster.system.locale = "en_GB.UTF-8".to_owned();
    for sudo in [Sudo::Nopasswd, Sudo::Password] {
        cluster.user.sudo = sudo;
        let folder = tempfile::tempdir().unwrap();
        lay_out(&make(&bookworm(), &cluster, 1).0, folder.path());
        let at = |path: &str| folder.path().join(path).into_os_string();
        for unit in ["kraken-host-keys", "kraken-packages", "kraken-locale"] {
            let unit = at(&format!("etc/systemd/system/{unit}.service"));
            let (_, text) = run(
                "systemd-analyze",
                &["verify".as_ref(), "--man=no".as_ref(), &unit],
                "systemd",
            );
            // A program that only the node has is no fault of the unit.
            let faults: Vec<_> = text
                .lines()
                .filter(|line| line.contains("kraken-") && !line.contains("is not executable"))
                .collect();
            assert!(faults.is_empty(), "{faults:?}");
        }
        let (ok, text) = run(
            "visudo",
            &["-cf".as_ref(), &at("etc/sudoers.d/050_kraken-flash")],
            "sudo",
        );
        assert!(ok, "{text}");
        let script = at("usr/local/lib/kraken-flash/packages");
        let (ok, text) = run("sh", &["-n".as_ref(), &script], "dash");
        assert!(ok, "{text}");
    }
}

#[test]
fn cloud_init_that_will_not_run_is_none() {
    let mut by_file = trixie();
    by_file.root.file("/etc/cloud/cloud-init.disabled", *b"");
    let mut by_cmdline = trixie();
    by_cmdline
        .boot
        .file("/cmdline.txt", *b"root=/dev/x cloud-init=disabled\n");
    let mut by_mask = trixie();
    by_mask
        .root
        .symlink("/etc/systemd/system/cloud-init-local.service", "/dev/null");
    let mut removed = trixie();
    removed.root.file(
        "/var/lib/dpkg/status",
        *b"Package: cloud-init\nStatus: deinstall ok config-files\nVersion: 1\n",
    );
    let mut unwanted = trixie();
    unwanted
        .root
        .remove("/usr/lib/systemd/system-generators/cloud-init-generator");
    for (name, disk) in [
        ("file", by_file),
        ("cmdline", by_cmdline),
        ("mask", by_mask),
        ("removed", removed),
        ("unwanted", unwanted),
    ] {
        assert!(disk.os().cloud_init.is_none(), "{name}");
    }
}

#[test]
fn provisioning_a_provisioned_image_changes_nothing() {
    let mut full = kraken();
    full.user.password_hash = Some(SecretText::new(HASH.to_owned()));
    full.system.locale = "en_GB.UTF-8".to_owned();
    full.system.packages_on_first_boot = vec!["htop".to_owned()];
    for cluster in [kraken(), full] {
        for mut disk in [trixie(), bookworm(), bullseye()] {
            let before = make(&disk, &cluster, 3);
            disk.lay(&before.0);
            assert_eq!(make(&disk, &cluster, 3), before, "over the golden image");
            disk.lay(&before.1);
            assert_eq!(make(&disk, &cluster, 3), before, "over the node's image");
            let record = NodeRecord::read(&disk.root).unwrap().unwrap();
            assert_eq!((record.number, record.hostname.as_str()), (3, "kraken-3"));
        }
    }
}

#[test]
fn no_value_changes_the_structure_of_the_seed() {
    for hostile in [
        "a\"b",
        "x\nroot: y",
        "key # c: d",
        "\u{1f419}\u{2028}",
        "'{{ 1 }}'",
        "- a\n---\n",
    ] {
        let mut cluster = kraken();
        cluster.name = hostile.to_owned();
        cluster.network.search = vec![hostile.to_owned()];
        cluster.system.packages_on_first_boot = vec![hostile.to_owned()];
        cluster.nodes[2].hostname = hostile.to_owned();
        cluster.nodes[2].labels.insert(hostile.to_owned(), hostile.to_owned());
        cluster.user.ssh_keys = vec![format!("ssh-ed25519 AAAA {hostile}")];
        let disk = trixie();
        let assets = Assets::embedded().unwrap();
        let result = disk.with(&cluster, |ctx| provision::node(ctx, &assets, &cluster.nodes[2]));
        let overlay = result.unwrap();
        let user_data = text(&overlay, Volume::Boot, "/user-data");
        let parsed = YamlLoader::load_from_str(&user_data).unwrap().remove(0);
        assert_eq!(parsed["hostname"].as_str(), Some(hostile), "{user_data}");
        assert_eq!(
            parsed["user"]["ssh_authorized_keys"][0].as_str(),
            Some(format!("ssh-ed25519 AAAA {hostile}").as_str())
        );
        assert_eq!(parsed["packages"][0].as_str(), Some(hostile));
        assert!(parsed["root"].is_badvalue());
        let network = YamlLoader::load_from_str(&text(&overlay, Volume::Boot, "/network-config"))
            .unwrap()
            .remove(0);
        assert_eq!(
            network["network"]["bonds"]["kraken0"]["nameservers"]["search"][0].as_str(),
            Some(hostile)
        );
    }
}

#[test]
fn files_that_cannot_quote_refuse_control_characters() {
    let assets = Assets::embedded().unwrap();
    type Change = fn(&mut Cluster);
    let changes: [(&str, Change); 4] = [
        ("key", |cluster| cluster.user.ssh_keys[0].push_str("\nssh-rsa evil")),
        ("name", |cluster| cluster.nodes[4].hostname.push_str("\n6.6.6.6 x")),
        ("keyboard", |cluster| cluster.system.keyboard.layout.push('\n')),
        ("user", |cluster| cluster.user.name.push_str("::0:0")),
    ];
    for (what, change) in changes {
        let mut cluster = kraken();
        change(&mut cluster);
        let result = trixie().with(&cluster, |ctx| provision::common(ctx, &assets));
        assert!(result.is_err(), "{what} was taken");
    }
}

#[test]
fn no_secret_is_on_the_boot_volume_or_readable_by_all() {
    for (name, cluster) in every_option() {
        for disk in [trixie(), bookworm(), bullseye()] {
            let (mut all, node) = make(&disk, &cluster, 2);
            all.merge(node);
            let mut found = 0;
            for (volume, path, entry) in all.iter() {
                if let Kind::File(bytes) = &entry.kind
                    && String::from_utf8_lossy(bytes).contains(HASH)
                {
                    found += 1;
                    assert_eq!((volume, path.as_str()), (Volume::Root, "/etc/shadow"), "{name}");
                    assert_eq!((entry.mode, entry.uid), (0o640, 0), "{name}");
                }
            }
            assert_eq!(found, usize::from(cluster.user.password_hash.is_some()), "{name}");
        }
    }
}

#[test]
fn the_account_is_added_and_nothing_is_lost() {
    let mut cluster = kraken();
    cluster.user.password_hash = Some(SecretText::new(HASH.to_owned()));
    let disk = bullseye();
    let (common, _) = make(&disk, &cluster, 1);
    let root = |path: &str| text(&common, Volume::Root, path);
    let old = String::from_utf8(disk.root.read("/etc/passwd", 9999).unwrap().unwrap()).unwrap();
    assert_eq!(
        root("/etc/passwd"),
        old + "kraken:x:1001:1001::/home/kraken:/bin/bash\n"
    );
    let group = root("/etc/group");
    for line in [
        "adm:x:4:pi,kraken",
        "sudo:x:27:pi,kraken",
        "video:x:44:kraken",
        "dialout:x:20:",
        "kraken:x:1001:",
    ] {
        assert!(group.lines().any(|got| got == line), "{line} not in {group}");
    }
    let shadow = root("/etc/shadow");
    assert!(
        shadow.contains("pi:!$6$x$known:"),
        "the known password of pi still works: {shadow}"
    );
    assert!(
        shadow.contains(&format!("\nkraken:{HASH}:20454:0:99999:7:::\n")),
        "{shadow}"
    );
    assert!(root("/etc/subuid").ends_with("kraken:165536:65536\n"));
    let shadow = common
        .get(Volume::Root, &EntryPath::new("/etc/shadow").unwrap())
        .unwrap();
    assert_eq!(
        (shadow.mode, shadow.uid, shadow.gid),
        (0o640, 0, 42),
        "mode and owner stay"
    );
    let keys = common
        .get(
            Volume::Root,
            &EntryPath::new("/home/kraken/.ssh/authorized_keys").unwrap(),
        )
        .unwrap();
    assert_eq!((keys.mode, keys.uid, keys.gid), (0o600, 1001, 1001));
}

#[test]
fn an_account_that_is_there_keeps_its_ids() {
    let mut cluster = kraken();
    cluster.user.name = "pi".to_owned();
    cluster.user.sudo = Sudo::None;
    let (common, _) = make(&bullseye(), &cluster, 1);
    let passwd = text(&common, Volume::Root, "/etc/passwd");
    assert_eq!(passwd.matches("pi:x:1000:1000").count(), 1);
    assert!(
        text(&common, Volume::Root, "/etc/shadow").contains("pi:*:"),
        "the known password is gone"
    );
    assert!(
        common
            .get(
                Volume::Root,
                &EntryPath::new("/etc/sudoers.d/050_kraken-flash").unwrap()
            )
            .is_none()
    );
}

#[test]
fn the_address_is_on_one_interface_only() {
    for (choice, interface) in [
        (InterfaceChoice::Auto, "kraken0"),
        (InterfaceChoice::Onboard, "onboard0"),
        (InterfaceChoice::Gigabit, "gigabit0"),
        (InterfaceChoice::Mac, "lan0"),
    ] {
        let mut cluster = kraken();
        cluster.network.interface = choice;
        for disk in [trixie(), bookworm(), bullseye()] {
            let (common, node) = make(&disk, &cluster, 3);
            let all = dump(&common).replace("192.168.3.13\tkraken-3\n", "") + &dump(&node);
            let uses: Vec<_> = all
                .lines()
                .filter(|line| line.contains("192.168.3.13") && !line.contains("\"address\""))
                .collect();
            assert_eq!(uses.len(), 1, "{uses:?}");
            assert!(all.contains(interface), "{interface}");
            assert_eq!(all.contains("Name=lan0"), choice == InterfaceChoice::Mac);
        }
    }
}

#[test]
fn the_instance_id_changes_with_the_node_and_the_seed_only() {
    let id = |cluster: &Cluster, number: usize| {
        let json = text(&make(&trixie(), cluster, number).1, Volume::Root, NodeRecord::PATH);
        serde_json::from_str::<NodeRecord>(&json).unwrap().instance_id
    };
    let one = id(&kraken(), 1);
    assert!(one.starts_with("kraken-flash-kraken-1-"), "{one}");
    assert_eq!(one, id(&kraken(), 1));
    assert_ne!(one, id(&kraken(), 2));
    let mut other = kraken();
    other.network.interface = InterfaceChoice::Onboard;
    assert_ne!(one, id(&other, 1));
}

#[test]
fn what_an_image_lacks_is_said_with_the_mend() {
    let assets = Assets::embedded().unwrap();
    let mut no_ssh = trixie();
    no_ssh.root.remove("/usr/lib/systemd/system/ssh.service");
    let mut no_locales = trixie();
    no_locales.root.remove("/usr/sbin/locale-gen");
    let mut zone = kraken();
    zone.system.timezone = "Mars/Base".to_owned();
    let mut escape = kraken();
    escape.system.timezone = "../../../etc/shadow".to_owned();
    let mut locale = kraken();
    locale.system.locale = "en_GB.UTF-8".to_owned();
    for (disk, cluster, want) in [
        (no_ssh, kraken(), "openssh-server"),
        (no_locales, locale, "C.UTF-8"),
        (trixie(), zone, "timezone"),
        (trixie(), escape, "timezone"),
    ] {
        let error = disk
            .with(&cluster, |ctx| provision::common(ctx, &assets))
            .unwrap_err()
            .to_string();
        assert!(error.contains(want), "{error}");
    }
}

#[test]
fn the_users_own_files_win() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    for path in [
        "templates",
        "overlays/common/root/etc",
        "overlays/worker/boot",
        "mine/root/usr/bin",
        "mine/root/etc",
    ] {
        std::fs::create_dir_all(at(path)).unwrap();
    }
    std::fs::write(at("templates/user-data"), "#cloud-config\nhostname: {{ hostname }}\n").unwrap();
    std::fs::write(at("overlays/common/root/etc/motd"), "common").unwrap();
    std::fs::write(at("overlays/worker/boot/config.txt"), "worker").unwrap();
    std::fs::write(at("mine/root/etc/hostname"), "mine\n").unwrap();
    std::fs::write(at("mine/root/usr/bin/tool"), "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(at("mine/root/usr/bin/tool"), std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::set_permissions(at("mine/root/etc/hostname"), std::fs::Permissions::from_mode(0o600)).unwrap();
    symlink("../tool", at("mine/root/usr/bin/link")).unwrap();
    let assets = Assets::load(Some(folder.path()), Some(&at("mine"))).unwrap();
    let (disk, cluster) = (trixie(), kraken());
    let (common, node) = disk.with(&cluster, |ctx| {
        (
            provision::common(ctx, &assets).unwrap(),
            provision::node(ctx, &assets, &cluster.nodes[1]).unwrap(),
        )
    });
    assert_eq!(
        text(&node, Volume::Boot, "/user-data"),
        "#cloud-config\nhostname: \"kraken-2\"\n"
    );
    assert_eq!(text(&node, Volume::Boot, "/config.txt"), "worker");
    assert_eq!(text(&common, Volume::Root, "/etc/motd"), "common");
    assert_eq!(text(&node, Volume::Root, "/etc/hostname"), "mine\n");
    let mode = |path: &str| common.get(Volume::Root, &EntryPath::new(path).unwrap()).unwrap().mode;
    assert_eq!((mode("/usr/bin/tool"), mode("/etc/hostname")), (0o755, 0o644));
    let link = common
        .get(Volume::Root, &EntryPath::new("/usr/bin/link").unwrap())
        .unwrap();
    assert_eq!(link.kind, Kind::Symlink("../tool".to_owned()));
}

#[test]
fn folders_that_cannot_go_on_a_card_are_refused() {
    type Prepare = fn(&std::path::Path);
    let cases: [(&str, Prepare); 6] = [
        ("there is no template of that name", |at| {
            write(at, "templates/userdata", "x")
        }),
        ("move it into one of them", |at| {
            write(at, "overlays/common/etc/motd", "x")
        }),
        ("named common, manager or worker", |at| {
            write(at, "overlays/node/root/x", "x")
        }),
        ("FAT", |at| {
            write(at, "overlays/common/boot/a", "x");
            std::os::unix::fs::symlink("a", at.join("overlays/common/boot/b")).unwrap();
        }),
        ("device, socket or pipe", |at| {
            write(at, "overlays/common/root/a", "x");
            std::os::unix::net::UnixListener::bind(at.join("overlays/common/root/s")).unwrap();
        }),
        ("rendering the template `hosts`", |at| {
            write(at, "templates/hosts", "{% if %}")
        }),
    ];
    for (want, prepare) in cases {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        let error = Assets::load(Some(folder.path()), None)
            .err()
            .map(|error| error.to_string());
        assert!(
            error.as_ref().is_some_and(|error| error.contains(want)),
            "{want}: {error:?}"
        );
    }
}

fn write(folder: &std::path::Path, path: &str, text: &str) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn a_users_template_must_still_be_cloud_config() {
    for source in [
        "hostname: x\n",
        "#cloud-config\na: 1\na: 2\n",
        "#cloud-config\n- 1\n",
        "#cloud-config\n{{ nothing }}\n",
    ] {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "templates/user-data", source);
        let assets = Assets::load(Some(folder.path()), None).unwrap();
        let (disk, cluster) = (trixie(), kraken());
        let result = disk.with(&cluster, |ctx| provision::node(ctx, &assets, &cluster.nodes[0]));
        assert!(result.is_err(), "{source:?} was taken");
    }
}

#[test]
fn a_broken_account_file_is_an_error_not_a_panic() {
    let assets = Assets::embedded().unwrap();
    for (path, content) in [
        ("/etc/passwd", "kraken:x\n"),
        ("/etc/passwd", "kraken:x:a:b::/home/x:/bin/sh\n"),
        ("/etc/passwd", "kraken:x:1:1:::/bin/sh\n"),
        ("/etc/group", "kraken:\n"),
        ("/etc/shadow", "\u{fffd}"),
    ] {
        let mut disk = trixie();
        disk.root.file(path, content.as_bytes());
        // Either it can be mended or it is said; it never panics.
        let result = disk.with(&kraken(), |ctx| provision::common(ctx, &assets));
        assert!(result.is_err() || path == "/etc/shadow", "{path}: {content:?}");
    }
}
