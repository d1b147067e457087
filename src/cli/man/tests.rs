//! The pages are current: every command, option, example, exit code and variable is what the
//! program really has.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use super::super::arguments;
use super::page::{self, ENVIRONMENT, EXIT_CODES};

/// The commands, and `-` for the program itself.
fn commands() -> Vec<String> {
    let definition = arguments::definition();
    let names = definition
        .get_subcommands()
        .map(|command| command.get_name().to_owned());
    std::iter::once("-".to_owned()).chain(names).collect()
}

fn page(command: &str) -> String {
    let name = (command != "-").then_some(command);
    page::render(arguments::definition(), name, "2026-12-01").unwrap()
}

/// A page without roff's escapes and fonts.
fn plain(text: &str) -> String {
    ["\\fB", "\\fI", "\\fR"]
        .iter()
        .fold(text.to_owned(), |text, font| text.replace(font, ""))
        .replace("\\-", "-")
        .replace("\\*(Aq", "'")
        .replace("\\(aq", "'")
        .replace("\\[u2026]", "…")
}

#[test]
fn every_page_has_its_sections_in_the_usual_order() {
    for command in commands() {
        let text = page(&command);
        let mut at = 0;
        for section in [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "OPTIONS",
            "EXAMPLES",
            "EXIT STATUS",
            "FILES",
            "ENVIRONMENT",
            "SEE ALSO",
        ] {
            let found = text[at..]
                .find(&format!("\n.SH {section}\n"))
                .or_else(|| text[at..].find(&format!("\n.SH \"{section}\"\n")));
            at += found.unwrap_or_else(|| panic!("{command}: no {section} where it belongs:\n{text}"));
        }
        assert!(
            text.contains(" 2026-12-01 "),
            "{command}: {}",
            text.lines().next().unwrap()
        );
        assert!(text.is_ascii(), "{command}");
        assert!(!text.contains('`'), "{command}: a backtick is a quotation mark to roff");
    }
}

#[test]
fn every_option_is_on_the_page_of_its_command_with_its_help() {
    let mut definition = arguments::definition();
    definition.build();
    for command in commands() {
        let text = plain(&page(&command));
        let of = definition.find_subcommand(&command).unwrap_or(&definition);
        // What clap says of --help is another thing on each kind of page.
        for arg in of.get_arguments().filter(|arg| arg.get_id() != "help") {
            let name = match arg.get_long() {
                Some(long) => format!("--{long}"),
                None => arg.get_value_names().unwrap()[0].to_string(),
            };
            assert!(text.contains(&name), "{command}: {name} is missing");
            let help = arg.get_help().unwrap().to_string().replace('`', "");
            let first: String = help.lines().next().unwrap().chars().take(60).collect();
            assert!(text.contains(&first), "{command} {name}: {first}");
        }
    }
}

#[test]
fn every_command_has_examples_that_the_program_takes() {
    for command in commands() {
        let examples = page::examples(&command);
        assert!(
            !examples.is_empty(),
            "{command}: write an example into src/cli/man/texts.txt"
        );
        for line in examples.iter().flat_map(|example| &example.lines) {
            let typed = line.split(['|', '>']).next().unwrap();
            let words: Vec<&str> = typed.split_whitespace().collect();
            assert!(
                arguments::parse(words.iter().map(OsString::from)).is_ok(),
                "{command}: {line}"
            );
            assert!(command == "-" || words[1] == command, "{command}: {line}");
            assert!(plain(&page(&command)).contains(*line), "{command}: {line}");
        }
    }
}

#[test]
fn names_are_those_of_the_commands() {
    let names = page::names(&arguments::definition());
    assert_eq!(names.len(), commands().len());
    assert_eq!(names[..2], ["kraken-flash", "kraken-flash-init"]);
    for (name, command) in names.iter().zip(commands()) {
        let text = plain(&page(&command));
        assert!(text.contains(&format!("\n.TH {name} 1 ")), "{text}");
    }
}

#[test]
fn exit_codes_are_those_of_the_page_of_commands() {
    let docs = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md")).unwrap();
    let (_, table) = docs.split_once("| exit code | meaning |").unwrap();
    let rows: Vec<(&str, &str)> = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches(['|', ' ']).split_once(" | ").unwrap())
        .collect();
    assert_eq!(rows, EXIT_CODES);
}

/// Variables that are the system's business, or of no use to a user.
const UNDOCUMENTED: [&str; 4] = ["HOME", "PATH", "SUDO_UID", "KRAKEN_SYSTEMCTL"];

#[test]
fn every_variable_that_the_program_reads_is_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut documented: BTreeSet<&str> = ENVIRONMENT.iter().flat_map(|(names, _)| names.split(", ")).collect();
    documented.extend(UNDOCUMENTED);
    let mut folders = vec![root.join("src"), root.join("crates")];
    let mut seen = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.extend((!path.ends_with("testkit") && !path.ends_with("tests")).then_some(path));
            } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("tests.rs") {
                let text = fs::read_to_string(&path).unwrap();
                let read = text.split("env::var").skip(1);
                let named = read.filter_map(|rest| {
                    rest.trim_start_matches("_os")
                        .strip_prefix("(\"")?
                        .split_once('"')
                        .map(|(name, _)| name)
                });
                let ours = text.split("\"KRAKEN_").skip(1);
                let ours = ours.filter_map(|rest| Some(format!("KRAKEN_{}", rest.split_once('"')?.0)));
                seen.extend(
                    named
                        .filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
                        .map(String::from),
                );
                seen.extend(ours);
            }
        }
    }
    assert!(
        seen.contains("KRAKEN_FLASH_CACHE") && seen.contains("NO_COLOR"),
        "{seen:?}"
    );
    let untold: Vec<_> = seen.iter().filter(|name| !documented.contains(name.as_str())).collect();
    assert!(untold.is_empty(), "say on the manual pages what these do: {untold:?}");
}
