//! A store in a folder of this machine.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::files::{FileKind, Stat, StoreFiles};

/// Docker's data root as a folder. Reading it takes root.
pub struct Folder(pub PathBuf);

impl Folder {
    fn at(&self, path: &[u8]) -> PathBuf {
        self.0.join(Path::new(OsStr::from_bytes(path)))
    }
}

impl StoreFiles for Folder {
    fn stat(&self, path: &[u8]) -> io::Result<Option<Stat>> {
        let found = match fs::symlink_metadata(self.at(path)) {
            Ok(found) => found,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let kind = found.file_type();
        let kind = match () {
            () if kind.is_dir() => FileKind::Folder,
            () if kind.is_file() => FileKind::File,
            () if kind.is_symlink() => FileKind::Symlink,
            () if kind.is_char_device() => FileKind::Character,
            () if kind.is_block_device() => FileKind::Block,
            () if kind.is_fifo() => FileKind::Pipe,
            () => FileKind::Other,
        };
        Ok(Some(Stat {
            kind,
            mode: (found.mode() & 0o7777) as u16,
            uid: found.uid(),
            gid: found.gid(),
            size: found.size(),
            inode: found.ino(),
            mtime: found.mtime(),
            device: u64::from(rustix::fs::major(found.rdev())) << 32 | u64::from(rustix::fs::minor(found.rdev())),
            xattrs: xattrs(&self.at(path))?,
        }))
    }

    fn list(&self, path: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        let entries = fs::read_dir(self.at(path))?;
        let mut names: Vec<Vec<u8>> = entries
            .map(|entry| entry.map(|entry| entry.file_name().into_vec()))
            .collect::<io::Result<_>>()?;
        names.sort();
        Ok(names)
    }

    fn open(&self, path: &[u8]) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(File::open(self.at(path))?))
    }

    fn target(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        Ok(fs::read_link(self.at(path))?.into_os_string().into_vec())
    }
}

/// The maximum size of all names of attributes, and of one attribute (Linux: XATTR_LIST_MAX,
/// XATTR_SIZE_MAX).
const MOST: usize = 64 << 10;

fn xattrs(path: &Path) -> io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut names = vec![0; MOST];
    let count = match rustix::fs::llistxattr(path, &mut names[..]) {
        Ok(count) => count,
        Err(rustix::io::Errno::NOTSUP) => 0,
        Err(error) => return Err(error.into()),
    };
    let names = names[..count].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names
        .map(|name| {
            let mut value = vec![0; MOST];
            let count = rustix::fs::lgetxattr(path, name, &mut value[..])?;
            value.truncate(count);
            Ok((name.to_vec(), value))
        })
        .collect()
}
