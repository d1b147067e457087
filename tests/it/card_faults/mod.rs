//! Cards that fail in every way, at any moment: a card that was not written and verified is never
//! reported as a success, and never looks bootable.

mod card;

use std::io;
use std::ops::Range;

use card::{CARD, Card, Fault, Random};
use kraken_disk::{RamDisk, UsedMap};
use kraken_flash::card::{HEAD, ImageSource, Target, WriteError, WriteOptions, WriteReport, write};
use kraken_foundation::Job;
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::progress::Silent;
use proptest::prelude::*;

const IMAGE: u64 = 16 << 20;

/// An image with a boot sector, some used ranges, and old data in between that is not needed.
fn image(seed: u64) -> (RamDisk, UsedMap) {
    let mut random = Random(seed);
    let mut bytes: Vec<u8> = (0..IMAGE / 8).flat_map(|_| random.next().to_le_bytes()).collect();
    bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
    let mut ranges: Vec<Range<u64>> = Vec::from([0..8192, 8192..12288]);
    let mut at = 8192;
    while at < IMAGE {
        let from = at + random.below(5 << 20) / 4096 * 4096;
        let to = (from + 4096 + random.below(2 << 20) / 4096 * 4096).min(IMAGE);
        if from < to {
            ranges.push(from..to);
        }
        at = to + 4096;
    }
    (RamDisk::from_bytes(bytes), UsedMap::from_ranges(ranges))
}

const OPTIONS: WriteOptions = WriteOptions {
    verify: true,
    test_capacity: true,
    nonce: 7,
};

fn run(card: &Card, image: &(RamDisk, UsedMap), options: WriteOptions) -> Result<WriteReport, WriteError> {
    let mut source = ImageSource::of_image(&image.0, &image.1);
    write(&mut source, card, "a card", options, Job::new(&Silent, &card.interrupt))
}

/// Returns whether firmware or kernel would find a table there.
fn is_bootable(card: &[u8]) -> bool {
    let end = card.len() - 512;
    card[510..512] == [0x55, 0xaa] || &card[512..520] == b"EFI PART" || &card[end..end + 8] == b"EFI PART"
}

/// Returns whether every used byte of the image is there.
fn is_whole(card: &[u8], image: &(RamDisk, UsedMap)) -> bool {
    let bytes = image.0.to_bytes();
    image.1.ranges().iter().all(|range| {
        let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        card[range.clone()] == bytes[range]
    })
}

#[test]
fn a_good_card_holds_the_image_and_nothing_of_what_was_there() {
    let image = image(1);
    let card = Card::new(Fault::Nothing, 1);
    let report = run(&card, &image, OPTIONS).unwrap();
    let medium = card.pulled_out();
    assert!(is_whole(&medium, &image));
    assert_eq!(&medium[..512], &image.0.to_bytes()[..512]);
    assert!(report.discarded && report.reading.is_some());
    assert_eq!(report.bytes(), image.1.bytes());
    assert_eq!(report.image_size, IMAGE);
    let end = CARD as usize - 512;
    assert_ne!(&medium[end..end + 8], b"EFI PART", "the copy of the old GPT is gone");
    // Every written range is reported with its hash.
    let reported: u64 = report.extents.iter().map(|extent| extent.end - extent.start).sum();
    assert_eq!(reported, image.1.bytes());
}

#[test]
fn an_image_with_many_small_ranges_arrives() {
    let (disk, _) = image(6);
    let small = (0..400).map(|index| index * 12288..index * 12288 + 4096);
    let image = (disk, UsedMap::from_ranges(small));
    let card = Card::new(Fault::Nothing, 6);
    run(&card, &image, OPTIONS).unwrap();
    assert!(is_whole(&card.pulled_out(), &image));
}

/// Returns the number of requests of a run without a fault, so that faults happen during the run
/// and not after it.
fn of_a_good_run(image: &(RamDisk, UsedMap)) -> (u64, u64, u64, u64) {
    let card = Card::new(Fault::Nothing, 0);
    run(&card, image, OPTIONS).unwrap();
    let inside = card.inside.lock().unwrap();
    (inside.requests, inside.writes, inside.reads, inside.flushes)
}

#[test]
fn a_fault_at_any_moment_is_never_a_success_and_leaves_no_bootable_card() {
    let image = image(2);
    let (requests, writes, reads, flushes) = of_a_good_run(&image);
    let mut random = Random(0x6b72_616b_656e);
    let mut failed = 0;
    for round in 0..1200u64 {
        let seed = random.next();
        let mut at = |most: u64| 1 + random.below(most);
        let fault = match round % 10 {
            0 => Fault::Write(at(writes)),
            1 => Fault::Full(at(writes)),
            2 => Fault::Short(at(writes)),
            3 => Fault::Read(at(reads)),
            4 => Fault::Flip(at(reads)),
            // The last two write the first MiB, after everything else was verified. Later faults
            // happen after the run.
            5 => Fault::Rot(at(writes - 2)),
            6 => Fault::Gone(at(requests)),
            7 => Fault::Power(at(requests)),
            8 => Fault::Flush(at(flushes)),
            _ => Fault::Interrupt(at(requests)),
        };
        let card = Card::new(fault.clone(), seed);
        let result = run(&card, &image, OPTIONS);
        let medium = card.pulled_out();
        match result {
            // A fault may not matter: half of a write of zeros, a bit of a free block, a check that
            // has ended.
            Ok(_) => assert!(
                is_whole(&medium, &image),
                "round {round}, {fault:?}, seed {seed}: a bad card passed"
            ),
            Err(error) => {
                failed += 1;
                assert!(
                    !error.to_string().is_empty() && !format!("{error}").contains("panicked"),
                    "{error}"
                );
                let old = || medium == Card::new(Fault::Nothing, 0).inside.lock().unwrap().medium;
                // When the card is gone before anything was done, or during the very last block,
                // nothing can be repaired any more: the card is then as it was, or complete.
                let gone = matches!(fault, Fault::Gone(_) | Fault::Power(_));
                assert!(
                    !is_bootable(&medium) || old() || (gone && first_step(&card, &medium, &image)),
                    "round {round}, {fault:?}, seed {seed}: {error}, and it looks bootable"
                );
            }
        }
    }
    assert!(failed > 900, "{failed} of 1200 runs failed: the faults do not hit");
}

/// A card that was removed: either during the first emptying, or when all of the image was there.
fn first_step(card: &Card, medium: &[u8], image: &(RamDisk, UsedMap)) -> bool {
    let flushed = card.inside.lock().unwrap().flushes;
    flushed == 0 || is_whole(medium, image)
}

#[test]
fn a_card_that_could_not_be_emptied_after_a_failure_is_not_called_harmless() {
    let image = image(6);
    let (requests, ..) = of_a_good_run(&image);
    let card = Card::new(Fault::Gone(requests / 2), 1);
    let error = run(&card, &image, OPTIONS).unwrap_err();
    let WriteError::Left(first, second) = &error else {
        panic!("{error}");
    };
    assert!(matches!(**first, WriteError::Card { .. }), "{first}");
    assert!(
        matches!(**second, WriteError::Card { doing: "emptying", .. }),
        "{second}"
    );
    let said = error.to_string();
    for words in [
        "writing the card at byte",
        "its beginning could not be emptied after that",
        "do not use it",
    ] {
        assert!(said.contains(words), "{words:?} is not in: {said}");
    }
    // A card that failed only once was emptied.
    let error = run(&Card::new(Fault::Write(20), 1), &image, OPTIONS).unwrap_err();
    assert!(matches!(error, WriteError::Card { .. }), "{error}");
}

#[test]
fn a_card_that_is_smaller_than_it_says_is_found_before_it_is_written() {
    let image = image(3);
    let (mib8, mib12, mib16) = (8 << 20, 12 << 20, 16 << 20);
    for (real, fault) in [
        (mib8, Fault::Wraps(mib8)),
        (mib16, Fault::Wraps(mib16)),
        (mib8, Fault::Ends(mib8)),
        (mib12, Fault::Ends(mib12)),
        (mib16, Fault::Ends(mib16)),
    ] {
        let card = Card::new(fault.clone(), 3);
        let error = run(&card, &image, OPTIONS).unwrap_err();
        let WriteError::Counterfeit { claimed, real: found } = error else {
            panic!("{fault:?}: {error}");
        };
        assert!(claimed == CARD && found <= real, "{fault:?}: {found}");
        assert!(error.to_string().contains("counterfeit"), "{error}");
        assert!(
            card.inside.lock().unwrap().writes < 40,
            "{fault:?}: much was written before"
        );
        assert!(!is_bootable(&card.pulled_out()), "{fault:?}");
    }
}

#[test]
fn an_image_that_does_not_fit_or_is_none_leaves_the_card_alone() {
    let large = (
        RamDisk::new(CARD as usize + 4096),
        UsedMap::from_ranges([0..4096, 8192..12288]),
    );
    let card = Card::new(Fault::Nothing, 4);
    let before = card.pulled_out();
    let error = run(&card, &large, OPTIONS).unwrap_err();
    assert!(error.to_string().contains("take a larger one"), "{error}");
    assert!(card.pulled_out() == before);

    // Nothing in the first MiB: no table.
    let empty = (RamDisk::new(4 << 20), UsedMap::from_ranges([0..HEAD, 2 << 20..3 << 20]));
    let error = run(&card, &empty, OPTIONS).unwrap_err();
    assert!(matches!(error, WriteError::NoHead), "{error}");
    assert!(!is_bootable(&card.pulled_out()));
}

#[test]
fn what_was_read_back_wrong_is_named_by_its_place() {
    let image = image(5);
    struct Bad(Card);
    impl Target for Bad {
        fn size(&self) -> u64 {
            self.0.size()
        }
        fn block(&self) -> u64 {
            self.0.block()
        }
        fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
            self.0.write(offset, bytes)
        }
        fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
            self.0.read(offset, bytes)?;
            // Two sectors at 5 MiB that never store the right data.
            let bad = 5 << 20;
            for (index, byte) in bytes.iter_mut().enumerate() {
                if (bad..bad + 1024).contains(&(offset + index as u64)) {
                    *byte = 0;
                }
            }
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            self.0.flush()
        }
        fn discard(&self, range: Range<u64>) -> io::Result<bool> {
            self.0.discard(range)
        }
    }
    let image = (image.0, UsedMap::from_ranges([0..8192, 4 << 20..6 << 20]));
    let card = Bad(Card::new(Fault::Nothing, 5));
    let mut source = ImageSource::of_image(&image.0, &image.1);
    let options = WriteOptions {
        test_capacity: false,
        ..OPTIONS
    };
    let error = write(
        &mut source,
        &card,
        "a card",
        options,
        Job::new(&Silent, &Interrupt::new()),
    )
    .unwrap_err();
    let WriteError::Differs(differences) = &error else {
        panic!("{error}");
    };
    assert_eq!(differences.len(), 1);
    assert_eq!(differences[0].range, 5 << 20..(5 << 20) + (256 << 10));
    assert!(error.to_string().contains("bytes 5242880 to 5505024"), "{error}");
    assert!(!is_bootable(&card.0.pulled_out()));
    // Without verification the fault is not found: that is why cards are read back.
    let mut source = ImageSource::of_image(&image.0, &image.1);
    let options = WriteOptions {
        verify: false,
        ..options
    };
    let report = write(
        &mut source,
        &card,
        "a card",
        options,
        Job::new(&Silent, &Interrupt::new()),
    )
    .unwrap();
    assert!(report.reading.is_none());
}

#[test]
fn who_is_stopped_before_anything_was_touched_says_so() {
    let image = image(3);
    let card = Card::new(Fault::Nothing, 3);
    let before = card.pulled_out();
    let interrupt = Interrupt::new();
    interrupt.set();
    let mut source = ImageSource::of_image(&image.0, &image.1);
    let error = write(&mut source, &card, "a card", OPTIONS, Job::new(&Silent, &interrupt)).unwrap_err();
    assert!(matches!(error, WriteError::NotBegun), "{error}");
    assert!(card.pulled_out() == before);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_image_arrives_on_any_card(seed: u64, odd in 0u64..8192) {
        let (disk, used) = image(seed);
        // Images need not end at a block.
        let mut bytes = disk.to_bytes();
        bytes.truncate(usize::try_from(IMAGE - odd).unwrap());
        let size = bytes.len() as u64;
        let used = UsedMap::from_ranges(used.ranges().iter().map(|range| range.start.min(size)..range.end.min(size)));
        let image = (RamDisk::from_bytes(bytes), used);
        let card = Card::new(Fault::Nothing, seed);
        run(&card, &image, OPTIONS).unwrap();
        prop_assert!(is_whole(&card.pulled_out(), &image));
    }
}
