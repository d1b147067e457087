//! Forwarding: ports of 127.0.0.1 that lead to ports of guests.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use smoltcp::iface::SocketHandle;

use super::call::{Call, Next};
use super::host::Host;

/// The maximum number of connections at once. More wait to be accepted.
const MOST_CALLS: usize = 256;
/// The intervals of ARP requests for guests: those that have not answered yet, and those that have.
const RETRY_AFTER: Duration = Duration::from_secs(1);
const REFRESH_AFTER: Duration = Duration::from_secs(20);

/// A port of 127.0.0.1, and its destination.
pub(crate) struct Gate {
    /// Where a client connects to.
    pub listener: TcpListener,
    local: SocketAddrV4,
    to: SocketAddrV4,
}

/// All forwarded ports, and the connections through them.
pub(crate) struct Forwards {
    gates: Vec<Gate>,
    calls: Vec<Call>,
    /// Connections whose end the host must send to the guest before it forgets them.
    closing: Vec<SocketHandle>,
    asked: Instant,
}

impl Forwards {
    /// Makes an empty set.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            gates: Vec::new(),
            calls: Vec::new(),
            closing: Vec::new(),
            asked: now,
        }
    }

    /// Returns a port that leads to this address and port: the existing one, or a new one.
    pub(crate) fn open(&mut self, to: SocketAddrV4) -> io::Result<SocketAddrV4> {
        if let Some(gate) = self.gates.iter().find(|gate| gate.to == to) {
            return Ok(gate.local);
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let SocketAddr::V4(local) = listener.local_addr()? else {
            return Err(ErrorKind::AddrNotAvailable.into());
        };
        self.gates.push(Gate { listener, local, to });
        Ok(local)
    }

    /// Returns the ports that accept connections: none while the maximum is reached.
    pub(crate) fn gates(&self) -> &[Gate] {
        if self.calls.len() < MOST_CALLS {
            &self.gates
        } else {
            &[]
        }
    }

    /// Returns the connections, and what to wait for at their near ends.
    pub(crate) fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// Accepts the clients that wait at a port.
    pub(crate) fn accept(&mut self, gate: usize, host: &mut Host, now: Instant) -> io::Result<()> {
        let Some(gate) = self.gates.get(gate) else {
            return Ok(());
        };
        while self.calls.len() < MOST_CALLS {
            match gate.listener.accept() {
                Ok((client, _)) => self.calls.extend(Call::begin(client, gate.to, host, now)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Records what happened at the near end of a connection.
    pub(crate) fn noticed(&mut self, call: usize, flags: PollFlags) {
        if let Some(call) = self.calls.get_mut(call) {
            call.noticed(flags);
        }
    }

    /// Moves all data that can be moved; returns whether the host has work to do then. Connections
    /// have new numbers afterwards.
    pub(crate) fn pump(&mut self, host: &mut Host, now: Instant) -> bool {
        for handle in self.closing.drain(..) {
            host.remove(handle);
        }
        let mut moved = false;
        self.calls.retain_mut(|call| match call.pump(host, now) {
            Next::Waits => true,
            Next::Moved => {
                moved = true;
                true
            }
            Next::Over => {
                host.remove(call.guest());
                false
            }
            Next::Aborted => {
                moved = true;
                self.closing.push(call.guest());
                false
            }
        });
        moved | self.ask(host, now)
    }

    /// Returns when the next timer is due.
    pub(crate) fn due(&self) -> Option<Instant> {
        let deadline = self.calls.iter().filter_map(Call::deadline).min();
        [deadline, self.ask_at()].into_iter().flatten().min()
    }

    fn ask_at(&self) -> Option<Instant> {
        let waiting = self.calls.iter().any(|call| call.deadline().is_some());
        let pause = if waiting { RETRY_AFTER } else { REFRESH_AFTER };
        (!self.calls.is_empty()).then(|| self.asked + pause)
    }

    fn ask(&mut self, host: &mut Host, now: Instant) -> bool {
        if self.ask_at().is_none_or(|at| now < at) {
            return false;
        }
        self.asked = now;
        let mut guests: Vec<Ipv4Addr> = self.calls.iter().map(Call::to).collect();
        guests.sort_unstable();
        guests.dedup();
        guests.into_iter().for_each(|guest| host.ask(guest));
        true
    }
}
