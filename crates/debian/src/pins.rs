//! apt's preferences (apt_preferences(5)): which version of a package is wanted, by where it comes
//! from.

use super::control::paragraphs_with_comments;
use super::release::Release;

/// One record of a preferences file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pin {
    /// Names, with `*`, `?` and `[…]`, an architecture behind a colon; `*` alone means archives as
    /// a whole.
    packages: Vec<String>,
    what: What,
    /// The priority; `never` is the smallest.
    pub(super) priority: i32,
}

/// What a pin refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Version(String),
    /// All of them must hold; empty means any release.
    Release(Vec<Condition>),
    /// The host of the archive.
    Origin(String),
}

/// A condition on the release of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Condition {
    /// The field of the release, as in apt_preferences(5): `v`, `o`, `a`, `n`, `l`, `c` or `b`; or
    /// `r`, which is the suite or the code name.
    letter: char,
    pattern: String,
}

/// The archive that a version comes from, from the view of pins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) release: &'a Release,
    pub(super) component: &'a str,
    pub(super) architecture: &'a str,
    pub(super) host: &'a str,
}

/// Reads a preferences file.
pub(super) fn pins(text: &str) -> Result<Vec<Pin>, String> {
    let mut pins = Vec::new();
    for paragraph in paragraphs_with_comments(text) {
        let paragraph = paragraph.map_err(|error| error.to_string())?;
        let packages = paragraph.get("Package").ok_or("a record has no field Package")?;
        let Some(pin) = paragraph.get("Pin") else { continue };
        let priority = match paragraph.get("Pin-Priority").unwrap_or_default() {
            "never" => i32::from(i16::MIN),
            number => match number.parse::<i16>() {
                Ok(number) if number != 0 => i32::from(number).max(i32::from(i16::MIN) + 1),
                _ => {
                    return Err(format!(
                        "`{number}` is not a priority (a number from -32768 to 32767, not 0)"
                    ));
                }
            },
        };
        let (kind, rest) = pin.split_once(char::is_whitespace).unwrap_or((pin, ""));
        let rest = rest.trim();
        let what = match kind.to_ascii_lowercase().as_str() {
            "version" => What::Version(rest.to_owned()),
            "release" => What::Release(conditions(rest)?),
            "origin" => What::Origin(rest.trim_matches('"').to_owned()),
            other => return Err(format!("`{other}` is not a kind of pin (version, release, origin)")),
        };
        let packages: Vec<String> = packages.split_whitespace().map(str::to_owned).collect();
        if let Some(name) = packages
            .iter()
            .find(|name| name.starts_with('/') || name.starts_with("src:"))
        {
            return Err(format!(
                "`{name}`: regular expressions and source packages are not understood in pins; write the names"
            ));
        }
        pins.push(Pin {
            packages,
            what,
            priority,
        });
    }
    Ok(pins)
}

/// Parses what follows `release` in a pin.
fn conditions(text: &str) -> Result<Vec<Condition>, String> {
    if text == "*" {
        return Ok(Vec::new());
    }
    if !text.contains('=') {
        // A version of a release, or its suite or code name.
        let letter = if text.starts_with(|c: char| c.is_ascii_digit()) {
            'v'
        } else {
            'r'
        };
        let pattern = text.to_owned();
        return Ok(vec![Condition { letter, pattern }]);
    }
    let mut found = Vec::new();
    for part in text.split(',') {
        match part.trim().split_once('=') {
            Some((letter, value)) if letter.len() == 1 && "voanlcb".contains(letter) => {
                found.extend(letter.chars().map(|letter| Condition {
                    letter,
                    pattern: value.to_owned(),
                }));
            }
            _ => {
                return Err(format!(
                    "`{}` is not a condition on a release (v= o= a= n= l= c= b=)",
                    part.trim()
                ));
            }
        }
    }
    Ok(found)
}

impl Pin {
    /// Whether it refers to archives, not packages.
    pub(super) fn is_general(&self) -> bool {
        self.packages.iter().any(|name| name == "*")
    }

    /// Whether it names this package; without an architecture it means the image's own.
    pub(super) fn names(&self, name: &str, architecture: &str, native: &str) -> bool {
        self.packages.iter().filter(|pattern| *pattern != "*").any(|pattern| {
            let (pattern, arch) = pattern.rsplit_once(':').unwrap_or((pattern, native));
            matches(pattern, name)
                && (arch == "any" || (arch == "native" && architecture == native) || arch == architecture)
        })
    }

    /// Whether it refers to this version from any of these places. dpkg's own status is a place,
    /// too: that of the archive `now`.
    pub(super) fn means<'a>(
        &self,
        version: &str,
        installed: bool,
        mut places: impl Iterator<Item = Place<'a>>,
    ) -> bool {
        match &self.what {
            What::Version(pattern) => matches(pattern, version),
            _ => places.any(|place| self.means_place(&place)) || (installed && self.means_now()),
        }
    }

    /// Whether it refers to this archive.
    pub(super) fn means_place(&self, place: &Place<'_>) -> bool {
        let release = place.release;
        match &self.what {
            What::Version(_) => false,
            What::Origin(host) => matches(host, place.host),
            What::Release(conditions) => conditions.iter().all(|Condition { letter, pattern }| match letter {
                'v' => matches(pattern, &release.version),
                'o' => matches(pattern, &release.origin),
                'a' => matches(pattern, &release.suite),
                'n' => matches(pattern, &release.codename),
                'r' => matches(pattern, &release.suite) || matches(pattern, &release.codename),
                'l' => matches(pattern, &release.label),
                'c' => matches(pattern, place.component),
                _ => matches(pattern, place.architecture),
            }),
        }
    }

    /// Whether it refers to installed packages.
    pub(super) fn means_now(&self) -> bool {
        match &self.what {
            What::Release(conditions) => conditions
                .iter()
                .all(|condition| "ar".contains(condition.letter) && matches(&condition.pattern, "now")),
            _ => false,
        }
    }
}

/// fnmatch(3) with `*`, `?` and `[…]`, whatever the case, in time that grows with the product of
/// the two lengths.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let (mut p, mut t) = (0, 0);
    // The place of the last star, and the end of what it has matched.
    let mut star = None;
    while t < text.len() {
        match one(&pattern[p..], text[t]) {
            Some(_) if pattern[p] == '*' => {
                star = Some((p, t));
                p += 1;
                continue;
            }
            Some(length) => {
                p += length;
                t += 1;
                continue;
            }
            None => {}
        }
        let Some((at, eaten)) = star else { return false };
        star = Some((at, eaten + 1));
        p = at + 1;
        t = eaten + 1;
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Returns how many characters of the pattern match this character.
fn one(pattern: &[char], c: char) -> Option<usize> {
    match pattern {
        [] => None,
        ['*', ..] | ['?', ..] => Some(1),
        ['[', rest @ ..] => {
            let negated = matches!(rest, ['!' | '^', ..]);
            let set = if negated { &rest[1..] } else { rest };
            let Some(end) = set.iter().skip(1).position(|c| *c == ']').map(|end| end + 1) else {
                return (c == '[').then_some(1);
            };
            let mut inside = false;
            let mut at = 0;
            while at < end {
                if at + 2 < end && set[at + 1] == '-' {
                    inside |= (set[at]..=set[at + 2]).contains(&c);
                    at += 3;
                } else {
                    inside |= set[at] == c;
                    at += 1;
                }
            }
            (inside != negated).then_some(end + 2 + usize::from(negated))
        }
        [first, ..] => (*first == c).then_some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_fnmatch_does() {
        for (pattern, text, want) in [
            ("docker*", "docker.io", true),
            ("*", "", true),
            ("*.io", "docker.io", true),
            ("d?cker", "docker", true),
            ("d[a-o]cker", "Docker", true),
            ("d[!a-o]cker", "docker", false),
            ("[", "[", true),
            ("[]x]y", "]y", true),
            ("5:28.*", "5:28.5.2-1", true),
            ("a", "ab", false),
            ("ab", "a", false),
            ("*a*a*a*a*a*a*a*b", &"a".repeat(5000), false),
        ] {
            assert_eq!(matches(pattern, text), want, "{pattern} {text}");
        }
    }

    #[test]
    fn records_are_read_and_mean_what_they_say() {
        let text = "# x\nPackage: *\nPin: release a=stable-backports, o=Debian\nPin-Priority: 600\n\n\
                    Package: docker* containerd:any\nPin: version 5:28.*\nPin-Priority: 1001\n\n\
                    Package: *\nPin: origin \"example.org\"\nPin-Priority: never\n\nPackage: x\nPin: release trixie\nPin-Priority: -1\n";
        let pins = pins(text).unwrap();
        let release = Release {
            suite: "stable-backports".into(),
            codename: "trixie-backports".into(),
            origin: "Debian".into(),
            ..Release::default()
        };
        let place = Place {
            release: &release,
            component: "main",
            architecture: "arm64",
            host: "example.org",
        };
        assert_eq!(
            pins.iter().map(|pin| pin.priority).collect::<Vec<_>>(),
            [600, 1001, -32768, -1]
        );
        assert!(pins[0].is_general() && pins[0].means_place(&place) && !pins[0].means_now());
        assert!(pins[1].names("docker.io", "arm64", "arm64") && !pins[1].names("docker.io", "armhf", "arm64"));
        assert!(pins[1].names("containerd", "armhf", "arm64") && !pins[1].is_general());
        assert!(
            pins[1].means("5:28.1", false, std::iter::empty()) && !pins[1].means("5:29", false, std::iter::empty())
        );
        assert!(pins[2].means_place(&place) && !pins[3].means_place(&place));
    }

    #[test]
    fn what_is_no_preference_is_an_error() {
        for text in [
            "Pin: version 1\nPin-Priority: 1\n",
            "Package: a\nPin: version 1\n",
            "Package: a\nPin: version 1\nPin-Priority: 0\n",
            "Package: a\nPin: version 1\nPin-Priority: 40000\n",
            "Package: a\nPin: vision 1\nPin-Priority: 1\n",
            "Package: a\nPin: release x=1\nPin-Priority: 1\n",
            "Package: /a.*/\nPin: version 1\nPin-Priority: 1\n",
        ] {
            assert!(pins(text).is_err(), "{text}");
        }
    }
}
