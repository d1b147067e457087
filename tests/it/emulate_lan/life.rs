//! The start and the end of a LAN.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use kraken_foundation::Kind;
use kraken_lan::Lan;

use crate::emulate_lan::guest::{Guest, PORT, Server};
use crate::emulate_lan::peers::Peer;
use crate::emulate_lan::{address, config, lan, mac};

#[test]
fn its_end_closes_all_and_removes_the_sockets_at_once_whatever_guests_do() {
    let lan = lan(3);
    let guest = Guest::start(lan.socket(0), mac(0), address(0), Server::Echo, 4);
    let local = lan.forward(SocketAddrV4::new(address(0), PORT)).unwrap();
    let mut talks = TcpStream::connect(local).unwrap();
    talks.write_all(b"hello").unwrap();
    talks.read_exact(&mut [0; 5]).unwrap();
    let absent = lan.forward(SocketAddrV4::new(address(9), PORT)).unwrap();
    let mut waits = TcpStream::connect(absent).unwrap();
    let mut half = Peer::connect(lan.socket(1), mac(1));
    half.stream.write_all(&[0, 0, 1, 0, 5, 5]).unwrap();
    let mut mute = Peer::connect(lan.socket(2), mac(2));
    for _ in 0..100 {
        let flood = half.frame([0xff; 6], 0x88b5, &[3; 9000]);
        mute.send(&flood);
    }
    let folder = lan.folder.path().join("lan");
    let began = Instant::now();
    drop(lan.lan);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(!folder.exists());
    for stream in [&mut talks, &mut waits] {
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let read = stream.read(&mut [0]).map_err(|error| error.kind());
        assert!(
            matches!(read, Ok(0) | Err(std::io::ErrorKind::ConnectionReset)),
            "{read:?}"
        );
    }
    assert!(TcpStream::connect(local).is_err(), "the way in is still open");
    assert!(half.is_closed() && mute.is_closed());
    assert_eq!(guest.came(), 5);
}

#[test]
fn an_idle_lan_sleeps() {
    let lan = lan(7);
    let _peers: Vec<Peer> = (0..7_u8)
        .map(|n| Peer::connect(lan.socket(usize::from(n)), mac(n)))
        .collect();
    (0..7).for_each(|n| lan.lets_in(n));
    let woken = woken_in_a_second();
    assert!(woken < 5, "the LAN's thread woke {woken} times in an idle second");
}

#[test]
fn connections_that_rest_or_wait_for_a_missing_guest_leave_the_lan_asleep() {
    let lan = lan(2);
    let _guest = Guest::start(lan.socket(0), mac(0), address(0), Server::Echo, 1);
    let mut rests = TcpStream::connect(lan.forward(SocketAddrV4::new(address(0), PORT)).unwrap()).unwrap();
    rests.write_all(b"hello").unwrap();
    rests.read_exact(&mut [0; 5]).unwrap();
    let _waits = TcpStream::connect(lan.forward(SocketAddrV4::new(address(1), PORT)).unwrap()).unwrap();
    let woken = woken_in_a_second();
    assert!(woken < 40, "the LAN's thread woke {woken} times in a second");
}

fn woken_in_a_second() -> u64 {
    let thread = thread_named("lan");
    let before = switches(&thread);
    std::thread::sleep(Duration::from_secs(1));
    switches(&thread) - before
}

/// Returns the kernel's folder of a thread of this process. Each test has a process of its own, so
/// there is one LAN.
fn thread_named(name: &str) -> std::path::PathBuf {
    let tasks = fs::read_dir("/proc/self/task")
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let named = |task: &std::path::PathBuf| fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == name);
    tasks.into_iter().find(named).unwrap()
}

/// Returns how often a thread went to sleep or was put to sleep.
fn switches(task: &std::path::Path) -> u64 {
    let status = fs::read_to_string(task.join("status")).unwrap();
    let lines = status.lines().filter_map(|line| line.split_once("ctxt_switches:"));
    lines.map(|(_, count)| count.trim().parse::<u64>().unwrap()).sum()
}

#[test]
fn the_folder_is_private() {
    let lan = lan(1);
    let mode = fs::metadata(lan.folder.path().join("lan"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn two_runs_in_one_folder_are_refused_and_the_first_goes_on() {
    let lan = lan(1);
    let folder = lan.folder.path().join("lan");
    let second = Lan::start(config(&folder, 1)).err().unwrap();
    assert!(
        second.kind() == Kind::Conflict && second.to_string().contains("is there already"),
        "{second:?}"
    );
    let mut peer = Peer::connect(lan.socket(0), mac(0));
    peer.resolve(address(0), crate::emulate_lan::GATEWAY);
}

#[test]
#[should_panic(expected = "there is no guest 2")]
fn the_socket_of_a_guest_that_there_is_not_is_a_mistake_of_the_programmer() {
    lan(2).socket(2);
}
