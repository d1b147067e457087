//! Release files: the description of an archive, until when it is valid, and the files that it
//! signs.
//!
//! Format: the Debian wiki's RepositoryFormat; the checks are those of apt's metaindex.

use std::collections::HashMap;

use jiff::civil;

use super::control::{Paragraph, single};
use super::openpgp::FUTURE_SLACK;
use kraken_foundation::{Context, Error, Kind, Result, Sha256Hash};

/// A file that a Release file lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its size in bytes.
    pub size: u64,
    /// Its hash.
    pub sha256: Sha256Hash,
}

/// The fields of a Release file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Release {
    /// Who publishes it.
    pub origin: String,
    /// Another name for it.
    pub label: String,
    /// `stable`, `stable-security`, …; what apt's pins call the archive.
    pub suite: String,
    /// `trixie`, …
    pub codename: String,
    /// `13.8`, …
    pub version: String,
    /// When it was made, in seconds since 1970.
    pub date: u64,
    /// Until when it is valid, in seconds since 1970.
    pub valid_until: Option<u64>,
    /// Architectures.
    pub architectures: Vec<String>,
    /// Components.
    pub components: Vec<String>,
    /// Packages are taken from it only when they are requested.
    pub not_automatic: bool,
    /// Packages that were taken from it are upgraded from it.
    pub but_automatic_upgrades: bool,
    /// Its files are available by their hash.
    pub by_hash: bool,
    /// Packages for all architectures are in the index of each, too, so the index `all` need not be
    /// read.
    pub all_in_each: bool,
    pub(super) files: HashMap<String, Listed>,
}

impl Release {
    /// Reads the signed text.
    ///
    /// # Errors
    /// When it is not a paragraph, or a field is missing or has an impossible value.
    pub fn parse(text: &str) -> Result<Self> {
        let paragraph = single(text).quoted(|| "it cannot be read")?;
        let value = |field| paragraph.get(field).unwrap_or_default().to_owned();
        let words = |field| value(field).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let yes = |field| value(field) == "yes";
        let date = date_field(&paragraph, "Date")?.ok_or_else(|| bad_field("Date", "is missing"))?;
        Ok(Self {
            origin: value("Origin"),
            label: value("Label"),
            suite: value("Suite"),
            codename: value("Codename"),
            version: value("Version"),
            date,
            valid_until: date_field(&paragraph, "Valid-Until")?,
            architectures: words("Architectures"),
            components: words("Components"),
            not_automatic: yes("NotAutomatic"),
            but_automatic_upgrades: yes("ButAutomaticUpgrades"),
            by_hash: yes("Acquire-By-Hash"),
            all_in_each: words("No-Support-for-Architecture-all").iter().any(|w| w == "Packages"),
            files: files(&paragraph)?,
        })
    }

    /// Returns a listed file, by its path relative to the Release file.
    pub fn file(&self, path: &str) -> Option<Listed> {
        self.files.get(path).copied()
    }

    /// Checks the dates against `now` (seconds since 1970; ten seconds of tolerance, as in apt) and
    /// that it is the suite of the source.
    ///
    /// # Errors
    /// When it is dated in the future, has expired, or is of another suite.
    pub fn check(&self, asked: &str, now: u64) -> Result<()> {
        if self.date > now.saturating_add(FUTURE_SLACK) {
            return Err(future(&shown(self.date)));
        }
        if let Some(until) = self.valid_until.filter(|until| *until < now) {
            return Err(expired(&shown(until)));
        }
        self.check_suite(asked)
    }

    /// Checks the suite. A source may name the suite or the code name, either with more behind a
    /// slash (`trixie/updates`), or nothing (`./`).
    fn check_suite(&self, asked: &str) -> Result<()> {
        let asked = asked.trim_end_matches('/');
        if (self.suite.is_empty() && self.codename.is_empty()) || asked.is_empty() || asked.starts_with('.') {
            return Ok(());
        }
        let first = asked.split('/').next().unwrap_or(asked);
        if [&self.suite, &self.codename]
            .iter()
            .any(|name| **name == asked || **name == first)
        {
            return Ok(());
        }
        let text = format!(
            "it is of the suite {} (code name {}), and {asked} was asked for; check the apt sources and the mirror",
            self.suite, self.codename
        );
        Err(Error::new(Kind::Damaged, text))
    }
}

fn shown(seconds: u64) -> String {
    let time = i64::try_from(seconds)
        .ok()
        .and_then(|s| jiff::Timestamp::from_second(s).ok());
    time.map_or_else(|| format!("{seconds} seconds after 1970"), |time| time.to_string())
}

fn files(paragraph: &Paragraph<'_>) -> Result<HashMap<String, Listed>> {
    let field = "SHA256";
    let Some(list) = paragraph.get(field) else {
        let why = "is missing: an archive that vouches for its files with weaker hashes only is not used";
        return Err(bad_field(field, why));
    };
    let mut files = HashMap::new();
    for line in list.lines().filter(|line| !line.trim().is_empty()) {
        let mut words = line.split_whitespace();
        let listed = (|| {
            let sha256 = Sha256Hash::parse_any_case(words.next()?).ok()?;
            let size = words.next()?.parse().ok()?;
            let path = words.next()?.to_owned();
            words.next().is_none().then_some((path, Listed { size, sha256 }))
        })();
        let Some((path, listed)) = listed else {
            let why = "has a line that is not a hash, size and path";
            return Err(bad_field(field, why));
        };
        if files.insert(path, listed).is_some_and(|other| other != listed) {
            let why = "vouches for two different files of the same path";
            return Err(bad_field(field, why));
        }
    }
    Ok(files)
}

fn bad_field(field: &str, why: &str) -> Error {
    Error::new(Kind::Damaged, format!("its field {field} {why}"))
}

fn future(date: &str) -> Error {
    let text = format!("it is dated {date}, which is in the future; check this machine's clock");
    Error::new(Kind::Damaged, text)
}

fn expired(until: &str) -> Error {
    let text = format!(
        "it was valid until {until} and has expired: the mirror is out of date, or an attacker shows an old one; check this machine's clock, or take another mirror"
    );
    Error::new(Kind::Damaged, text)
}

fn date_field(paragraph: &Paragraph<'_>, field: &str) -> Result<Option<u64>> {
    let Some(text) = paragraph.get(field) else {
        return Ok(None);
    };
    match date(text) {
        Some(seconds) => Ok(Some(seconds)),
        None => Err(bad_field(field, "is not a date (Sat, 21 Nov 2026 09:15:44 UTC)")),
    }
}

/// Parses `Sat, 21 Nov 2026 09:15:44 UTC`, also with `GMT`, `Z` or `+0000`, as in RFC 2822 and apt.
fn date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let text = text.split_once(',').map_or(text, |(_, rest)| rest);
    let words: Vec<&str> = text.split_whitespace().collect();
    let [day, month, year, time, zone] = words[..] else {
        return None;
    };
    if !["UTC", "GMT", "Z", "+0000"].contains(&zone) {
        return None;
    }
    let month = i8::try_from(MONTHS.iter().position(|name| *name == month)?).ok()? + 1;
    let parts: Vec<i8> = time.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [hour, minute, second] = parts[..] else {
        return None;
    };
    let date = civil::DateTime::new(year.parse().ok()?, month, day.parse().ok()?, hour, minute, second, 0).ok()?;
    let seconds = jiff::tz::Offset::UTC.to_timestamp(date).ok()?.as_second();
    seconds.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn text(more: &str) -> String {
        format!(
            "Origin: Debian\nSuite: stable\nCodename: trixie\nDate: Sat, 21 Nov 2026 09:15:44 UTC\nAcquire-By-Hash: yes\n\
             No-Support-for-Architecture-all: Packages\n{more}SHA256:\n {HASH}        0 main/binary-arm64/Packages.xz\n"
        )
    }

    /// 2026-11-21 09:15:44
    const DATE: u64 = 1_795_252_544;

    #[test]
    fn fields_are_read() {
        let release = Release::parse(&text(
            "Valid-Until: Sat, 28 Nov 2026 09:15:44 +0000\nNotAutomatic: yes\n",
        ))
        .unwrap();
        assert_eq!((release.date, release.valid_until), (DATE, Some(DATE + 7 * 86400)));
        assert!(release.by_hash && release.all_in_each && release.not_automatic && !release.but_automatic_upgrades);
        assert_eq!(release.file("main/binary-arm64/Packages.xz").unwrap().size, 0);
        assert_eq!(release.file("main/binary-arm64/Packages"), None);
    }

    #[test]
    fn dates_and_suites_are_checked() {
        let release = Release::parse(&text("Valid-Until: Sat, 28 Nov 2026 09:15:44 UTC\n")).unwrap();
        let until = DATE + 7 * 86400;
        for (asked, now, want) in [
            ("trixie", DATE, ""),
            ("stable", until, ""),
            ("trixie/updates", DATE, ""),
            ("trixie", DATE - 10, ""),
            ("trixie", DATE - 11, "in the future"),
            ("trixie", until + 1, "has expired"),
            (
                "bookworm",
                DATE,
                "of the suite stable (code name trixie), and bookworm was asked for",
            ),
            ("trixie-security", DATE, "was asked for"),
        ] {
            let result = release
                .check(asked, now)
                .map_or_else(|e| e.to_string(), |()| String::new());
            assert!(
                result.contains(want) && result.is_empty() == want.is_empty(),
                "{asked} {now}: {result}"
            );
        }
    }

    #[test]
    fn what_is_no_release_is_an_error() {
        for (text, want) in [
            (text("").replace("Date:", "Data:"), "Date is missing"),
            (text("").replace("UTC", "CET"), "Date is not a date"),
            (text("").replace("21 Nov", "31 Nov"), "Date is not a date"),
            (text("").replace("SHA256:", "MD5Sum:"), "SHA256 is missing"),
            (text("X: y\n").replace(" 0 main", " main"), "not a hash, size and path"),
            (
                text("") + &format!(" {HASH} 1 main/binary-arm64/Packages.xz\n"),
                "two different files",
            ),
            (text("") + "\nOrigin: x\n", "more than one paragraph"),
        ] {
            let error = Release::parse(&text).unwrap_err().to_string();
            assert!(error.contains(want), "{want}: {error}");
        }
    }
}
