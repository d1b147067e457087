//! `cargo xtask`: what is done with the sources beside compiling them.

mod keys;
mod layers;
mod links;

use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask COMMAND

  keys      write what is made from the declaration of kraken.toml's keys: the schema, and the tables of docs/kraken-toml.md
  layers    print the crates of the workspace, layer by layer; fail when files of a crate use each other in a ring
  links     check that the links of all Markdown pages lead somewhere";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let result = match words[..] {
        ["keys"] => keys::run(&root),
        ["layers"] => layers::run(&root),
        ["links"] => links::run(&root),
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
