//! The host on the LAN: a TCP/IP stack of its own with the gateway's address. It answers ARP, ping and NTP, and leads nowhere.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant, SystemTime};

use ipnet::Ipv4Net;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::{tcp, udp};
use smoltcp::wire::{ArpOperation, ArpRepr, EthernetAddress};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr, IpListenEndpoint};

use super::arrival::{Arrival, Door};
use super::cable::Cable;
use super::frame::Frame;
use super::ntp;
use super::sent::{MAC, arp_frame};
use kraken_foundation::mac::Mac;

/// How much of a connection waits in each direction, in bytes.
const BUFFER: usize = 64 << 10;
/// After how long without a sign of life a guest's end of a connection is taken for dead, and how often one is asked for.
const DEAD_AFTER: smoltcp::time::Duration = smoltcp::time::Duration::from_secs(120);
const ASK_EVERY: smoltcp::time::Duration = smoltcp::time::Duration::from_secs(30);
/// The range of ports for connections from here (RFC 6335: dynamic ports).
const FIRST_PORT: u16 = 49152;

/// The host on the LAN.
pub struct Host {
    interface: Interface,
    sockets: SocketSet<'static>,
    cable: Cable,
    door: Door,
    /// Its own address, from which it connects.
    address: Ipv4Addr,
    clock: Option<SocketHandle>,
    next_port: u16,
    began: Instant,
}

impl Host {
    /// A host that has these addresses, connects from the first of them, and tells the time if asked to.
    pub fn new(subnet: Ipv4Net, addresses: &[Ipv4Addr; 2], time: bool, now: Instant) -> Self {
        let mut cable = Cable::default();
        let mut config = Config::new(HardwareAddress::Ethernet(EthernetAddress(MAC.0)));
        // Sequence numbers differ from run to run, so that no guest takes a new connection for an old one.
        config.random_seed = RandomState::new().hash_one(0);
        let mut interface = Interface::new(config, &mut cable, smoltcp::time::Instant::ZERO);
        let mut own = addresses.to_vec();
        own.dedup();
        interface.update_ip_addrs(|list| {
            // There is room for two: smoltcp's IFACE_MAX_ADDR_COUNT.
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
            door: Door::new(subnet, own),
            address: addresses[0],
            clock,
            next_port: FIRST_PORT,
            began: now,
        }
    }

    /// A frame from the switch.
    pub fn input(&mut self, frame: Frame) {
        match self.door.judge(frame.ethernet()) {
            Arrival::ForUs => self.cable.put(frame),
            Arrival::Answer(answer) => self.cable.send(answer),
            Arrival::ForNobody => {}
        }
    }

    /// The next frame for the switch.
    pub fn output(&mut self) -> Option<Frame> {
        self.cable.take()
    }

    /// Works through what came in and what is due.
    pub fn run(&mut self, now: Instant) {
        let stamp = self.stamp(now);
        self.interface.poll(stamp, &mut self.cable, &mut self.sockets);
        if self.tell_time() {
            self.interface.poll(stamp, &mut self.cable, &mut self.sockets);
        }
    }

    /// After how long something is due again.
    pub fn delay(&mut self, now: Instant) -> Option<Duration> {
        let delay = self.interface.poll_delay(self.stamp(now), &self.sockets)?;
        Some(Duration::from_micros(delay.total_micros()))
    }

    /// Begins a connection to a guest; `None` when it is to an address that none can have.
    pub fn connect(&mut self, to: SocketAddrV4) -> Option<SocketHandle> {
        let buffer = || tcp::SocketBuffer::new(vec![0; BUFFER]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        socket.set_timeout(Some(DEAD_AFTER));
        socket.set_keep_alive(Some(ASK_EVERY));
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

    /// A connection that was begun and not yet removed.
    pub fn connection(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    /// Forgets a connection at once. To end it so that the guest hears of it, close or abort it first and let the host run.
    pub fn remove(&mut self, handle: SocketHandle) {
        self.sockets.remove(handle);
    }

    /// Asks by ARP who has an address. smoltcp asks by itself, but for one address a second only, whoever waits: a guest that is not
    /// there would keep the others waiting.
    pub fn ask(&mut self, address: Ipv4Addr) {
        let question = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_hardware_addr: EthernetAddress(MAC.0),
            source_protocol_addr: self.address,
            target_hardware_addr: EthernetAddress([0; 6]),
            target_protocol_addr: address,
        };
        self.cable.send(arp_frame(Mac::BROADCAST, &question));
    }

    /// Answers those who ask for the time; whether there were any.
    fn tell_time(&mut self) -> bool {
        let Some(clock) = self.clock else { return false };
        let socket = self.sockets.get_mut::<udp::Socket<'_>>(clock);
        let mut told = false;
        while socket.can_send() {
            let Ok((request, asker)) = socket.recv() else { break };
            if let Some(reply) = ntp::answer(request, SystemTime::now()) {
                told |= socket.send_slice(&reply, asker).is_ok();
            }
        }
        told
    }

    fn stamp(&self, now: Instant) -> smoltcp::time::Instant {
        let since = now.saturating_duration_since(self.began).as_micros();
        smoltcp::time::Instant::from_micros(i64::try_from(since).unwrap_or(i64::MAX))
    }
}

fn clock() -> udp::Socket<'static> {
    let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 64], vec![0; 8192]);
    let mut socket = udp::Socket::new(buffer(), buffer());
    // It fails for port 0 and for a socket that is bound: neither is so.
    let _ = socket.bind(ntp::PORT);
    socket
}
