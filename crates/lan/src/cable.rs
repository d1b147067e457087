//! The cable between the switch and the host's own TCP/IP stack.

use std::collections::VecDeque;

use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

use super::frame::{ETHERNET_HEADER, Frame};

/// The payload of a frame to the guests, in bytes, at most: the MTU that Linux gives an Ethernet
/// interface.
const MTU: usize = 1500;
/// The shortest frame on a real wire, without its checksum, in bytes (IEEE 802.3). Some drivers
/// drop shorter ones.
const SHORTEST: usize = 60;
/// The maximum number of frames that wait for the stack. It empties the queue in every round, so
/// more than that in one round can only be a flood.
const MOST_WAITING: usize = 4096;

/// Frames on their way to and from the stack.
#[derive(Default)]
pub(crate) struct Cable {
    incoming: VecDeque<Frame>,
    outgoing: VecDeque<Frame>,
}

impl Cable {
    /// Queues a frame for the stack; drops it when too many wait.
    pub(crate) fn put(&mut self, frame: Frame) {
        if self.incoming.len() < MOST_WAITING {
            self.incoming.push_back(frame);
        }
    }

    /// Queues a frame for the switch, padded to the shortest that a wire carries.
    pub(crate) fn send(&mut self, mut ethernet: Vec<u8>) {
        Out(&mut self.outgoing).send(&mut ethernet);
    }

    /// Returns the next frame for the switch.
    pub(crate) fn take(&mut self) -> Option<Frame> {
        self.outgoing.pop_front()
    }
}

impl Device for Cable {
    type RxToken<'a> = In;
    type TxToken<'a> = Out<'a>;

    fn receive(&mut self, _: Instant) -> Option<(In, Out<'_>)> {
        let frame = self.incoming.pop_front()?;
        Some((In(frame), Out(&mut self.outgoing)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Out<'_>> {
        Some(Out(&mut self.outgoing))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = ETHERNET_HEADER + MTU;
        capabilities
    }
}

/// A frame that the stack reads.
pub(crate) struct In(Frame);

impl RxToken for In {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.0.ethernet())
    }
}

/// Space for a frame that the stack writes.
pub(crate) struct Out<'a>(&'a mut VecDeque<Frame>);

impl Out<'_> {
    fn send(self, ethernet: &mut Vec<u8>) {
        ethernet.resize(ethernet.len().max(SHORTEST), 0);
        self.0.extend(Frame::new(ethernet));
    }
}

impl TxToken for Out<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let mut ethernet = vec![0; length];
        let result = write(&mut ethernet);
        self.send(&mut ethernet);
        result
    }
}
