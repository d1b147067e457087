//! The program writes cards, on real block devices.

mod meanwhile;
mod walk;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use kraken_disk::{ImageFile, UsedMap};
use kraken_flash::card::{self, BlockTarget, ImageSource, WriteOptions};
use kraken_foundation::Job;
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::progress::Silent;
use serde_json::Value;
use sha2::{Digest, Sha256};
use testkit::child::Killed;
use testkit::loops::{LOOP, LoopDevice};
use testkit::world::{Image, World, names, trixie};
use testkit::{run, said};

const CARD: u64 = 480 << 20;

fn world() -> World {
    World::new(3, trixie())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The command that writes a node's card without a question.
fn flash<'a>(node: &'a str, device: &'a LoopDevice) -> Vec<&'a str> {
    let mut all = vec!["--node", node, text(&device.path)];
    all.extend(LOOP);
    all
}

#[test]
fn root_a_card_holds_what_build_makes_and_is_proven_by_its_receipt() {
    let world = world();
    world.does(&["build", "--node", "2"]);
    let card = LoopDevice::used(&world.at("card"), CARD);
    let said = world.does(&flash("2", &card));
    for words in [
        "holds   nothing that is known",
        "becomes kraken-2, 192.168.3.12, worker",
        "read back and found right",
        "safe to remove",
    ] {
        assert!(said.contains(words), "{words:?} is not in:\n{said}");
    }
    card.holds(&world.at("images/kraken-2.img"));
    let on_card = Image::open(&card.path);
    on_card.is_clean();
    assert_eq!(on_card.root_file("/etc/hostname"), b"kraken-2\n");

    // The receipt: only its owner can read it, and it has no name of a secret.
    let receipts = world.at("state/receipts");
    let kept = names(&receipts);
    assert!(
        kept.len() == 1 && kept[0].ends_with(&format!("-kraken-2-{}.json", card.name())),
        "{kept:?}"
    );
    let kept = receipts.join(&kept[0]);
    assert_eq!(testkit::world::mode(&kept), 0o600);
    let receipt: Value = serde_json::from_slice(&fs::read(&kept).unwrap()).unwrap();
    assert_eq!(receipt["hostname"], "kraken-2");
    assert_eq!(receipt["verified"], true);
    assert_eq!(receipt["device"]["size"], CARD);
    let sum: u64 = receipt["pieces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|piece| piece["end"].as_u64().unwrap() - piece["start"].as_u64().unwrap())
        .sum();
    assert_eq!(receipt["bytes"], sum);

    // verify: files against kraken.toml, every block against the receipt.
    let said = world.does(&["verify", text(&card.path)]);
    assert!(
        said.contains("receipt\n") && said.contains("kraken-2 (node 2)"),
        "{said}"
    );
    // A block that no check of files would find.
    let at = receipt["pieces"].as_array().unwrap().last().unwrap()["start"]
        .as_u64()
        .unwrap();
    let bytes = File::options().read(true).write(true).open(&card.path).unwrap();
    let mut byte = [0];
    bytes.read_exact_at(&mut byte, at + 100).unwrap();
    bytes.write_all_at(&[byte[0] ^ 4], at + 100).unwrap();
    bytes.sync_all().unwrap();
    drop(bytes);
    let said = world.ends(&["verify", text(&card.path)], 3);
    assert!(said.contains(&format!("receipt: bytes {at} to")), "{said}");
    // Another card's receipt does not verify this one.
    let mut other = receipt.clone();
    other["device"]["size"] = Value::from(CARD + 4096);
    fs::write(world.at("other.json"), other.to_string()).unwrap();
    let said = world.ends(&["verify", text(&card.path), "--receipt", "other.json"], 3);
    assert!(said.contains("is the receipt of another card"), "{said}");
    fs::write(world.at("none.json"), "{}").unwrap();
    let said = world.ends(&["verify", text(&card.path), "--receipt", "none.json"], 1);
    assert!(said.contains("none.json"), "{said}");

    // A card on which a system ran differs from what was written.
    on_card.change(&["write /dev/null /etc/ssh/ssh_host_ed25519_key".to_owned()]);
    let said = said_of(&world, &["verify", text(&card.path)]);
    assert!(
        said.contains("has been booted") && !said.contains("receipt: bytes"),
        "{said}"
    );
    // Host keys that were written with the card, from a base that had them, do not mean that the
    // card ran.
    let mut with_keys = receipt.clone();
    let bytes = File::open(&card.path).unwrap();
    for piece in with_keys["pieces"].as_array_mut().unwrap() {
        let at = |name: &str| piece[name].as_u64().unwrap();
        let mut part = vec![0; (at("end") - at("start")) as usize];
        bytes.read_exact_at(&mut part, at("start")).unwrap();
        piece["sha256"] = Value::from(hex::encode(Sha256::digest(&part)));
    }
    fs::write(world.at("with-keys.json"), with_keys.to_string()).unwrap();
    let said = said_of(&world, &["verify", text(&card.path), "--receipt", "with-keys.json"]);
    assert!(
        !said.contains("has been booted") && !said.contains("receipt: bytes"),
        "{said}"
    );
}

/// Signs that a card ran are faults in an image, which never ran.
#[test]
fn root_a_machine_id_that_was_written_with_the_image_is_named_and_one_that_a_node_made_is_not() {
    const WRONG: &str = "pristine: root:/etc/machine-id is set: all nodes would have the same one";
    let world = world();
    world.does(&["build", "--node", "2"]);
    let image = world.at("images/kraken-2.img");
    let id = world.at("id");
    fs::write(&id, "0123456789abcdef0123456789abcdef\n").unwrap();
    Image::open(&image).change(&[format!("write {} /etc/machine-id", id.display())]);
    fs::remove_file(image.with_extension("img.bmap")).unwrap();
    let card = LoopDevice::used(&world.at("card"), CARD);
    let mut all = vec!["flash-image", text(&image), text(&card.path)];
    all.extend(LOOP);
    world.does(&all);
    let receipts = world.at("state/receipts");
    let receipt = receipts.join(&names(&receipts)[0]);
    let verify = ["verify", text(&card.path), "--receipt", text(&receipt)];
    let said = world.ends(&verify, 3);
    assert!(said.contains(WRONG) && !said.contains("has been booted"), "{said}");
    assert!(!said.contains("receipt: "), "{said}");
    // It was mounted since, as by a system that boots from it: the node's own.
    Image::open(&card.path).change(&["set_super_value mnt_count 7".to_owned()]);
    let said = said_of(&world, &verify);
    assert!(said.contains("has been booted") && !said.contains("pristine"), "{said}");
    // Without a receipt the program cannot know.
    let said = said_of(&world, &["verify", text(&card.path)]);
    assert!(
        said.contains("there is no receipt") && !said.contains("pristine"),
        "{said}"
    );
}

fn said_of(world: &World, arguments: &[&str]) -> String {
    said(&world.kraken(arguments))
}

#[test]
fn root_several_cards_at_once_and_one_that_fails_does_not_stop_the_others() {
    let world = world();
    world.does(&["build", "--node", "1", "--node", "3"]);
    let small = world.at("small");
    fs::create_dir(&small).unwrap();
    run(Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=12m", "tmpfs"])
        .arg(&small));
    // The medium is full long before its announced size.
    let bad_file = small.join("card");
    File::create(&bad_file).unwrap().set_len(CARD).unwrap();
    let result = std::panic::catch_unwind(|| {
        let (good, bad) = (LoopDevice::used(&world.at("good"), CARD), LoopDevice::of(&bad_file));
        let mut all = vec!["--node", "3", text(&bad.path), "--node", "1", text(&good.path)];
        all.extend(LOOP);
        let said = world.ends(&all, 1);
        assert!(
            said.contains(&format!("kraken-1 is on {}", good.path.display())),
            "{said}"
        );
        assert!(
            said.contains(&format!("error: {}: ", bad.path.display())) && said.contains("not bootable"),
            "{said}"
        );
        good.holds(&world.at("images/kraken-1.img"));
        assert!(!bad.is_bootable());
        assert_eq!(
            names(&world.at("state/receipts")).len(),
            1,
            "a receipt of the good one only"
        );
    });
    run(Command::new("umount").arg("--lazy").arg(&small));
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

#[test]
fn root_nothing_is_written_that_the_user_did_not_agree_to() {
    let world = world();
    let card = LoopDevice::used(&world.at("card"), CARD);
    let device = text(&card.path);
    let before = fs::read(&card.file).unwrap();
    let fixed = LOOP[0];
    let file = world.at("card");
    for (arguments, code, words) in [
        (vec!["--node", "1", device], 1, "it is neither a card nor a USB device"),
        (
            vec!["--node", "1", device, fixed],
            1,
            "there is no terminal to ask on, and --yes was not given",
        ),
        (
            vec!["--node", "1", device, fixed, "--dry-run"],
            0,
            "Nothing was written (--dry-run)",
        ),
        (vec!["--node", "4", device, fixed, "--yes"], 2, "there is no node 4"),
        (
            vec!["--node", "1", device, "--node", "1", device, fixed, "--yes"],
            2,
            "named twice",
        ),
        (
            vec!["--node", "1", device, "--node", "2", device, fixed, "--yes"],
            2,
            "is named twice",
        ),
        (
            vec!["--node", "1", fixed, "--yes"],
            2,
            "name a device after each --node",
        ),
        (vec![device, fixed, "--yes"], 2, "which node is it to be?"),
        (vec!["--node", "1", "/dev/null", "--yes"], 1, "/dev/null"),
        (vec!["--node", "1", text(&file), "--yes"], 1, "file"),
        (vec!["--node", "1", "/dev/nothing", "--yes"], 1, "/dev/nothing"),
    ] {
        let output = world.program().args(&arguments).stdin(Stdio::null()).output().unwrap();
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {words:?} is not in:\n{said}");
    }
    assert!(fs::read(&card.file).unwrap() == before, "the card was written");

    // A card that is too small is refused before anything on it is changed; so is one in use,
    // whatever options are given.
    let small = LoopDevice::used(&world.at("small"), 100 << 20);
    let said = world.ends(&flash("1", &small), 1);
    assert!(said.contains("nothing was written"), "{said}");
    assert!(small.is_bootable(), "its old content is there");
    run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&small.path));
    let point = world.at("point");
    fs::create_dir(&point).unwrap();
    run(Command::new("mount").arg(&small.path).arg(&point));
    let mut all = flash("1", &small);
    all.push("--unmount");
    let output = world.kraken(&all);
    run(Command::new("umount").arg(&point));
    let said = testkit::said(&output);
    assert!(
        output.status.code() == Some(1) && said.contains("it is mounted"),
        "{said}"
    );
}

#[test]
fn root_a_killed_run_leaves_a_card_that_is_whole_or_plainly_not_bootable() {
    let world = world();
    world.does(&["build", "--node", "1"]);
    let image = world.at("images/kraken-1.img");
    let (mut killed, mut finished) = (0, 0);
    for round in 0..16u64 {
        let card = LoopDevice::used(&world.at("card"), CARD);
        let mut child = Killed::spawn(
            world
                .program()
                .args(flash("1", &card))
                .stdout(Stdio::null())
                .stderr(Stdio::piped()),
        );
        // Counted from the start of the writing; the time for the image before that does not
        // matter.
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        lines
            .by_ref()
            .map_while(Result::ok)
            .find(|line| line.contains("testing its size"));
        std::thread::sleep(Duration::from_millis(round * 8));
        let signal = if round % 2 == 0 { "-KILL" } else { "-INT" };
        let _ = Command::new("kill").arg(signal).arg(child.id().to_string()).output();
        let rest: String = lines.map_while(Result::ok).collect();
        let status = child.wait().unwrap();
        if status.success() {
            finished += 1;
            card.holds(&image);
            continue;
        }
        killed += 1;
        if signal == "-INT" {
            assert_eq!(status.code(), Some(130), "{rest}");
            assert!(rest.contains("does not boot: write it again"), "{rest}");
        }
        if card.is_bootable() {
            // Killed when everything was on the card, and only the last lines of output were
            // missing.
            assert_eq!(signal, "-KILL", "round {round}");
            card.holds(&image);
        }
    }
    println!("{killed} were stopped, {finished} had finished");
    assert!(killed >= 3, "only {killed} of 16 were stopped in time");
}

/// Through the library: the guard refuses devices with blocks of 4096 bytes, on which the image's
/// partition table would mean other places.
#[test]
fn root_the_writer_writes_a_ram_disk_of_the_kernel_as_well() {
    let number = fs::read_to_string("/sys/class/zram-control/hot_add").expect("the kernel's zram: modprobe zram");
    let number = number.trim().to_owned();
    let result = std::panic::catch_unwind(|| {
        fs::write(format!("/sys/block/zram{number}/disksize"), CARD.to_string()).unwrap();
        let world = world();
        world.does(&["build", "--node", "1"]);
        let image = world.at("images/kraken-1.img");
        let device = PathBuf::from(format!("/dev/zram{number}"));
        let said = world.ends(&["--node", "1", text(&device), LOOP[0], LOOP[1]], 1);
        assert!(said.contains("nothing was written") && said.contains("4096"), "{said}");
        let file = Arc::new(ImageFile::open_read(&image).unwrap());
        let used = UsedMap::of(file.clone()).unwrap();
        let target = BlockTarget::open(&device).unwrap();
        // Now only this program uses it.
        assert_eq!(
            BlockTarget::open(&device).unwrap_err().kind(),
            std::io::ErrorKind::ResourceBusy
        );
        let options = WriteOptions {
            verify: true,
            test_capacity: true,
            nonce: 1,
        };
        let mut source = ImageSource::of_image(&*file, &used);
        let report = card::write(
            &mut source,
            &target,
            "zram",
            options,
            Job::new(&Silent, &Interrupt::new()),
        )
        .unwrap();
        // Whole blocks of 4 KiB.
        assert!(report.bytes() >= used.bytes() && report.bytes() < used.bytes() + (1 << 20));
        drop(target);
        let card = std::mem::ManuallyDrop::new(LoopDevice {
            path: device.clone(),
            file: device.clone(),
        });
        card.holds(&image);
        Image::open(&device).is_clean();
    });
    let _ = fs::write(format!("/sys/block/zram{number}/reset"), "1");
    let _ = fs::write("/sys/class/zram-control/hot_remove", &number);
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

/// Runs the program in a terminal, which script(1) makes, with typed input; returns exit code and
/// screen.
fn typed(world: &World, arguments: &[&str], keys: &str) -> (Option<i32>, String) {
    let program = world.program();
    let line: Vec<&str> = std::iter::once(program.get_program().to_str().unwrap())
        .chain(arguments.iter().copied())
        .collect();
    let mut script = Command::new("script");
    script.args([
        "--quiet",
        "--return",
        "--flush",
        "--command",
        &line.join(" "),
        "/dev/null",
    ]);
    for (name, value) in program.get_envs() {
        script.env(name, value.unwrap_or_default());
    }
    let mut terminal = script
        .env("TERM", "xterm")
        .current_dir(world.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = terminal.stdin.take().unwrap();
    let mut output = terminal.stdout.take().unwrap();
    let mut screen = Vec::new();
    let mut byte = [0];
    // Nothing is typed before the program asks: input that is already in the line would be
    // discarded, or worse.
    while !screen.ends_with(b"Write? Type yes: ") && output.read(&mut byte).unwrap() == 1 {
        screen.push(byte[0]);
    }
    input.write_all(keys.as_bytes()).unwrap();
    output.read_to_end(&mut screen).unwrap();
    drop(input);
    let code = terminal.wait().unwrap().code();
    (code, String::from_utf8_lossy(&screen).replace("\r\n", "\n"))
}

#[test]
fn root_a_terminal_shows_what_will_be_lost_and_only_yes_loses_it() {
    let world = world();
    let card = LoopDevice::used(&world.at("card"), CARD);
    let asked = ["--node", "2", text(&card.path), LOOP[0], "--no-verify"];
    for (keys, code, words) in [
        ("\n", 1, "error: nothing was written"),
        ("y\n", 1, "error: nothing was written"),
        ("no\n", 1, "error: nothing was written"),
        // Ctrl-C and Ctrl-D.
        ("\x03", 130, "interrupted"),
        ("\x04", 1, "error: nothing was written"),
    ] {
        let (ended, screen) = typed(&world, &asked, keys);
        for words in [
            "All that is on this device will be lost:",
            "holds   nothing that is known",
            "becomes kraken-2, 192.168.3.12, worker",
            words,
        ] {
            assert!(screen.contains(words), "{keys:?}: {words:?} is not in:\n{screen}");
        }
        assert_eq!(ended, Some(code), "{keys:?}: {screen}");
        assert!(card.is_bootable(), "{keys:?}: the card was touched");
    }
    let (ended, screen) = typed(&world, &asked, "Yes\n");
    assert_eq!(ended, Some(0), "{screen}");
    assert!(screen.contains("safe to remove"), "{screen}");
    Image::open(&card.path).is_clean();
}
