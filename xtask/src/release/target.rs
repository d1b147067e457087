//! The machines that there are releases for, and the program built for one of them.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::made::Options;
use crate::command::{output, run};

/// A kind of machine.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// As rustc calls it.
    pub triple: &'static str,
    /// As Debian calls it.
    pub debian: &'static str,
    /// As the tarball calls it.
    pub name: &'static str,
    /// `e_machine` of its ELF files (elf(5)).
    machine: u16,
}

/// All of them.
pub(super) const TARGETS: [Target; 2] = [
    Target {
        triple: "x86_64-unknown-linux-musl",
        debian: "amd64",
        name: "x86_64-linux",
        machine: 62,
    },
    Target {
        triple: "aarch64-unknown-linux-musl",
        debian: "arm64",
        name: "aarch64-linux",
        machine: 183,
    },
];

impl Target {
    /// Whether its programs run here without an emulator.
    pub(super) fn is_host(&self) -> bool {
        self.triple.starts_with(std::env::consts::ARCH)
    }
}

/// Builds the static program; returns where it lies.
///
/// # Errors
/// When a tool or the target's standard library is missing, it does not compile, or it is not
/// static.
pub(super) fn build(root: &Path, target: &Target, options: &Options) -> Result<PathBuf, Box<dyn Error>> {
    let tools = root.join("target/release-tools");
    let toolchain = tools.join("toolchain");
    let mut cargo = Command::new("cargo");
    let path = std::env::var("PATH")?;
    cargo.env("PATH", format!("{}:{path}", tools.join("zig/bin").display()));
    if options.build_std {
        cargo.env("RUSTC_BOOTSTRAP", "1");
        if toolchain.is_dir() {
            cargo.env("RUSTUP_TOOLCHAIN", &toolchain);
        }
    } else if !has_std(target)? {
        return Err(format!(
            "this toolchain has no standard library for {0}\nhelp: rustup target add {0}; where that cannot be had: tools/rust-src.sh, \
             and cargo xtask release --build-std",
            target.triple
        )
        .into());
    }
    cargo.args(["zigbuild", "--release", "--locked", "--bin", "kraken-flash", "--target"]);
    cargo.arg(target.triple).current_dir(root);
    if options.build_std {
        cargo.args([
            "-Zbuild-std=std,panic_abort",
            "-Zbuild-std-features=panic-unwind,backtrace",
        ]);
    }
    // No path of this machine in the program: the same sources give the same bytes elsewhere.
    let home = std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|home| home + "/.cargo"))?;
    let remap = |from: &str, to: &str| format!("--remap-path-prefix={from}={to}");
    let mut flags = vec![
        "-Ctarget-feature=+crt-static".to_owned(),
        remap(&home, "cargo"),
        remap(&root.display().to_string(), "."),
        remap(&toolchain.display().to_string(), "rust"),
    ];
    if options.build_std {
        // Start files come with rustup's musl targets; where the standard library is compiled
        // here, zig's own are taken.
        flags.push("-Clink-self-contained=no".to_owned());
    }
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    run(&mut cargo)?;
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let program = folder.join(target.triple).join("release/kraken-flash");
    let bytes = fs::read(&program).map_err(|error| format!("{}: {error}", program.display()))?;
    is_static(&bytes, target.machine).map_err(|why| format!("{}: {why}", program.display()))?;
    Ok(program)
}

fn has_std(target: &Target) -> Result<bool, Box<dyn Error>> {
    let folder = output(Command::new("rustc").args(["--print", "target-libdir", "--target", target.triple]))?;
    Ok(Path::new(folder.trim()).is_dir())
}

/// Whether an ELF file of 64 bits, little-endian, is for this machine and asks for no interpreter,
/// so that it needs no library of the system it runs on (elf(5)).
fn is_static(elf: &[u8], machine: u16) -> Result<(), String> {
    const INTERPRETER: u32 = 3;
    let short = || "it ends too early for an ELF file".to_owned();
    let bytes = |at: usize, len: usize| elf.get(at..).and_then(|rest| rest.get(..len)).ok_or_else(short);
    let number = |at: usize, len: usize| -> Result<usize, String> {
        let value = bytes(at, len)?
            .iter()
            .rev()
            .fold(0u64, |value, byte| value << 8 | u64::from(*byte));
        usize::try_from(value).map_err(|error| error.to_string())
    };
    if bytes(0, 6)? != b"\x7fELF\x02\x01" {
        return Err("it is not an ELF file of 64 bits".to_owned());
    }
    if number(18, 2)? != usize::from(machine) {
        return Err("it is for another machine".to_owned());
    }
    let (table, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    for entry in 0..count {
        if number(table.saturating_add(entry * size), 4)? == INTERPRETER as usize {
            return Err("it is not static: it asks for an interpreter".to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF header with one program header of a type.
    fn elf(machine: u16, kind: u32) -> Vec<u8> {
        let mut elf = vec![0; 64 + 56];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        elf[18..20].copy_from_slice(&machine.to_le_bytes());
        elf[32] = 64;
        elf[54] = 56;
        elf[56] = 1;
        elf[64..68].copy_from_slice(&kind.to_le_bytes());
        elf
    }

    #[test]
    fn a_program_that_asks_for_an_interpreter_is_refused() {
        assert_eq!(is_static(&elf(62, 1), 62), Ok(()));
        assert!(is_static(&elf(62, 3), 62).unwrap_err().contains("interpreter"));
        assert!(is_static(&elf(62, 1), 183).unwrap_err().contains("another machine"));
        assert!(is_static(b"#!/bin/sh\n", 62).unwrap_err().contains("not an ELF"));
        assert!(is_static(&elf(62, 1)[..70], 62).is_ok());
        assert!(is_static(&elf(62, 1)[..66], 62).unwrap_err().contains("too early"));
        let own = fs::read(std::env::current_exe().unwrap()).unwrap();
        let machine = TARGETS.iter().find(|target| target.is_host()).unwrap().machine;
        assert!(is_static(&own, machine).unwrap_err().contains("interpreter"));
    }
}
