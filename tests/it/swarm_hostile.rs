//! Swarm states that are damaged or malicious: an error or the same state, never a panic.

use crate::swarm_support::{Files, SEGMENT};
use proptest::prelude::*;

fn init() -> Files {
    Files::fixture("26.1.5/init/m1").trimmed(SEGMENT)
}

#[test]
fn a_bit_that_flips_in_the_log_is_an_error_or_changes_nothing() {
    let files = init();
    let whole = files.node();
    let length = files.files[SEGMENT].len();
    for at in (0..length).step_by(7) {
        let mut flipped = files.clone();
        flipped.file(SEGMENT)[at] ^= 1 << (at / 7 % 8);
        if let Ok(Some(node)) = flipped.read() {
            assert_eq!(node, whole, "byte {at}");
        }
    }
}

#[test]
fn a_log_that_is_cut_is_an_error_or_an_older_state() {
    let files = init();
    let whole = files.node().raft.unwrap();
    let length = files.files[SEGMENT].len();
    for keep in (0..length).step_by(23).chain(length - 200..=length) {
        let mut cut = files.clone();
        cut.file(SEGMENT).truncate(keep);
        if let Ok(Some(node)) = cut.read() {
            let raft = node.raft.unwrap();
            assert!(raft.commit <= whole.commit && raft.last <= whole.last, "cut to {keep}");
        }
    }
}

#[test]
fn a_bit_that_flips_in_a_certificate_or_key_never_makes_another_node() {
    let files = init();
    let whole = files.node();
    for name in ["swarm-node.crt", "swarm-node.key", "swarm-root-ca.crt"] {
        let path = format!("certificates/{name}");
        for at in 0..files.files[&path].len() {
            let mut flipped = files.clone();
            flipped.file(&path)[at] ^= 1 << (at % 8);
            if let Ok(Some(node)) = flipped.read() {
                assert_eq!(
                    node.certificate.public_key, whole.certificate.public_key,
                    "{path}, byte {at}"
                );
                assert_eq!(
                    (node.id(), &node.root_ca),
                    (whole.id(), &whole.root_ca),
                    "{path}, byte {at}"
                );
                assert_eq!(node.raft, whole.raft, "{path}, byte {at}");
            }
        }
    }
}

/// Replaces parts of one file by others.
fn damage() -> impl Strategy<Value = (prop::sample::Index, prop::sample::Index, u8, Vec<u8>)> {
    let bytes = prop::collection::vec(any::<u8>(), 0..40);
    (
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        0..6_u8,
        bytes,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_never_panic(damages in prop::collection::vec(damage(), 1..3)) {
        let mut files = init();
        for (file, at, how, bytes) in damages {
            let paths: Vec<_> = files.files.keys().cloned().collect();
            let path = file.get(&paths);
            let contents = files.file(path);
            let at = at.index(contents.len() + 1);
            match how {
                0 => contents.truncate(at),
                1 => *contents = bytes,
                2 => drop(contents.splice(at..at, bytes)),
                3 => drop(contents.drain(at..(at + bytes.len()).min(contents.len()))),
                _ => for (to, from) in contents[at..].iter_mut().zip(bytes) {
                    *to = from;
                },
            }
        }
        if let Err(error) = files.read() {
            prop_assert!(error.to_string().len() < 600, "{error}");
        }
    }
}
