//! Relations between packages: `a (>= 1) | b:any, c [arm64]` in Depends, Breaks, Provides and
//! similar fields (deb-control(5)).

use std::cmp::Ordering;
use std::fmt;

use super::version::Version;
use kraken_foundation::{Error, Kind, Result};

/// How a version must compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `<<`
    Earlier,
    /// `<=`, and `<` of old
    EarlierEqual,
    /// `=`
    Equal,
    /// `>=`, and `>` of old
    LaterEqual,
    /// `>>`
    Later,
}

impl Op {
    /// Whether `version` has this relation to `wanted`.
    pub fn holds(self, version: &str, wanted: &str) -> bool {
        let order = Version::new(version).cmp(&Version::new(wanted));
        match self {
            Self::Earlier => order == Ordering::Less,
            Self::EarlierEqual => order != Ordering::Greater,
            Self::Equal => order == Ordering::Equal,
            Self::LaterEqual => order != Ordering::Less,
            Self::Later => order == Ordering::Greater,
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Earlier => "<<",
            Self::EarlierEqual => "<=",
            Self::Equal => "=",
            Self::LaterEqual => ">=",
            Self::Later => ">>",
        })
    }
}

/// The versions that a relation accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRange<'a> {
    /// How an accepted version compares with `version`.
    pub op: Op,
    /// The version that others are compared with.
    pub version: &'a str,
}

impl VersionRange<'_> {
    /// Whether it accepts `version`.
    pub fn accepts(self, version: &str) -> bool {
        self.op.holds(version, self.version)
    }
}

impl fmt::Display for VersionRange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.op, self.version)
    }
}

/// One package of a relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation<'a> {
    /// Its name.
    pub name: &'a str,
    /// What follows the name after a colon: `any`, `native` or an architecture.
    pub arch: Option<&'a str>,
    /// The accepted versions; `None` accepts any.
    pub version: Option<VersionRange<'a>>,
}

impl fmt::Display for Relation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        if let Some(arch) = self.arch {
            write!(f, ":{arch}")?;
        }
        match self.version {
            Some(range) => write!(f, " ({range})"),
            None => Ok(()),
        }
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text.to_owned(),
    }
}

/// Reads a field: groups, all of which are required, of alternatives, one of which is enough.
/// Alternatives that are restricted to other architectures than `arch`, or to build profiles (there
/// are none in an installed system), are left out.
///
/// # Errors
/// When a part of it is not in this grammar; the message names the part.
pub fn relations<'a>(field: &'a str, arch: &str) -> Result<Vec<Vec<Relation<'a>>>> {
    let mut groups = Vec::new();
    for group in field.split(',') {
        if group.trim().is_empty() {
            continue;
        }
        let mut alternatives = Vec::new();
        for part in group.split('|') {
            if let Some(relation) = relation(part.trim(), arch)? {
                alternatives.push(relation);
            }
        }
        if !alternatives.is_empty() {
            groups.push(alternatives);
        }
    }
    Ok(groups)
}

/// Returns the names in a field, as often as they occur, without architectures except `any`.
/// Nothing is checked.
pub(super) fn names(field: &str) -> impl Iterator<Item = &str> {
    field.split([',', '|']).filter_map(|part| {
        let part = part.trim_start();
        let end = part.find(|c: char| c.is_ascii_whitespace() || "([<".contains(c));
        let name = &part[..end.unwrap_or(part.len())];
        (!name.is_empty()).then_some(name)
    })
}

fn relation<'a>(part: &'a str, arch: &str) -> Result<Option<Relation<'a>>> {
    let wrong = |why: &str| Error::new(Kind::Damaged, format!("`{}`: {why}", short(part)));
    let end = part.find(|c: char| c.is_whitespace() || "([<".contains(c));
    let (name, mut rest) = part.split_at(end.unwrap_or(part.len()));
    let (name, qualifier) = match name.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier)),
        None => (name, None),
    };
    if !is_name(name) || qualifier.is_some_and(|q| !is_name(q)) {
        return Err(wrong("it begins with no package name"));
    }
    let mut found = Relation {
        name,
        arch: qualifier,
        version: None,
    };
    let mut applies = true;
    loop {
        rest = rest.trim_start();
        let Some(open) = rest.chars().next() else {
            return Ok(applies.then_some(found));
        };
        let close = match open {
            '(' if found.version.is_none() => ')',
            '[' => ']',
            '<' => '>',
            _ => return Err(wrong("something follows that has no meaning there")),
        };
        let Some(end) = rest.find(close) else {
            return Err(wrong("a bracket is not closed"));
        };
        let inside = &rest[1..end];
        rest = &rest[end + 1..];
        match open {
            '(' => found.version = Some(version(inside).ok_or_else(|| wrong("what stands in ( ) is not a version"))?),
            '[' => applies &= for_arch(inside, arch),
            // No profile is active: only a restriction without positive terms applies.
            _ => applies &= !inside.trim().is_empty() && inside.split_whitespace().all(|term| term.starts_with('!')),
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._".contains(&b))
}

/// Parses what stands in parentheses behind a name.
fn version(inside: &str) -> Option<VersionRange<'_>> {
    let inside = inside.trim();
    let end = inside.find(|c| !"<>=".contains(c))?;
    let (op, version) = inside.split_at(end);
    let op = match op {
        "<<" => Op::Earlier,
        "<=" | "<" => Op::EarlierEqual,
        "=" | "" => Op::Equal,
        ">=" | ">" => Op::LaterEqual,
        ">>" => Op::Later,
        _ => return None,
    };
    let version = version.trim();
    let good = !version.is_empty() && version.bytes().all(|b| b.is_ascii_graphic());
    good.then_some(VersionRange { op, version })
}

fn for_arch(list: &str, arch: &str) -> bool {
    let fits = |name: &str| name == arch || name == "any" || name == "linux-any" || name == format!("any-{arch}");
    let mut terms = list.split_whitespace().peekable();
    match terms.peek() {
        None => false,
        Some(first) if first.starts_with('!') => terms.all(|term| !fits(term.trim_start_matches('!'))),
        Some(_) => terms.any(fits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(field: &str) -> String {
        let groups = relations(field, "arm64").unwrap();
        let group = |group: &Vec<Relation<'_>>| group.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ");
        groups.iter().map(group).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn fields_are_read() {
        for (field, want) in [
            ("", ""),
            ("a", "a"),
            ("a,b", "a, b"),
            (
                " a ( >= 1.0~ ) |b:any,\n c(<<2:3-4),",
                "a (>= 1.0~) | b:any, c (<< 2:3-4)",
            ),
            ("a (< 1), b (> 2), c (1)", "a (<= 1), b (>= 2), c (= 1)"),
            ("a [arm64], b [!arm64], c [amd64 linux-any] | d [i386]", "a, c"),
            ("a <!nocheck>, b <nocheck>, c (= 1) [arm64] <!x !y>", "a, c (= 1)"),
            ("libstdc++6 (>= 13.1), a:arm64", "libstdc++6 (>= 13.1), a:arm64"),
        ] {
            assert_eq!(shown(field), want, "{field:?}");
        }
    }

    #[test]
    fn what_is_no_field_is_an_error() {
        for field in [
            "(= 1)",
            "a (= 1",
            "a b",
            "a (= )",
            "a (=> 1)",
            "a (= 1) (= 2)",
            "a | ",
            "a [x",
            "a ;rm",
            "a:",
            "é",
        ] {
            assert!(relations(field, "arm64").is_err(), "{field:?}");
        }
    }

    #[test]
    fn a_hundred_thousand_alternatives_are_read_in_no_time() {
        let field = "a (>= 1) | ".repeat(100_000) + "b";
        assert_eq!(relations(&field, "arm64").unwrap()[0].len(), 100_001);
        assert_eq!(names(&field).count(), 100_001);
    }

    #[test]
    fn versions_compare() {
        for (op, version, wanted, holds) in [
            (Op::Earlier, "1", "1", false),
            (Op::EarlierEqual, "1", "1~", false),
            (Op::Equal, "1", "0:1-0", true),
            (Op::LaterEqual, "1", "1~rc1", true),
            (Op::Later, "1", "1~rc1", true),
        ] {
            assert_eq!(op.holds(version, wanted), holds, "{version} {op} {wanted}");
        }
    }
}
