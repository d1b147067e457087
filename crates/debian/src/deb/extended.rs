//! Headers before an entry of a tar that belong to it: long names (GNU tar) and PAX records
//! (pax(1)). We combine them here, and not in the library, to limit their sizes: the library takes
//! as much memory as a header says, and it splits PAX records at line feeds, which can be in a
//! value.

use std::collections::BTreeMap;
use std::io::{self, Read};

use kraken_tar::pax;
use tar::{Entry, EntryType};

/// The maximum length of a name in bytes: PATH_MAX and its NUL.
const MOST_NAME: u64 = 4097;
/// The maximum size of the PAX records of one entry, in bytes.
const MOST_PAX: u64 = 1 << 20;
/// The maximum size of one extended attribute in bytes: what ext4 stores in a block.
const LARGEST_XATTR: usize = 4000;

/// The fields of the next entry that come before its header.
#[derive(Default)]
pub(super) struct Extended {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    mtime: Option<i64>,
    xattrs: BTreeMap<String, Vec<u8>>,
}

impl Extended {
    /// Takes a header that belongs to the next entry; returns `false` for an entry itself.
    pub(super) fn take<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> io::Result<bool> {
        match entry.header().entry_type() {
            EntryType::GNULongName => self.name = Some(text(entry, MOST_NAME, "a name is longer than 4095 bytes")?),
            EntryType::GNULongLink => {
                self.link = Some(text(entry, MOST_NAME, "a link's target is longer than 4095 bytes")?)
            }
            EntryType::XHeader => {
                let records = text(entry, MOST_PAX, "its PAX records are longer than any can be")?;
                self.pax(&records)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn pax(&mut self, records: &[u8]) -> io::Result<()> {
        for record in pax::records(records) {
            let pax::Record { key, value } = record?;
            let key = std::str::from_utf8(key).map_err(|_| bad("a PAX record has a name that is not UTF-8"))?;
            let number = || std::str::from_utf8(value).map_err(|_| bad("a PAX record is not a number"));
            match key {
                "path" => self.name = Some(value.to_vec()),
                "linkpath" => self.link = Some(value.to_vec()),
                "size" => self.size = Some(number()?.parse().map_err(|_| bad("a size is not a number"))?),
                "mtime" => {
                    let whole = number()?.split('.').next().unwrap_or_default();
                    self.mtime = Some(whole.parse().map_err(|_| bad("a time is not a number"))?);
                }
                _ if key.starts_with(pax::SPARSE) => return Err(bad("it has a sparse file, which no package has")),
                _ => {
                    if let Some(name) = key.strip_prefix(pax::XATTR) {
                        self.xattr(name, value)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn xattr(&mut self, name: &str, value: &[u8]) -> io::Result<()> {
        let known = ["user.", "security.", "system.", "trusted."];
        if !known.iter().any(|prefix| name.starts_with(prefix)) || name.len() > 255 {
            return Err(bad("an extended attribute has a name that cannot be"));
        }
        if value.len() > LARGEST_XATTR {
            return Err(bad("an extended attribute is larger than a file system takes"));
        }
        self.xattrs.insert(name.to_owned(), value.to_vec());
        Ok(())
    }

    pub(super) fn path<R: Read>(&self, entry: &Entry<'_, R>) -> Vec<u8> {
        let name = self.name.clone();
        until_nul(name.unwrap_or_else(|| entry.header().path_bytes().into_owned()))
    }

    /// Returns the target of a link.
    pub(super) fn target<R: Read>(&self, entry: &Entry<'_, R>) -> Option<Vec<u8>> {
        let own = || entry.header().link_name_bytes().map(std::borrow::Cow::into_owned);
        self.link.clone().or_else(own).map(until_nul)
    }

    /// Returns the modification time, in seconds since 1970-01-01 UTC.
    pub(super) fn mtime<R: Read>(&self, entry: &Entry<'_, R>) -> io::Result<i64> {
        match self.mtime {
            Some(mtime) => Ok(mtime),
            None => Ok(i64::try_from(entry.header().mtime()?).unwrap_or(i64::MAX)),
        }
    }

    /// Whether the two sizes that an entry can have are equal.
    pub(super) fn has_one_size(&self, size: u64) -> bool {
        self.size.is_none_or(|own| own == size)
    }

    pub(super) fn xattrs(self) -> BTreeMap<String, Vec<u8>> {
        self.xattrs
    }

    /// Whether no header waits for an entry.
    pub(super) fn is_empty(&self) -> bool {
        self.name.is_none()
            && self.link.is_none()
            && self.size.is_none()
            && self.mtime.is_none()
            && self.xattrs.is_empty()
    }
}

fn text<R: Read>(entry: &mut Entry<'_, R>, most: u64, too_long: &'static str) -> io::Result<Vec<u8>> {
    let size = entry.header().entry_size()?;
    if size > most {
        return Err(bad(too_long));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes)?;
    match bytes.len() as u64 == size {
        true => Ok(bytes),
        false => Err(bad("it is cut off in a long name")),
    }
}

fn until_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
        bytes.truncate(end);
    }
    bytes
}

fn bad(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extended_attribute_may_hold_line_feeds() {
        let value = b"\x01\0\0\x02\n\x20\n9 a=b\n";
        let mut builder = tar::Builder::new(Vec::new());
        let records = [
            ("SCHILY.xattr.security.capability", &value[..]),
            ("path", b"usr/bin/ping"),
        ];
        builder.append_pax_extensions(records).unwrap();
        let archive = builder.into_inner().unwrap();
        let mut archive = tar::Archive::new(&archive[..]);
        let mut extended = Extended::default();
        for entry in archive.entries().unwrap().raw(true) {
            assert!(extended.take(&mut entry.unwrap()).unwrap());
        }
        assert_eq!(extended.name.as_deref(), Some(&b"usr/bin/ping"[..]));
        assert_eq!(extended.xattrs()["security.capability"], value);
    }
}
