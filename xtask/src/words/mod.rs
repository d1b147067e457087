//! The words of the project: a replaced word that comes back is a fault, and so is a line that is too
//! wide.
//!
//! What is read:
//!
//! - Markdown, templates, shell scripts and the comments of Rust sources are *prose*. Code blocks,
//!   code spans and the targets of links are not prose.
//! - The string literals of Rust sources that have more than one word are *messages*.
//! - What Rust sources define (functions, types, fields, variants, variables) are *names*.
//!
//! Lines of Markdown and Rust comments that stand alone are at most 100 columns wide. Tables, code
//! blocks, lines with a link or an address, and a single long word are exempt.

mod kind;
mod pattern;
mod scan;
mod sources;
mod table;

use std::error::Error;
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use pattern::Pattern;
use sources::{Passage, passages};
use table::{EXEMPT, WORDS};

/// Columns of a line of prose.
const WIDTH: usize = 100;

/// A fault in a file.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    file: String,
    line: usize,
    what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// Checks the tracked files of the workspace at `root`.
///
/// # Errors
/// When a file cannot be read, or has a fault.
pub(crate) fn run(root: &Path) -> Result<(), Box<dyn Error>> {
    let patterns: Vec<_> = WORDS.iter().map(|word| (word, Pattern::new(word.pattern))).collect();
    let mut files = 0;
    let mut faults = Vec::new();
    for file in tracked(root)? {
        if !sources::is_read(&file) || EXEMPT.iter().any(|path| file.starts_with(path)) {
            continue;
        }
        // A tracked file may be gone from the work tree, and a fixture may not be text.
        let Ok(text) = fs::read_to_string(root.join(&file)) else {
            continue;
        };
        files += 1;
        faults.extend(check(&file, &text, &patterns).iter().map(Fault::to_string));
    }
    if !faults.is_empty() {
        return Err(format!("{}\n{} faults (STYLE.md)", faults.join("\n"), faults.len()).into());
    }
    println!("{files} files, no replaced word, no line of prose that is too wide");
    Ok(())
}

/// All faults of a file.
fn check(file: &str, text: &str, patterns: &[(&table::Word, Pattern)]) -> Vec<Fault> {
    let mut faults: Vec<Fault> = sources::wide_lines(file, text, WIDTH)
        .into_iter()
        .map(|(line, width)| Fault {
            file: file.to_owned(),
            line,
            what: format!("{width} columns: wrap it at {WIDTH}"),
        })
        .collect();
    for Passage { kind, words } in passages(file, text) {
        for (word, pattern) in patterns.iter().filter(|(word, _)| word.kinds.contains(&kind)) {
            for (line, found) in pattern.find(&words) {
                faults.push(Fault {
                    file: file.to_owned(),
                    line,
                    what: format!("\"{found}\": write {}", word.instead),
                });
            }
        }
    }
    faults.sort_by_key(|fault| fault.line);
    faults
}

/// The files that git tracks, with paths relative to `root`.
fn tracked(root: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let output = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root)
        .output()?;
    if !output.status.success() {
        return Err(format!("git ls-files: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let names = String::from_utf8(output.stdout)?;
    Ok(names.split_terminator('\0').map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(file: &str, text: &str) -> Vec<String> {
        let patterns: Vec<_> = WORDS.iter().map(|word| (word, Pattern::new(word.pattern))).collect();
        check(file, text, &patterns).iter().map(Fault::to_string).collect()
    }

    /// Lines of prose in which a word was replaced.
    #[test]
    fn replaced_words_are_found() {
        for prose in [
            "It is started anew.",
            "Nobody reads it.",
            "Whoever holds a card can read it.",
            "To mend the card, write it.",
            "This is no image.",
            "A file that is\nno image.",
            "Each look is a script.",
            "It was looked at twice.",
            "It is told on the console.",
            "The function gives back a number.",
            "It is not the last door.",
            "The rooms of the library.",
            "A spare kernel.",
        ] {
            assert_eq!(faults("a.md", prose).len(), 1, "{prose}");
        }
    }

    /// Lines of prose that use the same letters in another sense.
    #[test]
    fn other_uses_are_no_fault() {
        for prose in [
            "There is no image here, and it is no longer read.",
            "It is no more than 4 KiB; none is no larger.",
            "It runs as `nobody`.",
            "It looks like a card. Look it up.",
            "There is room for two.",
            "The clock floor is the oldest time.",
            "Docker tells them apart.",
            "Is it? No image is read.",
            "`anew` and [page](anew.md)",
            "```\nanew\n```",
            "text\n\n    anew in code\n",
            "It recommends amending it.",
            "The account nobody:nogroup, nobody@example.org, /home/nobody and anew.md.",
        ] {
            assert_eq!(faults("a.md", prose), [""; 0], "{prose}");
        }
    }

    #[test]
    fn rust_has_comments_messages_and_names() {
        let text = "//! Read anew.\nfn mend_it() {\n    let x = \"read\\\n anew\"; // anew\n    look(x);\n}\n";
        let found = faults("a.rs", text);
        let lines: Vec<&str> = found.iter().map(|fault| fault.split('"').next().unwrap()).collect();
        assert_eq!(lines, ["a.rs:1: ", "a.rs:2: ", "a.rs:4: ", "a.rs:4: "], "{found:?}");
        let values = "const A: [&str; 2] = [\"nobody\", \"anew\"];\n";
        assert_eq!(faults("a.rs", values), [""; 0]);
    }

    #[test]
    fn names_are_found_where_they_are_defined() {
        for text in [
            "pub(crate) struct Door {\n    hinge: u8,\n}",
            "struct A {\n    /// B.\n    #[serde(rename = \"x\")]\n    pub door: Vec<(u8, u8)>,\n    hinge: u8,\n}",
            "struct A {\n    hinge: BTreeMap<u8, [u8; 4]>,\n    door: u8,\n}",
            "enum A {\n    Hinge { way: u8 },\n    Door,\n}",
            "enum A {\n    Hinge(u8),\n    #[default]\n    Door(u8),\n}",
            "static DOOR: u8 = 1;",
            "fn a() { let mut front_door = 1; }",
            "mod door;",
        ] {
            assert_eq!(faults("a.rs", text).len(), 1, "{text}");
        }
        for text in [
            "struct A(u8);\nconst B: C = C { door: 1, door: 2 };",
            "use a::Door;\nfn a(x: Door) { x.door(); }",
            "struct A<T> where T: Door { hinge: Door }\nimpl Door for A {}",
            "let outdoor = lookup(look_up);",
        ] {
            assert_eq!(faults("a.rs", text), [""; 0], "{text}");
        }
    }

    #[test]
    fn wide_lines_are_found() {
        let wide = "word ".repeat(21);
        assert_eq!(faults("a.md", &wide).len(), 1);
        assert_eq!(faults("a.rs", &format!("    // {wide}\n")).len(), 1);
        for exempt in [
            format!("| {wide} |"),
            format!("```\n{wide}\n```"),
            format!("text\n\n    {wide}\n"),
            "x".repeat(120),
            format!("- {}", "x".repeat(120)),
            format!("{wide} <https://example.org>"),
        ] {
            assert_eq!(faults("a.md", &exempt), [""; 0], "{exempt}");
        }
        assert_eq!(faults("a.rs", &format!("let x = \"{wide}\";\n")), [""; 0]);
        assert_eq!(faults("a.rs", &format!("/// | {wide} |\n")), [""; 0]);
    }
}
