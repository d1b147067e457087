//! `build` as a user runs it, over bases of every kind: the resulting folder, read with the tools
//! of the distribution.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use sha2::{Digest, Sha256};
use testkit::tools::require;
use testkit::world::{Image, KEY, PROGRAM, World, bookworm, mode, names, nearly_full, trixie};
use testkit::{PI_GEN, TestImage, run};

fn sha256(path: &Path) -> String {
    let mut hash = Sha256::new();
    std::io::copy(&mut fs::File::open(path).unwrap(), &mut hash).unwrap();
    hex::encode(hash.finalize())
}

fn hashes(folder: &Path) -> BTreeMap<String, String> {
    names(folder)
        .into_iter()
        .map(|name| (name.clone(), sha256(&folder.join(&name))))
        .collect()
}

/// Checks with mtools and debugfs that the image is that of node `number`.
fn is_node(image: &Image, number: u32, cloud_init: bool) {
    let name = format!("kraken-{number}");
    assert_eq!(image.root_file("/etc/hostname"), format!("{name}\n").as_bytes());
    let hosts = String::from_utf8(image.root_file("/etc/hosts")).unwrap();
    assert!(hosts.contains("192.168.3.11") && hosts.contains("kraken-2"), "{hosts}");
    let keys = String::from_utf8(image.root_file("/home/kraken/.ssh/authorized_keys")).unwrap();
    assert!(keys.contains(KEY), "{keys}");
    assert_eq!(image.root_file("/usr/lib/os-marker"), b"here\n");
    assert_eq!(image.root_file(PROGRAM).len(), 800_000);
    let address = format!("192.168.3.{}/24", 10 + number);
    let cmdline = String::from_utf8(image.boot_file("/cmdline.txt")).unwrap();
    assert_eq!(cmdline.trim_end().lines().count(), 1, "{cmdline}");
    assert!(cmdline.contains("cgroup_enable=memory"), "{cmdline}");
    assert_eq!(cmdline.contains("ds=nocloud;i="), cloud_init, "{cmdline}");
    if cloud_init {
        let data = String::from_utf8(image.boot_file("/user-data")).unwrap();
        assert!(data.starts_with("#cloud-config\n") && data.contains(&name), "{data}");
        let network = String::from_utf8(image.boot_file("/network-config")).unwrap();
        assert!(network.contains(&address), "{network}");
    } else {
        let folder = "/etc/NetworkManager/system-connections";
        let said = image.debugfs(&format!("ls -p {folder}"));
        let file = said
            .split('/')
            .find(|word| word.contains("address"))
            .unwrap_or_else(|| panic!("{said}"));
        let text = String::from_utf8(image.root_file(&format!("{folder}/{file}"))).unwrap();
        assert!(text.contains(&address), "{text}");
    }
}

/// bmaptool, an independent program, checks every hash of the map while it writes the mapped ranges
/// into an empty file. The result equals the image only when everything that is not mapped is zero.
fn block_map_is_right(image: &Path) {
    require(&[("bmaptool", "bmap-tools")]);
    let scratch = tempfile::tempdir().unwrap();
    let copy = scratch.path().join("copy.img");
    run(Command::new("bmaptool").args(["--quiet", "copy"]).arg(image).arg(&copy));
    run(Command::new("cmp").arg(image).arg(&copy));
}

#[test]
fn every_shape_of_base_becomes_sound_images_that_verify() {
    let shapes: Vec<(&str, TestImage, bool)> = vec![
        ("MBR, 256 MiB of FAT, Debian's ext4", trixie(), true),
        ("no cloud-init", bookworm(), false),
        (
            "512 MiB of FAT, pi-gen's ext4",
            trixie().fat_mib(512).ext4_features(PI_GEN),
            true,
        ),
        ("nearly full", nearly_full(trixie()), true),
        (
            "nearly full, pi-gen's ext4",
            nearly_full(bookworm()).ext4_features(PI_GEN),
            false,
        ),
    ];
    for (shape, base, cloud_init) in shapes {
        let world = World::new(2, base);
        let before = sha256(&world.at("base.img"));
        world.does(&["build"]);
        assert_eq!(sha256(&world.at("base.img")), before, "{shape}: the base was changed");
        for number in 1..=2 {
            let path = world.at(&format!("images/kraken-{number}.img"));
            let image = Image::open(&path);
            image.is_clean();
            is_node(&image, number, cloud_init);
            block_map_is_right(&path);
            assert_eq!(mode(&path), 0o600, "{shape}");
            let grown = fs::metadata(&path).unwrap().len() > fs::metadata(world.at("base.img")).unwrap().len();
            assert_eq!(grown, shape.starts_with("nearly full"), "{shape}");
        }
        let said = world.does(&["verify"]);
        assert!(said.contains("2 images are right"), "{shape}: {said}");
    }
}

#[test]
fn a_gpt_base_keeps_a_sound_table_when_it_grows() {
    require(&[("sgdisk", "gdisk")]);
    let gpt = |image: TestImage| {
        image
            .gpt()
            .boot_file(
                "cmdline.txt",
                "console=tty1 root=PARTUUID=aaaaaaaa-bbbb-cccc-dddd-000000000002 rootwait\n",
            )
            .file(
                "etc/fstab",
                "PARTUUID=aaaaaaaa-bbbb-cccc-dddd-000000000001 /boot/firmware vfat defaults 0 2\n\
                 PARTUUID=aaaaaaaa-bbbb-cccc-dddd-000000000002 / ext4 defaults 0 1\n",
            )
    };
    for base in [gpt(trixie()), nearly_full(gpt(trixie()))] {
        let world = World::new(1, base);
        world.does(&["build"]);
        let path = world.at("images/kraken-1.img");
        let image = Image::open(&path);
        image.is_clean();
        let said = run(Command::new("sgdisk").arg("-v").arg(&path));
        assert!(said.contains("No problems found"), "{said}");
        block_map_is_right(&path);
        world.does(&["verify"]);
    }
}

#[test]
fn a_packed_base_gives_the_images_of_the_raw_one() {
    require(&[("xz", "xz-utils"), ("zstd", "zstd"), ("gzip", "gzip"), ("zip", "zip")]);
    let world = World::new(1, trixie().fat_mib(40));
    world.does(&["build"]);
    let raw = sha256(&world.at("images/kraken-1.img"));
    for (name, command) in [
        ("base.img.xz", "xz -k -T1 --block-size=64MiB -1 base.img"),
        ("base.img.zst", "zstd -q -1 base.img"),
        ("base.img.gz", "gzip -k -1 base.img"),
        ("base.zip", "zip -q -1 base.zip base.img"),
        // The content decides, not the name.
        ("disguised.img", "xz -k -T1 -1 -c base.img > disguised.img"),
    ] {
        run(Command::new("sh").current_dir(world.path()).args(["-c", command]));
        world.does(&["build", "--base", name, "-o", name.replace('.', "-").as_str()]);
        let folder = world.at(&name.replace('.', "-"));
        assert_eq!(sha256(&folder.join("kraken-1.img")), raw, "{name}");
        let manifest: Value = serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap();
        assert_eq!(manifest["inputs"]["base"], name);
        assert_eq!(manifest["inputs"]["base-sha256"], sha256(&world.at("base.img")));
        assert_eq!(manifest["inputs"]["download-sha256"], sha256(&world.at(name)));
    }
}

#[test]
fn the_manifest_has_the_inputs_and_no_secret_and_the_sums_are_those_of_sha256sum() {
    let world = World::new(3, trixie());
    let secret = "$y$j9T$abcdefgh$0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";
    fs::write(world.at("hash"), format!("{secret}\n")).unwrap();
    fs::set_permissions(world.at("hash"), fs::Permissions::from_mode(0o600)).unwrap();
    world.spec(
        3,
        "password-hash-file = \"hash\"\n[[node]]\nnumber = 2\nlabels = { disk = \"ssd\" }\n",
    );
    world.does(&["build"]);
    let folder = world.at("images");
    assert_eq!(
        names(&folder),
        [
            "SHA256SUMS",
            "kraken-1.img",
            "kraken-1.img.bmap",
            "kraken-2.img",
            "kraken-2.img.bmap",
            "kraken-3.img",
            "kraken-3.img.bmap",
            "manifest.json"
        ]
    );
    let said = run(Command::new("sha256sum")
        .current_dir(&folder)
        .args(["--strict", "-c", "SHA256SUMS"]));
    assert_eq!(said.lines().filter(|line| line.ends_with(": OK")).count(), 3, "{said}");

    let text = fs::read_to_string(folder.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(manifest["tool"], concat!("kraken-flash ", env!("CARGO_PKG_VERSION")));
    let inputs = &manifest["inputs"];
    assert_eq!(inputs["base-sha256"], sha256(&world.at("base.img")));
    assert_eq!(inputs["config-sha256"], sha256(&world.at("kraken.toml")));
    for key in ["assets-sha256", "golden", "clock-floor", "system", "architecture"] {
        assert!(inputs[key].as_str().is_some_and(|value| !value.is_empty()), "{key}");
    }
    for (index, node) in manifest["nodes"].as_array().unwrap().iter().enumerate() {
        let file = folder.join(format!("kraken-{}.img", index + 1));
        assert_eq!(node["number"], index + 1);
        assert_eq!(node["address"], format!("192.168.3.{}", 11 + index));
        assert_eq!(node["role"], if index == 0 { "manager" } else { "worker" });
        assert_eq!(node["sha256"], sha256(&file));
        assert_eq!(node["raw-size"], fs::metadata(&file).unwrap().len());
    }
    assert_eq!(manifest["nodes"][1]["labels"]["disk"], "ssd");

    // The hash is in the root file system, for root alone, and nowhere else.
    let image = Image::open(&folder.join("kraken-2.img"));
    let shadow = String::from_utf8(image.root_file("/etc/shadow")).unwrap();
    assert!(shadow.contains(secret), "{shadow}");
    let stat = image.debugfs("stat /etc/shadow");
    assert!(stat.contains("Mode:  0640") || stat.contains("Mode:  0600"), "{stat}");
    for name in ["/user-data", "/network-config", "/meta-data", "/cmdline.txt"] {
        let text = String::from_utf8(image.boot_file(name)).unwrap();
        assert!(!text.contains(secret), "{name}");
    }
    for name in names(&folder).iter().filter(|name| !name.ends_with(".img")) {
        assert!(
            !fs::read_to_string(folder.join(name)).unwrap().contains(secret),
            "{name}"
        );
    }
    for folder in ["cache", "cache/golden", "cache/raw"] {
        for name in names(&world.at(folder)).iter().filter(|name| name.ends_with(".img")) {
            assert_eq!(
                mode(&world.at(folder).join(name)) & 0o077,
                0,
                "{folder}/{name} is open to others"
            );
        }
    }
}

#[test]
fn packed_images_unpack_to_the_raw_bytes() {
    require(&[("xz", "xz-utils"), ("zstd", "zstd")]);
    let world = World::new(1, trixie());
    world.does(&["build"]);
    let raw = world.at("images/kraken-1.img");
    for (format, name, unpack) in [("xz", "kraken-1.img.xz", "xz"), ("zstd", "kraken-1.img.zst", "zstd")] {
        world.does(&["build", "--compress", format, "-o", format]);
        let packed = world.at(format).join(name);
        assert_eq!(mode(&packed), 0o600, "{name}");
        let script = format!("{unpack} -q -dc '{}' | cmp - '{}'", packed.display(), raw.display());
        run(Command::new("sh").args(["-c", &script]));
        run(Command::new("sha256sum")
            .current_dir(world.at(format))
            .args(["--strict", "-c", "SHA256SUMS"]));
        let manifest: Value =
            serde_json::from_slice(&fs::read(world.at(format).join("manifest.json")).unwrap()).unwrap();
        assert_eq!(manifest["nodes"][0]["raw-sha256"], sha256(&raw));
        assert_eq!(
            fs::read(world.at(format).join("kraken-1.img.bmap")).unwrap(),
            fs::read(world.at("images/kraken-1.img.bmap")).unwrap()
        );
        world.does(&["verify", format]);
        world.does(&["verify", &format!("{format}/{name}")]);
        let mut bytes = fs::read(&packed).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&packed, bytes).unwrap();
        let said = world.ends(&["verify", format], 3);
        assert!(said.contains("packing: "), "{said}");
    }
}

#[test]
fn some_nodes_are_built_alone_and_the_same_as_with_all() {
    let world = World::new(3, trixie());
    world.does(&["build", "--node", "3", "-o", "some"]);
    assert_eq!(
        names(&world.at("some")),
        ["SHA256SUMS", "kraken-3.img", "kraken-3.img.bmap", "manifest.json"]
    );
    world.does(&["build", "--node", "1", "--node", "2", "--node", "1", "-o", "some"]);
    world.does(&["build", "-o", "all"]);
    assert_eq!(hashes(&world.at("some")), hashes(&world.at("all")));
    let said = world.ends(&["build", "--node", "4", "-o", "none"], 2);
    assert!(said.contains("nodes 1 to 3"), "{said}");
    assert!(!world.at("none").exists());
}

#[test]
fn a_second_build_takes_the_golden_image_from_the_cache_and_gives_the_same_bytes() {
    let world = World::new(2, trixie());
    let first = world.does(&["build"]);
    let before = hashes(&world.at("images"));
    let golden = hashes(&world.at("cache/golden"));
    assert!(first.contains("baking what all nodes share"), "{first}");
    let second = world.does(&["build"]);
    assert!(!second.contains("baking what all nodes share"), "{second}");
    assert_eq!(hashes(&world.at("images")), before);
    assert_eq!(hashes(&world.at("cache/golden")), golden);
}

#[test]
fn an_image_has_the_status_of_its_node_unless_one_line_switches_it_off() {
    const FILES: [&str; 5] = [
        "/usr/local/lib/kraken-flash/status",
        "/usr/local/lib/kraken-flash/led",
        "/etc/systemd/system/kraken-status.service",
        "/etc/systemd/system/sysinit.target.wants/kraken-status.service",
        "/etc/issue.d/kraken-status.issue",
    ];
    let world = World::new(1, trixie());
    for (line, there) in [("", true), ("[system]\nstatus = false\n", false), ("", true)] {
        world.spec(1, line);
        world.does(&["build"]);
        let image = Image::open(&world.at("images/kraken-1.img"));
        for file in FILES {
            let found = image.debugfs(&format!("stat {file}"));
            assert_eq!(found.contains("Inode: "), there, "{file} with {line:?}: {found}");
        }
        if there {
            assert_eq!(
                image.root_file(FILES[0])[..10],
                *b"#!/bin/sh\n",
                "a program that cannot be run"
            );
            assert!(image.debugfs(&format!("stat {}", FILES[0])).contains("Mode:  0755"));
        }
        world.does(&["verify"]);
    }
    assert_eq!(
        names(&world.at("cache/golden"))
            .iter()
            .filter(|name| name.ends_with(".img"))
            .count(),
        2
    );
}

#[test]
fn inspect_prints_what_is_on_an_image() {
    let world = World::new(2, trixie());
    world.does(&["build"]);
    let output = world.kraken(&["inspect", "--json", "images/kraken-2.img"]);
    assert!(output.status.success());
    let facts: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(facts["node"]["hostname"], "kraken-2");
    assert_eq!(facts["partitions"][1]["purpose"], "root");
    assert_eq!(facts["problems"], serde_json::json!([]));
    let said = world.does(&["inspect", "base.img"]);
    assert!(
        said.contains("not made by kraken-flash") && said.contains("trixie"),
        "{said}"
    );
}

#[test]
fn fetch_unpacks_the_base_so_that_an_offline_build_needs_nothing_else() {
    require(&[("xz", "xz-utils")]);
    let world = World::new(1, trixie());
    let raw = sha256(&world.at("base.img"));
    run(Command::new("xz").args(["-1", "-T1"]).arg(world.at("base.img")));
    let said = world.does(&["fetch", "--base", "base.img.xz"]);
    assert!(said.contains(&raw), "{said}");
    let again = world.does(&["fetch", "--base", "base.img.xz", "--offline"]);
    assert!(!again.contains("unpacking"), "{again}");
    world.does(&["build", "--base", "base.img.xz", "--offline"]);
    world.does(&["verify"]);
    assert!(!world.at("home/.cache").exists(), "KRAKEN_FLASH_CACHE was not heeded");
}

#[test]
fn a_base_that_was_not_unmounted_cleanly_becomes_clean_images() {
    let world = World::new(2, trixie());
    // Bit 0 of BS_Reserved1 of FAT32 says "dirty" (dosfstools, boot.h); the boot volume begins at
    // 8 MiB.
    let base = fs::File::options().write(true).open(world.at("base.img")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&base, &[1], (8 << 20) + 0x41).unwrap();
    drop(base);
    let dirty = Command::new("sh")
        .current_dir(world.path())
        .args(["-c", "dd if=base.img of=boot.fs bs=1M skip=8 count=256 status=none && PATH=$PATH:/usr/sbin:/sbin fsck.fat -n boot.fs"])
        .output()
        .unwrap();
    assert!(
        String::from_utf8_lossy(&dirty.stdout).contains("Dirty bit is set"),
        "{dirty:?}"
    );
    world.does(&["build"]);
    world.does(&["verify"]);
}
