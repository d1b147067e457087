//! Debian's versions and their order (deb-version(7), lib/dpkg/version.c).
//!
//! We have some sixty lines of our own: the library for it depends on a date library, big numbers
//! and regular expressions, and one index needs a hundred thousand comparisons.

use std::cmp::Ordering;
use std::fmt;

/// A version: `[epoch:]upstream[-revision]`. Its order is dpkg's; two texts that dpkg considers the
/// same version are equal.
#[derive(Clone, Debug)]
pub struct Version(String);

impl Version {
    /// Accepts any text: dpkg, too, compares versions that it would reject in an upload.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parts(&self) -> Parts<'_> {
        let (epoch, rest) = match self.0.split_once(':') {
            Some((epoch, rest)) => match epoch.trim().parse() {
                Ok(epoch) => (epoch, rest),
                Err(_) => (0, self.0.as_str()),
            },
            None => (0, self.0.as_str()),
        };
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        Parts {
            epoch,
            upstream,
            revision,
        }
    }
}

/// The parts of a version, of which the first one that differs decides the order.
struct Parts<'a> {
    epoch: u64,
    upstream: &'a str,
    revision: &'a str,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (self.parts(), other.parts());
        a.epoch
            .cmp(&b.epoch)
            .then_with(|| compare(a.upstream.as_bytes(), b.upstream.as_bytes()))
            .then_with(|| compare(a.revision.as_bytes(), b.revision.as_bytes()))
    }
}

/// Returns the weight of a character between digits: `~` before the end, the end before letters,
/// letters before all else.
fn weight(byte: Option<u8>) -> i32 {
    match byte {
        Some(b'~') => -1,
        None => 0,
        Some(byte) if byte.is_ascii_digit() => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(byte),
        Some(byte) => i32::from(byte) + 256,
    }
}

fn compare(mut a: &[u8], mut b: &[u8]) -> Ordering {
    let digit = |text: &[u8]| text.first().is_some_and(u8::is_ascii_digit);
    while !a.is_empty() || !b.is_empty() {
        while (!a.is_empty() && !digit(a)) || (!b.is_empty() && !digit(b)) {
            let order = weight(a.first().copied()).cmp(&weight(b.first().copied()));
            if order != Ordering::Equal {
                return order;
            }
            a = a.get(1..).unwrap_or_default();
            b = b.get(1..).unwrap_or_default();
        }
        let (first, second) = (number(&mut a), number(&mut b));
        // Without leading zeros the longer number is the larger one, however long.
        let order = first.len().cmp(&second.len()).then_with(|| first.cmp(second));
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// Removes the digits at the beginning and returns them without leading zeros.
fn number<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    let zeros = digits.iter().position(|byte| *byte != b'0').unwrap_or(digits.len());
    &digits[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From a smaller one to a larger one, in each line.
    const ASCENDING: &[&[&str]] = &[
        &[
            "1.0~~", "1.0~~a", "1.0~", "1.0", "1.0-1", "1.0a", "1.0+b", "1.1", "1.10", "1:0.1", "2:0",
        ],
        &["0", "00.1", "0.2"],
        &[
            "26.1.5+dfsg1-9",
            "26.1.5+dfsg1-9+b1",
            "26.1.5+dfsg1-9+b10",
            "5:28.5.2-1~debian.13~trixie",
        ],
        &[
            "1-1",
            "1-1-1",
            "1.99999999999999999999999999",
            "1.100000000000000000000000000",
        ],
    ];

    #[test]
    fn the_order_is_that_of_dpkg() {
        for line in ASCENDING {
            for (index, small) in line.iter().enumerate() {
                for large in &line[index + 1..] {
                    let (a, b) = (Version::new(*small), Version::new(*large));
                    assert_eq!(a.cmp(&b), Ordering::Less, "{small} is not before {large}");
                    assert_eq!(b.cmp(&a), Ordering::Greater, "{large} is not after {small}");
                }
            }
        }
        for (a, b) in [("1.0", "1.00"), ("0:1", "1"), ("1", "1-"), ("1-0", "1")] {
            assert_eq!(Version::new(a), Version::new(b), "{a} {b}");
        }
    }
}
