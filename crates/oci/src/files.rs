//! The files of a layout or of a `docker save` archive, in a folder or in a tar archive.

use std::io;
use std::path::{Path, PathBuf};

use kraken_fetch::Downloads;
use kraken_foundation::{Context, Error, Kind, Result};

use crate::archive::{self, Archive};
use crate::range::FileRange;

/// A folder or an archive.
#[derive(Debug)]
pub(crate) struct Files {
    /// What the user named, for messages.
    path: PathBuf,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Folder(PathBuf),
    Archive(Archive),
}

impl Files {
    pub(crate) fn open(path: &Path, downloads: &Downloads<'_>) -> Result<Self> {
        let metadata = std::fs::metadata(path).doing("opening", path)?;
        let place = match metadata.is_dir() {
            true => Place::Folder(path.to_owned()),
            false => Place::Archive(Archive::open(path, downloads)?),
        };
        Ok(Self {
            path: path.to_owned(),
            place,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns where a file is; `None` when there is none.
    pub(crate) fn get(&self, name: &str) -> Result<Option<FileRange>> {
        let Some(name) = archive::within("", name) else {
            let text = format!(
                "reading {}: it names {name:?}, which leads out of it",
                self.path.display()
            );
            return Err(Error::new(Kind::Damaged, text));
        };
        match &self.place {
            Place::Archive(archive) => archive.get(&name),
            Place::Folder(folder) => match FileRange::whole(&folder.join(name)) {
                Ok(range) => Ok(Some(range)),
                Err(error) if is_missing(&error) => Ok(None),
                Err(error) => Err(error),
            },
        }
    }

    /// Returns a file that must be there.
    pub(crate) fn need(&self, name: &str) -> Result<FileRange> {
        self.get(name)?.ok_or_else(|| {
            let text = format!("reading {}: {name:?} is missing in it", self.path.display());
            Error::new(Kind::Damaged, text).with_help("save or copy the image again")
        })
    }
}

fn is_missing(error: &Error) -> bool {
    let cause = error.downcast_ref::<io::Error>();
    cause.is_some_and(|cause| matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory))
}
