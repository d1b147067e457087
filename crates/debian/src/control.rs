//! Paragraphs of `Field: value` lines: the format of Packages, Release, control, status and
//! `.sources` files (deb822(5)).
//!
//! Nothing is copied: an index has tens of megabytes, and dpkg's status must be written back with
//! the bytes that were read.

use kraken_foundation::{Error, Kind, Result};

/// One field of a paragraph, as in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its name, in the spelling of the text.
    pub name: &'a str,
    /// Its value, with the line breaks and first blanks of its continuation lines, and without
    /// blanks around it.
    pub value: &'a str,
}

/// One paragraph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paragraph<'a> {
    fields: Vec<Field<'a>>,
    text: &'a str,
}

impl<'a> Paragraph<'a> {
    /// Returns the value of a field; names are compared without regard to case.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.fields
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value)
    }

    /// Returns all fields in the order of the text.
    pub fn fields(&self) -> &[Field<'a>] {
        &self.fields
    }

    /// Returns the paragraph's lines as in the text, each ended by a line break (the last one
    /// perhaps by the end of the text).
    pub fn text(&self) -> &'a str {
        self.text
    }
}

/// The paragraphs of a text, one after the other. After an error there are no more.
#[derive(Clone, Debug)]
pub struct Paragraphs<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    comments: bool,
}

/// Returns the paragraphs of a text. Lines that begin with `#` are not comments here: dpkg's own
/// files have none.
pub fn paragraphs(text: &str) -> Paragraphs<'_> {
    Paragraphs {
        text,
        at: 0,
        line: 0,
        comments: false,
    }
}

/// Returns the paragraphs of a text that people write: lines that begin with `#` are comments.
pub fn paragraphs_with_comments(text: &str) -> Paragraphs<'_> {
    Paragraphs {
        comments: true,
        ..paragraphs(text)
    }
}

/// Returns the only paragraph of a text.
///
/// # Errors
/// When it is not in this format, or has no paragraph or more than one.
pub fn single(text: &str) -> Result<Paragraph<'_>> {
    let mut all = paragraphs(text);
    let first = all.next().unwrap_or_else(|| Err(bad_line(1, "there is no field")))?;
    match all.next() {
        None => Ok(first),
        Some(Err(error)) => Err(error),
        Some(Ok(_)) => Err(bad_line(all.line, "there is more than one paragraph")),
    }
}

/// A line, numbered from 1, is not in this format.
fn bad_line(line: usize, why: &str) -> Error {
    Error::new(Kind::Damaged, format!("line {line}: {why}"))
}

/// A line of a text.
struct Line<'a> {
    /// Without its line break.
    text: &'a str,
    /// The places in the text where it and the next one begin.
    start: usize,
    next: usize,
}

impl<'a> Paragraphs<'a> {
    fn line(&mut self) -> Option<Line<'a>> {
        let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let start = self.at;
        let length = rest.find('\n').map_or(rest.len(), |at| at + 1);
        self.at += length;
        self.line += 1;
        Some(Line {
            text: rest[..length].trim_end_matches(['\n', '\r']),
            start,
            next: self.at,
        })
    }

    fn fail(&mut self, why: &str) -> Error {
        self.at = self.text.len();
        bad_line(self.line, why)
    }

    fn paragraph(&mut self) -> Result<Option<Paragraph<'a>>> {
        let mut fields: Vec<Field<'a>> = Vec::new();
        // Where the value of the last field begins, and where it ends so far.
        let (mut value_start, mut first, mut end) = (0, None, 0);
        while let Some(Line {
            text: line,
            start,
            next,
        }) = self.line()
        {
            if line.trim().is_empty() {
                if first.is_some() {
                    break;
                }
                continue;
            }
            if self.comments && line.starts_with('#') {
                continue;
            }
            if line.starts_with([' ', '\t']) {
                let Some(field) = fields.last_mut() else {
                    return Err(self.fail("it continues a field, and there is none before it"));
                };
                field.value = self.text[value_start..next].trim();
                end = next;
                continue;
            }
            let Some((name, value)) = line.split_once(':') else {
                return Err(self.fail("it is neither a field (`Name: value`) nor the continuation of one"));
            };
            let name = name.trim_end();
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(self.fail("its field has no name that could be one"));
            }
            if fields.iter().any(|field| field.name.eq_ignore_ascii_case(name)) {
                return Err(self.fail("this field is there twice"));
            }
            value_start = start + (line.len() - value.len());
            fields.push(Field {
                name,
                value: value.trim(),
            });
            first.get_or_insert(start);
            end = next;
        }
        Ok(first.map(|first| Paragraph {
            fields,
            text: &self.text[first..end],
        }))
    }
}

impl<'a> Iterator for Paragraphs<'a> {
    type Item = Result<Paragraph<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.paragraph().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_and_continued() {
        let text = "\n\nPackage: a\nDescription: short\n long\n .\n more\nEmpty:\n\n  \nPackage:b\n";
        let all: Vec<_> = paragraphs(text).map(Result::unwrap).collect();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].get("description"), Some("short\n long\n .\n more"));
        assert_eq!(all[0].get("Empty"), Some(""));
        assert_eq!(
            all[0].text(),
            "Package: a\nDescription: short\n long\n .\n more\nEmpty:\n"
        );
        assert_eq!(all[1].get("Package"), Some("b"));
        assert_eq!(all[1].text(), "Package:b\n");
    }

    #[test]
    fn comments_are_left_out_where_people_write() {
        let text = "# one\nTypes: deb\n# two\nSigned-By:\n -----BEGIN\n# three\n .\n x\n";
        let all: Vec<_> = paragraphs_with_comments(text).map(Result::unwrap).collect();
        assert_eq!(all[0].get("Types"), Some("deb"));
        // A comment inside a value stays in it: the code that reads the value drops it.
        assert_eq!(all[0].get("Signed-By"), Some("-----BEGIN\n# three\n .\n x"));
    }

    #[test]
    fn what_is_no_paragraph_is_an_error_with_its_line() {
        for (text, line) in [
            (" x\n", 1),
            ("A: b\nno field\n", 2),
            (": b\n", 1),
            ("A b: c\n", 1),
            ("A: b\na: c\n", 2),
            ("A: b\n\n\u{e9}: c\n", 3),
        ] {
            let error = paragraphs(text).find_map(Result::err).unwrap();
            let is_named = error.to_string().starts_with(&format!("line {line}: "));
            assert!(is_named && error.kind() == Kind::Damaged, "{text:?}: {error}");
        }
        assert!(single("A: b\n\nC: d\n").is_err());
        assert!(single("\n").is_err());
    }
}
