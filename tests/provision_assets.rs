//! Folders beside kraken.toml: whose file wins, and what cannot go on a card.

#[path = "common/images.rs"]
mod images;

use images::{kraken, text, trixie};
use kraken_flash::overlay::{EntryPath, Kind, Volume};
use kraken_flash::provision::{self, Assets};

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
    std::fs::write(at("overlays/common/root/etc/timezone"), "common").unwrap();
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
    assert_eq!(
        text(&common, Volume::Root, "/etc/timezone"),
        "common",
        "an overlay wins over what we make"
    );
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
fn the_handbook_lists_every_template() {
    let handbook = include_str!("../docs/templates.md");
    for name in Assets::template_names() {
        assert!(
            handbook.contains(&format!("| `{name}` |")),
            "docs/templates.md does not list {name}"
        );
    }
}

#[test]
fn our_own_templates_never_switch_quoting_off() {
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/templates")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.replace(' ', "").contains("|safe"), "{}", path.display());
    }
}

#[test]
fn names_that_are_one_on_fat_are_refused_whatever_overlays_they_come_from() {
    for (one, other, said) in [
        (
            "overlays/common/boot/README.TXT",
            "overlays/common/boot/Readme.txt",
            ["boot/README.TXT", "boot/Readme.txt"],
        ),
        (
            "overlays/common/boot/notes",
            "mine/boot/Notes",
            ["boot/notes", "boot/Notes"],
        ),
        (
            "overlays/worker/boot/CMDLINE.TXT",
            "mine/boot/other",
            ["boot/cmdline.txt", "boot/CMDLINE.TXT"],
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in [(one, "1"), (other, "2")] {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let mine = folder.path().join("mine");
        std::fs::create_dir_all(&mine).unwrap();
        let error = Assets::load(Some(folder.path()), Some(&mine))
            .err()
            .unwrap()
            .to_string();
        assert!(said.iter().all(|name| error.contains(name)), "{error}");
        // On the root volume they are two files.
        let root = |path: &str| folder.path().join(path.replace("/boot/", "/root/"));
        for file in [one, other] {
            std::fs::create_dir_all(root(file).parent().unwrap()).unwrap();
            std::fs::rename(folder.path().join(file), root(file)).unwrap();
        }
        Assets::load(Some(folder.path()), Some(&mine)).unwrap();
    }
}
