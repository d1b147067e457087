//! A real QEMU without an image connects itself.

use std::process::{Command, Stdio};

use testkit::child::Killed;
use testkit::tools::require;

use crate::emulate_lan::{lan, mac, until};

fn qemu(socket: &std::path::Path) -> Killed {
    let netdev = format!("stream,id=n0,server=off,addr.type=unix,addr.path={}", socket.display());
    let [.., last] = mac(0);
    require(&[("qemu-system-aarch64", "qemu-system-arm")]);
    let mut command = Command::new("qemu-system-aarch64");
    command
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
        .stdin(Stdio::null());
    Killed::spawn(&mut command)
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
