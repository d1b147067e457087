//! A card that fails on purpose, in every way and at any request.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Mutex;

use kraken_flash::card::Target;
use kraken_foundation::interrupt::Interrupt;
pub(super) use random::Random;

/// A small generator with a seed, so that a failed run can be repeated.
mod random {
    /// splitmix64.
    pub(crate) struct Random(pub u64);

    impl Random {
        pub(crate) fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }

        pub(crate) fn below(&mut self, most: u64) -> u64 {
            self.next() % most.max(1)
        }
    }
}

const BLOCK: u64 = 512;
/// The card's size in bytes.
pub(super) const CARD: u64 = 20 << 20;

/// The fault of a card, and when it happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Nothing,
    /// The n-th write fails, once.
    Write(u64),
    /// The n-th write fails because the card is full.
    Full(u64),
    /// The n-th write stores half of its data and reports success.
    Short(u64),
    /// The n-th read fails, once.
    Read(u64),
    /// The n-th read returns one flipped bit.
    Flip(u64),
    /// A bit on the card flips after the n-th write.
    Rot(u64),
    /// The card is gone from the n-th request on.
    Gone(u64),
    /// The power fails at the n-th request: data that was not flushed may be there, in part, or
    /// not.
    Power(u64),
    /// The n-th flush fails, once, and data that was not flushed is lost.
    Flush(u64),
    /// Data beyond this many bytes is written to an earlier place.
    Wraps(u64),
    /// Data beyond this many bytes is lost, and reads as zeros.
    Ends(u64),
    /// The user asks to stop at the n-th request.
    Interrupt(u64),
}

#[derive(Default)]
pub(super) struct Inside {
    /// The content of the medium.
    pub medium: Vec<u8>,
    /// Data that the card has accepted and not stored yet: it may store it in any order.
    taken: BTreeMap<u64, Vec<u8>>,
    pub requests: u64,
    pub writes: u64,
    pub reads: u64,
    pub flushes: u64,
    dead: bool,
}

/// A card of 20 MiB that was in use before.
pub(super) struct Card {
    fault: Fault,
    pub inside: Mutex<Inside>,
    pub interrupt: Interrupt,
    random: Mutex<Random>,
}

impl Card {
    pub(super) fn new(fault: Fault, seed: u64) -> Self {
        let mut medium = vec![0xa5; CARD as usize];
        // An old system: a boot sector, and a GPT with its copy at the end.
        medium[510..512].copy_from_slice(&[0x55, 0xaa]);
        medium[512..520].copy_from_slice(b"EFI PART");
        let end = CARD as usize - 512;
        medium[end..end + 8].copy_from_slice(b"EFI PART");
        Self {
            fault,
            inside: Mutex::new(Inside {
                medium,
                ..Inside::default()
            }),
            interrupt: Interrupt::new(),
            random: Mutex::new(Random(seed)),
        }
    }

    fn random(&self, most: u64) -> u64 {
        self.random.lock().unwrap().below(most)
    }

    /// Counts a request; returns an error when the card is gone.
    fn request(&self, inside: &mut Inside) -> io::Result<()> {
        inside.requests += 1;
        match self.fault {
            Fault::Interrupt(at) if inside.requests == at => self.interrupt.set(),
            Fault::Gone(at) if inside.requests >= at => inside.dead = true,
            Fault::Power(at) if inside.requests >= at && !inside.dead => {
                inside.dead = true;
                // The card stores some of the blocks that it had accepted, in any order, and one of
                // them in part.
                for (offset, bytes) in std::mem::take(&mut inside.taken) {
                    for (index, block) in bytes.chunks(BLOCK as usize).enumerate() {
                        if self.random(2) == 0 {
                            put(&mut inside.medium, offset + index as u64 * BLOCK, block);
                        }
                    }
                }
            }
            _ => {}
        }
        match inside.dead {
            true => Err(io::Error::from_raw_os_error(19)),
            false => Ok(()),
        }
    }

    fn settle(inside: &mut Inside) {
        for (offset, bytes) in std::mem::take(&mut inside.taken) {
            put(&mut inside.medium, offset, &bytes);
        }
    }

    /// Returns the content of the card when it is put into a Pi.
    pub(super) fn pulled_out(&self) -> Vec<u8> {
        let mut inside = self.inside.lock().unwrap();
        if !inside.dead {
            Self::settle(&mut inside);
        }
        let mut seen = inside.medium.clone();
        match self.fault {
            Fault::Wraps(end) => (end..CARD).for_each(|at| seen[at as usize] = seen[(at % end) as usize]),
            Fault::Ends(end) => seen[end as usize..].fill(0),
            _ => {}
        }
        seen
    }
}

fn put(medium: &mut [u8], offset: u64, bytes: &[u8]) {
    let at = usize::try_from(offset).unwrap();
    medium[at..at + bytes.len()].copy_from_slice(bytes);
}

impl Target for Card {
    fn size(&self) -> u64 {
        CARD
    }

    fn block(&self) -> u64 {
        BLOCK
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        assert!(offset.is_multiple_of(BLOCK) && (bytes.len() as u64).is_multiple_of(BLOCK));
        assert!(offset + bytes.len() as u64 <= CARD, "a write beyond the card");
        assert!(bytes.as_ptr().align_offset(512) == 0, "memory that direct I/O refuses");
        let mut inside = self.inside.lock().unwrap();
        self.request(&mut inside)?;
        inside.writes += 1;
        let mut bytes = bytes.to_vec();
        let mut offset = offset;
        match self.fault {
            Fault::Write(at) if inside.writes == at => return Err(io::Error::from_raw_os_error(5)),
            Fault::Full(at) if inside.writes == at => return Err(io::Error::from_raw_os_error(28)),
            Fault::Short(at) if inside.writes == at => bytes.truncate(bytes.len() / 2),
            Fault::Wraps(end) if offset >= end => offset %= end,
            Fault::Ends(end) if offset >= end => return Ok(()),
            _ => {}
        }
        // Later data covers earlier data.
        Self::settle(&mut inside);
        inside.taken.insert(offset, bytes);
        if let Fault::Rot(at) = self.fault
            && inside.writes == at
        {
            Self::settle(&mut inside);
            let bit = self.random(CARD * 8);
            inside.medium[(bit / 8) as usize] ^= 1 << (bit % 8);
        }
        Ok(())
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let mut inside = self.inside.lock().unwrap();
        self.request(&mut inside)?;
        inside.reads += 1;
        Self::settle(&mut inside);
        let mut from = offset;
        match self.fault {
            Fault::Read(at) if inside.reads == at => return Err(io::Error::from_raw_os_error(5)),
            Fault::Wraps(end) if offset >= end => from %= end,
            Fault::Ends(end) if offset >= end => {
                bytes.fill(0);
                return Ok(());
            }
            _ => {}
        }
        let from = usize::try_from(from).unwrap();
        bytes.copy_from_slice(&inside.medium[from..from + bytes.len()]);
        if let Fault::Flip(at) = self.fault
            && inside.reads == at
        {
            let bit = self.random(bytes.len() as u64 * 8);
            bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
        }
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let mut inside = self.inside.lock().unwrap();
        self.request(&mut inside)?;
        inside.flushes += 1;
        if self.fault == Fault::Flush(inside.flushes) {
            inside.taken.clear();
            return Err(io::Error::from_raw_os_error(5));
        }
        Self::settle(&mut inside);
        Ok(())
    }

    fn discard(&self, range: Range<u64>) -> io::Result<bool> {
        let mut inside = self.inside.lock().unwrap();
        self.request(&mut inside)?;
        Self::settle(&mut inside);
        // Discarded blocks may read as anything: here, as the old system.
        let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        inside.medium[range.clone()].fill(0x5d);
        let old = Self::new(Fault::Nothing, 0).inside.into_inner().unwrap().medium;
        for at in [0..1024, CARD as usize - 512..CARD as usize] {
            if range.start <= at.start && at.end <= range.end {
                inside.medium[at.clone()].copy_from_slice(&old[at]);
            }
        }
        Ok(true)
    }
}
