//! The ways in: ports of 127.0.0.1 that lead to ports of guests.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use smoltcp::iface::SocketHandle;

use super::call::{Call, Next};
use super::host::Host;

/// How many connections there may be at once. More wait at the door.
const MOST_CALLS: usize = 256;
/// How often guests are asked for that did not answer yet, and how often those that did.
const ASK_AGAIN: Duration = Duration::from_secs(1);
const ASK_ANEW: Duration = Duration::from_secs(20);

/// A port of 127.0.0.1, and where it leads.
pub struct Gate {
    /// Where one connects to.
    pub listener: TcpListener,
    local: SocketAddrV4,
    to: SocketAddrV4,
}

/// All of them, and the connections through them.
pub struct Forwards {
    gates: Vec<Gate>,
    calls: Vec<Call>,
    /// Connections that the host must tell the guest the end of, before it forgets them.
    farewells: Vec<SocketHandle>,
    asked: Instant,
}

impl Forwards {
    /// None yet.
    pub fn new(now: Instant) -> Self {
        Self {
            gates: Vec::new(),
            calls: Vec::new(),
            farewells: Vec::new(),
            asked: now,
        }
    }

    /// A port that leads to this address and port: the one there is, or a new one.
    pub fn open(&mut self, to: SocketAddrV4) -> io::Result<SocketAddrV4> {
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

    /// The ports at which somebody may knock: none while there is no room.
    pub fn gates(&self) -> &[Gate] {
        if self.calls.len() < MOST_CALLS {
            &self.gates
        } else {
            &[]
        }
    }

    /// The connections, and what to wait for at their near ends.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// Takes those who knock at a port.
    pub fn accept(&mut self, gate: usize, host: &mut Host, now: Instant) -> io::Result<()> {
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

    /// Takes notice of what happened at the near end of a connection.
    pub fn noticed(&mut self, call: usize, flags: PollFlags) {
        if let Some(call) = self.calls.get_mut(call) {
            call.noticed(flags);
        }
    }

    /// Moves what can be moved; whether the host has something to do then. Connections have new numbers afterwards.
    pub fn pump(&mut self, host: &mut Host, now: Instant) -> bool {
        for farewell in self.farewells.drain(..) {
            host.remove(farewell);
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
                self.farewells.push(call.guest());
                false
            }
        });
        moved | self.ask(host, now)
    }

    /// When something is due, if nothing comes before.
    pub fn due(&self) -> Option<Instant> {
        let deadline = self.calls.iter().filter_map(Call::deadline).min();
        [deadline, self.ask_at()].into_iter().flatten().min()
    }

    fn ask_at(&self) -> Option<Instant> {
        let waiting = self.calls.iter().any(|call| call.deadline().is_some());
        let pause = if waiting { ASK_AGAIN } else { ASK_ANEW };
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
