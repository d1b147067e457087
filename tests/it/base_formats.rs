//! Bases from files: every format, made by the tool that users pack with; complete, cut short,
//! damaged, and hostile.

use std::os::unix::fs::MetadataExt;
use std::process::Command;

use crate::base_support::{Desk, PACKERS, assert_is, disk_image, hex_sha256, image, pack, sha256};
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::{Error, Kind};
use kraken_spec::BaseRef;

const SIZE: usize = 5 << 20;

fn python_zip(desk: &Desk, script: &str) -> Vec<u8> {
    let path = desk.folder.path().join("made.zip");
    let script = format!(
        "import sys, zipfile\nz = zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED)\n{script}\nz.close()"
    );
    let done = Command::new("python3")
        .arg("-c")
        .arg(script)
        .arg(&path)
        .output()
        .expect("install python3");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    std::fs::read(path).expect("zip archive")
}

#[test]
fn every_way_of_packing_gives_the_same_sparse_image_once() {
    let raw = disk_image(SIZE);
    for (name, command) in PACKERS {
        let desk = Desk::new();
        let packed = pack(&desk.write("disk.img", &raw), command);
        // The name does not matter: the content decides.
        let path = desk.write("base", &packed);
        let base = desk
            .obtain(BaseRef::Path(path.clone()))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_is(&base, &raw);
        assert_eq!(base.download_sha256, Some(sha256(&packed)), "{name}");
        assert_eq!(base.origin, "base");
        let before = base.raw.metadata().expect("metadata");
        assert!(
            before.blocks() * 512 < SIZE as u64 / 2,
            "{name}: {} blocks",
            before.blocks()
        );
        assert_eq!(desk.obtain(BaseRef::Path(path)).expect("again"), base);
        let after = base.raw.metadata().expect("metadata");
        assert_eq!(
            (before.ino(), before.mtime_nsec()),
            (after.ino(), after.mtime_nsec()),
            "{name}: made twice"
        );
    }
}

#[test]
fn bytes_behind_what_is_packed_are_left_out() {
    let raw = disk_image(SIZE);
    for (name, command) in PACKERS {
        let desk = Desk::new();
        let packed = pack(&desk.write("disk.img", &raw), command);
        for behind in [&[0; 4096][..], &[0; 3], b"meta", &[0x5a; 3000]] {
            let path = desk.write("base", &[&packed[..], behind].concat());
            let base = desk
                .obtain(BaseRef::Path(path.clone()))
                .unwrap_or_else(|error| panic!("{name}, {} bytes: {error}", behind.len()));
            assert_is(&base, &raw);
            let mut streamed = Vec::new();
            let mut stream = kraken_fetch::stream(&path).unwrap();
            std::io::Read::read_to_end(&mut stream.bytes, &mut streamed)
                .unwrap_or_else(|error| panic!("{name}, {} bytes: {error}", behind.len()));
            assert!(streamed == raw, "{name}");
            // A zip archive is read from its end, so it does not know where its data should end.
            let is_reported = stream.tail.words(stream.format).is_some();
            assert_eq!(
                is_reported,
                behind[0] != 0 && *name != "zip",
                "{name}, {} bytes",
                behind.len()
            );
        }
    }
}

#[test]
fn a_raw_file_is_used_where_it_is() {
    let desk = Desk::new();
    let raw = disk_image(SIZE);
    let path = desk.write("disk.img", &raw);
    let base = desk.obtain(BaseRef::Path(path.clone())).expect("base");
    assert_is(&base, &raw);
    assert_eq!(base.raw, path);
    assert_eq!(desk.cached("raw"), Vec::<String>::new());
    let mut changed = raw.clone();
    changed[70_000] ^= 1;
    desk.write("disk.img", &changed);
    assert_is(&desk.obtain(BaseRef::Path(path.clone())).expect("base"), &changed);
    let mut wanted = image(BaseRef::Path(path));
    wanted.sha256 = Some(sha256(&raw));
    let error = desk.obtain_image(&wanted).unwrap_err().to_string();
    assert!(error.contains("is wanted, but the image has"), "{error}");
}

/// Whether the packed file is wrong, and not the machine that unpacks it.
fn is_about_the_file(error: &Error) -> bool {
    let says = |what: &str| error.to_string().starts_with(what);
    matches!(error.kind(), Kind::Damaged | Kind::Unsupported)
        && (says("unpacking ") || says("reading "))
        && error.downcast_ref::<std::io::Error>().is_none()
}

#[test]
fn a_file_cut_short_anywhere_is_an_error_and_leaves_nothing() {
    let raw = disk_image(SIZE);
    let source = Desk::new();
    let path = source.write("disk.img", &raw);
    let raw_too = [("raw", "cat FILE")];
    for (name, command) in PACKERS.iter().chain(&raw_too) {
        let packed = pack(&path, command);
        for percent in (0..100).step_by(7) {
            let desk = Desk::new();
            let path = desk.write("base", &packed[..packed.len() * percent / 100]);
            let error = desk.obtain(BaseRef::Path(path)).map(|_| ()).expect_err(name);
            assert!(is_about_the_file(&error), "{name} at {percent}%: {error}");
            desk.assert_nothing_finished();
        }
    }
}

#[test]
fn a_cut_between_two_streams_is_seen_by_the_partition_table() {
    let raw = disk_image(SIZE);
    for packer in ["xz -1", "zstd -q -1", "gzip -1"] {
        let desk = Desk::new();
        let packed = pack(&desk.write("disk.img", &raw), &format!("head -c 2M FILE | {packer} -c"));
        let path = desk.write("base", &packed);
        let error = desk.obtain(BaseRef::Path(path)).expect_err(packer);
        assert!(
            is_about_the_file(&error) && error.to_string().contains("but its partition table reaches to"),
            "{packer}: {error}"
        );
        desk.assert_nothing_finished();
    }
}

#[test]
fn a_flipped_bit_never_passes_unseen() {
    let raw = disk_image(SIZE);
    let source = Desk::new();
    let path = source.write("disk.img", &raw);
    for (name, command) in [
        ("xz", "xz -1 -T2 --block-size=1MiB -c FILE"),
        ("zstd", "zstd -q -1 --check -c FILE"),
        ("gzip", "gzip -1 -n -c FILE"),
        ("zip", "cd $(dirname FILE) && zip -q -1 - $(basename FILE)"),
    ] {
        let packed = pack(&path, command);
        for step in 0..23 {
            let at = (packed.len() - 1) * step / 22;
            let mut damaged = packed.clone();
            damaged[at] ^= 1 << (step % 8);
            let desk = Desk::new();
            let path = desk.write("base", &damaged);
            match desk.obtain(BaseRef::Path(path)) {
                // A bit in a time stamp, a name or an unused flag of the container does not change
                // the image.
                Ok(base) => assert_is(&base, &raw),
                Err(error) => {
                    assert!(is_about_the_file(&error), "{name} at {at}: {error}");
                    desk.assert_nothing_finished();
                }
            }
        }
    }
}

#[test]
fn a_bomb_is_stopped_at_the_limit() {
    for (name, command) in [
        ("xz", "head -c 300M /dev/zero | cat FILE - | xz -0 -c"),
        ("zstd", "head -c 300M /dev/zero | cat FILE - | zstd -q -1 -c"),
        ("gzip", "head -c 300M /dev/zero | cat FILE - | gzip -1 -c"),
    ] {
        let mut desk = Desk::new();
        desk.options.most = 64 << 20;
        let packed = pack(&desk.write("disk.img", &disk_image(2 << 20)), command);
        let path = desk.write("base", &packed);
        let error = desk.obtain(BaseRef::Path(path)).expect_err(name);
        assert!(
            is_about_the_file(&error) && error.to_string().contains("more than 67108864 bytes come out of it"),
            "{error}"
        );
        desk.assert_nothing_finished();
        assert!(desk.cached("raw").is_empty(), "{name}");
    }
}

#[test]
fn a_zip_archive_gives_its_image_whatever_its_members_are_called() {
    let desk = Desk::new();
    let raw = disk_image(SIZE);
    let disk = desk.write("disk.img", &raw);
    for name in ["../../../escaped.img", "/escaped.img", "a/b/C.IMG", "..\\\\escaped.img"] {
        let script = format!(
            "z.writestr('readme.txt', 'x' * 9000000)\nz.writestr('small.img', 'x')\nz.write('{}', '{name}')",
            disk.display()
        );
        let packed = python_zip(&desk, &script);
        let inner = Desk::new();
        let base = inner
            .obtain(BaseRef::Path(inner.write("base.zip", &packed)))
            .expect(name);
        assert_is(&base, &raw);
        assert!(
            base.raw.starts_with(inner.folder.path().join("cache/raw")),
            "{}",
            base.raw.display()
        );
    }
    assert!(!std::path::Path::new("/escaped.img").exists());
}

#[test]
fn what_is_no_image_is_named() {
    let source = Desk::new();
    let text = source.write("readme.txt", b"hello");
    let folder = source.folder.path().display().to_string();
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"<html></html>".to_vec(), "an HTML page"),
        (Vec::new(), "an empty file"),
        (
            pack(&text, &format!("tar -C {folder} -cf - readme.txt")),
            "a tar archive",
        ),
        (
            pack(&text, &format!("tar -C {folder} -cf - readme.txt | xz -c")),
            "a xz file with a tar archive in it",
        ),
        (
            pack(&text, "gzip -c FILE | gzip -c"),
            "a gzip file with gzip file in it",
        ),
        (pack(&text, "zstd -q -c FILE"), "a zstd file with a text in it"),
        (pack(&text, "xz -c /dev/null"), "an empty file in it"),
        (
            python_zip(&source, "z.writestr('a.txt', 'x')"),
            "a zip archive without an .img file",
        ),
    ];
    for (bytes, words) in cases {
        let desk = Desk::new();
        let error = desk
            .obtain(BaseRef::Path(desk.write("base", &bytes)))
            .expect_err(words)
            .to_string();
        assert!(error.contains(words), "{words}: {error}");
        desk.assert_nothing_finished();
    }
    let error = source
        .obtain(BaseRef::Path(source.folder.path().to_owned()))
        .expect_err("a folder")
        .to_string();
    assert!(error.contains("a folder"), "{error}");
    let missing = source.folder.path().join("missing.img");
    let error = source.obtain(BaseRef::Path(missing)).expect_err("missing").to_string();
    assert!(error.contains("opening") && error.contains("missing.img"), "{error}");
}

#[test]
fn what_is_whole_and_packed_in_a_rare_way_is_said_with_what_to_do() {
    let source = Desk::new();
    let disk = source.write("disk.img", &disk_image(SIZE)).display().to_string();
    let zipped = python_zip(&source, &format!("z.write('{disk}', 'a.img')"));
    // The fields of the local header and of the directory's entry (APPNOTE.TXT 4.3.7, 4.3.12).
    let patched = |local: usize, central: usize, value: u8| {
        let mut bytes = zipped.clone();
        let directory = bytes
            .windows(4)
            .rposition(|window| window == b"PK\x01\x02")
            .expect("directory");
        bytes[local] = value;
        bytes[directory + central] = value;
        bytes
    };
    let twins = python_zip(
        &source,
        &format!("z.write('{disk}', 'a.img')\nz.write('{disk}', 'old/b.img')"),
    );
    // A frame whose window is 256 MiB, and an empty last block (RFC 8878, 3.1.1).
    let window = b"\x28\xb5\x2f\xfd\x00\x90\x01\x00\x00".to_vec();
    for (bytes, words) in [
        (patched(8, 10, 9), ["packed with Deflate64", "7z x"]),
        (patched(8, 10, 14), ["packed with LZMA", "7z x"]),
        (patched(8, 10, 77), ["packed with method 77", "7z x"]),
        (patched(6, 8, 1), ["behind a password", "unpack it yourself"]),
        (twins, ["\"a.img\" and \"old/b.img\"", "unpack the one that is meant"]),
        (window, ["more than 128 MiB", "zstd -d --long=31"]),
    ] {
        let desk = Desk::new();
        let path = desk.write("base", &bytes);
        // As a base, and as the input of `flash-image`.
        let streamed = kraken_fetch::stream(&path).err().expect(words[0]).to_string();
        let error = desk.obtain(BaseRef::Path(path)).expect_err(words[0]).to_string();
        for said in [&streamed, &error] {
            assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
            assert!(!said.contains("download"), "{said}");
        }
        desk.assert_nothing_finished();
    }
}

#[test]
fn an_interrupt_leaves_nothing_half_made() {
    let desk = Desk::new();
    let packed = pack(&desk.write("disk.img", &disk_image(SIZE)), "xz -1 -c FILE");
    let path = desk.write("base", &packed);
    desk.interrupt.set();
    let error = desk.obtain(BaseRef::Path(path.clone())).expect_err("interrupted");
    assert!(error.is_interrupted(), "{error}");
    desk.assert_nothing_finished();
    let desk = Desk {
        interrupt: Interrupt::new(),
        ..desk
    };
    desk.obtain(BaseRef::Path(path)).expect("the next run");
}

#[test]
fn what_a_killed_run_has_left_does_not_stop_the_next() {
    let desk = Desk::new();
    let raw = disk_image(SIZE);
    let packed = pack(&desk.write("disk.img", &raw), "xz -1 -c FILE");
    let path = desk.write("base", &packed);
    std::fs::create_dir_all(desk.folder.path().join("cache/raw")).expect("folder");
    let left = desk
        .folder
        .path()
        .join("cache/raw")
        .join(format!("{}.tmp", hex_sha256(&packed)));
    std::fs::write(&left, vec![9; 9 << 20]).expect("write");
    assert_is(&desk.obtain(BaseRef::Path(path)).expect("base"), &raw);
    assert!(!left.exists());
}
