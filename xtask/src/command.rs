//! Other programs, run with words that say what failed.

use std::error::Error;
use std::process::{Command, Stdio};

/// Runs a program; what it prints goes where this one's output goes.
///
/// # Errors
/// When it cannot be started, or fails.
pub(crate) fn run(command: &mut Command) -> Result<(), Box<dyn Error>> {
    let shown = shown(command);
    let status = command.status().map_err(|error| format!("{shown}: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("{shown}: {status}").into()),
    }
}

/// Runs a program, and returns what it prints on stdout.
///
/// # Errors
/// When it cannot be started, or fails, or prints what is not UTF-8.
pub(crate) fn output(command: &mut Command) -> Result<String, Box<dyn Error>> {
    let shown = shown(command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("{shown}: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout)?),
        false => Err(format!("{shown}: {}", output.status).into()),
    }
}

/// The program and its first arguments.
fn shown(command: &Command) -> String {
    let words = command.get_args().take(4).map(|word| word.to_string_lossy());
    std::iter::once(command.get_program().to_string_lossy())
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ")
}
