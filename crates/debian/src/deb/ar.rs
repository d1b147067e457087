//! The outer container of a `.deb`: three members of an `ar` archive (deb(5), ar(5)).
//!
//! We have our own reader, since only a header of 60 bytes has to be read strictly. A general
//! library also accepts symbol tables, long names and other dialects, which a `.deb` must not
//! contain.

use std::io::{self, Read};

/// The first bytes of the file.
const MAGIC: &[u8; 8] = b"!<arch>\n";
/// Bytes of a member's header.
const HEADER: usize = 60;
/// The last bytes of the header.
const END: &[u8; 2] = b"`\n";

/// A member: its name and size in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name, without the slash that some tools put behind it.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
}

/// Reads the beginning of the archive.
///
/// # Errors
/// `InvalidData` when it is not an `ar` archive.
pub fn begin(input: &mut impl Read) -> io::Result<()> {
    let mut magic = [0; 8];
    input.read_exact(&mut magic)?;
    match magic == *MAGIC {
        true => Ok(()),
        false => Err(bad("it is not an `ar` archive")),
    }
}

/// Reads the header of the next member; `None` at the end. The member's bytes follow, and a byte of
/// padding when their number is odd ([`padding`]).
///
/// # Errors
/// `InvalidData` when it is not a header, `UnexpectedEof` when the file ends in it.
pub fn next(input: &mut impl Read) -> io::Result<Option<Member>> {
    let mut header = [0; HEADER];
    let mut have = 0;
    while have < HEADER {
        match input.read(&mut header[have..])? {
            0 if have == 0 => return Ok(None),
            0 => {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "it ends in the middle of a header",
                ));
            }
            count => have += count,
        }
    }
    if header[58..60] != *END {
        return Err(bad("a member's header is damaged"));
    }
    let text = |range: std::ops::Range<usize>| {
        std::str::from_utf8(&header[range])
            .ok()
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '))
            .map(str::trim_end)
            .ok_or_else(|| bad("a member's header is not text"))
    };
    let name = text(0..16)?;
    let size = text(48..58)?;
    if size.is_empty() || !size.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad("a member has no size"));
    }
    Ok(Some(Member {
        name: name.strip_suffix('/').unwrap_or(name).to_owned(),
        size: size.parse().map_err(|_| bad("a member's size is not a number"))?,
    }))
}

/// Returns the number of bytes of padding behind a member of `size` bytes.
pub fn padding(size: u64) -> u64 {
    size % 2
}

fn bad(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, size: &str) -> Vec<u8> {
        format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, "100644").into_bytes()
    }

    #[test]
    fn members_are_read_with_and_without_a_slash() {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(header("debian-binary", "4"));
        let mut input = &bytes[..];
        begin(&mut input).unwrap();
        let member = next(&mut input).unwrap().unwrap();
        assert_eq!((member.name.as_str(), member.size), ("debian-binary", 4));
        assert!(next(&mut input).unwrap().is_none());
        assert_eq!(
            next(&mut &header("control.tar.xz/", "3")[..]).unwrap().unwrap().name,
            "control.tar.xz"
        );
    }

    #[test]
    fn what_is_no_archive_is_an_error() {
        assert!(begin(&mut &b"!<arch>"[..]).is_err());
        assert!(begin(&mut &b"#!/bin/sh\n"[..]).is_err());
        let mut torn = header("a", "1");
        torn.truncate(59);
        let mut marked = header("a", "1");
        marked[58] = b'x';
        for bytes in [
            torn,
            marked,
            header("a", ""),
            header("a", "-1"),
            header("a", "1x"),
            header("\u{e9}", "1"),
        ] {
            assert!(next(&mut &bytes[..]).is_err(), "{:?}", String::from_utf8_lossy(&bytes));
        }
    }
}
