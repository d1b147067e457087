//! The LAN of guests, from outside: peers use QEMU's stream protocol over its sockets, clients
//! connect through 127.0.0.1. No root, no QEMU.

mod forward;
mod guest;
mod host;
mod life;
mod peers;
mod qemu;
mod switch;
mod watching;

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use kraken_lan::{Lan, LanConfig};

/// The cluster's gateway, whose address the host has.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 42, 0, 1);
/// The host's own address.
const HOST: Ipv4Addr = Ipv4Addr::new(10, 42, 0, 250);

/// A LAN with this many guests, and the folder with its sockets.
struct Net {
    lan: Lan,
    folder: tempfile::TempDir,
}

impl Net {
    /// Waits until the switch has accepted the connection at this port: it receives nothing before.
    fn lets_in(&self, port: usize) {
        until("a port is connected", || self.port(port).filter(|port| port.connected));
    }
}

impl std::ops::Deref for Net {
    type Target = Lan;

    fn deref(&self) -> &Lan {
        &self.lan
    }
}

fn config(folder: &Path, guests: usize) -> LanConfig {
    LanConfig {
        folder: folder.to_owned(),
        subnet: "10.42.0.0/24".parse().unwrap(),
        gateway: Some(GATEWAY),
        host: HOST,
        time: true,
        guests,
    }
}

fn lan(guests: usize) -> Net {
    let folder = tempfile::tempdir().unwrap();
    let lan = Lan::start(config(&folder.path().join("lan"), guests)).unwrap();
    Net { lan, folder }
}

/// Returns the address of a guest.
fn address(guest: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 42, 0, 10 + guest)
}

/// Returns the MAC address of a guest.
fn mac(guest: u8) -> [u8; 6] {
    [0x52, 0x54, 0, 0, 0, 10 + guest]
}

/// Waits until a condition is true; fails with its name when that takes too long.
fn until<T>(what: &str, mut so: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(result) = so() {
            return result;
        }
        assert!(began.elapsed() < Duration::from_secs(15), "waited too long: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
