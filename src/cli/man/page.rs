//! One manual page in roff, man(7): what clap knows of a command, and the sections that it does not
//! know.

use std::io;

use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

const PROGRAM: &str = "kraken-flash";
const TEXTS: &str = include_str!("texts.txt");

/// Exit codes, as docs/commands.md lists them.
pub(super) const EXIT_CODES: [(&str, &str); 5] = [
    ("0", "done"),
    ("1", "it could not be done; the message says why, and what to do next"),
    ("2", "the command line is wrong"),
    ("3", "a check found something wrong"),
    ("130", "interrupted"),
];

/// What the program reads from its environment.
pub(super) const ENVIRONMENT: [(&str, &str); 7] = [
    (
        "KRAKEN_FLASH_CACHE",
        "The cache folder: downloads, unpacked bases, golden images. It is $XDG_CACHE_HOME/kraken-flash when this is not set.",
    ),
    (
        "KRAKEN_FLASH_STATE",
        "The folder with the receipts of the cards that were written. It is $XDG_STATE_HOME/kraken-flash when this is not set.",
    ),
    (
        "KRAKEN_FLASH_DEBIAN_MIRROR",
        "The archive that the base `debian` is composed from, instead of the one that this machine's apt uses.",
    ),
    (
        "http_proxy, https_proxy, all_proxy, no_proxy",
        "Proxies for downloads. `[apt] proxy` in kraken.toml wins for package archives.",
    ),
    ("NO_COLOR", "Not empty: no colour, unless --color says otherwise."),
    ("TERM", "`dumb`: no progress bars and no live view."),
    (
        "SOURCE_DATE_EPOCH",
        "The date that `kraken-flash man` puts on a page, in seconds since 1970. Nothing else reads it.",
    ),
];

const FILES: [(&str, &str); 6] = [
    (
        "kraken.toml",
        "The cluster. Without it: seven nodes, kraken-1 to kraken-7.",
    ),
    (
        "kraken.keys",
        "The seed from which all secrets of the swarm follow. Keep a copy of it, and show it to no one.",
    ),
    (
        "kraken.lock",
        "The packages inside the images, pinned by version and hash.",
    ),
    (
        "templates/, overlays/",
        "Replace templates, and add files to the images.",
    ),
    (
        "~/.cache/kraken-flash/",
        "Downloads, unpacked bases, golden images. It may be removed at any time.",
    ),
    (
        "~/.local/state/kraken-flash/",
        "Receipts of the cards that were written; `verify` compares cards with them.",
    ),
];

/// One example: the lines to type, and what they do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Example {
    pub(super) lines: Vec<&'static str>,
    pub(super) text: &'static str,
}

/// The lines of a command in `texts.txt`.
fn lines(command: &str) -> impl Iterator<Item = &'static str> {
    let lines = TEXTS.lines().filter(|line| !line.starts_with('#'));
    let block = lines.skip_while(move |line| *line != command).skip(1);
    block.take_while(|line| line.starts_with(' '))
}

/// Further paragraphs of the description of a command.
fn paragraphs(command: &str) -> impl Iterator<Item = &'static str> {
    lines(command)
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| !line.starts_with(' '))
}

/// The examples of a command, `-` for the program itself.
pub(super) fn examples(command: &str) -> Vec<Example> {
    let mut examples = Vec::new();
    let mut next = Example::default();
    for line in lines(command).filter_map(|line| line.strip_prefix("    ")) {
        match line.strip_prefix("    ") {
            None => next.lines.push(line),
            Some(text) => {
                next.text = text;
                examples.push(std::mem::take(&mut next));
            }
        }
    }
    examples
}

/// The names of all pages without their section: the program's, then one for each command.
pub(super) fn names(definition: &clap::Command) -> Vec<String> {
    let commands = definition.get_subcommands();
    std::iter::once(PROGRAM.to_owned())
        .chain(commands.map(|command| format!("{PROGRAM}-{}", command.get_name())))
        .collect()
}

/// A number of seconds since 1970 as the date that stands at a page's foot; `None` for what is not
/// one.
pub(super) fn date(seconds: &str) -> Option<String> {
    let seconds = jiff::Timestamp::from_second(seconds.parse().ok()?).ok()?;
    Some(seconds.to_string().split('T').next()?.to_owned())
}

/// The page of a command, or of the program itself. `date` is that of the release, `YYYY-MM-DD`, or
/// empty.
///
/// # Errors
/// None that a buffer in memory does not give.
pub(super) fn render(definition: clap::Command, command: Option<&str>, date: &str) -> io::Result<String> {
    let mut definition = definition.disable_help_subcommand(true);
    definition.build();
    let names = names(&definition);
    let source = format!("{PROGRAM} {}", definition.get_version().unwrap_or_default());
    let found = command.and_then(|name| definition.find_subcommand(name)).cloned();
    let mut shown = found.unwrap_or(definition);
    // With the names of values, which clap_mangen's own synopsis leaves out.
    let usage = shown.render_usage().to_string();
    let shown = shown.override_usage(usage.trim_start_matches("Usage: ").to_owned());
    let name = shown.get_display_name().unwrap_or(PROGRAM).to_owned();
    let man = Man::new(shown).source(source).manual("User commands").date(date);
    let mut out = Vec::new();
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    man.render_synopsis_section(&mut out)?;
    man.render_description_section(&mut out)?;
    for paragraph in paragraphs(command.unwrap_or("-")) {
        let mut roff = Roff::new();
        roff.control("PP", []);
        roff.text([roman(paragraph)]).to_writer(&mut out)?;
    }
    if command.is_none() {
        man.render_subcommands_section(&mut out)?;
    }
    man.render_options_section(&mut out)?;
    extra(command.unwrap_or("-")).to_writer(&mut out)?;
    see_also(&name, &names).to_writer(&mut out)?;
    Ok(emphasised(&String::from_utf8_lossy(&out)))
}

/// What clap does not know: examples, exit codes, files, environment.
fn extra(command: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXAMPLES"]);
    for (at, example) in examples(command).into_iter().enumerate() {
        if at > 0 {
            roff.control("PP", []);
        }
        roff.text([roman(example.text)]);
        roff.control("PP", []);
        roff.control("RS", ["4"]);
        roff.control("nf", []);
        for line in example.lines {
            roff.text([bold(line)]);
        }
        roff.control("fi", []);
        roff.control("RE", []);
    }
    list(&mut roff, "EXIT STATUS", &EXIT_CODES, bold);
    list(&mut roff, "FILES", &FILES, italic);
    list(&mut roff, "ENVIRONMENT", &ENVIRONMENT, bold);
    roff
}

fn list(roff: &mut Roff, heading: &str, entries: &[(&str, &str)], font: fn(String) -> Inline) {
    roff.control("SH", [heading]);
    for (term, text) in entries {
        roff.control("TP", []);
        roff.text([font((*term).to_owned())]);
        roff.text([roman(*text)]);
    }
}

/// All other pages.
fn see_also(own: &str, names: &[String]) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]);
    let others: Vec<&String> = names.iter().filter(|name| *name != own).collect();
    for (at, name) in others.iter().enumerate() {
        let end = if at + 1 == others.len() { "(1)" } else { "(1)," };
        roff.text([bold(name.as_str()), roman(end)]);
    }
    roff
}

/// Sets in bold what stands between backticks, which roff would print as quotation marks, and
/// writes in ASCII what is not.
fn emphasised(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let pairs = line.matches('`').count() / 2;
        for (at, part) in line.splitn(pairs * 2 + 1, '`').enumerate() {
            match at {
                0 => {}
                _ if at % 2 == 1 => out.push_str("\\fB"),
                _ => out.push_str("\\fR"),
            }
            for character in part.chars() {
                match character.is_ascii() {
                    true => out.push(character),
                    false => out.push_str(&format!("\\[u{:04X}]", u32::from(character))),
                }
            }
        }
    }
    out
}
