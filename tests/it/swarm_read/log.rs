//! The raft log: its snapshots, its segments, and what a power cut leaves of it.

use crate::swarm_support::{Files, SEGMENT};

#[test]
fn a_snapshot_gives_what_the_log_from_its_beginning_gives() {
    for name in ["20.10.24/cluster/m1", "20.10.24/cluster/m2", "26.1.5/cluster/m1"] {
        let files = Files::fixture(name);
        let node = files.node();
        let with = node.raft.as_ref().unwrap();
        let snapshots: Vec<_> = files
            .files
            .keys()
            .filter(|path| path.ends_with(".snap"))
            .cloned()
            .collect();
        assert!(!snapshots.is_empty(), "{name}");
        let mut damaged = files.clone();
        for path in &snapshots {
            damaged.file(path)[100] ^= 1;
        }
        let mut without = files.clone();
        without.files.retain(|path, _| !snapshots.contains(path));
        for (files, skipped_snapshots) in [(damaged, snapshots.len()), (without, 0)] {
            let node = files.node();
            let raft = node.raft.as_ref().unwrap();
            assert_eq!(
                (raft.snapshot, raft.skipped_snapshots.len()),
                (None, skipped_snapshots),
                "{name}"
            );
            assert!(raft.entries > with.entries);
            assert_eq!(raft.store, with.store, "{name}");
            assert_eq!((&raft.members, raft.commit), (&with.members, with.commit), "{name}");
        }
    }
}

#[test]
fn a_log_in_two_segments() {
    let mut files = Files::fixture("20.10.24/cluster/m1").trimmed(SEGMENT);
    let whole = files.node();
    let bytes = files.file(SEGMENT).clone();
    let starts = frames(&bytes);
    for at in [4, starts.len() / 2, starts.len() - 1] {
        let (first, second) = bytes.split_at(starts[at]);
        // The record before the cut contains its checksum, with which the next segment begins.
        let before = &bytes[starts[at - 1] + 8..];
        let end = 3 + before[3..].iter().position(|byte| byte & 0x80 == 0).unwrap();
        let mut next = vec![0x08, 4];
        next.extend(&before[2..=end]);
        let padding = (8 - next.len() % 8) % 8;
        let word = next.len() as u64 | (0x80 | padding as u64) << 56;
        let mut next = [&word.to_le_bytes()[..], &next, &[0; 8][..padding]].concat();
        next.extend_from_slice(second);

        let mut split = files.clone();
        *split.file(SEGMENT) = first.to_vec();
        let name = "raft/wal-v3-encrypted/0000000000000001-0000000000000002.wal";
        split.files.insert(name.into(), next.clone());
        assert_eq!(split.node(), whole, "cut before record {at}");

        let mut damaged = split.clone();
        damaged.file(name)[11] ^= 1;
        assert!(damaged.refused().contains("checksum is"), "{}", damaged.refused());
        let mut apart = split.clone();
        apart.files.remove(name);
        apart.files.insert(name.replace("01-", "02-"), next);
        assert!(apart.refused().contains("the segment before it is missing"));
        // Only the last segment may end in a torn record.
        let mut torn = split;
        torn.file(SEGMENT).pop();
        assert!(torn.refused().contains("middle of a record"), "{}", torn.refused());
    }
}

/// Returns where the records of a segment begin.
fn frames(bytes: &[u8]) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut at = 0;
    while let Some(word) = bytes.get(at..at + 8) {
        let word = u64::from_le_bytes(word.try_into().unwrap());
        if word == 0 {
            break;
        }
        starts.push(at);
        let padding = if word >> 63 == 1 { word >> 56 & 7 } else { 0 };
        at += 8 + usize::try_from((word & 0xff_ffff) + padding).unwrap();
    }
    starts
}

#[test]
fn the_rest_of_a_log_that_a_power_cut_tore_is_left_out() {
    let mut files = Files::fixture("20.10.24/cluster/m1").trimmed(SEGMENT);
    files.files.retain(|path, _| !path.ends_with(".snap"));
    let whole = files.node().raft.unwrap();
    let start = *frames(&files.files[SEGMENT]).last().unwrap();
    for keep in [0, 1, 7, 8, 9, 12] {
        let mut torn = files.clone();
        torn.file(SEGMENT).truncate(start + keep);
        let raft = torn.node().raft.unwrap();
        assert!(raft.commit <= whole.commit && raft.last <= whole.last);
    }
}
