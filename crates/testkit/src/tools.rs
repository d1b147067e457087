//! Programs that tests need, and how they are run.

use std::path::Path;
use std::process::{Command, Stdio};

/// Fails, naming the Debian packages, where a program is missing: a test that cannot run has not
/// passed.
pub fn require(tools: &[(&str, &str)]) {
    let path = search_path();
    let missing: Vec<&str> = tools
        .iter()
        .filter(|(tool, _)| !path.split(':').any(|folder| Path::new(folder).join(tool).is_file()))
        .map(|(_, package)| *package)
        .collect();
    assert!(
        missing.is_empty(),
        "this test needs: apt-get install {}",
        missing.join(" ")
    );
}

/// Returns a search path that includes the administrators' folders.
pub fn search_path() -> String {
    let own = std::env::var("PATH").unwrap_or_default();
    format!("{own}:/usr/sbin:/sbin")
}

/// Runs a tool and returns its output.
pub fn written(command: &mut Command) -> Vec<u8> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}
