//! Swarm state: no panic, no hang, and nothing secret in an error.
#![cfg_attr(fuzzing, no_main)]

use std::collections::BTreeMap;
use std::io;

use kraken_swarm_check::{JoinToken, Mode, NamedState, StateFiles, Store, check_cluster, read};
use libfuzzer_sys::fuzz_target;

const SEGMENT: &str = "raft/wal-v3-encrypted/0000000000000000-0000000000000000.wal";
const SNAPSHOT: &str = "raft/snap-v3-encrypted/0000000000000001-0000000000000001.snap";

/// The files of one node.
struct Files(BTreeMap<&'static str, Vec<u8>>);

impl StateFiles for Files {
    fn read(&self, path: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        match self.0.get(path) {
            Some(bytes) if bytes.len() as u64 > most => Err(io::ErrorKind::InvalidData.into()),
            found => Ok(found.cloned()),
        }
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let inside = self
            .0
            .keys()
            .filter_map(|path| path.strip_prefix(folder)?.strip_prefix('/'));
        Ok(inside.map(str::to_owned).collect())
    }

    fn mode(&self, _: &str) -> io::Result<Option<Mode>> {
        Ok(None)
    }
}

/// CRC-32C, bit by bit, going on from another.
fn crc(before: u32, bytes: &[u8]) -> u32 {
    let mut crc = !before;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
        }
    }
    !crc
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A log of records whose frames and checksums are right: each part of the input is a type and the
/// data.
fn framed(input: &[u8]) -> Vec<u8> {
    let mut log = Vec::new();
    let mut chain = 0;
    for part in [&b"\x04"[..]].into_iter().chain(input.split(|byte| *byte == 0xfe)) {
        let Some((of, data)) = part.split_first() else { continue };
        chain = crc(chain, data);
        let mut message = vec![0x08, of & 7, 0x10];
        message.extend(varint(chain.into()));
        message.push(0x1a);
        message.extend(varint(data.len() as u64));
        message.extend_from_slice(data);
        let padding = (8 - message.len() % 8) % 8;
        let mark = if padding == 0 { 0 } else { 0x80 | padding as u64 };
        log.extend((message.len() as u64 | mark << 56).to_le_bytes());
        log.extend(message);
        log.resize(log.len() + padding, 0);
    }
    log
}

fuzz_target!(|input: &[u8]| {
    let (choice, rest) = input.split_first().unwrap_or((&0, &[]));
    // A real node, whose keys open nothing (tests/fixtures/swarm/README.md).
    let mut files = Files(BTreeMap::from([
        (
            "docker-state.json",
            include_bytes!("../../tests/fixtures/swarm/26.1.5/plain/docker-state.json").to_vec(),
        ),
        (
            "state.json",
            include_bytes!("../../tests/fixtures/swarm/26.1.5/plain/state.json").to_vec(),
        ),
        (
            "certificates/swarm-root-ca.crt",
            include_bytes!("../../tests/fixtures/swarm/26.1.5/plain/swarm-root-ca.crt").to_vec(),
        ),
        (
            "certificates/swarm-node.crt",
            include_bytes!("../../tests/fixtures/swarm/26.1.5/plain/swarm-node.crt").to_vec(),
        ),
        (
            "certificates/swarm-node.key",
            include_bytes!("../../tests/fixtures/swarm/26.1.5/plain/swarm-node.key").to_vec(),
        ),
        (SEGMENT, framed(b"\x01\x08\x01\x12\x01a\xfe\x05\xfe\x03\x08\x01")),
    ]));
    let paths: Vec<_> = files.0.keys().copied().collect();
    match usize::from(choice % 16) {
        at @ 0..6 => drop(files.0.insert(paths[at], rest.to_vec())),
        6 | 7 => drop(files.0.insert(SEGMENT, framed(rest))),
        8 => drop(files.0.insert(SNAPSHOT, rest.to_vec())),
        9 => {
            let mut packed = vec![0x08];
            packed.extend(varint(crc(0, rest).into()));
            packed.push(0x12);
            packed.extend(varint(rest.len() as u64));
            packed.extend_from_slice(rest);
            files.0.insert(SNAPSHOT, packed);
        }
        10 => drop(Store::from_snapshot(rest)),
        11 => drop(JoinToken::parse(&String::from_utf8_lossy(rest))),
        _ => {
            let mut store = Store::default();
            for request in rest.split(|byte| *byte == 0xfe) {
                let before = store.clone();
                if store.apply(request).is_err() {
                    assert!(store == before, "an entry that fails changes nothing");
                }
            }
            let _ = (store.counts(), store.cluster(), format!("{store:?}"));
        }
    }
    match read(&files) {
        Ok(Some(state)) => {
            let nodes = ["a", "b"].map(|name| NamedState { name, state: &state });
            drop((format!("{state:?}"), check_cluster(&nodes)));
        }
        Ok(None) => {}
        Err(error) => assert!(!error.to_string().contains("SWMTKN-1-")),
    }
});

#[cfg(not(fuzzing))]
fn main() {
    fuzz::without_fuzzer();
}
