//! `cards`: writes one card after the other, with one reader.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use testkit::child::Killed;
use testkit::loops::{LOOP, LoopDevice};
use testkit::run;

use super::{CARD, text, world};

#[test]
fn root_cards_walks_through_the_cluster_and_goes_on_where_it_stopped() {
    let world = world();
    world.does(&["build"]);
    let files: Vec<_> = (1..=3).map(|node| world.at(&format!("card-{node}"))).collect();
    let reader = LoopDevice::used(&files[0], CARD);
    for file in &files[1..] {
        drop(LoopDevice::used(file, CARD));
    }
    let device = text(&reader.path).to_owned();
    let walk = || {
        let mut command = world.program();
        command
            .args(["cards", "--device", &device])
            .args(LOOP)
            .stderr(Stdio::piped())
            .stdout(Stdio::piped());
        command
    };
    // No user sees which device would be used.
    let said = world.ends(&["cards", LOOP[0], LOOP[1]], 2);
    assert!(said.contains("name the reader with --device"), "{said}");
    // The reader is empty at first. Two cards are written; then the user stops.
    reader.take_out();
    // A program that outlives its test would write the next test's card.
    let mut child = Killed::spawn(&mut walk());
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let (mut taken_out, mut exchanged) = (0, false);
    for line in lines.map_while(Result::ok) {
        if line.contains("insert the card for kraken-1") {
            std::thread::sleep(Duration::from_millis(700));
            reader.put_in(&files[0]);
        }
        // Only now the program has seen that the reader is empty, however busy the machine is.
        if line.contains("insert the card for kraken-2") {
            // The reader announces the written card again, immediately or after a while.
            reader.put_in(&files[0]);
            std::thread::sleep(Duration::from_millis(700));
            reader.take_out();
            std::thread::sleep(Duration::from_millis(700));
            reader.put_in(&files[0]);
        }
        if line.contains("holds the card of kraken-1, which is done") && !exchanged {
            exchanged = true;
            reader.take_out();
            std::thread::sleep(Duration::from_millis(700));
            reader.put_in(&files[1]);
        }
        if line.contains("take it out") {
            taken_out += 1;
            reader.take_out();
            if taken_out == 2 {
                run(Command::new("kill").arg("-INT").arg(child.id().to_string()));
                break;
            }
        }
    }
    assert_eq!(child.wait().unwrap().code(), Some(130));
    // On another day.
    reader.put_in(&files[2]);
    let output = walk().output().unwrap();
    let said = testkit::said(&output);
    assert!(output.status.success(), "{said}");
    for words in [
        "kraken-1, kraken-2 have their cards already",
        "1 of 1: insert the card for kraken-3",
        "All cards are written.",
    ] {
        assert!(said.contains(words), "{words:?} is not in:\n{said}");
    }
    drop(reader);
    for (file, node) in files.iter().zip(1..) {
        LoopDevice::of(file).holds(&world.at(&format!("images/kraken-{node}.img")));
    }
    let said = world.does(&["cards", "--device", &device, LOOP[0], LOOP[1]]);
    assert!(said.contains("Nothing is left to be written."), "{said}");
}
