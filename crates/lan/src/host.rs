//! The host on the LAN: a TCP/IP stack of its own with the gateway's address. It answers ARP, ping
//! and NTP, and routes nowhere.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant, SystemTime};

use ipnet::Ipv4Net;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::{tcp, udp};
use smoltcp::wire::{ArpOperation, ArpRepr, EthernetAddress};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr, IpListenEndpoint};

use super::arrival::{Arrival, Filter};
use super::cable::Cable;
use super::frame::Frame;
use super::ntp;
use super::sent::{MAC, arp_frame};
use kraken_foundation::mac::Mac;

/// The buffer of a connection in each direction, in bytes.
const BUFFER: usize = 64 << 10;
/// After this time without a sign of life a guest's end of a connection is considered dead, and how
/// often a keep-alive is sent.
const DEAD_AFTER: smoltcp::time::Duration = smoltcp::time::Duration::from_secs(120);
const KEEP_ALIVE: smoltcp::time::Duration = smoltcp::time::Duration::from_secs(30);
/// The range of ports for connections from here (RFC 6335: dynamic ports).
const FIRST_PORT: u16 = 49152;

/// The host on the LAN.
pub(crate) struct Host {
    interface: Interface,
    sockets: SocketSet<'static>,
    cable: Cable,
    filter: Filter,
    /// Its own address, from which it connects.
    address: Ipv4Addr,
    clock: Option<SocketHandle>,
    next_port: u16,
    began: Instant,
}

impl Host {
    /// Makes a host that has these addresses, connects from the first of them, and answers NTP if
    /// `time` is set.
    pub(crate) fn new(subnet: Ipv4Net, addresses: &[Ipv4Addr; 2], time: bool, now: Instant) -> Self {
        let mut cable = Cable::default();
        let mut config = Config::new(HardwareAddress::Ethernet(EthernetAddress(MAC.0)));
        // Sequence numbers differ from run to run, so that no guest takes a new connection for an
        // old one.
        config.random_seed = RandomState::new().hash_one(0);
        let mut interface = Interface::new(config, &mut cable, smoltcp::time::Instant::ZERO);
        let mut own = addresses.to_vec();
        own.dedup();
        interface.update_ip_addrs(|list| {
            // The list has space for two: smoltcp's IFACE_MAX_ADDR_COUNT.
            list.extend(
                own.iter()
                    .map(|address| IpCidr::new(IpAddress::Ipv4(*address), subnet.prefix_len())),
            );
        });
        let mut sockets = SocketSet::new(Vec::new());
        let clock = time.then(|| sockets.add(clock()));
        Self {
            interface,
            sockets,
            cable,
            filter: Filter::new(subnet, own),
            address: addresses[0],
            clock,
            next_port: FIRST_PORT,
            began: now,
        }
    }

    /// Takes a frame from the switch.
    pub(crate) fn input(&mut self, frame: Frame) {
        match self.filter.judge(frame.ethernet()) {
            Arrival::Accept => self.cable.put(frame),
            Arrival::Answer(answer) => self.cable.send(answer),
            Arrival::Ignore => {}
        }
    }

    /// Returns the next frame for the switch.
    pub(crate) fn output(&mut self) -> Option<Frame> {
        self.cable.take()
    }

    /// Processes the received frames and the due timers.
    pub(crate) fn run(&mut self, now: Instant) {
        let stamp = self.stamp(now);
        self.interface.poll(stamp, &mut self.cable, &mut self.sockets);
        if self.answer_time_requests() {
            self.interface.poll(stamp, &mut self.cable, &mut self.sockets);
        }
    }

    /// Returns after how long the next timer is due.
    pub(crate) fn delay(&mut self, now: Instant) -> Option<Duration> {
        let delay = self.interface.poll_delay(self.stamp(now), &self.sockets)?;
        Some(Duration::from_micros(delay.total_micros()))
    }

    /// Begins a connection to a guest; `None` when no guest can have the address.
    pub(crate) fn connect(&mut self, to: SocketAddrV4) -> Option<SocketHandle> {
        let buffer = || tcp::SocketBuffer::new(vec![0; BUFFER]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        socket.set_timeout(Some(DEAD_AFTER));
        socket.set_keep_alive(Some(KEEP_ALIVE));
        let local = IpListenEndpoint {
            addr: Some(IpAddress::Ipv4(self.address)),
            port: self.next_port,
        };
        self.next_port = self.next_port.checked_add(1).unwrap_or(FIRST_PORT);
        let begun = socket.connect(self.interface.context(), (IpAddress::Ipv4(*to.ip()), to.port()), local);
        begun.ok()?;
        self.ask(*to.ip());
        Some(self.sockets.add(socket))
    }

    /// Returns a connection that was begun and not yet removed.
    pub(crate) fn connection(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    /// Forgets a connection at once. To end it so that the guest is informed, close or abort it
    /// first and let the host run.
    pub(crate) fn remove(&mut self, handle: SocketHandle) {
        self.sockets.remove(handle);
    }

    /// Sends an ARP request for an address. smoltcp sends requests by itself, but for one address a
    /// second only, however many connections wait: a guest that is off would delay the others.
    pub(crate) fn ask(&mut self, address: Ipv4Addr) {
        let question = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_hardware_addr: EthernetAddress(MAC.0),
            source_protocol_addr: self.address,
            target_hardware_addr: EthernetAddress([0; 6]),
            target_protocol_addr: address,
        };
        self.cable.send(arp_frame(Mac::BROADCAST, &question));
    }

    /// Answers NTP requests; returns whether there were any.
    fn answer_time_requests(&mut self) -> bool {
        let Some(clock) = self.clock else { return false };
        let socket = self.sockets.get_mut::<udp::Socket<'_>>(clock);
        let mut answered = false;
        while socket.can_send() {
            let Ok((request, asker)) = socket.recv() else { break };
            if let Some(reply) = ntp::answer(request, SystemTime::now()) {
                answered |= socket.send_slice(&reply, asker).is_ok();
            }
        }
        answered
    }

    fn stamp(&self, now: Instant) -> smoltcp::time::Instant {
        let since = now.saturating_duration_since(self.began).as_micros();
        smoltcp::time::Instant::from_micros(i64::try_from(since).unwrap_or(i64::MAX))
    }
}

fn clock() -> udp::Socket<'static> {
    let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 64], vec![0; 8192]);
    let mut socket = udp::Socket::new(buffer(), buffer());
    // It fails for port 0 and for a socket that is bound; neither applies here.
    let _ = socket.bind(ntp::PORT);
    socket
}
