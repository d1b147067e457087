//! `verify` finds every change to the packages in an image.

use super::raw::raw_deb;
use super::{base_of, image};
use testkit::archive::TestArchive;
use testkit::tamper::{Bed, Case, case, debugfs, each, flip, replace_in_root};
use testkit::world::{PROGRAM, World};

/// cap_net_bind_service=ep, as the kernel stores it (linux/capability.h, VFS_CAP_REVISION_2).
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn cases() -> Vec<Case> {
    vec![
        case(
            "a byte of a file",
            &["root:/usr/bin/tool has another content than was baked in"],
            |image| {
                flip(image, image.root_block("/usr/bin/tool", 0));
            },
        ),
        case(
            "a mode",
            &["root:/usr/bin/tool has mode 0777 and should have 0755"],
            debugfs(&["set_inode_field /usr/bin/tool mode 0100777"]),
        ),
        case(
            "set-uid",
            &["root:/usr/bin/tool has mode 4755 and should have 0755"],
            debugfs(&["set_inode_field /usr/bin/tool mode 0104755"]),
        ),
        case(
            "an owner",
            &["root:/usr/bin/tool belongs to 1000:0 and should belong to 0:0"],
            debugfs(&["set_inode_field /usr/bin/tool uid 1000"]),
        ),
        case(
            "a file that is gone",
            &["root:/usr/bin/tool is missing"],
            debugfs(&["rm /usr/bin/tool"]),
        ),
        case(
            "a link",
            &["root:/usr/bin/tl points to \"evil\" and should point to \"tool\""],
            debugfs(&["rm /usr/bin/tl", "symlink /usr/bin/tl evil"]),
        ),
        case(
            "a capability that is gone",
            &["root:/usr/bin/tool lacks the extended attribute security.capability"],
            debugfs(&["ea_rm /usr/bin/tool security.capability"]),
        ),
        case(
            "another capability",
            &["root:/usr/bin/tool has another value of the extended attribute security.capability"],
            debugfs(&["ea_set /usr/bin/tool security.capability 12345678901234567890"]),
        ),
        case(
            "dpkg's list of hashes",
            &[
                "root:/var/lib/dpkg/info/tool.md5sums has another content than was baked in",
                "root:/usr/share/tool is not what dpkg's md5sums say",
            ],
            |image| {
                let list = String::from_utf8(image.root_file("/var/lib/dpkg/info/tool.md5sums")).unwrap();
                let line = list.lines().find(|line| line.ends_with("usr/share/tool")).unwrap();
                let other = format!("{}  usr/share/tool", "0".repeat(32));
                replace_in_root(image, "/var/lib/dpkg/info/tool.md5sums", line, &other);
            },
        ),
        case(
            "no list of hashes",
            &["root:/var/lib/dpkg/info/tool.md5sums is missing"],
            debugfs(&["rm /var/lib/dpkg/info/tool.md5sums"]),
        ),
        case(
            "the state of a package",
            &[
                "root:/var/lib/dpkg/status has another content",
                "\"install ok half-put\" there, not unpacked",
            ],
            |image| {
                replace_in_root(
                    image,
                    "/var/lib/dpkg/status",
                    "install ok unpacked",
                    "install ok half-put",
                );
            },
        ),
        case(
            "the version of a package",
            &["root:/var/lib/dpkg/status does not have tool 1.0-1"],
            |image| {
                replace_in_root(image, "/var/lib/dpkg/status", "Version: 1.0-1", "Version: 1.0-2");
            },
        ),
        case(
            "our record",
            &[
                "packages.json is not the record that the manifest names",
                "tool is baked in as version 1.0-9",
            ],
            |image| {
                replace_in_root(image, "/var/lib/kraken-flash/packages.json", "1.0-1", "1.0-9");
            },
        ),
        case(
            "a record that is none",
            &[
                "root:/var/lib/kraken-flash/packages.json",
                "it is not a record of packages",
            ],
            |image| {
                replace_in_root(
                    image,
                    "/var/lib/kraken-flash/packages.json",
                    "{\n\"packages\"",
                    "{\n\"packagez\"",
                );
            },
        ),
        case(
            "no record",
            &["kraken.toml asks for packages, and none is baked in"],
            debugfs(&["rm /var/lib/kraken-flash/packages.json"]),
        ),
        case(
            "the unit that configures them",
            &["root:/usr/local/lib/kraken-flash/configure is missing"],
            debugfs(&["rm /usr/local/lib/kraken-flash/configure"]),
        ),
    ]
}

#[test]
fn every_tampering_with_packages_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let deb = raw_deb(folder.path(), "tool", |data| {
        data.folder("./usr/")
            .folder("./usr/bin/")
            .xattr("security.capability", &CAPABILITY)
            .file("./usr/bin/tool", 0o755, b"#!/bin/sh\necho tool\n")
            .link("./usr/bin/tl", "tool")
            .folder("./usr/share/")
            .file("./usr/share/tool", 0o644, b"something\n");
    });
    let archive = TestArchive::builder().deb(deb).build().serve();
    let world = World::new(2, base_of(&archive));
    world.spec(2, "[system]\npackages = [\"tool\"]\n");
    let bed = Bed::new(&world, PROGRAM);
    let baked = image(&world, "single", 2);
    let said = baked.debugfs("ea_list /usr/bin/tool");
    assert!(said.contains("security.capability (20)"), "{said}");
    baked.is_clean();
    each(&bed, cases());
}
