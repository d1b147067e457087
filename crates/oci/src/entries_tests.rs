//! Layers as builders make them, and hostile ones.

use std::io::Cursor;

use super::*;

/// One member of a layer.
struct Made<'a> {
    flag: u8,
    name: &'a [u8],
    link: &'a [u8],
    body: &'a [u8],
    records: &'a [(&'a str, &'a [u8])],
}

fn made<'a>(flag: u8, name: &'a str, link: &'a str) -> Made<'a> {
    Made {
        flag,
        name: name.as_bytes(),
        link: link.as_bytes(),
        body: b"",
        records: &[],
    }
}

fn layer(members: &[Made<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for member in members {
        if !member.records.is_empty() {
            builder.append_pax_extensions(member.records.iter().copied()).unwrap();
        }
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::new(member.flag));
        header.set_mode(0o10_4755);
        header.set_mtime(7);
        header.set_size(member.body.len() as u64);
        let old = header.as_old_mut();
        old.name[..member.name.len()].copy_from_slice(member.name);
        old.linkname[..member.link.len()].copy_from_slice(member.link);
        header.set_cksum();
        builder.append(&header, member.body).unwrap();
    }
    builder.into_inner().unwrap()
}

fn read(members: &[Made<'_>]) -> Result<Vec<Entry>> {
    Entries::new(Cursor::new(layer(members)))?.collect()
}

#[test]
fn a_layer_of_every_kind_is_read() {
    let file = Made {
        body: b"hello",
        records: &[
            ("SCHILY.xattr.security.capability", b"\x01\n\0="),
            ("mtime", b"-0.5"),
            ("gid", b"4294967294"),
        ],
        ..made(b'0', "./usr/bin/a", "")
    };
    let not_utf8 = Made {
        name: b"usr/\xff\xfe",
        link: b"\xfd",
        ..made(b'2', "", "")
    };
    let made = [
        made(b'5', "./", ""),
        file,
        made(b'1', "/usr/bin/b", "./usr/bin/a"),
        made(b'5', "usr/", ""),
        not_utf8,
        made(b'3', "dev/null", ""),
        made(b'4', "dev/sda", ""),
        made(b'6', "run/pipe", ""),
        made(b'0', "etc/.wh.motd", ""),
        made(b'0', "var/.wh..wh..opq", ""),
        made(b'0', ".wh..wh..opq", ""),
        made(b'5', "var", ""),
        made(b'g', "pax_global_header", ""),
        made(b'2', "var/up", "../usr/../usr"),
        made(b'2', "var/abs", "/../etc"),
    ];
    let archive = layer(&made);
    let entries: Vec<Entry> = Entries::new(Cursor::new(&archive))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let shown: Vec<(&[u8], &EntryKind)> = entries.iter().map(|entry| (&entry.path[..], &entry.kind)).collect();
    let symlink = |target: &[u8]| EntryKind::Symlink {
        target: target.to_vec(),
    };
    let hard = EntryKind::HardLink {
        target: b"usr/bin/a".to_vec(),
    };
    let wanted: Vec<(&[u8], EntryKind)> = vec![
        (b"", EntryKind::Folder),
        (b"usr/bin/a", EntryKind::File),
        (b"usr/bin/b", hard),
        (b"usr", EntryKind::Folder),
        (b"usr/\xff\xfe", symlink(b"\xfd")),
        (b"dev/null", EntryKind::Character(Device::default())),
        (b"dev/sda", EntryKind::Block(Device::default())),
        (b"run/pipe", EntryKind::Fifo),
        (b"etc/motd", EntryKind::Whiteout),
        (b"var", EntryKind::Opaque),
        (b"", EntryKind::Opaque),
        (b"var", EntryKind::Folder),
        (b"", EntryKind::GlobalHeader),
        (b"var/up", symlink(b"../usr/../usr")),
        (b"var/abs", symlink(b"/../etc")),
    ];
    let wanted: Vec<(&[u8], &EntryKind)> = wanted.iter().map(|(path, kind)| (*path, kind)).collect();
    assert_eq!(shown, wanted);
    let file = &entries[1];
    assert_eq!(file.name, b"./usr/bin/a");
    assert_eq!((file.mode, file.gid), (0o4755, u32::MAX - 1));
    assert_eq!(file.xattrs[&b"security.capability"[..]], b"\x01\n\0=");
    let before = Time {
        seconds: -1,
        nanoseconds: 500_000_000,
    };
    assert_eq!(file.mtime, before);
    assert_eq!(
        &archive[file.content.offset as usize..file.content.end() as usize],
        b"hello"
    );
    // Its first header is that of the records, right behind the root folder.
    assert_eq!(file.header, 512);
}

#[test]
fn hostile_entries_are_refused_with_a_reason() {
    let xattr = |name: &'static str| -> &'static [(&'static str, &'static [u8])] {
        match name {
            "overlay" => &[("SCHILY.xattr.trusted.overlay.redirect", b"/etc")],
            "odd" => &[("SCHILY.xattr.odd", b"x")],
            "nul" => &[("path", b"a\0b")],
            "sparse" => &[("GNU.sparse.major", b"1")],
            _ => &[("linkpath", b"")],
        }
    };
    let with = |name| Made {
        records: xattr(name),
        ..made(b'0', "a", "")
    };
    for (why, members) in [
        ("leads out of the layer", vec![made(b'0', "../a", "")]),
        ("leads out of the layer", vec![made(b'0', "a/../../b", "")]),
        ("leads out of the layer", vec![made(b'5', "..", "")]),
        ("leads out of the layer", vec![made(b'0', "/../etc/passwd", "")]),
        ("has a NUL", vec![with("nul")]),
        ("there twice", vec![made(b'0', "a", ""), made(b'0', "./a", "")]),
        ("there twice", vec![made(b'5', "a", ""), made(b'5', "/a/", "")]),
        ("there twice", vec![made(b'0', "a/b", ""), made(b'2', "a", "/etc")]),
        ("there twice", vec![made(b'0', "a", ""), made(b'0', ".wh.a", "")]),
        ("there twice", vec![made(b'0', "a/b", ""), made(b'0', ".wh.a", "")]),
        (
            "below what is not a folder",
            vec![made(b'2', "a", "/etc"), made(b'0', "a/passwd", "")],
        ),
        (
            "below what is not a folder",
            vec![made(b'2', "a", "b"), made(b'2', "b", "/etc"), made(b'5', "a/c/d", "")],
        ),
        (
            "below what is not a folder",
            vec![made(b'0', ".wh.a", ""), made(b'0', "a/b", "")],
        ),
        (
            "hard link to what is not there",
            vec![made(b'1', "a", "b"), made(b'0', "b", "")],
        ),
        (
            "hard link to what is not there",
            vec![made(b'5', "d", ""), made(b'1', "a", "d")],
        ),
        (
            "hard link to what is not there",
            vec![made(b'0', ".wh.b", ""), made(b'1', "a", "b")],
        ),
        ("hard link to what leads out", vec![made(b'1', "a", "../../etc/shadow")]),
        ("leads out of the root", vec![made(b'2', "a/b", "../../etc/shadow")]),
        ("leads out of the root", vec![made(b'2', "a", "b/../../c")]),
        ("what cannot be a path", vec![made(b'2', "a", "")]),
        ("has no name", vec![made(b'0', "./", "")]),
        ("has no name", vec![made(b'2', "/", "x")]),
        ("whiteout of what cannot be", vec![made(b'0', ".wh.", "")]),
        ("whiteout of what cannot be", vec![made(b'0', "a/.wh...", "")]),
        ("whiteout of what cannot be", vec![made(b'0', ".wh..wh.plnk", "")]),
        ("overlayfs", vec![with("overlay")]),
        ("name that cannot be", vec![with("odd")]),
        ("sparse", vec![with("sparse")]),
        ("of a kind", vec![made(b'7', "a", "")]),
        ("of a kind", vec![made(b'V', "a", "")]),
    ] {
        let error = read(&members).unwrap_err();
        assert!(error.to_string().contains(why), "{why}: {error}");
        assert_eq!(error.kind(), Kind::Damaged);
    }
}

#[test]
fn a_layer_that_is_cut_off_is_refused() {
    let mut archive = layer(&[made(b'0', "a", "")]);
    archive.truncate(400);
    let error = Entries::new(Cursor::new(archive)).unwrap().next().unwrap().unwrap_err();
    assert_eq!(error.kind(), Kind::Damaged, "{error}");
}

#[test]
fn nothing_follows_an_error() {
    let archive = layer(&[made(b'0', "../a", ""), made(b'0', "b", "")]);
    let mut entries = Entries::new(Cursor::new(archive)).unwrap();
    assert!(entries.next().unwrap().is_err());
    assert!(entries.next().is_none());
}

#[test]
fn paths_and_their_number_are_limited() {
    assert!(clean(&b"a/".repeat(2047)).is_ok());
    assert!(clean(&b"a/".repeat(2049)).unwrap_err().contains("4095"));
    assert!(clean(&[b'a'; 256]).unwrap_err().contains("255"));
    let mut entries = Entries::new(Cursor::new(Vec::new())).unwrap();
    entries.paths = MOST_PATHS - 3;
    assert!(entries.insert(b"abc", Seen::Folder).is_ok());
    assert!(entries.insert(b"d", Seen::Folder).unwrap_err().contains("long names"));
}

proptest::proptest! {
    /// Whatever is changed in a layer, what is read stays inside it.
    #[test]
    fn no_change_makes_it_panic_or_lead_out(
        changes in proptest::collection::vec((0_usize..512 * 8, proptest::prelude::any::<u8>()), 1..6),
    ) {
        let mut archive = layer(&[
            made(b'5', "usr/", ""),
            Made { body: b"hello", records: &[("path", b"usr/bin/x")], ..made(b'0', "x", "") },
            made(b'1', "usr/y", "usr/bin/x"),
            made(b'2', "usr/z", "../usr"),
            made(b'0', "usr/.wh.w", ""),
        ]);
        for (at, byte) in changes {
            let end = archive.len();
            archive[at % end] = byte;
        }
        // A wrong checksum would be refused at once.
        for block in archive.chunks_mut(512).filter(|block| block[257..262] == *b"ustar") {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        let size = archive.len() as u64;
        let mut at = 0;
        for entry in Entries::new(Cursor::new(archive)).unwrap().map_while(Result::ok) {
            proptest::prop_assert!(entry.header >= at && entry.content.offset > entry.header);
            at = entry.content.end();
            proptest::prop_assert!(at <= size);
            proptest::prop_assert!(entry.path.split(|byte| *byte == b'/').all(|part| part != b".."));
        }
    }
}
