//! Packages indexes and dpkg's status as compact records: of an index of 50 MB and 65,000 packages
//! some 25 MB stay in memory.

use std::collections::HashSet;
use std::io::{self, BufRead};

use super::control::{Paragraph, single};
pub use super::entry::{Entry, SourcePackage};
pub use super::record::MultiArch;
use super::record::{Record, Span};
use super::relation::names;
use kraken_foundation::{Context, Error, Kind, Result, Sha256Hash};

/// The maximum length of a paragraph, in bytes: the longest of Debian has some tens of thousands.
const LONGEST_PARAGRAPH: usize = 4 << 20;

/// The maximum amount of text that is kept of an index (bytes).
const MOST_TEXT: usize = u32::MAX as usize / 2;

/// The fields of relations in the order in which apt reads them. The package that comes first in
/// this order decides between two providers when no other criterion does.
const RELATIONS: [&str; 9] = [
    "Pre-Depends",
    "Depends",
    "Conflicts",
    "Breaks",
    "Recommends",
    "Suggests",
    "Replaces",
    "Enhances",
    "Provides",
];

/// Packages: of a Packages file, of dpkg's status, or of `.deb` files at hand.
#[derive(Clone, Debug, Default)]
pub struct Index {
    text: String,
    records: Vec<Record>,
    /// Every name in it, in the order of its first mention.
    mentioned: Vec<Span>,
}

/// Reads paragraphs into an index; remembers names for that time.
#[derive(Default)]
pub(super) struct IndexBuilder {
    index: Index,
    seen: HashSet<Box<str>>,
    number: usize,
}

impl Index {
    /// Reads a Packages file.
    ///
    /// # Errors
    /// When it is too large, cannot be read to its end (an error of the system then), or a
    /// paragraph is not one of a package; the message numbers the paragraph.
    pub fn read(mut input: impl BufRead) -> Result<Self> {
        let mut builder = IndexBuilder::default();
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let more = paragraph(&mut input, &mut bytes, builder.number + 1)?;
            let text = String::from_utf8_lossy(&bytes);
            if !text.trim().is_empty() {
                builder.add_text(&text, true)?;
            }
            if !more {
                return Ok(builder.finish());
            }
        }
    }

    /// Returns the number of packages.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Returns a package by its place.
    pub fn get(&self, at: usize) -> Option<Entry<'_>> {
        let record = self.records.get(at)?;
        Some(Entry::new(&self.text, record))
    }

    /// Returns all packages, in the order of the text.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.records.iter().map(|record| Entry::new(&self.text, record))
    }

    /// Returns every name in it, also of packages that are only mentioned, in the order of its
    /// first mention; `:any` stays at its name.
    pub(super) fn mentioned(&self) -> impl Iterator<Item = &str> {
        self.mentioned.iter().map(|span| span.of(&self.text))
    }
}

/// Reads one paragraph and the empty line after it; returns whether more may follow.
fn paragraph(input: &mut impl BufRead, bytes: &mut Vec<u8>, number: usize) -> Result<bool> {
    loop {
        let start = bytes.len();
        let room = (LONGEST_PARAGRAPH - start) as u64 + 1;
        if io::Read::take(&mut *input, room).read_until(b'\n', bytes)? == 0 {
            return Ok(false);
        }
        if bytes.len() > LONGEST_PARAGRAPH {
            return Err(bad(number, "it is longer than 4 MiB"));
        }
        if bytes[start..].trim_ascii().is_empty() {
            if start > 0 {
                return Ok(true);
            }
            bytes.clear();
        }
    }
}

impl IndexBuilder {
    /// Adds the one paragraph of a text. `file` says whether it must name a file, its size and
    /// hash.
    pub(super) fn add_text(&mut self, text: &str, file: bool) -> Result<()> {
        let number = self.number + 1;
        let paragraph = single(text).quoted(|| format!("paragraph {number}"))?;
        self.add(&paragraph, file)
    }

    pub(super) fn add(&mut self, paragraph: &Paragraph<'_>, file: bool) -> Result<()> {
        self.number += 1;
        let number = self.number;
        let field_error = |field: &str, why: &str| bad(number, &format!("the field {field} {why}"));
        let needed = |field: &'static str| match paragraph.get(field) {
            Some(value) if !value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic()) => Ok(value),
            Some(_) => Err(field_error(field, "has no value that it could have")),
            None => Err(field_error(field, "is missing")),
        };
        let mut record = Record {
            name: self.keep(needed("Package")?)?,
            version: self.keep(needed("Version")?)?,
            architecture: self.keep(needed("Architecture")?)?,
            ..Record::default()
        };
        if file {
            record.filename = self.keep(needed("Filename")?)?;
            record.size = needed("Size")?
                .parse()
                .map_err(|_| field_error("Size", "is not a number of bytes"))?;
            record.sha256 =
                Some(Sha256Hash::parse_any_case(needed("SHA256")?).map_err(|_| field_error("SHA256", "is none"))?);
        }
        let value = |field| paragraph.get(field).unwrap_or_default();
        record.source = self.keep(value("Source"))?;
        record.multi_arch = match value("Multi-Arch") {
            "same" => MultiArch::Same,
            "foreign" => MultiArch::Foreign,
            "allowed" => MultiArch::Allowed,
            _ => MultiArch::No,
        };
        record.essential = value("Essential") == "yes";
        record.protected = value("Protected") == "yes" || value("Important") == "yes";
        record.priority = match value("Priority") {
            "required" => 1,
            "important" => 2,
            "standard" => 3,
            "optional" => 4,
            "" => 0,
            _ => 5,
        };
        self.add_relations(&mut record, paragraph)?;
        self.index.records.push(record);
        Ok(())
    }

    fn add_relations(&mut self, record: &mut Record, paragraph: &Paragraph<'_>) -> Result<()> {
        let value = |field| paragraph.get(field).unwrap_or_default();
        self.mention(value("Package"))?;
        for field in RELATIONS {
            for name in names(value(field)) {
                self.mention(name)?;
            }
        }
        record.pre_depends = self.keep(value("Pre-Depends"))?;
        record.depends = self.keep(value("Depends"))?;
        record.conflicts = self.keep(value("Conflicts"))?;
        record.breaks = self.keep(value("Breaks"))?;
        record.recommends = self.keep(value("Recommends"))?;
        record.suggests = self.keep(value("Suggests"))?;
        record.provides = self.keep(value("Provides"))?;
        Ok(())
    }

    pub(super) fn finish(mut self) -> Index {
        self.index.text.shrink_to_fit();
        self.index.records.shrink_to_fit();
        self.index.mentioned.shrink_to_fit();
        self.index
    }

    fn mention(&mut self, name: &str) -> Result<()> {
        if self.seen.contains(name) {
            return Ok(());
        }
        self.seen.insert(name.into());
        let span = self.keep(name)?;
        self.index.mentioned.push(span);
        Ok(())
    }

    fn keep(&mut self, value: &str) -> Result<Span> {
        let start = self.index.text.len();
        let end = start.saturating_add(value.len());
        let (Ok(start), Ok(end), true) = (u32::try_from(start), u32::try_from(end), end <= MOST_TEXT) else {
            return Err(bad(self.number, "the index is larger than 2 GiB"));
        };
        self.index.text.push_str(value);
        Ok(Span { start, end })
    }
}

/// A paragraph, numbered from 1, is not one of a package, or too large.
fn bad(number: usize, why: &str) -> Error {
    Error::new(Kind::Damaged, format!("paragraph {number}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn paragraph(name: &str, more: &str) -> String {
        format!(
            "Package: {name}\nVersion: 1:2-3\nArchitecture: arm64\n{more}Filename: pool/{name}.deb\nSize: 12\nSHA256: {HASH}\n\n"
        )
    }

    #[test]
    fn a_packages_file_is_read() {
        let text = paragraph(
            "a",
            "Source: src (9)\nMulti-Arch: same\nDepends: b (>= 1),\n c\nSuggests: z\nProvides: v (= 2)\n",
        ) + "\n\n"
            + &paragraph("c", "Priority: required\nEssential: yes\nPre-Depends: b:any, a\n");
        let index = Index::read(text.as_bytes()).unwrap();
        assert_eq!(index.len(), 2);
        let source = |name, version| SourcePackage { name, version };
        let a = index.get(0).unwrap();
        assert_eq!(
            (a.name(), a.version(), a.architecture(), a.size()),
            ("a", "1:2-3", "arm64", 12)
        );
        assert_eq!(
            (source("src", "9"), MultiArch::Same, "b (>= 1),\n c"),
            (a.source(), a.multi_arch(), a.depends())
        );
        assert_eq!(a.sha256().unwrap().to_string(), HASH);
        let c = index.get(1).unwrap();
        assert!(c.essential() && c.priority() == 1 && c.source() == source("c", "1:2-3"));
        assert_eq!(
            index.mentioned().collect::<Vec<_>>(),
            ["a", "b", "c", "z", "v", "b:any"]
        );
        assert!(Index::read(&b""[..]).unwrap().is_empty());
    }

    #[test]
    fn what_an_index_cannot_say_is_an_error() {
        for (text, want) in [
            (paragraph("a", "") + "x\n", "paragraph 2: line 1"),
            (paragraph("a", "Version: 2\n"), "twice"),
            (paragraph("a b", ""), "Package has no value"),
            (
                paragraph("a", "").replace("Size: 12", "Size: -1"),
                "Size is not a number",
            ),
            (paragraph("a", "").replace("SHA256: e", "SHA256: x"), "SHA256 is none"),
            (paragraph("a", "").replace("Filename", "File"), "Filename is missing"),
            (
                paragraph("a", &format!("D: {}\n", "x".repeat(5 << 20))),
                "longer than 4 MiB",
            ),
        ] {
            let error = Index::read(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(want), "{want}: {error}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_do_no_harm() {
        let mut bytes = paragraph("a", "Description: x\n").into_bytes();
        let at = bytes.windows(2).position(|w| w == b"x\n").unwrap();
        bytes[at] = 0xff;
        assert_eq!(Index::read(&bytes[..]).unwrap().len(), 1);
    }
}
