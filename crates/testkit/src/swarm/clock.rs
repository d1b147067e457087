//! A wrong clock for one dockerd, by a small C program that is compiled when it is needed.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use super::super::said;
use super::machine::Machine;

/// Both are in memory, on the machine.
const PROGRAM: &str = "/run/kraken-clock";
const OFFSET: &str = "/run/kraken-clock.offset";

/// Returns the command for a program of the machine whose clock is `offset` seconds off.
pub fn command(machine: &Machine, offset: i64, program: &str) -> Command {
    set(machine, offset);
    let compiled = machine.path(PROGRAM);
    if !compiled.exists() {
        // Static: the machine's C library may be older than this one's.
        let mut compiler = Command::new("cc")
            .args(["-static", "-O2", "-Wall", "-Wextra", "-Werror", "-x", "c", "-", "-o"])
            .arg(&compiled)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("cc can be run: apt-get install build-essential");
        let mut source = compiler.stdin.take().unwrap();
        source.write_all(include_bytes!("clock.c")).unwrap();
        drop(source);
        let output = compiler.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
    }
    let mut command = machine.command(PROGRAM);
    command.args([OFFSET, program]);
    command
}

/// Sets the clock again.
pub fn set(machine: &Machine, offset: i64) {
    fs::write(machine.path(OFFSET), offset.to_string()).unwrap();
}
