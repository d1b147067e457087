//! One connection that is forwarded into the LAN: a socket of 127.0.0.1 at one end, a connection of
//! the host to a guest at the other.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::State;

use super::host::Host;

/// How long a guest may take to answer before the connection to it is given up.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection, from the moment when a client connected to 127.0.0.1.
pub(crate) struct Call {
    client: TcpStream,
    guest: SocketHandle,
    to: Ipv4Addr,
    give_up: Instant,
    /// The guest has answered.
    answered: bool,
    /// The client's last byte was read (the guest may not have it yet).
    client_ended: bool,
    /// The end of the client's data was sent to the guest.
    client_done: bool,
    /// The guest's last byte has come (it may not be written yet).
    guest_ended: bool,
    /// Data of a guest that has ended, for the client to read: smoltcp forgets it 10 seconds after
    /// the end.
    rest: VecDeque<u8>,
    /// The end of the guest's data was sent to the client.
    guest_done: bool,
    /// The client is gone without closing the connection properly.
    broken: bool,
}

/// The state of a connection after everything possible was moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing moved; it waits for one of its ends.
    Waits,
    /// Something moved, so the host has work to do.
    Moved,
    /// It is over, and the host can forget it.
    Over,
    /// It is over, and the host must first inform the guest.
    Aborted,
}

impl Call {
    /// Begins a connection to a guest; `None` when that is impossible.
    pub(crate) fn begin(client: TcpStream, to: SocketAddrV4, host: &mut Host, now: Instant) -> Option<Self> {
        client.set_nonblocking(true).ok()?;
        // The option only makes keystrokes faster.
        let _ = client.set_nodelay(true);
        Some(Self {
            client,
            guest: host.connect(to)?,
            to: *to.ip(),
            give_up: now + ANSWER_TIMEOUT,
            answered: false,
            client_ended: false,
            client_done: false,
            guest_ended: false,
            rest: VecDeque::new(),
            guest_done: false,
            broken: false,
        })
    }

    /// The client's end.
    pub(crate) fn client(&self) -> &TcpStream {
        &self.client
    }

    /// The guest's end.
    pub(crate) fn guest(&self) -> SocketHandle {
        self.guest
    }

    /// The guest's address.
    pub(crate) fn to(&self) -> Ipv4Addr {
        self.to
    }

    /// Returns when it is given up, as long as the guest has not answered.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        (!self.answered).then_some(self.give_up)
    }

    /// Returns what to wait for at the client's end; `None` when nothing there matters any more
    /// (waiting would only wake us for a hang-up that we know of).
    pub(crate) fn interest(&self, host: &mut Host) -> Option<PollFlags> {
        let guest = host.connection(self.guest);
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, self.answered && !self.client_ended && guest.can_send());
        flags.set(PollFlags::OUT, guest.can_recv() || !self.rest.is_empty());
        (!flags.is_empty() || !self.guest_done).then_some(flags)
    }

    /// Records what happened at the client's end.
    pub(crate) fn noticed(&mut self, flags: PollFlags) {
        let gone = flags.intersects(PollFlags::ERR | PollFlags::NVAL);
        self.broken |= gone || (flags.contains(PollFlags::HUP) && !self.guest_done);
    }

    /// Moves all data that can be moved, both ways.
    pub(crate) fn pump(&mut self, host: &mut Host, now: Instant) -> Next {
        let state = host.connection(self.guest).state();
        if matches!(state, State::SynSent | State::SynReceived) {
            return if self.broken || now >= self.give_up {
                Next::Over
            } else {
                Next::Waits
            };
        }
        self.answered |= state != State::Closed;
        self.guest_ended |= matches!(
            state,
            State::CloseWait | State::LastAck | State::Closing | State::TimeWait
        );
        let moved = self.down(host) | self.up(host);
        if self.broken {
            host.connection(self.guest).abort();
            return Next::Aborted;
        }
        self.what_next(host, moved)
    }

    fn what_next(&mut self, host: &mut Host, moved: bool) -> Next {
        let guest = host.connection(self.guest);
        match guest.state() {
            State::Closed | State::TimeWait if self.client_done && self.guest_done => Next::Over,
            // The client has not read the guest's last data yet.
            State::Closed if guest.can_recv() || !self.rest.is_empty() => waits(moved),
            State::Closed => {
                self.reset();
                Next::Over
            }
            _ => waits(moved),
        }
    }

    /// Moves data from the client to the guest.
    fn up(&mut self, host: &mut Host) -> bool {
        let guest = host.connection(self.guest);
        let mut moved = false;
        while !self.client_ended && !self.broken && guest.can_send() {
            match guest.send(|room| used(self.client.read(room))) {
                Ok(Ok(0)) => self.client_ended = true,
                Ok(Ok(_)) => {}
                Ok(Err(error)) if error.kind() == ErrorKind::WouldBlock => break,
                Ok(Err(error)) if error.kind() == ErrorKind::Interrupted => continue,
                Ok(Err(_)) => self.broken = true,
                Err(_) => break,
            }
            moved = true;
        }
        // Not before the guest has all data: in LAST-ACK smoltcp 0.14 does not notice that a window
        // has opened, so the rest would wait for ever.
        if self.client_ended && !self.client_done && guest.send_queue() == 0 {
            guest.close();
            self.client_done = true;
            moved = true;
        }
        moved
    }

    /// Moves data from the guest to the client.
    fn down(&mut self, host: &mut Host) -> bool {
        let guest = host.connection(self.guest);
        while self.guest_ended && guest.can_recv() {
            let Ok(bytes) = guest.recv(|bytes| (bytes.len(), bytes.to_vec())) else {
                break;
            };
            self.rest.extend(bytes);
        }
        let mut moved = false;
        while !self.broken && (guest.can_recv() || !self.rest.is_empty()) {
            let written = if self.rest.is_empty() {
                guest.recv(|bytes| used(self.client.write(bytes)))
            } else {
                Ok(self.write_rest())
            };
            match written {
                Ok(Ok(_)) => {}
                Ok(Err(error)) if error.kind() == ErrorKind::WouldBlock => break,
                Ok(Err(error)) if error.kind() == ErrorKind::Interrupted => continue,
                Ok(Err(_)) => self.broken = true,
                Err(_) => break,
            }
            moved = true;
        }
        if self.guest_ended && !self.guest_done && self.rest.is_empty() {
            // It fails when the client is gone, which the next read reports.
            let _ = self.client.shutdown(Shutdown::Write);
            self.guest_done = true;
            moved = true;
        }
        moved
    }

    fn write_rest(&mut self) -> io::Result<usize> {
        let written = self.client.write(self.rest.as_slices().0)?;
        self.rest.drain(..written);
        Ok(written)
    }

    /// Resets the client's end because the guest reset its own in the middle of the data; the
    /// client would otherwise take half an answer for a whole one. After a proper end it must not
    /// be reset, since the client may not have read everything yet.
    fn reset(&self) {
        if self.answered && !self.guest_ended {
            let _ = rustix::net::sockopt::set_socket_linger(&self.client, Some(Duration::ZERO));
        }
    }
}

fn waits(moved: bool) -> Next {
    if moved { Next::Moved } else { Next::Waits }
}

/// Returns what smoltcp needs to know: how many bytes of its buffer were used.
fn used(result: io::Result<usize>) -> (usize, io::Result<usize>) {
    (*result.as_ref().unwrap_or(&0), result)
}
