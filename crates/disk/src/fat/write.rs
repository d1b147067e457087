//! Writing to a FAT volume: whole files, directories, removals. The same calls on the same volume
//! give the same bytes.

use std::cell::Cell;
use std::io::{self, Write};
use std::sync::Arc;

use fatfs::{Dir, FileSystem, FsOptions};

use super::error::refused;
use super::geometry::Geometry;
use super::tree::{child, contents};
use super::{CleanFat, Survey, dots, on_fat, repair, time};
use crate::io::WriteAt;
use crate::slice::Slice;
use crate::stream::Stream;
use crate::table::Partition;
use kraken_foundation::{Context, Error, Kind, Result};

/// A FAT volume open for writing. The writes are complete only after [`FatWriter::finish`].
pub struct FatWriter {
    fs: FileSystem<Stream>,
    volume: Arc<dyn WriteAt>,
    geometry: Geometry,
    made_directory: Cell<bool>,
}

/// Where an entry is to be written.
struct Spot<'v, 'p> {
    directory: Dir<'v, Stream>,
    name: &'p str,
}

impl FatWriter {
    /// Opens the volume in a partition of a disk. First repairs faults, where no byte of a file is
    /// lost ([`super::repair_fat`]).
    ///
    /// # Errors
    /// When there is no FAT volume or it is unsafe to walk.
    pub fn open(disk: Arc<dyn WriteAt>, partition: &Partition) -> Result<Self> {
        let slice = Slice::new(disk, partition.start, partition.len).quoted(|| on_fat("opening the partition"))?;
        let survey = Survey::take(&slice)?;
        repair::settle(&slice, &survey)?;
        Self::mount(slice, survey.geometry)
    }

    /// Opens the volume in a partition of a disk. `clean` is the result of a check of the same
    /// bytes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open_clean(disk: Arc<dyn WriteAt>, partition: &Partition, clean: &CleanFat) -> Result<Self> {
        let slice = Slice::new(disk, partition.start, partition.len).quoted(|| on_fat("opening the partition"))?;
        Self::mount(slice, clean.geometry().clone())
    }

    fn mount(slice: Slice<Arc<dyn WriteAt>>, geometry: Geometry) -> Result<Self> {
        let options = FsOptions::new().time_provider(&time::CLOCK);
        let volume: Arc<dyn WriteAt> = Arc::new(slice);
        let fs = FileSystem::new(Stream::read_write(volume.clone()), options).quoted(|| on_fat("mounting"))?;
        Ok(Self {
            fs,
            volume,
            geometry,
            made_directory: Cell::new(false),
        })
    }

    /// Writes a file; replaces one with the same name in any case. Makes missing parents. Does not
    /// touch a file that is the same already.
    ///
    /// # Errors
    /// When there is a directory at the path, the name is impossible on FAT, or the volume is full.
    pub fn write(&self, path: &str, bytes: &[u8], mtime: i64) -> Result<()> {
        time::set_clock(mtime);
        let Spot { directory, name } = self.spot(path)?;
        let io = |doing: &str| on_fat(format_args!("{doing} {path}"));
        if let Some(old) = child(&directory, name).quoted(|| io("looking up"))? {
            if old.is_dir() {
                return Err(refused(Kind::Conflict, path, "a directory stands there"));
            }
            let same_time = time::to_unix(old.modified()) == time::to_unix(time::from_unix(mtime));
            if same_time
                && old.file_name() == name
                && old.len() == bytes.len() as u64
                && contents(&old).quoted(|| io("reading"))? == bytes
            {
                return Ok(());
            }
            directory.remove(&old.file_name()).quoted(|| io("replacing"))?;
        }
        self.check_room(path, bytes.len() as u64)?;
        let mut file = directory.create_file(name).map_err(|e| impossible(path, &e))?;
        file.write_all(bytes).quoted(|| io("writing"))?;
        file.flush().quoted(|| io("writing"))
    }

    /// Makes a directory and its missing parents; an existing one is left as it is.
    ///
    /// # Errors
    /// When there is a file at the path, the name is impossible on FAT, or the volume is full.
    pub fn mkdir(&self, path: &str, mtime: i64) -> Result<()> {
        time::set_clock(mtime);
        let Spot { directory, name } = self.spot(path)?;
        self.enter(directory, name, path).map(drop)
    }

    /// Removes a file; a missing one is not an error.
    ///
    /// # Errors
    /// When there is a directory at the path.
    pub fn remove(&self, path: &str) -> Result<()> {
        let io = |doing: &str| on_fat(format_args!("{doing} {path}"));
        let mut directory = self.fs.root_dir();
        let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
        let Some((last, parents)) = names.split_last() else {
            return Err(refused(Kind::Conflict, path, "it is the root directory"));
        };
        for name in parents {
            directory = match child(&directory, name).quoted(|| io("looking up"))? {
                Some(entry) if entry.is_dir() => entry.to_dir(),
                _ => return Ok(()),
            };
        }
        match child(&directory, last).quoted(|| io("looking up"))? {
            None => Ok(()),
            Some(entry) if entry.is_dir() => Err(refused(
                Kind::Conflict,
                path,
                "it is a directory, and only files are removed",
            )),
            Some(entry) => directory.remove(&entry.file_name()).quoted(|| io("removing")),
        }
    }

    /// Writes the rest: FSInfo and the dirty bit.
    ///
    /// # Errors
    /// When the disk reports an error.
    pub fn finish(self) -> Result<()> {
        self.fs.unmount().quoted(|| on_fat("finishing the writes"))?;
        if self.made_directory.get() {
            dots::repair(&*self.volume, &self.geometry).quoted(|| on_fat("finishing new directories"))?;
        }
        Ok(())
    }

    /// Returns where the entry at a path is to be written; makes missing parents.
    fn spot<'p>(&self, path: &'p str) -> Result<Spot<'_, 'p>> {
        let mut directory = self.fs.root_dir();
        let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
        if name.is_empty() {
            return Err(refused(Kind::Unsupported, path, "it has no name"));
        }
        for name in parents.split('/').filter(|name| !name.is_empty()) {
            directory = self.enter(directory, name, path)?;
        }
        Ok(Spot { directory, name })
    }

    /// Returns the directory `name` in `directory`; makes it when it is missing.
    fn enter<'a>(&'a self, directory: Dir<'a, Stream>, name: &str, path: &str) -> Result<Dir<'a, Stream>> {
        match child(&directory, name).quoted(|| on_fat(format_args!("looking up {path}")))? {
            Some(entry) if entry.is_dir() => Ok(entry.to_dir()),
            Some(_) => Err(refused(
                Kind::Conflict,
                path,
                format_args!("{name:?} is a file, not a directory"),
            )),
            None => {
                self.check_room(path, u64::from(self.fs.cluster_size()))?;
                self.made_directory.set(true);
                directory.create_dir(name).map_err(|e| impossible(path, &e))
            }
        }
    }

    fn check_room(&self, path: &str, needed: u64) -> Result<()> {
        let stats = self.fs.stats().quoted(|| on_fat("counting free clusters"))?;
        let cluster = u64::from(stats.cluster_size());
        // One more cluster: the directory may have to grow for the entry.
        let clusters = needed.div_ceil(cluster) + 1;
        if clusters > u64::from(stats.free_clusters()) {
            return Err(full(path, needed, u64::from(stats.free_clusters()) * cluster));
        }
        Ok(())
    }
}

/// The library refuses a name, or the disk reports an error.
fn impossible(path: &str, error: &io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::InvalidInput => Kind::Unsupported,
        _ => Kind::Io,
    };
    refused(kind, path, error)
}

/// `needed` bytes do not fit, where only `free` are.
fn full(path: &str, needed: u64, free: u64) -> Error {
    let why = format!(
        "{needed} bytes do not fit, {free} are free; remove files from the boot volume or use a base with a larger one"
    );
    refused(Kind::Full, path, why)
}
