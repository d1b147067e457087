//! The wait for cards, on invented devices.

use std::fs;
use std::io;

use super::*;
use crate::{DeviceNumber, Table};

/// A USB stick or disk without a name.
fn usb(name: &str, minor: u32, removable: bool) -> Device {
    let root = tempfile::tempdir().unwrap();
    let disk = root.path().join("sys/block/sdb");
    fs::create_dir_all(&disk).unwrap();
    fs::create_dir_all(root.path().join("proc/self")).unwrap();
    for (file, text) in [
        (disk.join("dev"), "8:16"),
        (disk.join("size"), "60000000"),
        (
            root.path().join("proc/self/mountinfo"),
            "30 1 0:18 / / rw - nfs4 nas:/pi rw",
        ),
    ] {
        fs::write(file, text).unwrap();
    }
    let mut device = list(&Host::at(root.path())).unwrap().remove(0);
    device.path = format!("/dev/{name}").into();
    device.number = DeviceNumber { major: 8, minor };
    device.diskseq = Some(u64::from(minor));
    device.bus = Bus::Usb;
    (device.removable, device.hotplug) = (removable, true);
    device
}

fn holding(mut device: Device, id: &str) -> Device {
    device.table = Some(Table {
        kind: "dos".into(),
        id: Some(id.into()),
    });
    device
}

fn back(mut device: Device) -> Device {
    device.diskseq = device.diskseq.map(|count| count + 100);
    device.number.minor += 16;
    device
}

fn path(found: &Found) -> Option<&str> {
    match found {
        Found::Card { path, .. } => path.to_str(),
        _ => None,
    }
}

#[test]
fn a_disk_that_only_came_back_is_not_the_card_that_was_plugged_in() {
    let disk = holding(usb("sdb", 16, false), "backup");
    let before = [disk.clone()];
    assert_eq!(plugged_in(&before, vec![disk.clone()], false), Found::Nothing);
    let found = plugged_in(&before, vec![back(disk.clone())], false);
    assert_eq!(found, Found::No(PassedOver::CameBack(NamedDevice::of(&disk))));
    // A card beside it is seen, and so is another disk with the same name.
    let card = usb("sdc", 32, true);
    assert_eq!(
        path(&plugged_in(&before, vec![back(disk.clone()), card], false)),
        Some("/dev/sdc")
    );
    let other = holding(back(disk), "other");
    assert_eq!(path(&plugged_in(&before, vec![other], false)), Some("/dev/sdb"));
    // A card that was in its reader all the time and is inserted again is shown with a note.
    let card = holding(usb("sdc", 32, true), "card");
    let found = plugged_in(std::slice::from_ref(&card), vec![back(card.clone())], false);
    let path = card.path;
    assert_eq!(found, Found::Card { path, came_back: true });
}

#[test]
fn of_two_that_come_at_once_neither_is_taken_and_what_is_no_card_does_not_count() {
    let (card, stick) = (usb("sdb", 16, true), usb("sdc", 32, true));
    let both = [&card, &stick].map(NamedDevice::of).to_vec();
    assert!(both.iter().all(|named| named.title == "USB"), "{both:?}");
    let found = plugged_in(&[], vec![card.clone(), stick], false);
    assert_eq!(found, Found::No(PassedOver::Several(both)));
    for bus in [Bus::Dm, Bus::Loop, Bus::Nvme] {
        let mut other = usb("dm-3", 48, false);
        (other.bus, other.hotplug) = (bus, false);
        assert_eq!(
            path(&plugged_in(&[], vec![card.clone(), other], false)),
            Some("/dev/sdb")
        );
    }
}

#[test]
fn a_card_is_gone_when_its_reader_is_empty_and_not_when_it_is_announced_again() {
    let card = holding(usb("sdb", 16, true), "card");
    let mut again = card.clone();
    again.diskseq = Some(4711);
    assert!(is_still(&card, &again));
    let mut empty = card.clone();
    (empty.media, empty.size) = (false, 0);
    assert!(!is_still(&card, &empty));
    let mut other = card.clone();
    other.cid = Some("another".into());
    assert!(!is_still(&card, &other));
}

#[test]
fn a_reader_is_known_whatever_card_is_in_it() {
    let mut one = usb("sdb", 16, true);
    one.serial = Some("4711".into());
    let mut other = holding(one.clone(), "x");
    other.size *= 2;
    assert_eq!(Reader::of(&one), Reader::of(&other));
    other.serial = Some("1147".into());
    assert_ne!(Reader::of(&one), Reader::of(&other));
    (one.bus, other.bus) = (Bus::Mmc, Bus::Mmc);
    assert_eq!(Reader::of(&one), Reader::of(&other));
}

#[test]
fn another_device_that_took_the_name_of_the_reader_is_not_written() {
    let reader = |serial: &str, card: &str| {
        let mut device = holding(usb("sdb", 16, true), card);
        device.serial = Some(serial.into());
        device
    };
    let was = Reader::of(&reader("4711", "old"));
    let mut wait = CardWait::new(WaitOptions {
        device: Some("/dev/sdb".into()),
        reader: Some(was.clone()),
        ..WaitOptions::default()
    });
    let mut found_with = |device| wait.in_reader(Path::new("/dev/sdb"), Ok(device)).unwrap();
    assert_eq!(path(&found_with(reader("4711", "new"))), Some("/dev/sdb"));
    let other = reader("1147", "new");
    let now = Reader::of(&other);
    let path = "/dev/sdb".into();
    assert_eq!(found_with(other), Found::No(PassedOver::OtherReader { path, was, now }));
}

#[test]
fn an_empty_reader_and_a_slot_that_is_not_there_yet_are_waited_for() {
    let path = || PathBuf::from("/dev/mmcblk0");
    let nothing = |path: &str, hint: &str| FindError::Nothing {
        path: path.into(),
        hint: hint.into(),
    };
    assert!(may_come(&FindError::NoCard { path: path() }));
    assert!(may_come(&nothing("/dev/mmcblk0", "")));
    assert!(!may_come(&nothing("sdb", "; did you mean /dev/sdb?")));
    assert!(!may_come(&nothing("card", "")));
    assert!(!may_come(&FindError::File { path: path() }));
    let source = io::ErrorKind::PermissionDenied.into();
    assert!(!may_come(&FindError::Unreadable { path: path(), source }));
}
