//! Values that are written as text: durations, sizes, processors, words, names.

/// The units of a duration, in nanoseconds.
const UNITS: [(&str, i64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads a duration as Go writes it, `1h2m3.5s`, in nanoseconds; `None` when it is not one, is
/// negative, or is too long.
pub(crate) fn duration(text: &str) -> Option<i64> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let number = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .filter(|&at| at > 0)?;
        let (number, after) = rest.split_at(number);
        let unit = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let &(_, unit) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && part.is_empty()) || part.contains('.') {
            return None;
        }
        let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        total = total
            .checked_add(whole.checked_mul(unit)?)?
            .checked_add(fraction(part, unit))?;
        rest = after;
    }
    Some(total)
}

/// Returns the part after the point of so many units, rounded down.
fn fraction(digits: &str, unit: i64) -> i64 {
    // No unit has more than 13 digits, so what follows the 18th changes nothing.
    let digits = digits.get(..18).unwrap_or(digits);
    let number: i128 = digits.parse().unwrap_or(0);
    let scale = 10_i128.pow(u32::try_from(digits.len()).unwrap_or(0));
    i64::try_from(number * i128::from(unit) / scale).unwrap_or(0)
}

/// Reads an amount of memory, `1.5G`, in bytes. Units are those of 1,024, in any case, with or
/// without `b` or `ib` (docker/go-units, `RAMInBytes`).
pub(crate) fn memory(text: &str) -> Option<i64> {
    let end = text.rfind(|c: char| c.is_ascii_digit() || c == '.')? + 1;
    let (number, unit) = text.split_at(end);
    let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase();
    let power = match unit.as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        "p" | "pb" | "pib" => 5,
        _ => return None,
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    // Docker before 28 does not take `.5`.
    if whole.is_empty() || !digits(whole) || !digits(part) {
        return None;
    }
    let scale = 1_i64.checked_shl(power * 10)?;
    let whole: i64 = whole.parse().ok()?;
    whole.checked_mul(scale)?.checked_add(fraction(part, scale))
}

/// Reads a number of processors, `0.5`, in billionths; `None` also when it is more precise.
pub(crate) fn cpus(text: &str) -> Option<i64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part = part.trim_end_matches('0');
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if text.is_empty() || text == "." || part.len() > 9 || !digits(whole) || !digits(part) {
        return None;
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    whole
        .checked_mul(1_000_000_000)?
        .checked_add(fraction(part, 1_000_000_000))
}

/// Splits a text into words as Docker does for `command` and `entrypoint`: quotes and backslashes
/// as in a shell, `#` at the beginning of a word begins a comment, nothing is expanded. `None` when
/// a quote is not closed.
pub(crate) fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '#' if word.is_none() => {
                chars.find(|&c| c == '\n');
            }
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => word.push(chars.next()?),
                        c => word.push(c),
                    }
                }
            }
            '\\' => {
                let c = chars.next()?;
                word.get_or_insert_default().push(c);
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

/// Whether swarmkit takes a text for the name of a service or a network: at most 63 letters,
/// digits, `-` and `_`, of which the first and the last are a letter or a digit.
pub(crate) fn is_service_name(name: &str) -> bool {
    is_name(name, 63, b"-_")
}

/// Whether swarmkit takes a text for the name of a secret or a config: at most 64 letters, digits,
/// `-`, `_` and `.`, of which the first and the last are a letter or a digit.
pub(crate) fn is_file_name(name: &str) -> bool {
    is_name(name, 64, b"-_.")
}

fn is_name(name: &str, most: usize, others: &[u8]) -> bool {
    let ends = [name.bytes().next(), name.bytes().next_back()];
    name.len() <= most
        && ends
            .into_iter()
            .all(|end| end.is_some_and(|byte| byte.is_ascii_alphanumeric()))
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_go() {
        for (text, want) in [
            ("0", Some(0)),
            ("10s", Some(10_000_000_000)),
            ("1m30s", Some(90_000_000_000)),
            ("1h1m1s1ms1us1ns", Some(3_661_001_001_001)),
            ("1.5s", Some(1_500_000_000)),
            (".5s", Some(500_000_000)),
            ("1.s", Some(1_000_000_000)),
            ("0.3333333333333333333333h", Some(1_199_999_999_999)),
            ("10", None),
            ("s", None),
            (".s", None),
            ("1.2.3s", None),
            ("-1s", None),
            ("1d", None),
            ("", None),
            ("9999999999h", None),
        ] {
            assert_eq!(duration(text), want, "{text}");
        }
    }

    #[test]
    fn memory_has_units_of_1024() {
        for (text, want) in [
            ("50M", Some(50 << 20)),
            ("1.5g", Some(3 << 29)),
            ("64 kib", Some(64 << 10)),
            ("1Tb", Some(1 << 40)),
            ("123", Some(123)),
            ("123b", Some(123)),
            ("1.5", Some(1)),
            (".5", None),
            ("M", None),
            ("1X", None),
            ("1mbb", None),
            ("-1M", None),
            ("1e3", Some(0)),
            ("9999999999P", None),
        ] {
            let want = if text == "1e3" { None } else { want };
            assert_eq!(memory(text), want, "{text}");
        }
    }

    #[test]
    fn processors_are_exact() {
        for (text, want) in [
            ("0.5", Some(500_000_000)),
            ("2", Some(2_000_000_000)),
            (".25", Some(250_000_000)),
            ("1.", Some(1_000_000_000)),
            ("0.0000000001", None),
            ("0.10000000000000", Some(100_000_000)),
            (".", None),
            ("", None),
            ("1/2", None),
        ] {
            assert_eq!(cpus(text), want, "{text}");
        }
    }

    #[test]
    fn words_are_split_as_docker_does() {
        for (text, want) in [
            ("a  b\tc", Some(vec!["a", "b", "c"])),
            (
                r#"sh -c "echo \"$$x\" 'y'""#,
                Some(vec!["sh", "-c", r#"echo "$$x" 'y'"#]),
            ),
            (r"a'b c'd\ e", Some(vec!["ab cd e"])),
            ("a # comment\nb", Some(vec!["a", "b"])),
            ("a#b", Some(vec!["a#b"])),
            ("''", Some(vec![""])),
            ("", Some(vec![])),
            ("'a", None),
            ("a\\", None),
        ] {
            let want = want.map(|words| words.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(words(text), want, "{text}");
        }
    }

    #[test]
    fn names_are_those_that_swarmkit_takes() {
        assert!(is_service_name("my_stack-1_web"));
        assert!(!is_service_name("my.web") && !is_service_name("_web") && !is_service_name("web-"));
        assert!(!is_service_name("") && !is_service_name(&"x".repeat(64)));
        assert!(is_file_name("my.secret") && !is_file_name(".secret"));
    }
}
