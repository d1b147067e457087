//! A guest with a TCP/IP stack of its own, smoltcp, in a thread, and its servers.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpAddress, IpCidr};

/// What a guest does with a connection to its port.
#[derive(Clone, Copy)]
pub(super) enum Server {
    /// Sends back what it receives, and ends when the other side has ended.
    Echo,
    /// Sends a greeting at once, ends its own half, and counts what it receives; it sends nothing
    /// more.
    GreetAndClose,
    /// Accepts, and neither reads nor writes.
    Mute,
    /// Sends a greeting at once, ends its own half, and resets the connection when a byte arrives
    /// all the same.
    GreetAndLeave,
    /// Resets the connection when the first byte arrives.
    Reset,
}

/// The port of the server.
pub(super) const PORT: u16 = 22;
pub(super) const GREETING: &[u8] = b"SSH-2.0-guest\r\n";

/// A guest in a thread of its own, until it is dropped.
pub(super) struct Guest {
    stop: Arc<AtomicBool>,
    came: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Guest {
    /// Starts a guest that serves this many connections at the same time at [`PORT`].
    pub(super) fn start(socket: &Path, mac: [u8; 6], address: Ipv4Addr, server: Server, connections: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let came = Arc::new(AtomicUsize::new(0));
        let stream = UnixStream::connect(socket).unwrap();
        let (told, counted) = (stop.clone(), came.clone());
        let run = move || Stack::new(stream, mac, address, connections).serve(server, &told, &counted);
        let thread = Some(std::thread::spawn(run));
        Self { stop, came, thread }
    }

    /// Returns how many bytes were received.
    pub(super) fn came(&self) -> usize {
        self.came.load(Ordering::Relaxed)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

struct Stack {
    interface: Interface,
    sockets: SocketSet<'static>,
    handles: Vec<SocketHandle>,
    card: Card,
}

impl Stack {
    fn new(stream: UnixStream, mac: [u8; 6], address: Ipv4Addr, connections: usize) -> Self {
        stream.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
        let mut card = Card {
            stream,
            inbox: Vec::new(),
            outbox: VecDeque::new(),
        };
        let config = Config::new(HardwareAddress::Ethernet(EthernetAddress(mac)));
        let mut interface = Interface::new(config, &mut card, Instant::now());
        interface.update_ip_addrs(|list| list.push(IpCidr::new(IpAddress::Ipv4(address), 24)).unwrap());
        let mut sockets = SocketSet::new(Vec::new());
        let buffer = || tcp::SocketBuffer::new(vec![0; 32 << 10]);
        let handles = (0..connections)
            .map(|_| sockets.add(tcp::Socket::new(buffer(), buffer())))
            .collect();
        Self {
            interface,
            sockets,
            handles,
            card,
        }
    }

    fn serve(mut self, server: Server, stop: &AtomicBool, came: &AtomicUsize) {
        let mut greeted = vec![false; self.handles.len()];
        while !stop.load(Ordering::Relaxed) && self.card.exchange() {
            self.interface.poll(Instant::now(), &mut self.card, &mut self.sockets);
            for (handle, greeted) in self.handles.iter().zip(&mut greeted) {
                let socket = self.sockets.get_mut::<tcp::Socket<'_>>(*handle);
                if !socket.is_open() {
                    *greeted = false;
                    socket.listen(PORT).unwrap();
                }
                came.fetch_add(act(server, socket, greeted), Ordering::Relaxed);
            }
            self.interface.poll(Instant::now(), &mut self.card, &mut self.sockets);
        }
    }
}

fn act(server: Server, socket: &mut tcp::Socket<'_>, greeted: &mut bool) -> usize {
    let ended = matches!(socket.state(), tcp::State::CloseWait);
    match server {
        Server::Mute => 0,
        Server::Reset => {
            if socket.can_recv() {
                socket.abort();
            }
            0
        }
        Server::Echo => {
            let mut came = 0;
            while socket.can_recv() && socket.can_send() {
                let room = socket.send_capacity() - socket.send_queue();
                let bytes = socket
                    .recv(|bytes| (bytes.len().min(room), bytes[..bytes.len().min(room)].to_vec()))
                    .unwrap();
                came += bytes.len();
                assert_eq!(socket.send_slice(&bytes).unwrap(), bytes.len());
            }
            if ended && !socket.can_recv() {
                socket.close();
            }
            came
        }
        Server::GreetAndClose | Server::GreetAndLeave => {
            if socket.may_send() && !*greeted {
                *greeted = true;
                socket.send_slice(GREETING).unwrap();
                socket.close();
            }
            let mut came = 0;
            if matches!(server, Server::GreetAndLeave) && socket.can_recv() {
                socket.abort();
            }
            while socket.can_recv() {
                came += socket.recv(|bytes| (bytes.len(), bytes.len())).unwrap();
            }
            came
        }
    }
}

/// The guest's network card: frames with their lengths on a socket.
struct Card {
    stream: UnixStream,
    inbox: Vec<u8>,
    outbox: VecDeque<Vec<u8>>,
}

impl Card {
    /// Sends waiting frames and reads available ones; `false` when the LAN closed the connection.
    fn exchange(&mut self) -> bool {
        while let Some(frame) = self.outbox.pop_front() {
            let length = u32::try_from(frame.len()).unwrap().to_be_bytes();
            if self.stream.write_all(&[&length, &frame[..]].concat()).is_err() {
                return false;
            }
        }
        let mut bytes = [0; 65536];
        match self.stream.read(&mut bytes) {
            Ok(0) => false,
            Ok(read) => {
                self.inbox.extend(&bytes[..read]);
                true
            }
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        let length = usize::try_from(u32::from_be_bytes(*self.inbox.first_chunk()?)).unwrap();
        (self.inbox.len() >= 4 + length).then(|| self.inbox.drain(..4 + length).skip(4).collect())
    }
}

impl Device for Card {
    type RxToken<'a> = In;
    type TxToken<'a> = Out<'a>;

    fn receive(&mut self, _: Instant) -> Option<(In, Out<'_>)> {
        let frame = self.next()?;
        Some((In(frame), Out(&mut self.outbox)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Out<'_>> {
        Some(Out(&mut self.outbox))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

struct In(Vec<u8>);

impl RxToken for In {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

struct Out<'a>(&'a mut VecDeque<Vec<u8>>);

impl TxToken for Out<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let mut frame = vec![0; length];
        let result = write(&mut frame);
        self.0.push_back(frame);
        result
    }
}
