//! Every option of every command, in both places and together with every other option: each has an
//! effect, or it is a usage error.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::super::global::Color;
use super::*;

/// The table of where each option has an effect, which people review.
const EFFECTS: &str = include_str!("effects.txt");

/// The entry of the table for one option of one command.
#[derive(Debug, Default)]
struct Row {
    option: String,
    value: Option<String>,
    needs: Vec<String>,
    not: BTreeSet<String>,
}

impl Row {
    /// The words that a user types for it.
    fn words(&self) -> Vec<&str> {
        let value = self.value.as_deref();
        match self.is_positional() {
            true => value.into_iter().collect(),
            false => std::iter::once(self.option.as_str()).chain(value).collect(),
        }
    }

    fn is_positional(&self) -> bool {
        self.option.starts_with('<')
    }
}

fn page() -> BTreeMap<String, Vec<Row>> {
    let mut page: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    let lines = EFFECTS.lines().filter(|line| !line.starts_with('#'));
    for line in lines.filter(|line| !line.trim().is_empty()) {
        let mut row = Row::default();
        let mut words = line.split_whitespace();
        let command = words.next().unwrap();
        row.option = words.next().unwrap().to_owned();
        let mut to = "value";
        for word in words {
            match (word, to) {
                ("needs:" | "not:", _) => to = word,
                (word, "needs:") => row.needs.push(word.to_owned()),
                (word, "not:") => {
                    row.not.insert(word.to_owned());
                }
                (word, _) => row.value = Some(word.to_owned()),
            }
        }
        page.entry(command.to_owned()).or_default().push(row);
    }
    page
}

/// An option's name in the table.
fn name(arg: &clap::Arg) -> String {
    match arg.get_long() {
        Some(long) => format!("--{long}"),
        None => format!("<{}>", arg.get_id()),
    }
}

/// The commands of the definition (`-` for none) with the options of each.
fn defined() -> BTreeMap<String, BTreeSet<String>> {
    let definition = definition();
    let options = |command: &clap::Command| command.get_arguments().map(name).collect::<BTreeSet<_>>();
    let commands = definition.get_subcommands();
    let mut all: BTreeMap<_, _> = commands
        .map(|command| (command.get_name().to_owned(), options(command)))
        .collect();
    all.insert("-".to_owned(), options(&definition));
    all
}

fn takes(definition: &clap::Command, words: &[&str]) -> Result<(), String> {
    let words = std::iter::once("kraken-flash").chain(words.iter().copied());
    match parse_with(definition, words.map(OsString::from)) {
        Ok(_) => Ok(()),
        Err(Misfit::Usage(text)) => Err(text),
        Err(Misfit::Clap(error)) => {
            assert_eq!(error.exit_code(), 2, "{error}");
            Err(error.to_string())
        }
    }
}

/// A command line with these options and with what they and the command require.
fn line<'a>(command: &'a str, rows: &'a [Row], wanted: &[&'a str]) -> Vec<&'a str> {
    let required: &[&str] = match command {
        "-" => &["--node", "<devices>"],
        "flash-image" => &["<file>", "<device>"],
        "token" => &["<role>"],
        "inspect" => &["<image>"],
        "completions" => &["<shell>"],
        _ => &[],
    };
    let row = |option: &str| rows.iter().find(|row| row.option == option);
    let mut options: Vec<&str> = required.to_vec();
    options.extend(wanted);
    let mut next = 0;
    while let Some(option) = options.get(next) {
        options.extend(row(option).unwrap().needs.iter().map(String::as_str));
        next += 1;
    }
    let mut seen = BTreeSet::new();
    options.retain(|option| seen.insert(*option));
    let mut words: Vec<&str> = (command != "-").then_some(command).into_iter().collect();
    // In the order of the table: for arguments without a name that is the order of the definition.
    words.extend(
        rows.iter()
            .filter(|row| seen.contains(row.option.as_str()))
            .flat_map(Row::words),
    );
    words
}

#[test]
fn the_arguments_do_not_contradict_each_other() {
    definition().debug_assert();
}

#[test]
fn every_option_of_every_command_is_reviewed() {
    let reviewed: BTreeMap<String, BTreeSet<String>> = page()
        .into_iter()
        .map(|(command, rows)| (command, rows.into_iter().map(|row| row.option).collect()))
        .collect();
    let defined = defined();
    assert_eq!(
        reviewed, defined,
        "an option or a command is new, or gone: say in src/cli/arguments/effects.txt what it does, with what, and where"
    );
    for (command, rows) in page() {
        for row in rows {
            let stray: Vec<_> = row
                .needs
                .iter()
                .chain(&row.not)
                .filter(|name| !defined[&command].contains(*name))
                .collect();
            assert!(stray.is_empty(), "{command} {}: {stray:?}", row.option);
        }
    }
}

#[test]
fn an_option_has_an_effect_or_is_a_usage_error_in_front_of_a_command_and_behind_it() {
    let page = page();
    let definition = definition();
    let general: BTreeSet<String> = Global::augment_args(clap::Command::new("general"))
        .get_arguments()
        .map(name)
        .collect();
    // Each option once, with a value, and the commands that have it.
    let mut options: BTreeMap<&str, (&Row, Vec<&str>)> = BTreeMap::new();
    for (command, rows) in &page {
        for row in rows.iter().filter(|row| !row.is_positional()) {
            let (_, commands) = options.entry(&row.option).or_insert((row, Vec::new()));
            commands.push(command);
        }
    }
    for (command, rows) in &page {
        for (option, (row, commands)) in &options {
            let has = commands.contains(&command.as_str());
            let behind = match has {
                true => line(command, rows, &[option]),
                false => [line(command, rows, &[]), row.words()].concat(),
            };
            assert_eq!(takes(&definition, &behind).is_ok(), has, "{behind:?}");
            if command == "-" {
                continue;
            }
            // The option itself stands in front of the command, what it requires stands behind.
            let mut rest = behind.clone();
            if let Some(at) = rest.iter().position(|word| word == option) {
                rest.drain(at..at + row.words().len());
            }
            let front = [row.words(), rest].concat();
            let may = has && general.contains(*option);
            let taken = takes(&definition, &front);
            assert_eq!(taken.is_ok(), may, "{front:?}: {taken:?}");
            let message = taken.err().unwrap_or_default();
            assert!(may || message.contains(option), "{front:?}: {message}");
            if may && has && !matches!(*option, "--identity") {
                let twice = [row.words(), behind].concat();
                assert!(
                    takes(&definition, &twice).is_err(),
                    "{twice:?}: one of the two is dropped"
                );
            }
        }
    }
}

#[test]
fn two_options_of_which_one_has_no_effect_beside_the_other_are_a_usage_error() {
    let definition = definition();
    for (command, rows) in page() {
        for (at, one) in rows.iter().enumerate() {
            for other in &rows[at + 1..] {
                let words = line(&command, &rows, &[&one.option, &other.option]);
                let present = |option: &String| {
                    rows.iter()
                        .any(|row| row.option == *option && words.contains(&row.words()[0]))
                };
                let clash = one.not.contains(&other.option) || other.not.contains(&one.option);
                assert_eq!(
                    one.not.contains(&other.option),
                    other.not.contains(&one.option),
                    "{command}: {} and {}",
                    one.option,
                    other.option
                );
                assert_eq!(takes(&definition, &words).is_err(), clash, "{words:?}");
                // Without what one of them requires, the pair is refused.
                let needed = one
                    .needs
                    .iter()
                    .find(|needed| present(needed) && **needed != other.option);
                if let Some(needed) = needed {
                    let needed = rows.iter().find(|row| row.option == *needed).unwrap();
                    let mut without = words.clone();
                    let start = without.iter().position(|word| *word == needed.words()[0]).unwrap();
                    let required = command == "-" && needed.option == "--node";
                    without.drain(start..start + needed.words().len());
                    assert!(required || takes(&definition, &without).is_err(), "{without:?}");
                }
            }
        }
    }
}

#[test]
fn what_clap_takes_for_a_card_s_options_reaches_no_other_command() {
    let definition = definition();
    for (words, expected) in [
        ("build 3", "`build` takes no \"3\" by itself: write build --node 3"),
        ("build out", "write build --output out"),
        ("plan kraken.toml", "write plan --config kraken.toml"),
        ("cards /dev/sda", "write cards --device /dev/sda"),
        ("schema x", "unexpected argument 'x'"),
        ("--node /dev/sda 1", "the number comes first, then the device"),
        (
            "--dry-run flash-image x.img /dev/sda --yes",
            "--dry-run has no effect in front of `flash-image`; it stands behind: kraken-flash flash-image --dry-run …",
        ),
        ("--base debian plan", "kraken-flash plan --base …"),
        ("--base debian verify --boot", "kraken-flash verify --base …"),
        (
            "--no-verify devices",
            "`devices` has no --no-verify: it goes with `cards`, `flash-image`, and --node N DEVICE without a command",
        ),
        ("--json devices", "kraken-flash devices --json …"),
        (
            "--node 3 plan",
            "`plan` has no --node: it goes with `build`, `verify`, `cards`",
        ),
        (
            "devices --dry-run",
            "--dry-run has no effect there: it goes with `cards`, `flash-image`, and --node N DEVICE without a command",
        ),
        ("plan -y", "-y has no effect there: it goes with `cards`"),
        ("inspect --config=x y", "--config has no effect there"),
        ("-q plan -v", "--quiet and --verbose contradict each other"),
        ("--config x plan --config y", "--config is given twice"),
        ("--dry-run", "say what to do"),
        ("-q", "say what to do"),
        ("flash /dev/sda", "there is no command `flash`; there is `flash-image`"),
        ("vrify images", "there is no command `vrify`; there is `verify`"),
        (
            "write --node 3 /dev/sda",
            "there is no command `write`; there is `flash-image`",
        ),
        ("frobnicate", "there is no command `frobnicate`. A node's card"),
        ("--node 1 /dev/sda plan", "`plan` is a command, and stands first"),
        ("/dev/sda plan", "`plan` is a command, and stands first"),
        (
            "--node 1 sdzz",
            "there is no device `sdzz`: a device is written whole, as in /dev/sdzz",
        ),
        (
            "verify --boot --machine raspi3b --offline x",
            "no effect on images that are there and boot as raspi3b",
        ),
    ] {
        let given: Vec<&str> = words.split(' ').collect();
        let failed = takes(&definition, &given).expect_err(words);
        assert!(failed.contains(expected), "{words}: {failed}");
    }
    for words in [
        "--node 3 /dev/sda",
        "--node 3 /dev/sda --node 4 /dev/sdb --yes --unmount",
        "--yes --node 3 --node 4 /dev/sda /dev/sdb",
        "-q --node 3 /dev/sda",
        "--config x build --node 2",
        "--identity a token worker --identity b",
        "verify --boot --machine raspi3b --offline",
        "verify --boot --refresh x",
    ] {
        let given: Vec<&str> = words.split(' ').collect();
        assert_eq!(takes(&definition, &given), Ok(()), "{words}");
    }
}

#[test]
fn a_general_option_is_the_same_in_both_places() {
    let parsed = |words: &str| {
        let words = std::iter::once("kraken-flash").chain(words.split(' '));
        parse(words.map(OsString::from)).ok().expect("it is taken").global
    };
    for words in ["--config x -v --color never plan", "plan --config x -v --color never"] {
        let global = parsed(words);
        assert_eq!(global.config, Some(PathBuf::from("x")), "{words}");
        assert!(global.verbose && !global.quiet, "{words}");
        assert!(matches!(global.color, Color::Never), "{words}");
    }
    let global = parsed("--identity a --passphrase-file p token worker --identity b");
    assert_eq!(global.identity, [PathBuf::from("a"), PathBuf::from("b")]);
    assert_eq!(global.passphrase_file, Some(PathBuf::from("p")));
}
