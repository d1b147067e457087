//! The archives that an image names: apt's sources in both formats (sources.list(5)), and one that
//! the caller names itself.

use url::Url;

use super::control::{Paragraph, paragraphs_with_comments};
use super::openpgp;

const BEGIN_KEY: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// An archive, one suite of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its address, with a slash at the end; http or https.
    pub url: Url,
    /// The suite; with a slash at its end it is a path, and the archive has no components (a flat
    /// one).
    pub suite: String,
    /// The components, in order.
    pub components: Vec<String>,
    /// The architectures that are wanted from it; empty means those of the image.
    pub architectures: Vec<String>,
    /// The keys that may sign for it.
    pub keys: SignedBy,
    /// Where it is named, for messages: a file of the image, or a key of kraken.toml.
    pub named_in: String,
}

/// The keys that may sign for an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignedBy {
    /// Key files. Empty means the keys that the image's apt trusts for all archives;
    /// [`super::ImageState::read`] fills them in.
    pub files: Vec<KeyFile>,
    /// Unless empty, only these fingerprints may sign.
    pub fingerprints: Vec<String>,
}

/// A key file.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyFile {
    /// Its path in the image, or where else it was named.
    pub name: String,
    /// Its contents, armored or binary; `None` until it is read from the image.
    pub bytes: Option<Vec<u8>>,
}

impl std::fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let size = self.bytes.as_ref().map(Vec::len);
        f.debug_struct("KeyFile")
            .field("name", &self.name)
            .field("size", &size)
            .finish()
    }
}

impl Source {
    /// Makes a source that the caller names, such as Docker's own archive: only the certificate
    /// with this fingerprint may sign for it.
    ///
    /// # Errors
    /// When `key` is not a public key, or none of its certificates has that
    /// fingerprint (hex; blanks and case do not matter).
    pub fn pinned(
        url: &Url,
        suite: &str,
        components: &[&str],
        key: &[u8],
        fingerprint: &str,
        named_in: &str,
    ) -> kraken_foundation::Result<Self> {
        let pinned: String = fingerprint.chars().filter(|c| !c.is_whitespace()).collect();
        let found = openpgp::fingerprints(key)?;
        if !found.iter().any(|one| one.eq_ignore_ascii_case(&pinned)) {
            let found = found.join(", ");
            let why = format!("its fingerprint is {found}, and {pinned} is pinned");
            return Err(openpgp::not_a_key(why));
        }
        Ok(Self {
            url: with_slash(url.clone()),
            suite: suite.to_owned(),
            components: components.iter().map(|c| (*c).to_owned()).collect(),
            architectures: Vec::new(),
            keys: SignedBy {
                files: vec![KeyFile {
                    name: named_in.to_owned(),
                    bytes: Some(key.to_vec()),
                }],
                fingerprints: vec![pinned.to_ascii_uppercase()],
            },
            named_in: named_in.to_owned(),
        })
    }

    /// Whether it has no components: its suite is a path.
    pub fn is_flat(&self) -> bool {
        self.suite.ends_with('/')
    }
}

/// Returns the URL with a slash at its end.
pub(super) fn with_slash(mut url: Url) -> Url {
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    url
}

/// The result of reading one file of sources.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) sources: Vec<Source>,
    /// What was ignored, and why.
    pub(super) notes: Vec<String>,
}

/// One entry, of either format, before it is checked.
#[derive(Default)]
struct Raw<'a> {
    types: Vec<&'a str>,
    urls: Vec<&'a str>,
    suites: Vec<&'a str>,
    components: Vec<&'a str>,
    architectures: Vec<&'a str>,
    signed_by: String,
    trusted: bool,
}

/// Reads a file of one-line entries. An error begins with the line.
pub(super) fn one_line(text: &str, file: &str, native: &str) -> Result<Read, String> {
    let mut read = Read::default();
    for (number, line) in text.lines().enumerate() {
        let at = |why: String| format!("line {}: {why}", number + 1);
        // A `#` begins a comment, except in the options.
        let options_end = line.find(']').map_or(0, |end| end + 1);
        let line = match line[options_end..].find('#') {
            _ if line.trim_start().starts_with('#') => "",
            Some(comment) => &line[..options_end + comment],
            None => line,
        };
        if line.trim().is_empty() {
            continue;
        }
        let raw = entry(line.trim()).map_err(at)?;
        raw.into_sources(file, native, &mut read).map_err(at)?;
    }
    Ok(read)
}

fn entry(line: &str) -> Result<Raw<'_>, String> {
    let mut raw = Raw::default();
    let (kind, rest) = line
        .split_once(char::is_whitespace)
        .ok_or("it is not a source: `deb URI SUITE COMPONENT…`")?;
    if kind != "deb" && kind != "deb-src" {
        return Err(format!("`{kind}` is neither `deb` nor `deb-src`"));
    }
    raw.types = vec![kind];
    let mut rest = rest.trim_start();
    if let Some(inside) = rest.strip_prefix('[') {
        let (options, after) = inside.split_once(']').ok_or("the options have no end (`]`)")?;
        rest = after;
        for option in options.split_whitespace() {
            let (name, value) = option
                .split_once('=')
                .ok_or_else(|| format!("the option `{option}` has no value"))?;
            match name.to_ascii_lowercase().as_str() {
                "arch" => raw.architectures = value.split(',').collect(),
                "signed-by" => raw.signed_by = value.replace(',', " "),
                "trusted" => raw.trusted = is_yes(value),
                "arch+" | "arch-" => {
                    return Err("the options arch+= and arch-= are not understood; write arch= instead".into());
                }
                _ => {}
            }
        }
    }
    let mut words = rest.split_whitespace();
    raw.urls.extend(words.next());
    raw.suites.extend(words.next());
    raw.components.extend(words);
    Ok(raw)
}

/// Reads a file of paragraphs (`.sources`).
pub(super) fn paragraphs(text: &str, file: &str, native: &str) -> Result<Read, String> {
    let mut read = Read::default();
    for paragraph in paragraphs_with_comments(text) {
        let paragraph = paragraph.map_err(|error| error.to_string())?;
        let value = |name| paragraph.get(name).unwrap_or_default();
        if paragraph.get("Enabled").is_some_and(|value| !is_yes(value)) {
            continue;
        }
        for name in ["Architectures-Add", "Architectures-Remove"] {
            if paragraph.get(name).is_some() {
                return Err(format!(
                    "the field {name} is not understood; write Architectures instead"
                ));
            }
        }
        let raw = Raw {
            types: words(value("Types")),
            urls: words(value("URIs")),
            suites: words(value("Suites")),
            components: words(value("Components")),
            architectures: words(value("Architectures")),
            signed_by: signed_by(&paragraph),
            trusted: is_yes(value("Trusted")),
        };
        raw.into_sources(file, native, &mut read)?;
    }
    Ok(read)
}

fn words(value: &str) -> Vec<&str> {
    let lines = value.lines().filter(|line| !line.starts_with('#'));
    lines
        .flat_map(|line| line.split([' ', '\t', ',']))
        .filter(|word| !word.is_empty())
        .collect()
}

fn signed_by(paragraph: &Paragraph<'_>) -> String {
    let value = paragraph.get("Signed-By").unwrap_or_default();
    if !value.contains("-----BEGIN") {
        return words(value).join(" ");
    }
    // An armored key: each line is indented by a blank, and an empty one is a dot.
    let lines = value.lines().filter(|line| !line.starts_with('#'));
    let lines = lines
        .map(|line| line.trim())
        .map(|line| if line == "." { "" } else { line });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

fn is_yes(value: &str) -> bool {
    ["yes", "true", "with", "on", "enable", "1"].contains(&value.to_ascii_lowercase().as_str())
}

impl Raw<'_> {
    fn into_sources(self, file: &str, native: &str, read: &mut Read) -> Result<(), String> {
        if !self.types.contains(&"deb") {
            return Ok(());
        }
        if self.urls.is_empty() || self.suites.is_empty() {
            return Err("an address or a suite is missing".into());
        }
        if self.trusted {
            return Err(format!(
                "{} is marked as trusted without a signature; that is not used here: give it a key (signed-by), or take it out",
                self.urls.join(" ")
            ));
        }
        for suite in &self.suites {
            let suite = suite.replace("$(ARCH)", native);
            if suite.ends_with('/') != self.components.is_empty() {
                return Err(format!(
                    "the suite {suite} needs components, or a slash at its end and none (a flat archive)"
                ));
            }
            for url in &self.urls {
                let Some(url) = usable(url, file, &mut read.notes)? else {
                    continue;
                };
                read.sources.push(Source {
                    url,
                    suite: suite.clone(),
                    components: self.components.iter().map(|c| (*c).to_owned()).collect(),
                    architectures: self.architectures.iter().map(|a| (*a).to_owned()).collect(),
                    keys: keys(&self.signed_by, file)?,
                    named_in: file.to_owned(),
                });
            }
        }
        Ok(())
    }
}

fn usable(url: &str, file: &str, notes: &mut Vec<String>) -> Result<Option<Url>, String> {
    let scheme = url.split(':').next().unwrap_or_default().to_ascii_lowercase();
    match scheme.as_str() {
        "http" | "https" => match Url::parse(url) {
            Ok(url) if url.has_host() => Ok(Some(with_slash(url))),
            _ => Err(format!("`{url}` is not an address")),
        },
        "cdrom" | "file" | "copy" | "rsh" | "ssh" | "blob" => {
            notes.push(format!(
                "{file}: {url} was passed over: only http and https archives are asked"
            ));
            Ok(None)
        }
        _ => Err(format!(
            "archives of the kind `{scheme}:` are not understood; name one with http or https in the image, or set a mirror"
        )),
    }
}

fn keys(signed_by: &str, file: &str) -> Result<SignedBy, String> {
    let mut keys = SignedBy::default();
    if signed_by.contains(BEGIN_KEY) {
        keys.files.push(KeyFile {
            name: format!("{file} (Signed-By)"),
            bytes: Some(signed_by.as_bytes().to_vec()),
        });
        return Ok(keys);
    }
    for word in signed_by.split_whitespace() {
        let digits = word.trim_end_matches('!');
        if word.starts_with('/') {
            let (name, bytes) = (word.to_owned(), None);
            keys.files.push(KeyFile { name, bytes });
        } else if digits.len() >= 40 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            keys.fingerprints.push(word.to_ascii_uppercase());
        } else {
            return Err(format!(
                "`{word}` in Signed-By is neither an absolute path nor a fingerprint of 40 digits"
            ));
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(read: &Read) -> Vec<String> {
        let one = |s: &Source| {
            let files: Vec<_> = s.keys.files.iter().map(|f| f.name.as_str()).collect();
            let lists = [&s.components, &s.architectures, &s.keys.fingerprints].map(|list| list.join(","));
            format!("{} {} {} {}", s.url, s.suite, lists.join(" "), files.join(","))
                .trim_end()
                .to_owned()
        };
        read.sources.iter().map(one).collect()
    }

    #[test]
    fn one_line_entries_are_read() {
        let text = "# a comment\n\ndeb http://a.example.org/debian trixie main contrib # more\n\
                    deb-src http://a.example.org/debian trixie main\n\
                    deb [ arch=arm64,armhf signed-by=/k.gpg,/l.asc lang=none ] https://b.example.org trixie-updates main\n\
                    deb http://c.example.org/x $(ARCH)/\ndeb cdrom:[Debian]/ trixie main\n";
        let read = one_line(text, "f", "arm64").unwrap();
        assert_eq!(
            shown(&read),
            [
                "http://a.example.org/debian/ trixie main,contrib",
                "https://b.example.org/ trixie-updates main arm64,armhf  /k.gpg,/l.asc",
                "http://c.example.org/x/ arm64/",
            ]
        );
        assert!(read.sources[2].is_flat());
        assert_eq!(read.notes.len(), 1);
    }

    #[test]
    fn paragraphs_are_read() {
        let print = "A".repeat(40);
        let text = format!(
            "Types: deb deb-src\nURIs: http://a.example.org http://b.example.org/x\nSuites: s1 s2\nComponents: main\n\
             Signed-By: /k.gpg\n {print}!\n\n# off\nEnabled: no\nTypes: deb\nURIs: mirror+file:/x\nSuites: s\nComponents: c\n\n\
             Types: deb-src\nURIs: x\nSuites: s\n"
        );
        let read = paragraphs(&text, "f", "arm64").unwrap();
        let want = format!("main  {print}! /k.gpg");
        assert_eq!(
            shown(&read),
            [
                format!("http://a.example.org/ s1 {want}"),
                format!("http://b.example.org/x/ s1 {want}"),
                format!("http://a.example.org/ s2 {want}"),
                format!("http://b.example.org/x/ s2 {want}"),
            ]
        );
        let text = format!(
            "Types: deb\nURIs: http://a.example.org\nSuites: s\nComponents: c\nSigned-By:\n {BEGIN_KEY}\n .\n mQ\n =x\n"
        );
        let read = paragraphs(&text, "f", "arm64").unwrap();
        let key = read.sources[0].keys.files[0].bytes.clone().unwrap();
        assert_eq!(String::from_utf8(key).unwrap(), format!("{BEGIN_KEY}\n\nmQ\n=x\n"));
    }

    #[test]
    fn what_is_refused_says_why() {
        for (text, want) in [
            ("deb [trusted=yes] http://a.example.org s c", "without a signature"),
            ("deb mirror+file:///etc/x s c", "`mirror+file:`"),
            ("deb tor+http://x s c", "`tor+http:`"),
            ("deb http:// s c", "is not an address"),
            ("deb http://a.example.org s", "needs components"),
            ("deb http://a.example.org s/ c", "needs components"),
            ("deb http://a.example.org", "is missing"),
            ("deb [arch=x http://a.example.org s c", "have no end"),
            ("deb [arch+=x] http://a.example.org s c", "arch="),
            (
                "deb [signed-by=k.gpg] http://a.example.org s c",
                "neither an absolute path",
            ),
            ("debs http://a.example.org s c", "neither `deb`"),
            ("deb", "it is not a source"),
        ] {
            let error = one_line(text, "f", "arm64").unwrap_err();
            assert!(error.starts_with("line 1: ") && error.contains(want), "{text}: {error}");
        }
        assert!(paragraphs("Types: deb\n", "f", "arm64").is_err());
        assert!(paragraphs("no paragraph", "f", "arm64").is_err());
    }
}
