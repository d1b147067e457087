//! Frames on the way between QEMU and the switch: QEMU's stream protocol, both ways, with bounded
//! queues.
//!
//! On the socket each frame is preceded by its length, 32 bits in network order (QEMU,
//! `net/stream.c` and `net/net.c`).

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::sync::Arc;

use kraken_foundation::mac::Mac;

/// No frame that QEMU takes or sends is longer, in bytes (QEMU, `include/net/net.h`:
/// `NET_BUFSIZE`).
pub(crate) const MAX_FRAME: usize = 4096 + 65536;
/// Destination, source and type: anything shorter is not a frame.
pub(crate) const ETHERNET_HEADER: usize = 14;
const PREFIX: usize = 4;
/// The number of frames that one system call writes.
const AT_ONCE: usize = 32;

/// An Ethernet frame with the length before it, as on the socket. Cloning shares the bytes.
#[derive(Clone, Debug)]
pub(crate) struct Frame(Arc<[u8]>);

impl Frame {
    /// Makes a frame of these bytes (destination first, no checksum at the end); `None` when they
    /// are too few or too many.
    pub(crate) fn new(ethernet: &[u8]) -> Option<Self> {
        if !(ETHERNET_HEADER..=MAX_FRAME).contains(&ethernet.len()) {
            return None;
        }
        let length = u32::try_from(ethernet.len()).ok()?;
        Some(Self([&length.to_be_bytes(), ethernet].concat().into()))
    }

    /// Returns the frame itself, without the length.
    pub(crate) fn ethernet(&self) -> &[u8] {
        &self.0[PREFIX..]
    }

    /// Returns the destination address.
    pub(crate) fn destination(&self) -> Mac {
        self.mac(0)
    }

    /// Returns the source address.
    pub(crate) fn source(&self) -> Mac {
        self.mac(6)
    }

    fn mac(&self, at: usize) -> Mac {
        let mut mac = [0; 6];
        mac.copy_from_slice(&self.ethernet()[at..at + 6]);
        Mac(mac)
    }
}

/// The peer announced a frame longer than the maximum: it does not speak the protocol, and the
/// following bytes cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Bytes from a peer that are not yet a complete frame.
pub(crate) struct Inbox {
    bytes: Box<[u8]>,
    taken: usize,
    filled: usize,
}

impl Inbox {
    /// Makes an empty one. Its memory does not grow.
    pub(crate) fn new() -> Self {
        Self {
            bytes: vec![0; 2 * (PREFIX + MAX_FRAME)].into(),
            taken: 0,
            filled: 0,
        }
    }

    /// Reads once; returns the number of bytes, 0 at the end.
    pub(crate) fn fill(&mut self, from: &mut impl Read) -> io::Result<usize> {
        self.bytes.copy_within(self.taken..self.filled, 0);
        self.filled -= self.taken;
        self.taken = 0;
        let read = from.read(&mut self.bytes[self.filled..])?;
        self.filled += read;
        Ok(read)
    }

    /// Returns the next complete frame, if there is one. Frames below the minimum length are
    /// skipped, as a switch drops runts.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>, TooLong> {
        loop {
            let waiting = &self.bytes[self.taken..self.filled];
            let Some((prefix, rest)) = waiting.split_first_chunk::<PREFIX>() else {
                return Ok(None);
            };
            let length = usize::try_from(u32::from_be_bytes(*prefix)).map_err(|_| TooLong)?;
            if length > MAX_FRAME {
                return Err(TooLong);
            }
            if rest.len() < length {
                return Ok(None);
            }
            self.taken += PREFIX + length;
            if let Some(frame) = Frame::new(&rest[..length]) {
                return Ok(Some(frame));
            }
        }
    }
}

/// Frames that wait until a peer reads.
#[derive(Default)]
pub(crate) struct Outbox {
    frames: VecDeque<Frame>,
    /// How many bytes of the first one are written.
    sent: usize,
    bytes: usize,
}

/// The maximum number of bytes that wait for one peer. More is dropped, as in a real switch; TCP
/// sends it again.
const MOST_WAITING: usize = 4 << 20;

impl Outbox {
    /// Appends a frame; returns `false` when too many bytes wait already, and drops the frame.
    pub(crate) fn push(&mut self, frame: Frame) -> bool {
        if self.bytes + frame.0.len() > MOST_WAITING {
            return false;
        }
        self.bytes += frame.0.len();
        self.frames.push_back(frame);
        true
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Drops all waiting frames except the rest of a frame that is written in part: without it the
    /// peer would misread everything that follows.
    pub(crate) fn clear(&mut self) {
        self.frames.truncate(usize::from(self.sent > 0));
        self.bytes = self.frames.iter().map(|frame| frame.0.len()).sum();
    }

    /// Writes as much as the peer takes; returns the number of frames that are complete.
    pub(crate) fn flush(&mut self, to: &mut impl Write) -> io::Result<u64> {
        let mut through = 0;
        while !self.frames.is_empty() {
            let slices: Vec<IoSlice<'_>> = self
                .frames
                .iter()
                .take(AT_ONCE)
                .enumerate()
                .map(|(n, frame)| IoSlice::new(if n == 0 { &frame.0[self.sent..] } else { &frame.0 }))
                .collect();
            match to.write_vectored(&slices) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => through += self.written(written),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(through)
    }

    fn written(&mut self, bytes: usize) -> u64 {
        self.sent += bytes;
        let mut through = 0;
        while let Some(first) = self.frames.front() {
            let length = first.0.len();
            if self.sent < length {
                break;
            }
            self.sent -= length;
            self.bytes -= length;
            self.frames.pop_front();
            through += 1;
        }
        through
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(ethernet: &[u8]) -> Vec<u8> {
        [&u32::try_from(ethernet.len()).unwrap().to_be_bytes(), ethernet].concat()
    }

    /// Yields one byte a call at first, then more: frames arrive in pieces of any size.
    struct Dribble<'a>(&'a [u8], usize);

    impl Read for Dribble<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let n = self.0.len().min(to.len()).min(self.1);
            to[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            self.1 = self.1 * 2 % 70_001;
            Ok(n)
        }
    }

    fn all(bytes: &[u8]) -> Result<Vec<Vec<u8>>, TooLong> {
        let mut inbox = Inbox::new();
        let mut from = Dribble(bytes, 1);
        let mut frames = Vec::new();
        while inbox.fill(&mut from).unwrap() > 0 {
            while let Some(frame) = inbox.next()? {
                frames.push(frame.ethernet().to_vec());
            }
        }
        Ok(frames)
    }

    #[test]
    fn frames_come_out_whole_in_whatever_pieces_they_come_in() {
        let frames = [vec![1; 14], vec![2; 60], vec![3; MAX_FRAME], vec![4; 1514]];
        let wire: Vec<u8> = frames.iter().flat_map(|frame| framed(frame)).collect();
        assert_eq!(all(&wire).unwrap(), frames);
    }

    #[test]
    fn runts_are_passed_over() {
        let wire = [framed(&[]), framed(&[9; 13]), framed(&[7; 14])].concat();
        assert_eq!(all(&wire).unwrap(), [vec![7; 14]]);
    }

    #[test]
    fn a_length_that_no_frame_has_is_an_error_at_once() {
        for length in [u32::try_from(MAX_FRAME).unwrap() + 1, 1 << 31, u32::MAX] {
            assert_eq!(all(&length.to_be_bytes()), Err(TooLong), "{length}");
        }
    }

    #[test]
    fn half_a_frame_is_no_frame() {
        let wire = framed(&[5; 100]);
        assert_eq!(all(&wire[..wire.len() - 1]).unwrap(), Vec::<Vec<u8>>::new());
    }

    /// Takes some bytes, then nothing more.
    struct Narrow(Vec<u8>, usize);

    impl Write for Narrow {
        fn write(&mut self, from: &[u8]) -> io::Result<usize> {
            let n = from.len().min(self.1);
            if n == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            self.1 -= n;
            self.0.extend(&from[..n]);
            Ok(n)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_cleared_leaves_the_rest_of_a_begun_frame() {
        let mut outbox = Outbox::default();
        for byte in 1..=3 {
            assert!(outbox.push(Frame::new(&[byte; 20]).unwrap()));
        }
        let mut peer = Narrow(Vec::new(), 10);
        assert_eq!(outbox.flush(&mut peer).unwrap(), 0);
        outbox.clear();
        assert!(outbox.push(Frame::new(&[9; 20]).unwrap()));
        peer.1 = 1000;
        assert_eq!(outbox.flush(&mut peer).unwrap(), 2);
        assert_eq!(peer.0, [framed(&[1; 20]), framed(&[9; 20])].concat());
        assert!(outbox.is_empty() && outbox.bytes == 0);
    }

    #[test]
    fn a_peer_that_does_not_read_costs_a_bounded_queue() {
        let mut outbox = Outbox::default();
        let frame = Frame::new(&[0; MAX_FRAME]).unwrap();
        let taken = (0..1000).filter(|_| outbox.push(frame.clone())).count();
        assert_eq!(taken, MOST_WAITING / (MAX_FRAME + PREFIX));
    }

    proptest! {
        #[test]
        fn any_bytes_are_frames_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
            if let Ok(frames) = all(&bytes) {
                prop_assert!(frames.iter().all(|frame| frame.len() >= ETHERNET_HEADER));
            }
        }

        #[test]
        fn what_is_written_is_read(lengths in prop::collection::vec(14_usize..3000, 1..40), room in 1_usize..5000) {
            let frames: Vec<Vec<u8>> = lengths.iter().enumerate().map(|(n, length)| vec![n as u8; *length]).collect();
            let mut outbox = Outbox::default();
            for frame in &frames {
                prop_assert!(outbox.push(Frame::new(frame).unwrap()));
            }
            let mut peer = Narrow(Vec::new(), 0);
            while !outbox.is_empty() {
                peer.1 = room;
                outbox.flush(&mut peer).unwrap();
            }
            prop_assert_eq!(all(&peer.0).unwrap(), frames);
        }
    }
}
