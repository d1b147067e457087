//! The thread of the LAN: waits for all sockets at once, moves frames between them, and runs
//! commands in between.

use std::io::{self, ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::forward::Forwards;
use super::frame::Frame;
use super::host::Host;
use super::port::{Line, Port};
use super::switch::{Switch, Target};
use super::watch::Watch;

/// How often connections and the host's stack alternate in one round, before the guests are served.
const TURNS: usize = 16;
/// How long no connection is accepted after accepting one failed, for want of open files.
const REST: Duration = Duration::from_millis(100);

/// A command that the thread runs between two rounds.
pub(crate) type Command = Box<dyn FnOnce(&mut Carrier) + Send>;

/// All state of the thread.
pub(crate) struct Carrier {
    /// The guests' ports. The host is behind the port after the last of them.
    pub ports: Vec<Port>,
    /// Where frames go.
    pub switch: Switch,
    /// Observations on the frames that pass.
    pub watch: Watch,
    /// The host.
    pub host: Host,
    /// The forwarded ports.
    pub forwards: Forwards,
    /// Until when no connection is accepted.
    pub resting: Option<Instant>,
    /// Whether the last round left work to be done at once.
    pub busy: bool,
}

/// Where something happened.
#[derive(Clone, Copy)]
enum Source {
    Wake,
    Knock(usize),
    Line(usize),
    Gate(usize),
    Call(usize),
}

/// What happened.
struct Event {
    source: Source,
    flags: PollFlags,
}

impl Carrier {
    /// Runs until no caller can send commands any more, which a byte on `wake` announces.
    pub(crate) fn run(mut self, mut wake: UnixStream, commands: &Receiver<Command>) -> io::Result<()> {
        loop {
            let happened = self.wait(&wake)?;
            let now = Instant::now();
            for Event { source, flags } in happened {
                match source {
                    Source::Wake => drain(&mut wake)?,
                    _ => self.handle(source, flags, now),
                }
            }
            loop {
                match commands.try_recv() {
                    Ok(command) => command(&mut self),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return Ok(()),
                }
            }
            self.turn(now);
            self.flush();
        }
    }

    /// Waits until something happens, or until the time of what was planned; returns what
    /// happened.
    fn wait(&mut self, wake: &UnixStream) -> io::Result<Vec<Event>> {
        let now = Instant::now();
        self.resting = self.resting.filter(|until| *until > now);
        let timeout = self.timeout(now);
        let mut sources = vec![Source::Wake];
        let mut fds = vec![PollFd::new(wake, PollFlags::IN)];
        for (n, port) in self.ports.iter().enumerate() {
            if self.resting.is_none() {
                sources.push(Source::Knock(n));
                fds.push(PollFd::new(&port.listener, PollFlags::IN));
            }
            if let Some(line) = port.line() {
                sources.push(Source::Line(n));
                let flags = if line.has_unsent() {
                    PollFlags::IN | PollFlags::OUT
                } else {
                    PollFlags::IN
                };
                fds.push(PollFd::new(&line.stream, flags));
            }
        }
        for (n, gate) in self
            .forwards
            .gates()
            .iter()
            .enumerate()
            .filter(|_| self.resting.is_none())
        {
            sources.push(Source::Gate(n));
            fds.push(PollFd::new(&gate.listener, PollFlags::IN));
        }
        for (n, call) in self.forwards.calls().iter().enumerate() {
            if let Some(flags) = call.interest(&mut self.host) {
                sources.push(Source::Call(n));
                fds.push(PollFd::new(call.client(), flags));
            }
        }
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = fds.iter().map(PollFd::revents);
        Ok(sources
            .into_iter()
            .zip(flags)
            .filter(|(_, flags)| !flags.is_empty())
            .map(|(source, flags)| Event { source, flags })
            .collect())
    }

    /// Returns how long to wait at most; `None` means until something happens.
    fn timeout(&mut self, now: Instant) -> Option<Timespec> {
        let until = |at: Instant| at.saturating_duration_since(now);
        let waits = [
            self.busy.then_some(Duration::ZERO),
            self.resting.map(until),
            self.forwards.due().map(until),
            self.host.delay(now),
        ];
        let shortest = waits.into_iter().flatten().min()?;
        Timespec::try_from(shortest).ok()
    }

    fn handle(&mut self, source: Source, flags: PollFlags, now: Instant) {
        let done = match source {
            Source::Wake => Ok(()),
            Source::Knock(port) => self.knock(port),
            Source::Line(port) => {
                self.receive(port, flags, now);
                Ok(())
            }
            Source::Gate(gate) => self.forwards.accept(gate, &mut self.host, now),
            Source::Call(call) => {
                self.forwards.noticed(call, flags);
                Ok(())
            }
        };
        // The connection is still pending, so waiting for it again at once would only warm the
        // processor.
        if done.is_err() {
            self.resting = Some(now + REST);
        }
    }

    fn knock(&mut self, port: usize) -> io::Result<()> {
        if self.ports[port].accept()? {
            self.switch.forget(port);
        }
        Ok(())
    }

    fn receive(&mut self, port: usize, flags: PollFlags, now: Instant) {
        // Everything except "may be written" is noticed by reading.
        if flags == PollFlags::OUT {
            return;
        }
        let mut frames = Vec::new();
        if !self.ports[port].receive(&mut frames) {
            self.switch.forget(port);
        }
        for frame in frames {
            self.watch.note(port, frame.ethernet(), now);
            self.carry(port, frame);
        }
    }

    fn carry(&mut self, from: usize, frame: Frame) {
        match self.switch.forward(from, frame.source(), frame.destination()) {
            Target::Nowhere => {}
            Target::Port(port) => self.hand(port, frame),
            Target::Others => {
                for port in (0..=self.ports.len()).filter(|port| *port != from) {
                    self.hand(port, frame.clone());
                }
            }
        }
    }

    fn hand(&mut self, port: usize, frame: Frame) {
        match self.ports.get_mut(port) {
            Some(port) => port.send(frame),
            None => self.host.input(frame),
        }
    }

    /// Runs the host's stack and the connections through it in turn, until neither has work or it
    /// is time for the guests.
    fn turn(&mut self, now: Instant) {
        self.busy = true;
        for _ in 0..TURNS {
            self.host.run(now);
            let moved = self.forwards.pump(&mut self.host, now);
            while let Some(frame) = self.host.output() {
                self.carry(self.ports.len(), frame);
            }
            if !moved {
                self.busy = false;
                return;
            }
        }
    }

    fn flush(&mut self) {
        for (n, port) in self.ports.iter_mut().enumerate() {
            if port.line().is_some_and(Line::has_unsent) && !port.flush() {
                self.switch.forget(n);
            }
        }
    }
}

fn drain(wake: &mut UnixStream) -> io::Result<()> {
    let mut bytes = [0; 64];
    loop {
        match wake.read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
