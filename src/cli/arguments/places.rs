//! Which option belongs to which command, and the message when the user writes it elsewhere.

use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgMatches, Command};

use super::super::global::{GENERAL, is_given};
use super::super::text::printable;
use super::misfit::Misfit;

/// The Jaro-Winkler similarity above which a word counts as a mistyped name of a command.
const ALIKE: f64 = 0.8;

/// Words that users of other programs type, and the command that does it here.
const OTHER_WORDS: [(&str, &str); 16] = [
    ("burn", "flash-image"),
    ("check", "verify"),
    ("config", "init"),
    ("create", "build"),
    ("dd", "flash-image"),
    ("download", "fetch"),
    ("generate", "build"),
    ("info", "inspect"),
    ("list", "devices"),
    ("ls", "devices"),
    ("make", "build"),
    ("new", "init"),
    ("show", "plan"),
    ("status", "plan"),
    ("test", "verify"),
    ("write", "flash-image"),
];

/// Returns whether a command has a general option. A new command has only those about the program's
/// output until this function names it.
pub(super) fn has(command: &str, option: &str) -> bool {
    match option {
        "config" => matches!(
            command,
            "init" | "plan" | "build" | "fetch" | "verify" | "cards" | "token"
        ),
        "passphrase_file" => matches!(command, "init" | "build" | "verify" | "cards" | "token"),
        "identity" => matches!(command, "build" | "verify" | "cards" | "token"),
        // `cards` prints which card to insert; a user who does not see that waits in vain.
        "quiet" => command != "cards",
        _ => true,
    }
}

/// Refuses an option in front of a command that does not have it, or that has it behind its name as
/// well.
pub(super) fn in_front(
    definition: &Command,
    front: &ArgMatches,
    name: &str,
    behind: &ArgMatches,
) -> Result<(), String> {
    let Some(command) = definition.find_subcommand(name) else {
        return Ok(());
    };
    for arg in definition.get_arguments() {
        let id = arg.get_id().as_str();
        if !is_given(front, id) {
            continue;
        }
        let shown = shown(arg);
        let Some(own) = command.get_arguments().find(|other| is_same(other, arg)) else {
            return Err(format!(
                "`{name}` has no {shown}: it goes with {}",
                homes(definition, arg)
            ));
        };
        let general = own.get_help_heading() == Some(GENERAL);
        if !general {
            return Err(format!(
                "{shown} has no effect in front of `{name}`; it stands behind: kraken-flash {name} {shown} …"
            ));
        }
        let several = matches!(arg.get_action(), clap::ArgAction::Append);
        if is_given(behind, id) && !several {
            return Err(format!("{shown} is given twice, in front of `{name}` and behind it"));
        }
    }
    Ok(())
}

/// Names the right place of an option that is unknown where it stands but known elsewhere.
pub(super) fn elsewhere(definition: &Command, error: clap::Error) -> Misfit {
    let Some(ContextValue::String(written)) = error.get(ContextKind::InvalidArg) else {
        return Misfit::Clap(error);
    };
    if !written.starts_with('-') {
        return match bare(definition, &error, written) {
            Some(text) => Misfit::Usage(text),
            None => Misfit::Clap(error),
        };
    }
    let written = written.split('=').next().unwrap_or_default();
    let is_written = |arg: &&Arg| {
        arg.get_long()
            .is_some_and(|long| written.strip_prefix("--") == Some(long))
            || arg.get_short().is_some_and(|short| *written == format!("-{short}"))
    };
    let everywhere = std::iter::once(definition).chain(definition.get_subcommands());
    let found = everywhere.flat_map(Command::get_arguments).find(is_written);
    match found {
        Some(arg) => Misfit::Usage(format!(
            "{written} has no effect there: it goes with {}",
            homes(definition, arg)
        )),
        None => Misfit::Clap(error),
    }
}

/// Returns which option was probably meant by a word without an option's name where a command takes
/// none.
fn bare(definition: &Command, error: &clap::Error, word: &str) -> Option<String> {
    let Some(ContextValue::StyledStr(usage)) = error.get(ContextKind::Usage) else {
        return None;
    };
    let usage = usage.to_string();
    let command = usage
        .split_whitespace()
        .find_map(|name| definition.find_subcommand(name))?;
    let option = match word {
        word if word.parse::<u32>().is_ok() => "node",
        word if word.ends_with(".toml") => "config",
        word if word.starts_with("/dev/") => "device",
        _ => "output",
    };
    let has = command.get_arguments().any(|arg| arg.get_long() == Some(option));
    let name = command.get_name();
    has.then(|| {
        let word = printable(word);
        format!("`{name}` takes no {word:?} by itself: write {name} --{option} {word}")
    })
}

/// Refuses a plain word that stands where a device is expected.
pub(super) fn devices(definition: &Command, nodes: &[u32], devices: &[PathBuf]) -> Result<(), String> {
    let Some(word) = devices.iter().find_map(|path| plain(path)) else {
        return Ok(());
    };
    let is_command = definition.find_subcommand(word).is_some();
    Err(match nodes.len() < devices.len() || is_command {
        true => no_command(definition, word),
        false => format!("there is no device `{word}`: a device is written whole, as in /dev/{word}"),
    })
}

/// Returns the text that the user gave as a device if it is a plain word and there is no such file.
fn plain(path: &Path) -> Option<&str> {
    path.to_str().filter(|text| !text.contains('/') && !path.exists())
}

/// Returns the message for a word that stands where a device is expected and is not a device: it
/// names the commands that the user may have meant.
fn no_command(definition: &Command, word: &str) -> String {
    let names: Vec<&str> = definition.get_subcommands().map(Command::get_name).collect();
    if names.contains(&word) {
        return format!("`{word}` is a command, and stands first: kraken-flash {word} …");
    }
    let lower = word.to_lowercase();
    let other = OTHER_WORDS.iter().find(|(other, _)| *other == lower);
    let mut near: Vec<(f64, &str)> = names
        .iter()
        .map(|name| (strsim::jaro_winkler(&lower, name), *name))
        .filter(|(likeness, _)| *likeness > ALIKE)
        .collect();
    near.sort_by(|one, two| two.0.total_cmp(&one.0));
    let mut meant: Vec<String> = other
        .map(|(_, name)| *name)
        .into_iter()
        .chain(near.into_iter().map(|(_, name)| name))
        .map(|name| format!("`{name}`"))
        .collect();
    meant.dedup();
    let nearest = match meant.is_empty() {
        true => String::new(),
        false => format!("; there is {}", meant.join(", ")),
    };
    format!(
        "there is no command `{}`{nearest}. A node's card is written with --node N /dev/sdX, and `kraken-flash --help` lists the commands",
        printable(word)
    )
}

/// Returns whether two options of different commands have the same name.
fn is_same(one: &Arg, other: &Arg) -> bool {
    match (one.get_long(), other.get_long()) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

/// Returns an option as the user types it.
fn shown(arg: &Arg) -> String {
    match arg.get_long() {
        Some(long) => format!("--{long}"),
        None => "a device".to_owned(),
    }
}

/// Returns where an option has an effect, in words.
fn homes(definition: &Command, arg: &Arg) -> String {
    let commands: Vec<String> = definition
        .get_subcommands()
        .filter(|command| command.get_arguments().any(|other| is_same(other, arg)))
        .map(|command| format!("`{}`", command.get_name()))
        .collect();
    let with_card = definition
        .get_arguments()
        .any(|other| is_same(other, arg) || other.get_id() == arg.get_id());
    match (commands.is_empty(), with_card) {
        (false, true) => format!("{}, and --node N DEVICE without a command", commands.join(", ")),
        (false, false) => commands.join(", "),
        (true, _) => "--node N DEVICE, without a command".to_owned(),
    }
}
