//! Takes a Rust source apart into comments, string literals, names and other characters.

/// A part of a Rust source.
pub(super) enum Part {
    /// A line of a comment, without its marks.
    Comment(String),
    /// What stands between the quotes of a string literal.
    Literal(String),
    /// A keyword or a name.
    Name(String),
    /// Any other character of the code that is not a blank.
    Other(char),
}

/// Takes a Rust source apart; each part has the number of its line.
pub(super) fn scan(text: &str) -> Vec<(usize, Part)> {
    let chars: Vec<char> = text.chars().collect();
    let mut parts = Vec::new();
    let mut line = 1;
    let mut at = 0;
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    while at < chars.len() {
        let c = chars[at];
        let next = chars.get(at + 1).copied();
        match (c, next) {
            ('\n', _) => {
                line += 1;
                at += 1;
            }
            ('/', Some('/')) => {
                let end = find(&chars, at, |c| c == '\n');
                let text: String = chars[at..end].iter().collect();
                let text = text.trim_start_matches('/');
                let text = text.strip_prefix('!').unwrap_or(text);
                parts.push((line, Part::Comment(text.strip_prefix(' ').unwrap_or(text).to_owned())));
                at = end;
            }
            ('/', Some('*')) => {
                let begin = at;
                let mut depth = 0;
                loop {
                    match (chars.get(at), chars.get(at + 1)) {
                        (Some('/'), Some('*')) => (depth, at) = (depth + 1, at + 2),
                        (Some('*'), Some('/')) => (depth, at) = (depth - 1, at + 2),
                        (None, _) => break,
                        _ => at += 1,
                    }
                    if depth == 0 {
                        break;
                    }
                }
                let text: String = chars[begin..at.min(chars.len())].iter().collect();
                for (i, text) in text.lines().enumerate() {
                    parts.push((line + i, Part::Comment(text.to_owned())));
                }
                line += text.matches('\n').count();
            }
            ('"', _) => at = literal(&chars, at, &mut line, &mut parts),
            ('\'', Some('\\')) => at = find(&chars, at + 3, |c| c == '\'') + 1,
            ('\'', Some(_)) if chars.get(at + 2) == Some(&'\'') => {
                line += usize::from(next == Some('\n'));
                at += 3;
            }
            (c, _) if is_name(c) => {
                let end = find(&chars, at, |c| !is_name(c));
                let name: String = chars[at..end].iter().collect();
                let quote = find(&chars, end, |c| c != '#');
                let is_raw = matches!(name.as_str(), "r" | "br" | "cr") && chars.get(quote) == Some(&'"');
                if is_raw {
                    at = raw_literal(&chars, quote, quote - end, &mut line, &mut parts);
                } else {
                    parts.push((line, Part::Name(name)));
                    at = end;
                }
            }
            (c, _) => {
                if !c.is_whitespace() {
                    parts.push((line, Part::Other(c)));
                }
                at += 1;
            }
        }
    }
    parts
}

/// The first place from `at` on whose character fits.
fn find(chars: &[char], at: usize, fits: impl Fn(char) -> bool) -> usize {
    (at..chars.len()).find(|i| fits(chars[*i])).unwrap_or(chars.len())
}

/// Reads the literal whose quote is at `at`; returns the place behind it.
fn literal(chars: &[char], at: usize, line: &mut usize, parts: &mut Vec<(usize, Part)>) -> usize {
    let mut end = at + 1;
    let mut text = String::new();
    while end < chars.len() && chars[end] != '"' {
        if chars[end] == '\\' {
            // An escape is a blank, and an escaped end of line stays one: lines are counted.
            text.push(if chars.get(end + 1) == Some(&'\n') { '\n' } else { ' ' });
            end += 2;
        } else {
            text.push(chars[end]);
            end += 1;
        }
    }
    let lines = text.matches('\n').count();
    parts.push((*line, Part::Literal(text)));
    *line += lines;
    end + 1
}

/// Reads the raw literal whose quote is at `at`; returns the place behind it.
fn raw_literal(chars: &[char], at: usize, hashes: usize, line: &mut usize, parts: &mut Vec<(usize, Part)>) -> usize {
    let mut end = at + 1;
    while end < chars.len() {
        let is_end = chars[end] == '"' && (1..=hashes).all(|i| chars.get(end + i) == Some(&'#'));
        if is_end {
            break;
        }
        end += 1;
    }
    let text: String = chars[at + 1..end.min(chars.len())].iter().collect();
    let lines = text.matches('\n').count();
    parts.push((*line, Part::Literal(text)));
    *line += lines;
    end + 1 + hashes
}
