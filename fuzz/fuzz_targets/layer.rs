//! The entries of a container image's layer: no panic, no hang; nothing leads out of the layer, no
//! path is there twice, and contents lie in the archive one behind the other.
#![cfg_attr(fuzzing, no_main)]

use std::collections::BTreeSet;
use std::io::Cursor;

use kraken_oci::{Entries, EntryKind};
use libfuzzer_sys::fuzz_target;

/// Returns the headers with right checksums: a wrong one is refused at once.
fn with_checksums(bytes: &[u8]) -> Vec<u8> {
    let mut tar = bytes.to_vec();
    tar.resize(tar.len().next_multiple_of(512), 0);
    for block in tar.chunks_mut(512) {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    tar
}

/// Returns an archive of one entry for each line of the form `KIND NAME<TAB>TARGET OR BYTES`.
fn described(input: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    for line in input.split(|byte| *byte == 1).take(64) {
        let Some((kind, line)) = line.split_first() else {
            continue;
        };
        let tab = line.iter().position(|byte| *byte == b'\t').unwrap_or(line.len());
        let (name, body) = (&line[..tab], line.get(tab + 1..).unwrap_or_default());
        let mut header = [0_u8; 512];
        let mut put = |at: usize, most: usize, bytes: &[u8]| {
            let count = bytes.len().min(most);
            header[at..at + count].copy_from_slice(&bytes[..count]);
        };
        let has_body = matches!(kind, b'0' | b'L' | b'K' | b'x' | b'g');
        let size = if has_body { body.len() } else { 0 };
        put(0, 100, name);
        put(100, 8, b"0000755\0");
        put(124, 12, format!("{size:011o}\0").as_bytes());
        put(156, 1, &[*kind]);
        put(257, 8, b"ustar\x0000");
        if !has_body {
            put(157, 100, body);
        }
        tar.extend(with_checksums(&header));
        tar.extend_from_slice(&body[..size]);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar
}

fn check(archive: &[u8]) {
    let entries = Entries::new(Cursor::new(archive)).expect("memory can seek");
    let size = entries.archive_size();
    let mut at = 0;
    let mut paths = BTreeSet::new();
    for entry in entries.map_while(Result::ok) {
        assert!(entry.header >= at && entry.content.offset > entry.header && entry.content.end() <= size);
        at = entry.content.end();
        let mut parts = entry.path.split(|byte| *byte == b'/');
        assert!(entry.path.is_empty() || parts.all(|part| !matches!(part, b"" | b"." | b"..")));
        match entry.kind {
            EntryKind::GlobalHeader | EntryKind::Opaque => {}
            EntryKind::HardLink { target } => {
                assert!(paths.contains(&target), "a hard link leads to an earlier entry");
                assert!(paths.insert(entry.path));
            }
            _ => assert!(paths.insert(entry.path), "a path is there twice"),
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let (choice, rest) = input.split_first().unwrap_or((&0, &[]));
    match choice % 3 {
        0 => check(rest),
        1 => check(&with_checksums(rest)),
        _ => check(&described(rest)),
    }
});

#[cfg(not(fuzzing))]
fn main() {
    fuzz::without_fuzzer();
}
