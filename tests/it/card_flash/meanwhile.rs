//! The device that was judged before the images are built is the one that is written afterwards:
//! with `--yes` no user checks it again.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::symlink;
use std::process::Stdio;

use super::{CARD, text, world};
use testkit::child::Killed;
use testkit::loops::{LOOP, LoopDevice};

/// As after a short power failure of a hub: devices get their names again, in another order.
#[test]
fn root_another_device_that_took_the_name_during_the_bake_is_not_written() {
    let world = world();
    let golden = world.at("cache/golden");
    fs::create_dir_all(&golden).unwrap();
    // The process with this lock builds images; the program waits for it.
    let turn = File::open(&golden).unwrap();
    turn.lock().unwrap();
    let (card, disk) = (
        LoopDevice::used(&world.at("card"), CARD),
        LoopDevice::used(&world.at("disk"), CARD),
    );
    let reader = world.at("reader");
    symlink(&card.path, &reader).unwrap();
    let mut child = Killed::spawn(
        world
            .program()
            .args(["--node", "1", text(&reader)])
            .args(LOOP)
            .stdout(Stdio::null())
            .stderr(Stdio::piped()),
    );
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("waiting for another run that bakes") {
        assert!(stderr.read_line(&mut said).unwrap() > 0, "it did not wait: {said}");
    }
    fs::remove_file(&reader).unwrap();
    symlink(&disk.path, &reader).unwrap();
    drop(turn);
    stderr.read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{said}");
    assert!(
        said.contains(&format!("{} is not the device it was: ", disk.path.display()))
            && said.contains("nothing was written"),
        "{said}"
    );
    for (device, name) in [(&card, "card"), (&disk, "disk")] {
        assert!(device.is_bootable(), "the {name} was touched");
    }
    assert!(!world.at("state/receipts").exists(), "{said}");
}
