//! Manual pages and completions, as the program itself prints them.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::command::output;

/// Shells, and the names under which Debian's versions of them look for completions of
/// `kraken-flash`, from `/usr/share` on.
pub(super) const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "bash-completion/completions/kraken-flash"),
    ("zsh", "zsh/vendor-completions/_kraken-flash"),
    ("fish", "fish/vendor_completions.d/kraken-flash.fish"),
];

/// Writes all manual pages into a folder, uncompressed. `epoch` is the date at their foot, in
/// seconds since 1970.
///
/// # Errors
/// When the program does not run, or the folder cannot be written.
pub(super) fn man(program: &Path, folder: &Path, epoch: &str) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    for page in output(Command::new(program).args(["man", "--list"]))?.lines() {
        let mut command = Command::new(program);
        command.arg("man").env("SOURCE_DATE_EPOCH", epoch);
        let name = page.strip_suffix(".1").ok_or("a page without a section")?;
        command.args(name.strip_prefix("kraken-flash-"));
        fs::write(folder.join(page), output(&mut command)?)?;
    }
    Ok(())
}

/// Writes the completions of all shells beneath a folder, under the names of [`COMPLETIONS`].
///
/// # Errors
/// When the program does not run, or the folder cannot be written.
pub(super) fn completions(program: &Path, folder: &Path) -> Result<(), Box<dyn Error>> {
    for (shell, name) in COMPLETIONS {
        let file = folder.join(name);
        fs::create_dir_all(file.parent().ok_or("a name without a folder")?)?;
        fs::write(file, output(Command::new(program).args(["completions", shell]))?)?;
    }
    Ok(())
}
