//! A real QEMU, without an image, plugs itself in.

use std::process::{Child, Command, Stdio};

use crate::emulate_lan::{lan, mac, until};

/// A child that does not outlive its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn qemu(socket: &std::path::Path) -> Killed {
    let netdev = format!("stream,id=n0,server=off,addr.type=unix,addr.path={}", socket.display());
    let [.., last] = mac(0);
    let child = Command::new("qemu-system-aarch64")
        .args([
            "-M",
            "virt",
            "-cpu",
            "cortex-a53",
            "-m",
            "64",
            "-nodefaults",
            "-display",
            "none",
            "-S",
        ])
        .args(["-netdev", &netdev])
        .args([
            "-device",
            &format!("virtio-net-device,netdev=n0,mac=52:54:00:00:00:{last:02x}"),
        ])
        .stdin(Stdio::null())
        .spawn();
    Killed(child.expect("running qemu-system-aarch64; install it (Debian: qemu-system-arm)"))
}

#[test]
fn qemu_connects_and_after_it_was_killed_connects_again() {
    let lan = lan(1);
    let first = qemu(lan.socket(0));
    until("QEMU connects", || lan.port(0).filter(|port| port.connected));
    drop(first);
    until("QEMU is gone", || lan.port(0).filter(|port| !port.connected));
    let _second = qemu(lan.socket(0));
    let port = until("QEMU connects again", || lan.port(0).filter(|port| port.connected));
    assert_eq!((port.connections, port.garbled), (2, 0));
}
