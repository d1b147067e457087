//! An overlay with every kind of entry, written over stand-in images, and the checks that the
//! result must pass.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use kraken_disk::{CowView, Ext4Tree, FileTree, ImageFile, Layout, NodeType, Patch, Slice, apply, check_fat};
use kraken_overlay::{Entry, EntryPath, Overlay, Volume};

use super::{fsck, run};

pub const TIME: i64 = 1_750_000_000;

pub fn path(text: &str) -> EntryPath {
    EntryPath::new(text).unwrap()
}

pub fn open(image: &Path) -> Arc<ImageFile> {
    Arc::new(ImageFile::open_read(image).unwrap())
}

/// Returns an overlay with every kind of entry that a node's might have.
pub fn overlay() -> Overlay {
    let mut o = Overlay::new();
    let mut capable = Entry::file(*b"ping", 0o755, TIME);
    capable.xattrs.insert(
        "security.capability".into(),
        vec![1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    );
    for (at, entry) in [
        ("/etc/hostname", Entry::file(*b"kraken-3\n", 0o644, TIME)),
        (
            "/etc/deep/er/still/file",
            Entry::file(vec![7; 9000], 0o600, TIME).owned_by(1000, 70_000),
        ),
        ("/lib/linked.so", Entry::file(*b"through a link", 0o644, TIME)),
        ("/etc-absolute/via-absolute", Entry::file(*b"x", 0o644, TIME)),
        ("/etc/hosts.link", Entry::file(*b"no link any more", 0o644, TIME)),
        ("/usr/bin/ping", capable),
        ("/usr/bin/su", Entry::file(*b"suid", 0o4755, TIME)),
        ("/etc/empty", Entry::file(*b"", 0o644, TIME)),
        ("/etc/short", Entry::symlink("hosts", TIME)),
        ("/etc/long", Entry::symlink("x".repeat(200), TIME)),
        ("/srv/data", Entry::directory(0o2770, TIME).owned_by(0, 27)),
        ("/srv/data/in", Entry::file(*b"in", 0o644, TIME + 5)),
        ("/etc/shadow", Entry::absent()),
        ("/etc/never-was", Entry::absent()),
        (
            "/usr/big",
            Entry::file(
                (0..3_000_000u32).map(|n| (n % 253) as u8).collect::<Vec<_>>(),
                0o644,
                TIME,
            ),
        ),
    ] {
        o.insert(Volume::Root, path(at), entry);
    }
    for (at, entry) in [
        ("/user-data", Entry::file(*b"#cloud-config\n", 0o644, TIME)),
        ("/CONFIG.TXT", Entry::file(*b"arm_64bit=1\n", 0o644, TIME)),
        ("/A long name, with spaces.txt", Entry::file(vec![9; 5000], 0o644, TIME)),
        ("/kraken/sub/state.json", Entry::file(*b"{}", 0o644, TIME)),
        ("/overlays/README", Entry::absent()),
    ] {
        o.insert(Volume::Boot, path(at), entry);
    }
    o
}

pub fn bake(image: &Path, overlay: &Overlay) -> Patch {
    let view = Arc::new(CowView::new(open(image)));
    let layout = Layout::detect(view.clone()).unwrap();
    apply(view.clone(), &layout, overlay).unwrap();
    view.take_patch().unwrap()
}

/// Makes a copy of the image with the patch on it.
pub fn patched(image: &Path, patch: &Patch) -> PathBuf {
    let to = image.with_extension("out.img");
    run(Command::new("cp").arg("--sparse=always").arg(image).arg(&to));
    patch.apply_to(&ImageFile::open_write(&to).unwrap()).unwrap();
    to
}

pub fn check(image: &Path, layout: &Layout) {
    let at = |p: &kraken_disk::Partition| (p.start, p.len);
    fsck(image, at(&layout.boot), at(&layout.root));
    let boot = Slice::new(open(image), layout.boot.start, layout.boot.len).unwrap();
    assert_eq!(check_fat(&boot).unwrap(), Vec::<String>::new());
}

pub fn root_is_right(name: &str, tree: &Ext4Tree) {
    for (at, entry) in overlay()
        .iter()
        .filter(|(v, ..)| *v == Volume::Root)
        .map(|(_, p, e)| (p, e))
    {
        use kraken_overlay::Kind;
        let found = tree.metadata(at.as_str()).unwrap();
        match &entry.kind {
            Kind::Absent | Kind::AbsentIfEmpty => assert_eq!(found, None, "{name}: {at}"),
            kind => {
                let found = found.unwrap_or_else(|| panic!("{name}: {at} is missing"));
                assert_eq!(found.mtime, Some(entry.mtime), "{name}: {at}");
                assert_eq!((found.uid, found.gid), (entry.uid, entry.gid), "{name}: {at}");
                match kind {
                    Kind::File(bytes) => {
                        assert_eq!(found.mode, entry.mode, "{name}: {at}");
                        assert_eq!(
                            tree.read(at.as_str(), 1 << 30).unwrap().unwrap(),
                            *bytes.read().unwrap(),
                            "{name}: {at}"
                        );
                    }
                    Kind::Directory => assert_eq!((found.node, found.mode), (NodeType::Directory, entry.mode)),
                    Kind::Symlink(target) => {
                        assert_eq!(tree.read_link(at.as_str()).unwrap().unwrap().as_bytes(), target)
                    }
                    Kind::Absent
                    | Kind::AbsentIfEmpty
                    | Kind::HardLink(_)
                    | Kind::DirectoryIfMissing
                    | Kind::Node(_) => (),
                }
            }
        }
    }
    assert_eq!(
        tree.read("/usr/lib/linked.so", 100).unwrap().unwrap(),
        b"through a link"
    );
    assert_eq!(tree.read("/etc/via-absolute", 100).unwrap().unwrap(), b"x");
    assert_eq!(
        tree.read("/etc/hosts", 100).unwrap().unwrap().len(),
        42,
        "a link's target was changed"
    );
    assert_eq!(tree.metadata("/etc/deep").unwrap().unwrap().mode, 0o755);
}
