//! Which devices are cards, and which are never written: machines as text, golden sentences,
//! hostile text.

mod machine;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kraken_flash::card::{self, Device, Identity, Policy, Verdict};
use machine::Machine;
use proptest::prelude::*;
use testkit::golden::golden;

/// One paragraph of the golden file.
fn paragraph(machine: &Machine, name: &str) -> String {
    let host = machine.host();
    let mut text = format!("## {name}: {}\n", machine.title);
    for device in card::list(&host).unwrap() {
        let size = card::decimal_size(device.size);
        let (path, bus) = (device.path.display(), device.bus);
        let _ = writeln!(
            text,
            "{path}: {}",
            [&device.title(), &*size, &bus.to_string()]
                .join(", ")
                .trim_start_matches(", ")
        );
        tell(&mut text, &card::judge(&device, &Policy::default()));
    }
    for ask in &machine.asks {
        let options = match ask.options.as_str() {
            "" => String::new(),
            options => format!(" ({options})"),
        };
        let _ = writeln!(text, "asked for {}{options}", ask.path.display());
        match card::find(&host, &ask.path) {
            Ok(device) => tell(&mut text, &card::judge(&device, &ask.policy)),
            Err(error) => _ = writeln!(text, "  error: {error}"),
        }
    }
    text
}

fn tell(text: &mut String, verdict: &Verdict) {
    if verdict.is_good() {
        text.push_str("  can be written\n");
    }
    for reason in &verdict.refusals {
        let _ = writeln!(text, "  refused: {reason}");
    }
    for mount in &verdict.unmount {
        let _ = writeln!(text, "  unmount first: {mount}");
    }
    for reason in &verdict.warnings {
        let _ = writeln!(text, "  warning: {reason}");
    }
}

#[test]
fn every_situation_has_its_verdict_and_its_sentences() {
    let names = machine::all();
    assert!(names.len() >= 40, "{} situations only", names.len());
    let got: Vec<String> = names.iter().map(|name| paragraph(&Machine::load(name), name)).collect();
    golden("tests/golden/devices.txt", &got.join("\n"));
}

/// Refusals that no option may lift: tried with all options.
#[test]
fn no_option_opens_what_carries_the_system_or_is_in_use() {
    let everything = Policy {
        needed: None,
        allow_fixed: true,
        allow_large: true,
        unmount: true,
    };
    let mut systems = 0;
    for name in machine::all() {
        let machine = Machine::load(&name);
        for device in card::list(&machine.host()).unwrap() {
            let verdict = card::judge(&device, &everything);
            let in_use = !device.system.is_empty() || !device.swaps.is_empty() || !device.holders.is_empty();
            let closed = in_use || device.read_only || !device.media || device.boot_area;
            if closed {
                assert!(
                    !verdict.is_good() && verdict.unmount.is_empty() || !verdict.is_good(),
                    "{name}: {}",
                    device.path.display()
                );
            }
            systems += usize::from(!device.system.is_empty());
            let lifted: Vec<_> = verdict.refusals.iter().filter(|r| r.lifted_by().is_some()).collect();
            assert!(lifted.is_empty(), "{name}: {lifted:?} is not lifted by its option");
            for mount in &verdict.unmount {
                assert!(!device.system.contains(mount), "{name}: {mount}");
            }
        }
    }
    assert!(systems >= 30, "{systems} devices with a system on them only");
}

#[test]
fn every_machine_but_those_that_cannot_know_finds_its_own_disk() {
    for name in machine::all() {
        let devices = card::list(&Machine::load(&name).host()).unwrap();
        let known = devices.iter().any(|device| !device.system.is_empty());
        let unknown = devices.iter().all(|device| device.system_unknown.is_some());
        assert!(known || unknown || name.starts_with("no-disk-"), "{name}");
    }
}

#[test]
fn a_device_that_was_swapped_is_noticed() {
    let find = |name: &str, path: &str| card::find(&Machine::load(name).host(), Path::new(path)).unwrap();
    let card = find("usb-reader-card", "/dev/sdb");
    let identity = Identity::of(&card);
    assert_eq!(identity.check(&card), Ok(()));
    let check = |change: &dyn Fn(&mut Device)| {
        let mut other = card.clone();
        change(&mut other);
        identity.check(&other).unwrap_err().to_string()
    };
    for (said, wanted) in [
        (
            check(&|d| d.size = 15_931_539_456),
            "size 31914983424 is now 15931539456",
        ),
        (check(&|d| d.diskseq = Some(99)), "disk sequence number 16 is now 99"),
        (check(&|d| d.serial = None), "serial 000000000903 is now none"),
        (
            check(&|d| d.table.as_mut().unwrap().id = Some("0badcafe".into())),
            "partition table id",
        ),
        (
            check(&|d| d.model = Some("Portable SSD".into())),
            "model SD/MMC is now Portable SSD",
        ),
        (check(&|d| d.number.minor = 32), "device number 8:16 is now 8:32"),
    ] {
        assert!(said.contains(wanted), "{said}");
        assert!(said.starts_with("/dev/sdb is not the device it was"), "{said}");
    }
    // udev may not have read the table yet.
    let mut unread = card.clone();
    unread.table = None;
    assert_eq!(identity.check(&unread), Ok(()));
}

#[test]
fn names_that_turn_text_around_are_defused_in_words_and_json() {
    let machine = Machine::load("hostile-names");
    let devices = card::list(&machine.host()).unwrap();
    let card = devices.iter().find(|device| device.name == "sdb").unwrap();
    assert_eq!(card.model.as_deref(), Some("adn/ved/ no metsyS"));
    let json = serde_json::to_string(&devices).unwrap();
    let verdict = serde_json::to_string(&card::judge(card, &Policy::default())).unwrap();
    let words = paragraph(&machine, "hostile-names");
    for text in [json, verdict, words.replace('\n', "")] {
        let bad = text
            .chars()
            .find(|c| c.is_control() || ('\u{200b}'..='\u{202e}').contains(c) || ('\u{2066}'..='\u{2069}').contains(c));
        assert_eq!(bad, None, "{text}");
    }
    // The system call accepts the path as it is.
    assert!(card.mounts()[0].path().to_str().unwrap().contains('\u{202e}'));
}

#[test]
fn json_has_stable_names() {
    let device = card::find(&Machine::load("usb-reader-card").host(), Path::new("/dev/sdb")).unwrap();
    let value = serde_json::to_value(&device).unwrap();
    for (pointer, wanted) in [
        ("/path", "/dev/sdb"),
        ("/number", "8:16"),
        ("/bus", "sd-card-reader"),
        ("/table/kind", "dos"),
        ("/partitions/0/label", "bootfs"),
        ("/partitions/0/file-system", "vfat"),
        ("/partitions/1/device", "8:18"),
    ] {
        assert_eq!(
            value.pointer(pointer).and_then(|v| v.as_str()),
            Some(wanted),
            "{pointer}"
        );
    }
    for key in [
        "logical-block",
        "diskseq",
        "system",
        "system-unknown",
        "read-only",
        "contents-unknown",
        "hotplug",
    ] {
        assert!(value.get(key).is_some(), "{key}");
    }
}

#[test]
fn the_program_prints_the_same_facts() {
    let program = || {
        let mut program = Command::new(env!("CARGO_BIN_EXE_kraken-flash"));
        program.arg("devices");
        program
    };
    let output = program().arg("--json").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for device in listed["devices"].as_array().unwrap() {
        assert!(device["path"].as_str().unwrap().starts_with("/dev/"), "{device}");
        assert!(device["verdict"]["refusals"].is_array(), "{device}");
    }
    assert!(program().arg("--all").output().unwrap().status.success());
}

/// Every file of a tree, in order.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        match path.symlink_metadata().unwrap().file_type() {
            kind if kind.is_dir() => files(&path, found),
            kind if kind.is_file() => found.push(path),
            _ => (),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// For every content of the files there is an answer, and nothing in it can deceive.
    #[test]
    fn hostile_text_in_every_file_never_panics(
        which in 0usize..1000,
        bytes in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..4),
        some in 1usize..6,
    ) {
        let names = machine::all();
        let machine = Machine::load(&names[which % names.len()]);
        let mut all = Vec::new();
        files(machine.root(), &mut all);
        for (index, file) in all.iter().enumerate() {
            // All of them, or a few: valid files lead deeper.
            if index % some == 0 {
                fs::write(file, &bytes[index % bytes.len()]).unwrap();
            }
        }
        if let Ok(devices) = card::list(&machine.host()) {
            for device in devices {
                let verdict = card::judge(&device, &Policy::default());
                let text = format!("{}{}", serde_json::to_string(&device).unwrap(), serde_json::to_string(&verdict).unwrap());
                let is_deceptive = text.chars().any(|c| c.is_control() || c == '\u{202e}');
                prop_assert!(!is_deceptive);
                let _ = card::find(&machine.host(), &device.path);
            }
        }
    }

    /// Breaks one line of a table of mounts at a time: the kernel's own words with a hostile name
    /// in them.
    #[test]
    fn hostile_tables_of_mounts_never_panic(line in "[0-9:/ \\\\a-z,=\\-]{0,120}", place in 0usize..8) {
        let machine = Machine::load("live-debian");
        let table = machine.root().join("proc/self/mountinfo");
        let text = fs::read_to_string(&table).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.insert(place.min(lines.len()), &line);
        fs::write(&table, lines.join("\n")).unwrap();
        for device in card::list(&machine.host()).unwrap() {
            let _ = card::judge(&device, &Policy::default());
        }
    }
}
