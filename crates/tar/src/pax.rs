//! PAX records: `LENGTH KEY=VALUE\n`, where the length counts the whole record (pax(1), "pax
//! Interchange Format"). A value is bytes, and may have line feeds in it.

use std::io;

/// How PAX records name extended attributes (star(5), GNU tar and libarchive).
pub const XATTR: &str = "SCHILY.xattr.";

/// The prefix of the records of GNU tar's sparse files.
pub const SPARSE: &str = "GNU.sparse.";

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// What it says something about.
    pub key: &'a [u8],
    /// What it says.
    pub value: &'a [u8],
}

/// A point in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Seconds since 1970-01-01 UTC, rounded down.
    pub seconds: i64,
    /// Nanoseconds after that, less than 10^9.
    pub nanoseconds: u32,
}

/// Returns the records of an extension header, in order.
pub fn records(bytes: &[u8]) -> Records<'_> {
    Records { rest: bytes }
}

/// The records of an extension header.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Records<'a> {
    type Item = io::Result<Record<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let record = take(&mut self.rest).ok_or_else(|| bad("a PAX record is not LENGTH KEY=VALUE"));
        if record.is_err() {
            self.rest = &[];
        }
        Some(record)
    }
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<Record<'a>> {
    let space = rest.iter().take(20).position(|byte| *byte == b' ')?;
    let length: usize = number(&rest[..space])?;
    let record = rest.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (&record[..equals], &record[equals + 1..]);
    *rest = &rest[length..];
    (!key.is_empty() && !key.contains(&0)).then_some(Record { key, value })
}

/// Reads decimal digits, and nothing else.
pub(crate) fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok()
}

impl Time {
    /// Parses a time of a PAX record: decimal seconds, possibly negative and with a fraction, of
    /// which nine digits count.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (negative, value) = match value.strip_prefix(b"-") {
            Some(rest) => (true, rest),
            None => (false, value),
        };
        let (whole, fraction) = match value.iter().position(|byte| *byte == b'.') {
            Some(dot) => (&value[..dot], &value[dot + 1..]),
            None => (value, &b""[..]),
        };
        let seconds: i64 = number(whole)?;
        if !fraction.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let digits = fraction.iter().chain(std::iter::repeat(&b'0')).take(9);
        let nanoseconds = digits.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
        Some(match (negative, nanoseconds) {
            (false, nanoseconds) => Self { seconds, nanoseconds },
            (true, 0) => Self {
                seconds: -seconds,
                nanoseconds: 0,
            },
            (true, nanoseconds) => Self {
                seconds: -seconds - 1,
                nanoseconds: 1_000_000_000 - nanoseconds,
            },
        })
    }
}

pub(crate) fn bad(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Writes a record as pax(1) says.
    fn record(key: &str, value: &[u8]) -> Vec<u8> {
        let body = key.len() + value.len() + 3;
        let mut length = body + 1;
        while length.to_string().len() + body != length {
            length = length.to_string().len() + body;
        }
        [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
    }

    fn read(bytes: &[u8]) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        records(bytes)
            .map(|record| record.map(|record| (record.key.to_vec(), record.value.to_vec())))
            .collect()
    }

    #[test]
    fn a_value_may_hold_line_feeds_and_equals_signs() {
        let value = b"a\n9 b=c\n\0=\n";
        let bytes = [record("SCHILY.xattr.user.x", value), record("path", b"a")].concat();
        let wanted = vec![
            (b"SCHILY.xattr.user.x".to_vec(), value.to_vec()),
            (b"path".to_vec(), b"a".to_vec()),
        ];
        assert_eq!(read(&bytes).unwrap(), wanted);
    }

    #[test]
    fn what_is_not_a_record_is_refused() {
        for bytes in [
            &b"x"[..],
            b"\0\0\0",
            b"5 a=\n6 b=\n",
            b"6 a=b",
            b"7 a=b\n",
            b"+6 a=b\n",
            b"6 abc\n",
            b"5 =a\n",
            b"99999999999999999999999 a=b\n",
            b"2 \n",
            b"0 a=b\n",
            b"-6 a=b\n",
        ] {
            assert!(read(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
        assert_eq!(read(b"").unwrap(), []);
    }

    #[test]
    fn times_are_decimal_numbers() {
        let time = |seconds, nanoseconds| Some(Time { seconds, nanoseconds });
        for (text, wanted) in [
            ("1350244992.023960108", time(1_350_244_992, 23_960_108)),
            ("0", time(0, 0)),
            ("1.", time(1, 0)),
            ("1.5", time(1, 500_000_000)),
            ("1.9999999999", time(1, 999_999_999)),
            ("-1", time(-1, 0)),
            ("-1.5", time(-2, 500_000_000)),
            ("-0.000000001", time(-1, 999_999_999)),
            ("", None),
            ("-", None),
            ("+1", None),
            (".5", None),
            ("1e3", None),
            ("1.-5", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(Time::parse(text.as_bytes()), wanted, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(key in "[a-z.]{1,9}", value in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(read(&record(&key, &value)).unwrap(), vec![(key.into_bytes(), value)]);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = read(&bytes);
        }
    }
}
