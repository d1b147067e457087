//! Compose files: no panic, no hang; what is wrong has a place in the text, and what is right can
//! be written.
#![cfg_attr(fuzzing, no_main)]

use std::io;

use kraken_stack::{FileKind, Files, Sources, parse};
use libfuzzer_sys::fuzz_target;
use zeroize::Zeroizing;

/// A world in which every file holds its own path.
struct Stub;

impl Files for Stub {
    fn read(&self, path: &str, _: FileKind, most: usize) -> io::Result<Zeroizing<Vec<u8>>> {
        match path.len() {
            0 => Err(io::ErrorKind::NotFound.into()),
            length => Ok(Zeroizing::new(path.as_bytes()[..length.min(most)].to_vec())),
        }
    }
}

fuzz_target!(|input: &str| {
    let sources = Sources {
        variables: &|name| (name.len() % 2 == 0).then(|| name.repeat(2)),
        files: &Stub,
        passwords: &|request| Zeroizing::new("x".repeat(request.length)),
    };
    match parse("compose.yaml", input, "stack", &sources) {
        Ok(stack) => {
            let digest = "0".repeat(64);
            let pinned = stack.pinned(&mut |image| {
                let name = image.split('@').next()?;
                Some(format!("{name}@sha256:{digest}"))
            });
            let objects = pinned.expect("every image is pinned");
            assert!(!objects.services.is_empty(), "a stack has services");
        }
        Err(errors) => {
            assert!(!errors.problems().is_empty(), "an error says something");
            for problem in errors.problems() {
                assert!(problem.place().line <= input.lines().count() + 1, "{problem}");
            }
        }
    }
});

#[cfg(not(fuzzing))]
fn main() {
    fuzz::without_fuzzer();
}
