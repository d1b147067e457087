//! Raspberry Pi Imager's catalogue of OS images (`os_list_imagingutility_v4.json`): reads it, and
//! finds an image in it by name.
//!
//! The format is that of `doc/json-schema/os-list-schema.json` in the repository
//! raspberrypi/rpi-imager. Entries nest under `subitems`, or in a further document at
//! `subitems_url`. Unknown fields are skipped; so are entries without name or address.

use std::collections::{BTreeSet, HashSet, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use kraken_foundation::{Error, Kind, Result, Sha256Hash};

/// The address of Raspberry Pi's own catalogue.
pub const DEFAULT_CATALOGUE: &str = "https://downloads.raspberrypi.com/os_list_imagingutility_v4.json";

/// A document larger than this (bytes) is not read.
pub const MOST_BYTES: u64 = 16 << 20;

/// Deeper nesting of `subitems` is refused.
const MOST_DEPTH: usize = 8;

/// More entries in a document are refused.
const MOST_ENTRIES: usize = 20_000;

/// The most further documents that are fetched, and the most links that each may be away from the
/// first.
const MOST_DOCUMENTS: usize = 64;
const MOST_LINKS: usize = 4;

/// The document is not JSON.
fn not_json(error: serde_json::Error) -> Error {
    let text = format!("reading the catalogue: {error}; check its address");
    Error::of(error).context(text)
}

/// It is JSON, but not a catalogue.
fn no_list() -> Error {
    let text = "reading the catalogue: it has no list \"os_list\"; check its address";
    Error::new(Kind::Damaged, text)
}

/// Its size or nesting is beyond any real catalogue.
fn too_much(what: &str) -> Error {
    let text = format!("reading the catalogue: it has {what}; this is not a catalogue of images");
    Error::new(Kind::Damaged, text)
}

/// It has no image of this name; `near` are names like it, or some of the names that exist.
fn no_such_image(name: &str, near: &[String]) -> Error {
    let text = format!(
        "looking for {name:?} in the catalogue: there is no such image; {}",
        suggestion(near)
    );
    Error::new(Kind::NotFound, text)
}

/// It has the image, with something in `field` that is not a SHA-256.
fn bad_hash(name: &str, field: &str) -> Error {
    let text = format!(
        "reading the catalogue's entry {name:?}: its {field} is not a SHA-256; the image could not be checked, so it is not used"
    );
    Error::new(Kind::Damaged, text)
}

fn suggestion(near: &[String]) -> String {
    match near {
        [] => "it names none at all".to_owned(),
        near => format!("there are: {}", near.join(", ")),
    }
}

/// One image of a catalogue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The name that Imager shows: "Raspberry Pi OS Lite (64-bit)".
    pub name: String,
    /// The address of the download.
    pub url: String,
    /// Size of the raw image, in bytes.
    pub extract_size: Option<u64>,
    /// SHA-256 of the raw image, as the catalogue has it: checked when the image is chosen.
    pub extract_sha256: Option<String>,
    /// Size of the download, in bytes.
    pub image_download_size: Option<u64>,
    /// SHA-256 of the download, as the catalogue has it: checked when the image is chosen.
    pub image_download_sha256: Option<String>,
    /// The release date, such as `2026-04-21`; empty when the catalogue has none.
    pub release_date: String,
}

/// The contents of one document of a catalogue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// Its images, nested ones included, in the document's order.
    pub entries: Vec<Entry>,
    /// Addresses of further documents.
    pub links: Vec<String>,
}

impl Document {
    /// Parses a document.
    ///
    /// # Errors
    /// [`Kind::Damaged`] when it is not a catalogue, or is larger or deeper than any real one.
    pub fn parse(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text).map_err(not_json)?;
        let list = value.get("os_list").and_then(Value::as_array).ok_or_else(no_list)?;
        let mut document = Self::default();
        document.take(list, 0)?;
        Ok(document)
    }

    fn take(&mut self, list: &[Value], depth: usize) -> Result<()> {
        if depth > MOST_DEPTH {
            return Err(too_much("sub-items nested too deep"));
        }
        for item in list {
            if self.entries.len() + self.links.len() >= MOST_ENTRIES {
                return Err(too_much("too many entries"));
            }
            if let Some(entry) = entry(item) {
                self.entries.push(entry);
            }
            if let Some(link) = item.get("subitems_url").and_then(Value::as_str) {
                self.links.push(link.to_owned());
            }
            if let Some(list) = item.get("subitems").and_then(Value::as_array) {
                self.take(list, depth + 1)?;
            }
        }
        Ok(())
    }

    /// Returns the image that `name` means. Names such as `raspios-lite-arm64` are compared with
    /// the folder in the address (`…/raspios_lite_arm64/images/…`), other names with the entry's
    /// own name. Of several images it is the latest release.
    pub fn find(&self, name: &str) -> Option<&Entry> {
        let matching = self.entries.iter().filter(|entry| entry.is_called(name));
        // `max_by` returns the last of equal entries; a catalogue lists the most important first.
        matching
            .rev()
            .max_by(|one, other| one.release_date.cmp(&other.release_date))
    }
}

impl Entry {
    fn is_called(&self, name: &str) -> bool {
        let name = name.trim();
        self.name.trim().eq_ignore_ascii_case(name) || self.short_name().is_some_and(|short| short == name)
    }

    /// Returns `raspios-lite-arm64` for an image in a folder `raspios_lite_arm64`.
    pub fn short_name(&self) -> Option<String> {
        let path = self.url.split(['?', '#']).next()?;
        let folder = path.split('/').skip(3).find(|folder| folder.starts_with("raspios_"))?;
        let named = folder.len() < 64 && folder.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        named.then(|| folder.replace('_', "-"))
    }

    /// Returns the SHA-256 of the raw image.
    ///
    /// # Errors
    /// [`Kind::Damaged`] when the catalogue has something else there.
    pub fn raw_hash(&self) -> Result<Option<Sha256Hash>> {
        self.hash("extract_sha256", self.extract_sha256.as_deref())
    }

    /// Returns the SHA-256 of the download.
    ///
    /// # Errors
    /// [`Kind::Damaged`] when the catalogue has something else there.
    pub fn download_hash(&self) -> Result<Option<Sha256Hash>> {
        self.hash("image_download_sha256", self.image_download_sha256.as_deref())
    }

    fn hash(&self, field: &'static str, text: Option<&str>) -> Result<Option<Sha256Hash>> {
        let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let name = self.name.clone();
        match Sha256Hash::parse_any_case(text) {
            Ok(hash) => Ok(Some(hash)),
            Err(_) => Err(bad_hash(&name, field)),
        }
    }
}

fn entry(item: &Value) -> Option<Entry> {
    let text = |key: &str| item.get(key).and_then(Value::as_str).map(str::to_owned);
    let number = |key: &str| item.get(key).and_then(Value::as_u64).filter(|&number| number > 0);
    Some(Entry {
        name: text("name")?,
        url: text("url")?,
        extract_size: number("extract_size"),
        extract_sha256: text("extract_sha256"),
        image_download_size: number("image_download_size"),
        image_download_sha256: text("image_download_sha256"),
        release_date: text("release_date").unwrap_or_default(),
    })
}

/// Finds `name` in the catalogue at `address`; `load` returns the text of a document. Further
/// documents are loaded only until the image is found. One that cannot be loaded is skipped and
/// reported to `skipped`.
///
/// # Errors
/// The error of `load` for the first document; [`Kind::NotFound`] when there is no such image.
pub(super) fn search<E: From<Error>>(
    address: &str,
    name: &str,
    mut load: impl FnMut(&str) -> Result<String, E>,
    mut skipped: impl FnMut(&str, E) -> Result<(), E>,
) -> Result<Entry, E> {
    let mut seen = HashSet::from([address.to_owned()]);
    let mut queue = VecDeque::from([(address.to_owned(), 0)]);
    let mut names = BTreeSet::new();
    while let Some((address, links)) = queue.pop_front() {
        let document = load(&address).and_then(|text| Ok(Document::parse(&text)?));
        let document = match document {
            Ok(document) => document,
            Err(error) if links == 0 => return Err(error),
            Err(error) => {
                skipped(&address, error)?;
                continue;
            }
        };
        if let Some(entry) = document.find(name) {
            return Ok(entry.clone());
        }
        for entry in document.entries {
            names.extend(entry.short_name());
            names.insert(entry.name);
        }
        for link in document.links {
            if links < MOST_LINKS && seen.len() < MOST_DOCUMENTS && seen.insert(link.clone()) {
                queue.push_back((link, links + 1));
            }
        }
    }
    let near = nearest(name, names);
    Err(no_such_image(name, &near).into())
}

/// Returns the eight names most like `name`.
fn nearest(name: &str, names: BTreeSet<String>) -> Vec<String> {
    let mut names: Vec<String> = names.into_iter().collect();
    names.sort_by_cached_key(|other| distance(name, other));
    names.truncate(8);
    names
}

/// Returns the Levenshtein distance of the first 64 characters, ignoring case.
fn distance(one: &str, other: &str) -> usize {
    let letters = |text: &str| -> Vec<char> { text.to_lowercase().chars().take(64).collect() };
    let (one, other) = (letters(one), letters(other));
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"{"imager": {"devices": [{"name": "Pi 3"}]}, "os_list": [
        {"name": "Raspberry Pi OS (64-bit)", "url": "https://h/raspios_arm64/images/raspios_arm64-2026-04-21/a.img.xz", "extra": {}},
        {"name": "Other", "subitems": [
            {"name": "Raspberry Pi OS Lite (64-bit)", "release_date": "2026-04-21", "extract_size": 7, "image_download_size": "x",
             "extract_sha256": "ab", "url": "https://h/raspios_lite_arm64/images/raspios_lite_arm64-2026-04-21/b.img.xz"},
            {"name": "Older", "release_date": "2025-04-21",
             "url": "https://h/raspios_lite_arm64/images/raspios_lite_arm64-2025-04-21/c.img.xz"},
            {"name": "Legacy Lite", "url": "https://h/raspios_oldstable_lite_arm64/images/d.img.xz"},
            {"name": 5, "url": []}, 7, null
        ]},
        {"name": "More", "subitems_url": "https://h/more.json"}
    ]}"#;

    #[test]
    fn images_are_found_by_short_name_and_by_their_own() {
        let document = Document::parse(LIST).expect("catalogue");
        assert_eq!(document.entries.len(), 4);
        assert_eq!(document.links, ["https://h/more.json"]);
        for (name, file) in [
            ("raspios-lite-arm64", Some("b.img.xz")),
            ("raspios-arm64", Some("a.img.xz")),
            ("raspios-oldstable-lite-arm64", Some("d.img.xz")),
            ("raspberry pi os lite (64-BIT)", Some("b.img.xz")),
            ("Older", Some("c.img.xz")),
            ("raspios-lite-armhf", None),
            ("lite", None),
            ("", None),
        ] {
            let found = document.find(name).and_then(|entry| entry.url.rsplit('/').next());
            assert_eq!(found, file, "{name}");
        }
    }

    #[test]
    fn a_malformed_hash_is_an_error_and_not_a_missing_one() {
        let document = Document::parse(LIST).expect("catalogue");
        let entry = document.find("raspios-lite-arm64").expect("entry");
        let error = entry.raw_hash().unwrap_err().to_string();
        assert!(error.contains("is not a SHA-256"), "{error}");
        assert!(matches!(entry.download_hash(), Ok(None)));
        assert_eq!((entry.extract_size, entry.image_download_size), (Some(7), None));
    }

    #[test]
    fn what_is_no_catalogue_is_refused() {
        let deep = format!(
            "{{\"os_list\": [{}{}]}}",
            "{\"subitems\": [".repeat(30),
            "]}".repeat(30)
        );
        let many = format!(
            "{{\"os_list\": [{}0]}}",
            "{\"name\":\"n\",\"url\":\"u\"},".repeat(MOST_ENTRIES + 1)
        );
        let bottomless = "[".repeat(100_000);
        for text in [
            "",
            "null",
            "[]",
            "{}",
            "{\"os_list\": 3}",
            "<html>",
            &deep,
            &many,
            &bottomless,
        ] {
            assert!(Document::parse(text).is_err(), "{}", &text[..text.len().min(40)]);
        }
    }

    #[test]
    fn further_documents_are_loaded_once_each_and_cycles_end() {
        let mut loaded = Vec::new();
        let load = |address: &str| {
            loaded.push(address.to_owned());
            match address {
                "a" => Ok(r#"{"os_list": [{"subitems_url": "b"}, {"subitems_url": "gone"}, {"subitems_url": "a"}]}"#.into()),
                "b" => Ok(r#"{"os_list": [{"subitems_url": "a"}, {"subitems_url": "b"}, {"name": "raspios-lite-arm65", "url": "u"}]}"#.into()),
                _ => Err(no_list()),
            }
        };
        let mut skipped = Vec::new();
        let error = search("a", "raspios-lite-arm64", load, |address, _| {
            skipped.push(address.to_owned());
            Ok(())
        })
        .expect_err("there is none");
        assert!(error.to_string().contains("raspios-lite-arm65"), "{error}");
        assert_eq!(loaded, ["a", "b", "gone"]);
        assert_eq!(skipped, ["gone"]);
    }

    #[test]
    fn an_endless_chain_of_documents_is_cut() {
        let mut count = 0;
        let load = |_: &str| -> Result<String> {
            count += 1;
            let links: Vec<String> = (0..50)
                .map(|n| format!("{{\"subitems_url\": \"{count}-{n}\"}}"))
                .collect();
            Ok(format!("{{\"os_list\": [{}]}}", links.join(",")))
        };
        assert!(search("a", "x", load, |_, _| Ok(())).is_err());
        assert_eq!(count, MOST_DOCUMENTS);
    }
}
