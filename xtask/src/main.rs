//! `cargo xtask`: what is done with the sources beside compiling them.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "it writes into the checkout that it is run in, and its tests may panic"
)]

mod command;
mod layers;
mod links;
mod release;
mod words;

use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask COMMAND

  layers    print the crates of the workspace, layer by layer; fail when files of a crate use each other
            in a ring, a file does not say what it is for, or docs/architecture.md lists other crates
  links     check that the links of all Markdown pages lead somewhere
  words     fail when a replaced word comes back or a line of prose is too wide
  man       write all manual pages to target/man
  completions
            write the completions of bash, zsh and fish to target/completions
  release [--only amd64|arm64] [--build-std] [--no-test]
            make static programs, .debs and tarballs, and test them on Debian's releases (docs/release.md)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let result = match arguments[..] {
        ["layers"] => layers::run(&root),
        ["links"] => links::run(&root),
        ["words"] => words::run(&root),
        ["man"] => release::run_man(&root),
        ["completions"] => release::run_completions(&root),
        ["release", ..] => release::run_release(&root, &arguments[1..]),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
