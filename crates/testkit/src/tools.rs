//! Programs that tests need.

use std::path::Path;

/// Fails, naming the Debian packages, where a program is missing: a test that cannot run is no test that passed.
pub fn require(tools: &[(&str, &str)]) {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
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
