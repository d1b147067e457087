//! The members of an archive, each with the headers that belong to it and the place of its content.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use crate::header::{BLOCK, Device, Header, Type};
use crate::pax::{self, Time, bad};

/// The maximum length of a long name in bytes: PATH_MAX and its NUL.
const MOST_NAME: u64 = 4097;

/// The maximum size of the PAX records of one member, in bytes.
const MOST_PAX: u64 = 1 << 20;

/// The most extension headers before one member. Four kinds have a use.
const MOST_EXTENSIONS: u32 = 16;

/// A range of bytes of the archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
}

impl Stretch {
    /// Where it ends, in bytes.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.length)
    }
}

/// A member of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// What it is.
    pub kind: Type,
    /// Its name as the archive has it; a NUL can be in it where PAX records say so.
    pub name: Vec<u8>,
    /// What a link leads to.
    pub link: Vec<u8>,
    /// The mode, with whatever higher bits the archive has.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// When it was changed.
    pub mtime: Time,
    /// The number of a device.
    pub device: Device,
    /// Extended attributes.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Whether it is a sparse file, whose content is not what the archive has there.
    pub is_sparse: bool,
    /// Where its first header begins in the archive, in bytes.
    pub header: u64,
    /// Its content in the archive. Only files have one, as in Docker.
    pub content: Stretch,
}

/// What extension headers say of the member that follows.
#[derive(Default)]
struct Extended {
    /// From a header of GNU tar, which counts more than PAX.
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u32>,
    gid: Option<u32>,
    mtime: Option<Time>,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    is_sparse: bool,
}

/// Reads the members of an archive one after the other. An end mark of one block of zeros, or none,
/// is accepted, as Docker does.
pub struct Members<R> {
    input: BufReader<R>,
    /// The size of the archive in bytes.
    size: u64,
    at: u64,
    is_done: bool,
}

impl<R: Read + Seek> Members<R> {
    /// Begins at the start of the input.
    ///
    /// # Errors
    /// When it cannot seek.
    pub fn new(mut input: R) -> io::Result<Self> {
        let size = input.seek(SeekFrom::End(0))?;
        input.rewind()?;
        Ok(Self {
            input: BufReader::with_capacity(64 << 10, input),
            size,
            at: 0,
            is_done: false,
        })
    }

    /// The size of the archive in bytes.
    pub fn archive_size(&self) -> u64 {
        self.size
    }

    /// Returns the next member; `None` at the end.
    ///
    /// # Errors
    /// When the archive is cut off or damaged (`InvalidData`, `UnexpectedEof`), or cannot be read.
    /// After an error there is no next member.
    pub fn next_member(&mut self) -> io::Result<Option<Member>> {
        if self.is_done {
            return Ok(None);
        }
        let member = self.find();
        if !matches!(member, Ok(Some(_))) {
            self.is_done = true;
        }
        member
    }

    fn find(&mut self) -> io::Result<Option<Member>> {
        let first = self.at;
        let mut extended = Extended::default();
        for count in 0..=MOST_EXTENSIONS {
            let Some(header) = self.header()? else {
                return match count {
                    0 => Ok(None),
                    _ => Err(bad("it ends after a long name that belongs to no member")),
                };
            };
            match header.flag {
                b'L' => extended.long_name = Some(until_nul(self.text(&header, MOST_NAME)?)),
                b'K' => extended.long_link = Some(until_nul(self.text(&header, MOST_NAME)?)),
                b'x' => {
                    let records = self.text(&header, MOST_PAX)?;
                    extended.take(&records)?;
                }
                _ => return self.member(first, header, extended).map(Some),
            }
        }
        Err(bad("too many extension headers follow each other"))
    }

    /// Reads the next header; `None` at the end of the archive.
    fn header(&mut self) -> io::Result<Option<Header>> {
        let mut block = [0; BLOCK];
        if self.at >= self.size {
            return Ok(None);
        }
        self.block(&mut block)?;
        if let Some(header) = Header::read(&block)? {
            return Ok(Some(header));
        }
        if self.at < self.size {
            self.block(&mut block)?;
            if block.iter().any(|byte| *byte != 0) {
                return Err(bad("a block of zeros stands between two members"));
            }
        }
        Ok(None)
    }

    fn block(&mut self, block: &mut [u8; BLOCK]) -> io::Result<()> {
        self.input.read_exact(block)?;
        self.at += BLOCK as u64;
        Ok(())
    }

    /// Reads the content of an extension header.
    fn text(&mut self, header: &Header, most: u64) -> io::Result<Vec<u8>> {
        if header.size > most {
            return Err(bad("a long name or PAX records are longer than any can be"));
        }
        let content = self.content(header.size)?;
        let mut bytes = Vec::new();
        (&mut self.input).take(content.length).read_to_end(&mut bytes)?;
        self.skip(padding(content.length))?;
        self.at = content.end() + padding(content.length);
        Ok(bytes)
    }

    /// Returns where a content of this size is, after checking that all of it is there.
    fn content(&self, length: u64) -> io::Result<Stretch> {
        let content = Stretch {
            offset: self.at,
            length,
        };
        let end = self
            .at
            .checked_add(length)
            .and_then(|end| end.checked_add(padding(length)));
        match end.is_some_and(|end| end <= self.size) {
            true => Ok(content),
            false => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it is cut off")),
        }
    }

    fn skip(&mut self, count: u64) -> io::Result<()> {
        let count = i64::try_from(count).map_err(|_| bad("a size cannot be"))?;
        self.input.seek_relative(count)
    }

    fn member(&mut self, first: u64, header: Header, extended: Extended) -> io::Result<Member> {
        let name = extended.long_name.or(extended.name).unwrap_or(header.name);
        let kind = Type::of(header.flag, &name);
        let size = extended.size.unwrap_or(header.size);
        // As in Docker, nothing follows the header of what has no content, whatever it says.
        let stored = match kind {
            Type::File | Type::GlobalHeader | Type::Other(_) => size,
            _ => 0,
        };
        let content = self.content(stored)?;
        self.skip(stored + padding(stored))?;
        self.at = content.end() + padding(stored);
        Ok(Member {
            kind,
            name,
            link: extended.long_link.or(extended.link).unwrap_or(header.link),
            mode: header.mode,
            uid: extended.uid.unwrap_or(header.uid),
            gid: extended.gid.unwrap_or(header.gid),
            mtime: extended.mtime.unwrap_or(header.mtime),
            device: header.device,
            xattrs: extended.xattrs,
            is_sparse: extended.is_sparse || header.flag == b'S',
            header: first,
            content: match kind {
                Type::File => content,
                _ => Stretch { length: 0, ..content },
            },
        })
    }
}

impl Extended {
    /// Takes PAX records. As in Docker, an empty value leaves the header's own.
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        for record in pax::records(bytes) {
            let pax::Record { key, value } = record?;
            if let Some(name) = key.strip_prefix(pax::XATTR.as_bytes()) {
                self.xattrs.insert(name.to_vec(), value.to_vec());
                continue;
            }
            if key.starts_with(pax::SPARSE.as_bytes()) {
                self.is_sparse = true;
                continue;
            }
            if value.is_empty() {
                continue;
            }
            let wrong = || bad("a PAX record is not a number that can be");
            match key {
                b"path" => self.name = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => self.size = Some(pax::number(value).ok_or_else(wrong)?),
                b"uid" => self.uid = Some(pax::number(value).ok_or_else(wrong)?),
                b"gid" => self.gid = Some(pax::number(value).ok_or_else(wrong)?),
                b"mtime" => self.mtime = Some(Time::parse(value).ok_or_else(wrong)?),
                _ => {}
            }
        }
        Ok(())
    }
}

fn until_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
        bytes.truncate(end);
    }
    bytes
}

/// Returns the number of bytes that fill the last block of a content.
fn padding(length: u64) -> u64 {
    length.wrapping_neg() % BLOCK as u64
}

#[cfg(test)]
#[path = "members_tests.rs"]
mod tests;
