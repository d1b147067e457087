//! One port of the switch: the socket that a guest's QEMU connects to, and the frames on their way
//! in and out.

use std::io::{self, ErrorKind};
use std::os::unix::net::{UnixListener, UnixStream};

use super::facts::PortFacts;
use super::frame::{Frame, Inbox, Outbox};

/// How often a port is read in one round before the others are served.
const READS_A_ROUND: usize = 4;

/// A port, with or without a guest.
pub(crate) struct Port {
    /// Where a guest's QEMU connects.
    pub listener: UnixListener,
    line: Option<Line>,
    facts: PortFacts,
}

/// The connection to a guest.
pub(crate) struct Line {
    pub stream: UnixStream,
    inbox: Inbox,
    outbox: Outbox,
}

impl Port {
    /// Makes a port that waits for its guest.
    pub(crate) fn new(listener: UnixListener) -> Self {
        Self {
            listener,
            line: None,
            facts: PortFacts::default(),
        }
    }

    /// Returns the connection to the guest.
    pub(crate) fn line(&self) -> Option<&Line> {
        self.line.as_ref()
    }

    /// Returns the facts about the port.
    pub(crate) fn facts(&self) -> PortFacts {
        self.facts
    }

    /// Accepts a guest. An earlier guest is disconnected, since its QEMU was started again. Returns
    /// whether a guest was waiting.
    pub(crate) fn accept(&mut self) -> io::Result<bool> {
        let stream = match self.listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionAborted) => {
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        stream.set_nonblocking(true)?;
        self.line = Some(Line {
            stream,
            inbox: Inbox::new(),
            outbox: Outbox::default(),
        });
        self.facts.connected = true;
        self.facts.connections += 1;
        Ok(true)
    }

    /// Pulls the cable, or plugs it in again. The connection to QEMU stays: the guest sees its link
    /// up, and nothing comes through.
    pub(crate) fn plug(&mut self, joined: bool) {
        self.facts.cut = !joined;
        if let Some(line) = self.line.as_mut().filter(|_| !joined) {
            line.outbox.clear();
        }
    }

    /// Reads what the guest sent; `false` when the connection is lost: the peer has gone, or does
    /// not speak the protocol.
    pub(crate) fn receive(&mut self, frames: &mut Vec<Frame>) -> bool {
        let Some(line) = &mut self.line else { return false };
        let before = frames.len();
        let alive = line.receive(frames);
        if self.facts.cut {
            frames.truncate(before);
        }
        self.facts.received += (frames.len() - before) as u64;
        if let Err(reason) = alive {
            self.lose(reason);
        }
        self.line.is_some()
    }

    /// Queues a frame for the guest. Drops it when no guest is connected, the cable is out, or too
    /// many bytes wait already.
    pub(crate) fn send(&mut self, frame: Frame) {
        let Some(line) = self.line.as_mut().filter(|_| !self.facts.cut) else {
            return;
        };
        if !line.outbox.push(frame) {
            self.facts.dropped += 1;
        }
    }

    /// Writes the waiting frames, as far as the guest takes them; `false` when the connection is
    /// lost.
    pub(crate) fn flush(&mut self) -> bool {
        let Some(line) = &mut self.line else { return false };
        match line.outbox.flush(&mut line.stream) {
            Ok(through) => self.facts.sent += through,
            Err(_) => self.lose(Lost::Gone),
        }
        self.line.is_some()
    }

    fn lose(&mut self, reason: Lost) {
        self.line = None;
        self.facts.connected = false;
        self.facts.garbled += u64::from(reason == Lost::Garbled);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lost {
    Gone,
    Garbled,
}

impl Line {
    /// Whether bytes wait to be written to it.
    pub(crate) fn has_unsent(&self) -> bool {
        !self.outbox.is_empty()
    }

    fn receive(&mut self, frames: &mut Vec<Frame>) -> Result<(), Lost> {
        for _ in 0..READS_A_ROUND {
            match self.inbox.fill(&mut self.stream) {
                Ok(0) => return Err(Lost::Gone),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Err(Lost::Gone),
            }
            while let Some(frame) = self.inbox.next().map_err(|_| Lost::Garbled)? {
                frames.push(frame);
            }
        }
        Ok(())
    }
}
