//! What is prose, message or name in a file.

use super::kind::Kind;
use super::pattern::Word;
use super::scan::{Part, scan};

/// Text of one kind, as words.
pub(super) struct Passage {
    pub kind: Kind,
    pub words: Vec<Word>,
}

/// Whether a file is read at all.
pub(super) fn is_read(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    is_markdown(file)
        || is_rust(file)
        || file.ends_with(".sh")
        || file.ends_with(".py")
        // Templates and the scripts that are built into the program have no ending.
        || (!name.contains('.') && file.contains("/src/"))
        // Texts of the manual pages.
        || (file.ends_with(".txt") && file.starts_with("src/"))
        || file.starts_with("templates/")
}

fn is_markdown(file: &str) -> bool {
    file.ends_with(".md")
}

fn is_rust(file: &str) -> bool {
    file.ends_with(".rs")
}

/// All passages of a file.
pub(super) fn passages(file: &str, text: &str) -> Vec<Passage> {
    let prose = |lines: &[(usize, String)]| Passage {
        kind: Kind::Prose,
        words: prose_words(lines),
    };
    if is_rust(file) {
        let parts = scan(text);
        let mut found: Vec<Passage> = comments(&parts).iter().map(|lines| prose(lines)).collect();
        for (line, part) in &parts {
            if let Part::Literal(text) = part
                && is_message(text)
            {
                let lines: Vec<_> = text
                    .lines()
                    .enumerate()
                    .map(|(i, text)| (line + i, text.to_owned()))
                    .collect();
                let words = prose_words(&lines);
                found.push(Passage {
                    kind: Kind::Message,
                    words,
                });
            }
        }
        found.extend(names(&parts));
        return found;
    }
    let lines: Vec<_> = text
        .lines()
        .enumerate()
        .map(|(i, text)| (i + 1, text.to_owned()))
        .collect();
    vec![prose(&lines)]
}

/// Whether a string literal is a message. A single word is a value: an account, a key, a state.
fn is_message(literal: &str) -> bool {
    literal.split_whitespace().nth(1).is_some()
}

/// Number and width of the lines that are wider than `width` and could be wrapped.
pub(super) fn wide_lines(file: &str, text: &str, width: usize) -> Vec<(usize, usize)> {
    let blocks: Vec<Vec<(usize, String)>> = if is_rust(file) {
        comments(&scan(text))
    } else if is_markdown(file) {
        vec![
            text.lines()
                .enumerate()
                .map(|(i, text)| (i + 1, text.to_owned()))
                .collect(),
        ]
    } else {
        return Vec::new();
    };
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for block in &blocks {
        for (line, text, is_code) in with_code(block) {
            let whole = lines[line - 1];
            let stands_alone = !is_rust(file) || whole.trim_start().starts_with("//");
            let is_table = text.trim_start().starts_with('|');
            let has_address = text.contains("](") || text.contains("://");
            let columns = whole.chars().count();
            if columns > width && stands_alone && !is_code && !is_table && !has_address && can_wrap(text) {
                found.push((line, columns));
            }
        }
    }
    found
}

/// Whether there is a blank at which a line may be broken, behind its first word (or list mark and
/// first word).
fn can_wrap(text: &str) -> bool {
    text.split_whitespace()
        .filter(|word| !matches!(*word, "-" | "*" | "#" | "##"))
        .count()
        > 1
}

/// The comments of a source; lines that follow one another are one comment.
fn comments(parts: &[(usize, Part)]) -> Vec<Vec<(usize, String)>> {
    let mut found: Vec<Vec<(usize, String)>> = Vec::new();
    for (line, part) in parts {
        let Part::Comment(text) = part else {
            continue;
        };
        match found.last_mut() {
            Some(comment) if comment.last().is_some_and(|(last, _)| last + 1 == *line) => {
                comment.push((*line, text.clone()));
            }
            _ => found.push(vec![(*line, text.clone())]),
        }
    }
    found
}

/// The names that a source defines: what stands behind `fn`, `struct`, `let` and the like, fields,
/// and variants. Uses are not read: the name may be another crate's.
fn names(parts: &[(usize, Part)]) -> Vec<Passage> {
    const DEFINES: &[&str] = &["fn", "trait", "type", "mod", "const", "static", "let", "mut"];
    const HAVE_MEMBERS: &[&str] = &["struct", "enum", "union"];
    let mut found = Vec::new();
    let mut is_defined = false;
    // The members of a `struct` or `enum` stand behind `{` or `,`, in its own braces.
    let mut members = Members::None;
    for (line, part) in parts {
        match part {
            Part::Comment(_) | Part::Literal(_) => {}
            Part::Name(name) if DEFINES.contains(&name.as_str()) => is_defined = true,
            Part::Name(name) if HAVE_MEMBERS.contains(&name.as_str()) => {
                is_defined = true;
                members = Members::Announced;
            }
            Part::Name(name) if matches!(name.as_str(), "pub" | "crate" | "super") => {}
            Part::Name(name) => {
                if is_defined || members == Members::Expected(1) {
                    let words = name_parts(name).into_iter().map(|part| (*line, part)).collect();
                    found.push(Passage {
                        kind: Kind::Name,
                        words,
                    });
                }
                is_defined = false;
                members = members.after_name();
            }
            Part::Other(c) => {
                is_defined = false;
                members = members.after(*c);
            }
        }
    }
    found
}

/// Where in a type's definition a place is; the numbers count the open brackets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Members {
    None,
    Announced,
    Expected(usize),
    Passed(usize),
}

impl Members {
    fn after_name(self) -> Self {
        match self {
            // A name in an attribute is not a member.
            Members::Expected(1) => Members::Passed(1),
            other => other,
        }
    }

    fn after(self, c: char) -> Self {
        match (self, c) {
            (Members::Announced, '{') => Members::Expected(1),
            (Members::Announced, ';' | '(') | (Members::Expected(1) | Members::Passed(1), '}') => Members::None,
            (Members::Passed(1), ',') => Members::Expected(1),
            // An attribute, the visibility, or the fields of a variant.
            (Members::Expected(depth), '[' | '(' | '{') => Members::Expected(depth + 1),
            (Members::Expected(depth), ']' | ')' | '}') => Members::Expected(depth.saturating_sub(1)),
            (Members::Passed(depth), '[' | '(' | '{') => Members::Passed(depth + 1),
            (Members::Passed(depth), ']' | ')' | '}') => Members::Passed(depth.saturating_sub(1)),
            (other, _) => other,
        }
    }
}

/// `look_up`, `LookUp` and `LOOK_UP` are `look`, `up`.
fn name_parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        if c == '_' || (was_lower && c.is_uppercase()) {
            parts.push(String::new());
        }
        was_lower = c.is_lowercase();
        if c != '_'
            && let Some(part) = parts.last_mut()
        {
            part.extend(c.to_lowercase());
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// Each line with whether it belongs to a code block: fenced, or indented behind an empty line.
fn with_code(lines: &[(usize, String)]) -> impl Iterator<Item = (usize, &str, bool)> {
    let mut fence = None;
    let mut was_empty = true;
    let mut was_indented = false;
    // Text below a list's item is indented as code is.
    let mut is_list = false;
    lines.iter().map(move |(line, text)| {
        let trimmed = text.trim_start();
        let mark = ["```", "~~~"].into_iter().find(|mark| trimmed.starts_with(mark));
        let was_fenced = fence.is_some();
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            _ => {}
        }
        let is_indented = text.starts_with("    ") && !is_list && (was_empty || was_indented);
        if !trimmed.is_empty() {
            was_indented = is_indented;
            let is_item = trimmed.starts_with("- ") || trimmed.starts_with("* ");
            is_list = is_item || (is_list && text.starts_with("  "));
        }
        was_empty = trimmed.is_empty();
        (*line, text.as_str(), was_fenced || fence.is_some() || is_indented)
    })
}

/// The words of a text outside of code blocks, code spans, targets of links and addresses.
fn prose_words(lines: &[(usize, String)]) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut in_span = false;
    for (line, text, is_code) in with_code(lines) {
        if is_code || text.trim().is_empty() {
            words.push((line, String::new()));
            in_span = false;
            continue;
        }
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let skip = match c {
                '`' => {
                    in_span = !in_span;
                    words.push((line, String::new()));
                    rest.chars().take_while(|c| *c == '`').count()
                }
                _ if in_span => c.len_utf8(),
                ']' if rest.starts_with("](") => {
                    words.push((line, String::new()));
                    rest.find(')').map_or(rest.len(), |end| end + 1)
                }
                c if is_word(c) || (c == '/' && word_end(rest) > 1) => {
                    let end = word_end(rest);
                    words.push((line, rest[..end].to_lowercase()));
                    end
                }
                c if c.is_whitespace() => c.len_utf8(),
                c => {
                    words.push((line, String::new()));
                    c.len_utf8()
                }
            };
            rest = &rest[skip..];
        }
    }
    words
}

/// The length of the word at the begin of `text`. `kraken-status`, `/usr/door`, `status.md` and
/// `nobody:nogroup` are words of their own, which are in no table.
fn word_end(text: &str) -> usize {
    let mut end = 0;
    for (at, c) in text.char_indices() {
        let is_joined = || text[at + c.len_utf8()..].starts_with(|next| is_word(next) || next == '/');
        if is_word(c) || (matches!(c, '/' | ':' | '.' | '@') && is_joined()) {
            end = at + c.len_utf8();
        } else {
            break;
        }
    }
    end
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | '\'')
}
