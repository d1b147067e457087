//! One header block of an archive: 512 bytes (POSIX.1-1988 ustar, GNU tar, star).

use std::io;

use crate::pax::{Time, bad};

/// The size of a block in bytes.
pub(crate) const BLOCK: usize = 512;

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A file with bytes.
    File,
    /// Another name of an earlier file.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A character device.
    Character,
    /// A block device.
    Block,
    /// A folder.
    Folder,
    /// A named pipe.
    Fifo,
    /// PAX records for all that follows. Docker ignores them.
    GlobalHeader,
    /// A kind that is not read here, with its type flag: sparse files, parts of archives of several
    /// volumes.
    Other(u8),
}

/// The number of a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Its driver.
    pub major: u32,
    /// Its number there.
    pub minor: u32,
}

/// The fields of a header block.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) flag: u8,
    pub(crate) name: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) size: u64,
    pub(crate) mtime: Time,
    pub(crate) device: Device,
}

impl Header {
    /// Reads a block; `None` for one of zeros, which ends an archive.
    pub(crate) fn read(block: &[u8; BLOCK]) -> io::Result<Option<Self>> {
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        if !has_checksum(block) {
            return Err(bad("a header has a wrong checksum"));
        }
        let is_ustar = &block[257..263] == b"ustar\0";
        let is_gnu = &block[257..265] == b"ustar  \0";
        let is_star = is_ustar && &block[508..512] == b"tar\0";
        let mut name = text(&block[..100]).to_vec();
        let prefix = match (is_star, is_ustar) {
            (true, _) => text(&block[345..476]),
            (_, true) => text(&block[345..500]),
            _ => b"",
        };
        if !prefix.is_empty() {
            name = [prefix, b"/", &name].concat();
        }
        // The old form (V7) has neither devices nor what follows them.
        let device = match is_ustar || is_gnu {
            true => Device {
                major: word(&block[329..337], "a device number")?,
                minor: word(&block[337..345], "a device number")?,
            },
            false => Device::default(),
        };
        let size = number(&block[124..136]).and_then(|size| u64::try_from(size).ok());
        let seconds = number(&block[136..148]).and_then(|time| i64::try_from(time).ok());
        Ok(Some(Self {
            flag: block[156],
            name,
            link: text(&block[157..257]).to_vec(),
            mode: word(&block[100..108], "a mode")?,
            uid: word(&block[108..116], "an owner")?,
            gid: word(&block[116..124], "a group")?,
            size: size.ok_or_else(|| bad("a size in a header is not a number"))?,
            mtime: Time {
                seconds: seconds.ok_or_else(|| bad("a time in a header is not a number"))?,
                nanoseconds: 0,
            },
            device,
        }))
    }
}

impl Type {
    pub(crate) fn of(flag: u8, name: &[u8]) -> Self {
        match flag {
            b'0' => Self::File,
            // The old form has no flag for folders.
            0 if name.ends_with(b"/") => Self::Folder,
            0 => Self::File,
            b'1' => Self::HardLink,
            b'2' => Self::Symlink,
            b'3' => Self::Character,
            b'4' => Self::Block,
            b'5' => Self::Folder,
            b'6' => Self::Fifo,
            b'g' => Self::GlobalHeader,
            other => Self::Other(other),
        }
    }
}

fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    &field[..end]
}

fn word(field: &[u8], what: &'static str) -> io::Result<u32> {
    number(field)
        .and_then(|number| u32::try_from(number).ok())
        .ok_or_else(|| {
            let text = format!("{what} in a header is not a number that can be");
            io::Error::new(io::ErrorKind::InvalidData, text)
        })
}

/// Reads octal digits, possibly between blanks and NULs, or GNU's base-256 (two's complement, the
/// highest bit set as a mark).
fn number(field: &[u8]) -> Option<i128> {
    let first = *field.first()?;
    if first & 0x80 != 0 {
        // The bit below the mark is the sign.
        let start = match first & 0x40 {
            0 => i128::from(first & 0x3f),
            _ => i128::from(first & 0x3f) - 0x40,
        };
        // At most 12 bytes: 96 bits.
        return Some(
            field[1..]
                .iter()
                .fold(start, |sum, byte| (sum << 8) | i128::from(*byte)),
        );
    }
    let is_blank = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| !is_blank(byte)).unwrap_or(field.len());
    let digits = &field[start..];
    let end = digits.iter().position(is_blank).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(end);
    let octal = digits.iter().all(|digit| (b'0'..=b'7').contains(digit));
    // After a NUL anything may stand; after a blank only blanks.
    let until_nul = rest.iter().take_while(|byte| **byte != 0);
    if !octal || !until_nul.clone().all(is_blank) {
        return None;
    }
    Some(digits.iter().fold(0, |sum, digit| sum * 8 + i128::from(digit - b'0')))
}

/// The sum of all bytes, in which those of the field itself count as blanks. Some old programs
/// summed signed bytes.
fn has_checksum(block: &[u8; BLOCK]) -> bool {
    let Some(wanted) = number(&block[148..156]) else {
        return false;
    };
    let counted = |index: usize, byte: u8| match (148..156).contains(&index) {
        true => b' ',
        false => byte,
    };
    let bytes = || block.iter().enumerate().map(|(index, byte)| counted(index, *byte));
    let plain: i128 = bytes().map(i128::from).sum();
    let signed: i128 = bytes().map(|byte| i128::from(byte.cast_signed())).sum();
    wanted == plain || wanted == signed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_base_256() {
        for (field, wanted) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"    644 ", Some(0o644)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"644\0junk", Some(0o644)),
            (b"77777777", Some(0o7777_7777)),
            (b"644 x   ", None),
            (b"0000648\0", None),
            (b"-000001\0", None),
            (b"\x80\0\0\0\0\0\x01\x02", Some(0x102)),
            (b"\x80\0\0\0\xff\xff\xff\xff", Some(0xffff_ffff)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xfe", Some(-2)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", Some(-1)),
        ] {
            assert_eq!(number(field), wanted, "{field:?}");
        }
    }

    #[test]
    fn a_header_with_a_wrong_checksum_or_size_is_refused() {
        let mut header = tar::Header::new_ustar();
        header.set_path("a").unwrap();
        header.set_size(3);
        header.set_cksum();
        let mut block = *header.as_bytes();
        assert_eq!(Header::read(&block).unwrap().unwrap().size, 3);
        block[0] = b'b';
        let error = Header::read(&block).unwrap_err().to_string();
        assert!(error.contains("checksum"), "{error}");
        header.as_old_mut().size = [0xff; 12];
        header.set_cksum();
        let error = Header::read(header.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("a size"), "{error}");
        assert!(Header::read(&[0; 512]).unwrap().is_none());
    }
}
