//! Checks names: hosts, users, groups, packages, time zones, locales, labels. Each check returns
//! why a name is refused and what to write instead.

use std::borrow::Cow;

use kraken_foundation::{Error, Kind, Result};

use super::system_names;

/// The result of a check of one value. Its error is a clause that says why the value is refused
/// (`it has a space`), with a sentence that says what to write instead as its help.
pub(super) type Check<T = ()> = Result<T>;

/// Refuses a value.
pub(super) fn wrong<T>(why: impl Into<Cow<'static, str>>, help: impl Into<Cow<'static, str>>) -> Check<T> {
    Err(Error::new(Kind::Usage, why).with_help(help))
}

/// What to write instead of a value that was refused.
pub(super) fn help_of(error: &Error) -> String {
    error.help().unwrap_or_default().to_owned()
}

/// Longest label of a host name (RFC 1123 section 2.1, RFC 1035 section 2.3.4).
pub(super) const LONGEST_LABEL: usize = 63;

/// Checks a host name: one RFC 1123 label. Upper case is refused, not converted: the node is called
/// exactly what the user wrote.
pub(super) fn hostname(text: &str) -> Check {
    let help = format!("write for example \"{}\"", as_label(text));
    if text.contains('.') {
        return wrong(
            "a host name has no dots",
            format!(
                "{}; the domain goes into `search` in [network]",
                help.split('.').next().unwrap_or_default()
            ),
        );
    }
    if let Err(why) = label(text) {
        return wrong(why, help);
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return wrong(
            "a name of digits only is read as an address",
            format!("write for example \"node-{text}\""),
        );
    }
    if text == "localhost" {
        return wrong("every machine calls itself `localhost`", "choose another name");
    }
    Ok(())
}

/// Checks a domain: RFC 1123 labels with dots between them.
pub(super) fn domain(text: &str) -> Check {
    let help = "write a domain, for example \"home.arpa\"";
    if text.len() > 253 {
        return wrong("it is longer than 253 characters", help);
    }
    text.split('.').try_for_each(label).or_else(|why| wrong(why, help))
}

/// Checks one label of a host name, in lower case.
fn label(text: &str) -> Result<(), &'static str> {
    let bytes = text.as_bytes();
    let inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
    match (bytes.first(), bytes.last()) {
        (None, _) | (_, None) => Err("it is empty"),
        _ if bytes.len() > LONGEST_LABEL => Err("it is longer than 63 characters"),
        _ if bytes.iter().any(u8::is_ascii_uppercase) => Err("it has capital letters"),
        _ if !bytes.iter().all(inner) => Err("only the letters a to z, digits and hyphens can be in it (RFC 1123)"),
        (Some(b'-'), _) | (_, Some(b'-')) => Err("it begins or ends with a hyphen"),
        _ => Ok(()),
    }
}

/// Returns a valid label that is as close to `text` as possible.
fn as_label(text: &str) -> String {
    let near: String = text
        .split('.')
        .next()
        .unwrap_or_default()
        .chars()
        .take(LONGEST_LABEL)
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect();
    match near.trim_matches('-') {
        "" => "kraken-1".to_owned(),
        near => near.to_owned(),
    }
}

/// Checks an account: `[a-z][a-z0-9-]*`, at most 32 characters (the rule of Raspberry Pi OS's
/// userconf-pi).
pub(super) fn user(text: &str) -> Check {
    let help = "write lower-case letters, digits and hyphens, a letter first, for example \"kraken\"";
    if text.is_empty() || text.len() > 32 {
        return wrong("a user name has 1 to 32 characters", help);
    }
    let good = text
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !good || !text.starts_with(|c: char| c.is_ascii_lowercase()) {
        return wrong("only a to z, 0 to 9 and hyphens can be in it, a letter first", help);
    }
    if system_names::is_taken(text) {
        return wrong(
            "the system has an account or a group of that name",
            "choose another name, for example \"kraken\"",
        );
    }
    Ok(())
}

/// Checks a group: adduser's default rule, at most 32 characters.
pub(super) fn group(text: &str) -> Check {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    let first = |c: char| c.is_ascii_lowercase() || c == '_';
    if (1..=32).contains(&text.len()) && text.bytes().all(good) && text.starts_with(first) {
        return Ok(());
    }
    wrong(
        "a group has 1 to 32 lower-case letters, digits, hyphens and underscores",
        "write for example \"docker\"",
    )
}

/// Checks a package: Debian Policy section 5.6.1.
pub(super) fn package(text: &str) -> Check {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.');
    let first = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if (2..=100).contains(&text.len()) && text.bytes().all(good) && text.starts_with(first) {
        return Ok(());
    }
    wrong(
        "a package name has lower-case letters, digits, plus, minus and dots",
        "write the name alone, without version or architecture, for example \"htop\"",
    )
}

/// Checks a package to bake in: `NAME` or `NAME=VERSION` (deb-version(7)).
pub(super) fn baked_package(text: &str) -> Check {
    let (name, version) = text.split_once('=').unwrap_or((text, "1"));
    let good = |b: u8| b.is_ascii_alphanumeric() || b".+-:~".contains(&b);
    if version.is_empty() || version.len() > 200 || !version.bytes().all(good) {
        return wrong(
            "this is not a version of a package",
            "write the name alone, for example \"htop\", or with the whole version, for example \"htop=3.4.1-5\"",
        );
    }
    package(name)
}

/// Checks a name of the time-zone database, by its shape (the database itself is in the image).
pub(super) fn timezone(text: &str) -> Check {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'+' | b'-');
    let part = |part: &str| !part.is_empty() && part.bytes().all(good) && !part.starts_with(['-', '+']);
    if text.len() <= 64 && text.split('/').count() <= 3 && text.split('/').all(part) {
        return Ok(());
    }
    wrong(
        "this is not the name of a time zone",
        "write for example \"Europe/Berlin\"; `timedatectl list-timezones` lists them",
    )
}

/// Checks a locale with the charset UTF-8: `C.UTF-8`, `en_GB.UTF-8`, `ca_ES.UTF-8@valencia`.
pub(super) fn locale(text: &str) -> Check {
    let (name, modifier) = text
        .split_once('@')
        .map_or((text, None), |(name, modifier)| (name, Some(modifier)));
    let (place, charset) = name.split_once('.').unwrap_or((name, ""));
    let language_ok = match place.split_once('_') {
        None => place == "C" || is_word(place, 2..=3, u8::is_ascii_lowercase),
        Some((language, country)) => {
            is_word(language, 2..=3, u8::is_ascii_lowercase) && is_word(country, 2..=2, u8::is_ascii_uppercase)
        }
    };
    let modifier_ok = modifier.is_none_or(|modifier| is_word(modifier, 1..=16, u8::is_ascii_alphanumeric));
    if !language_ok || !modifier_ok {
        return wrong(
            "this is not the name of a locale",
            "write for example \"en_GB.UTF-8\", or \"C.UTF-8\"",
        );
    }
    if charset != "UTF-8" {
        return wrong("only UTF-8 locales are made", format!("write \"{place}.UTF-8\""));
    }
    Ok(())
}

fn is_word(text: &str, length: std::ops::RangeInclusive<usize>, good: impl Fn(&u8) -> bool) -> bool {
    length.contains(&text.len()) && text.as_bytes().iter().all(good)
}

/// Checks the key of a swarm node label, in the form that Docker recommends for labels.
pub(super) fn label_key(text: &str) -> Check {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'/');
    let edge = |c: char| c.is_ascii_alphanumeric();
    if (1..=128).contains(&text.len()) && text.bytes().all(good) && text.starts_with(edge) && text.ends_with(edge) {
        return Ok(());
    }
    wrong(
        "the key of a label has letters, digits, dots, hyphens, underscores and slashes, at most 128",
        "write for example { disk = \"ssd\" }",
    )
}

/// Checks the value of a swarm node label.
pub(super) fn label_value(text: &str) -> Check {
    if text.len() <= 256 && !text.chars().any(char::is_control) {
        return Ok(());
    }
    wrong(
        "the value of a label has at most 256 bytes and no control characters",
        "write for example { disk = \"ssd\" }",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A check, with texts that it must accept and texts that it must refuse.
    type Case<'a> = (&'a str, fn(&str) -> Check, &'a [&'a str], &'a [&'a str]);

    #[test]
    fn good_names_are_taken_and_bad_ones_refused() {
        let cases: &[Case<'_>] = &[
            (
                "hostname",
                hostname,
                &["a", "kraken-1", "1a", "a--b"],
                &[
                    "",
                    "-a",
                    "a-",
                    "A",
                    "a_b",
                    "a.b",
                    "ä",
                    "12",
                    "localhost",
                    "a b",
                    "a\n",
                    "a\"b",
                ],
            ),
            (
                "domain",
                domain,
                &["lan", "home.arpa"],
                &["", ".", "a.", "a..b", "A.b", "a b"],
            ),
            (
                "user",
                user,
                &["kraken", "a", "pi-2"],
                &[
                    "", "root", "1a", "-a", "a_b", "A", "docker", "kvm", "render", "crontab", "a:b", "a\n",
                ],
            ),
            ("group", group, &["sudo", "_x", "a-b"], &["", "A", "1a", "a:b", "a,b"]),
            (
                "package",
                package,
                &["htop", "g++", "0ad"],
                &["", "a", "A", "-o", "a b", "a=1", "a;b"],
            ),
            (
                "timezone",
                timezone,
                &["UTC", "Etc/GMT+1", "America/Argentina/Buenos_Aires"],
                &[
                    "",
                    "/",
                    "../etc/passwd",
                    "/etc/x",
                    "a//b",
                    "Europe/Ber lin",
                    "a/b/c/d",
                    "-x",
                ],
            ),
            (
                "locale",
                locale,
                &["C.UTF-8", "en_GB.UTF-8", "eo.UTF-8", "ca_ES.UTF-8@valencia"],
                &[
                    "",
                    "C",
                    "en_GB",
                    "en_GB.utf8",
                    "en_gb.UTF-8",
                    "x.UTF-8",
                    "en_GB.UTF-8@",
                    "de_DE.UTF-8\"",
                ],
            ),
            (
                "label key",
                label_key,
                &["disk", "org.a/b-c"],
                &["", "-a", "a-", "a b", "a=b"],
            ),
            ("label value", label_value, &["", "ssd", "a: \"b\""], &["a\nb"]),
        ];
        for (what, check, good, bad) in cases {
            for text in *good {
                assert!(check(text).is_ok(), "{what} {text:?}");
            }
            for text in *bad {
                assert!(check(text).is_err(), "{what} {text:?} was taken");
            }
        }
    }

    #[test]
    fn lengths_are_bounded() {
        assert!(hostname(&"a".repeat(63)).is_ok());
        assert!(hostname(&"a".repeat(64)).is_err());
        assert!(user(&"a".repeat(32)).is_ok());
        assert!(user(&"a".repeat(33)).is_err());
        assert!(timezone(&"a".repeat(65)).is_err());
    }

    #[test]
    fn the_help_for_a_host_name_is_a_good_host_name() {
        for given in ["Kraken_1", "-x-", "ä", "", "a.example.org", "A.B", "UPPER", "#"] {
            let help = help_of(&hostname(given).unwrap_err());
            let offered = help.split('"').nth(1).unwrap();
            assert!(hostname(offered).is_ok(), "{given:?} → {help}");
        }
    }
}
