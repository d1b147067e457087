//! The files on a card, from images in memory: golden files, repeated runs, hostile values, and the
//! programs that read them.

mod keyboard;
mod units;

use std::fmt::Write as _;

use kraken_flash::provision::{self, Assets, NodeRecord};
use kraken_overlay::{Kind, Overlay, Volume};
use kraken_spec::{Cluster, InterfaceChoice, SecretText, Sudo};
use testkit::images::{FLOOR, HASH, NodeOverlays, bookworm, bullseye, kraken, make, text, trixie};
use yaml_rust2::YamlLoader;

fn dump(overlay: &Overlay) -> String {
    let mut out = String::new();
    for (volume, path, entry) in overlay.iter() {
        assert!(
            entry.mtime == FLOOR || entry.kind == Kind::Absent,
            "{path} has another time"
        );
        let (mode, uid, gid) = (entry.mode, entry.uid, entry.gid);
        match &entry.kind {
            Kind::File(_) if path.as_str().starts_with("/usr/local/lib/kraken-flash/") => {
                writeln!(out, "=== {volume} {path} {mode:04o} {uid}:{gid} (a script of ours)").unwrap();
            }
            Kind::File(bytes) => {
                writeln!(out, "=== {volume} {path} {mode:04o} {uid}:{gid}").unwrap();
                out.push_str(&String::from_utf8_lossy(&bytes.read().unwrap()));
            }
            Kind::Directory => writeln!(out, "=== {volume} {path}/ {mode:04o} {uid}:{gid}").unwrap(),
            Kind::Symlink(target) => {
                let target = std::str::from_utf8(target).unwrap();
                writeln!(out, "=== {volume} {path} -> {target}").unwrap();
            }
            Kind::Absent => writeln!(out, "=== {volume} {path} (absent)").unwrap(),
            Kind::HardLink(_) | Kind::DirectoryIfMissing | Kind::Node(_) | Kind::AbsentIfEmpty => {
                panic!("{path}: packages bring these, provisioning does not")
            }
        }
    }
    out
}

/// Compares with `tests/golden/provision/NAME.txt`.
fn golden(name: &str, got: &str) {
    testkit::golden::golden(&format!("tests/golden/provision/{name}.txt"), got);
}

#[test]
fn the_files_of_the_default_cluster_are_these() {
    for (name, disk) in [("trixie", trixie()), ("bookworm", bookworm()), ("bullseye", bullseye())] {
        let NodeOverlays { common, node: first } = make(&disk, &kraken(), 1);
        let third = make(&disk, &kraken(), 3).node;
        golden(&format!("{name}-common"), &dump(&common));
        golden(&format!("{name}-node-1"), &dump(&first));
        golden(&format!("{name}-node-3"), &dump(&third));
    }
}

/// Copies the root volume's files into a folder of the host.
fn lay_out(overlay: &Overlay, folder: &std::path::Path) {
    for (volume, path, entry) in overlay.iter() {
        if let (Volume::Root, Kind::File(bytes)) = (volume, &entry.kind) {
            let place = folder.join(&path.as_str()[1..]);
            std::fs::create_dir_all(place.parent().unwrap()).unwrap();
            std::fs::write(place, bytes.read().unwrap()).unwrap();
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
        lay_out(&make(&bookworm(), &cluster, 1).common, folder.path());
        let at = |path: &str| folder.path().join(path).into_os_string();
        let (ok, text) = run(
            "visudo",
            &["-cf".as_ref(), &at("etc/sudoers.d/050_kraken-flash")],
            "sudo",
        );
        assert!(ok, "{text}");
        for script in ["packages", "status", "led"] {
            let script = at(&format!("usr/local/lib/kraken-flash/{script}"));
            let (ok, text) = run("dash", &["-n".as_ref(), &script], "dash");
            assert!(ok, "{text}");
        }
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
            disk.lay(&before.common);
            assert_eq!(make(&disk, &cluster, 3), before, "over the golden image");
            disk.lay(&before.node);
            assert_eq!(make(&disk, &cluster, 3), before, "over the node's image");
            let record = NodeRecord::read(&disk.root).unwrap().unwrap();
            assert_eq!((record.id.number, record.id.hostname.as_str()), (3, "kraken-3"));
        }
    }
}

#[test]
fn telling_is_off_by_one_line_and_then_nothing_of_it_is_there() {
    let names = |overlay: &Overlay| -> Vec<String> { overlay.iter().map(|(_, path, _)| path.to_string()).collect() };
    let mut silent = kraken();
    silent.system.status = false;
    for disk in [trixie(), bookworm(), bullseye()] {
        let NodeOverlays { common: told, node } = make(&disk, &kraken(), 3);
        let NodeOverlays {
            common: untold,
            node: untold_node,
        } = make(&disk, &silent, 3);
        let untold = names(&untold);
        let more: Vec<String> = names(&told).into_iter().filter(|name| !untold.contains(name)).collect();
        assert_eq!(
            more,
            [
                "/etc/issue.d/kraken-status.issue",
                "/etc/systemd/system/kraken-status.service",
                "/etc/systemd/system/sysinit.target.wants/kraken-status.service",
                "/usr/local/lib/kraken-flash/led",
                "/usr/local/lib/kraken-flash/status",
            ]
        );
        assert_eq!(told.iter().count(), untold.len() + more.len());
        assert!(node == untold_node, "it belongs to what all nodes share");
    }
}

#[test]
fn the_lines_of_all_nodes_stand_below_one_another() {
    for (hostname, width) in [("a-storage-node-with-a-name", 26), ("x", 8)] {
        let mut cluster = kraken();
        cluster.nodes[4].id.hostname = hostname.to_owned();
        let common = make(&trixie(), &cluster, 1).common;
        let script = text(&common, Volume::Root, "/usr/local/lib/kraken-flash/status");
        assert!(
            script.contains(&format!("printf '%-{width}s  %-15s  %s'")),
            "{hostname}"
        );
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
        cluster.nodes[2].id.hostname = hostile.to_owned();
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
        ("name", |cluster| cluster.nodes[4].id.hostname.push_str("\n6.6.6.6 x")),
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
            let NodeOverlays { common, node } = make(&disk, &cluster, 3);
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
        let json = text(&make(&trixie(), cluster, number).node, Volume::Root, NodeRecord::PATH);
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
fn what_an_image_lacks_is_reported_with_a_help() {
    let assets = Assets::embedded().unwrap();
    let mut no_ssh = trixie();
    no_ssh.root.remove("/usr/lib/systemd/system/ssh.service");
    let mut no_locales = trixie();
    no_locales.root.remove("/usr/sbin/locale-gen");
    let mut zone = kraken();
    zone.system.timezone = "Mars/Base".to_owned();
    let mut escape = kraken();
    escape.system.timezone = "../../../etc/shadow".to_owned();
    let mut old_zone = kraken();
    old_zone.system.timezone = "US/Pacific".to_owned();
    // A group of the system that is not in our list: its members have rights that no user gave
    // them.
    let mut with_group = trixie();
    let groups = "root:x:0:\nsudo:x:27:\nzigbee:x:997:\n";
    with_group.root.file("/etc/group", groups.as_bytes().to_vec());
    let mut member = kraken();
    member.user.name = "zigbee".to_owned();
    let mut locale = kraken();
    locale.system.locale = "en_GB.UTF-8".to_owned();
    for (disk, cluster, want) in [
        (no_ssh, kraken(), "openssh-server"),
        (no_locales, locale, "C.UTF-8"),
        (trixie(), zone, "correct [system] timezone"),
        (trixie(), old_zone, "\"tzdata-legacy\" into `packages`"),
        (with_group, member, "`zigbee` is a group of the system there (997)"),
        (trixie(), escape, "timezone"),
    ] {
        let error = disk
            .with(&cluster, |ctx| provision::common(ctx, &assets))
            .unwrap_err()
            .to_string();
        assert!(error.contains(want), "{error}");
    }
}

/// Debian's locale-gen does not accept a name, which cloud-init passes to it: on every base, the
/// image's own programs are called the same way.
#[test]
fn a_locale_is_made_by_the_node_itself_with_cloud_init_and_without() {
    let mut cluster = kraken();
    for (locale, line) in [
        ("en_GB.UTF-8", "en_GB.UTF-8 UTF-8"),
        ("aa_ER.UTF-8", "aa_ER.UTF-8 UTF-8"),
        ("ca_ES.UTF-8@valencia", "ca_ES.UTF-8@valencia UTF-8"),
    ] {
        locale.clone_into(&mut cluster.system.locale);
        for disk in [trixie(), bookworm(), bullseye()] {
            let NodeOverlays { common, node } = make(&disk, &cluster, 1);
            let list = text(&common, Volume::Root, "/etc/locale.gen");
            assert!(list.lines().any(|had| had == line), "{list}");
            let unit = text(&common, Volume::Root, "/etc/systemd/system/kraken-locale.service");
            assert!(unit.contains("ExecStart=/usr/sbin/locale-gen\n"), "{unit}");
            assert!(unit.contains(&format!("--reset \"LANG={locale}\"")), "{unit}");
            if disk.with(&cluster, |ctx| ctx.os.cloud_init.is_some()) {
                let seed = text(&node, Volume::Boot, "/user-data");
                assert!(seed.contains("\nlocale: false\n"), "{seed}");
            }
        }
    }
}

#[test]
fn a_locale_that_the_image_has_is_set_at_once() {
    let mut cluster = kraken();
    cluster.system.locale = "ca_ES.UTF-8@valencia".to_owned();
    let mut disk = trixie();
    disk.root.remove("/usr/sbin/locale-gen");
    disk.root.file("/usr/lib/locale/ca_ES.utf8@valencia/LC_CTYPE", *b"x");
    let common = make(&disk, &cluster, 1).common;
    assert_eq!(
        text(&common, Volume::Root, "/etc/default/locale"),
        "LANG=ca_ES.UTF-8@valencia\n"
    );
    assert!(!dump(&common).contains("kraken-locale"));
}

#[test]
fn an_unknown_locale_is_refused_with_near_ones() {
    let assets = Assets::embedded().unwrap();
    let mut cluster = kraken();
    for (locale, near) in [
        ("de_XX.UTF-8", "de_AT.UTF-8, de_DE.UTF-8"),
        ("de_DE.UTF-8@euro", "de_DE.UTF-8, de_AT.UTF-8"),
        ("xx_GB.UTF-8", "en_GB.UTF-8"),
    ] {
        locale.clone_into(&mut cluster.system.locale);
        for mut disk in [trixie(), bookworm()] {
            let refused = |disk: &testkit::images::Disk| {
                disk.with(&cluster, |ctx| provision::common(ctx, &assets))
                    .unwrap_err()
                    .to_string()
            };
            let error = refused(&disk);
            assert!(error.contains(locale) && error.ends_with(near), "{error}");
            // An image that has no list, only sources.
            disk.root.remove("/usr/share/i18n/SUPPORTED");
            assert!(refused(&disk).contains("whole package locales"));
            let source = format!("/usr/share/i18n/locales/{}", locale.replace(".UTF-8", ""));
            disk.root.file(&source, *b"x");
            make(&disk, &cluster, 1);
        }
    }
}

#[test]
fn a_node_of_a_thousand_has_few_and_small_files() {
    let mut cluster = kraken();
    cluster.network.subnet = "10.0.0.0/16".parse().unwrap();
    let model = cluster.nodes[1].clone();
    cluster.nodes = (1..=1000u32)
        .map(|number| {
            let mut node = model.clone();
            node.id.number = number;
            node.id.hostname = format!("kraken-{number}");
            node.id.address = std::net::Ipv4Addr::from(0x0a00_0100 + number);
            node
        })
        .collect();
    let assets = Assets::embedded().unwrap();
    for disk in [trixie(), bookworm(), bullseye()] {
        disk.with(&cluster, |ctx| {
            let mut ids = std::collections::BTreeSet::new();
            for node in &cluster.nodes {
                let overlay = provision::node(ctx, &assets, node).unwrap();
                let bytes: usize = overlay
                    .iter()
                    .map(|(_, _, entry)| match &entry.kind {
                        Kind::File(bytes) => bytes.len() as usize,
                        _ => 0,
                    })
                    .sum();
                assert!(
                    overlay.len() <= 12 && bytes < 8192,
                    "{} files, {bytes} bytes",
                    overlay.len()
                );
                ids.insert(text(&overlay, Volume::Root, NodeRecord::PATH));
            }
            assert_eq!(ids.len(), 1000);
        });
    }
}
