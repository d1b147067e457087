//! Grows the root volume of an image file: the file, the partition, and the file system, by
//! e2fsprogs on the file itself.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use super::ext4::{Ext4Info, Ext4InfoError};
use super::file::ImageFile;
use super::io::{ReadAt, WriteAt};
use super::layout::{Layout, LayoutError};
use super::slice::Slice;
use super::space::{SpaceError, shortfall_of};
use super::table::{TableError, grow_partition};
use super::tools::tool;

/// Cards and images are laid out in steps of this size; growth is rounded up to it.
const STEP: u64 = 1 << 20;

/// Why an image could not be grown.
#[derive(Debug, thiserror::Error)]
pub enum GrowError {
    /// The image file could not be read or written.
    #[error("growing {path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What the system reported.
        source: io::Error,
    },
    /// The partitions of the image could not be found.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The partition table could not be read or changed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The root file system could not be read.
    #[error(transparent)]
    Root(#[from] Ext4InfoError),
    /// It cannot be grown.
    #[error("growing {path}: {why}")]
    Refused {
        /// The file.
        path: String,
        /// Why not.
        why: String,
    },
    /// Other partitions are in the way.
    #[error(
        "making the root partition of {path} {} MiB larger: it is not the last one of its disk, so there is no room behind it; \
         use an image whose root partition is the last, or take the ones behind it out \
         (`sfdisk --delete` on a copy of it), or ask for fewer packages",
        more >> 20
    )]
    NotLast {
        /// The image.
        path: String,
        /// The number of bytes by which it should have grown.
        more: u64,
    },
    /// A tool is missing.
    #[error("growing an image needs `{tool}`, which could not be started ({source}); install e2fsprogs")]
    NoTool {
        /// Its name.
        tool: &'static str,
        /// What the system reported.
        source: io::Error,
    },
    /// A tool failed.
    #[error("growing the root file system: `{tool}` failed ({status}): {said}")]
    Tool {
        /// Its name.
        tool: &'static str,
        /// Its exit status.
        status: String,
        /// The end of its output.
        said: String,
    },
}

impl GrowError {
    /// Returns the same error about the image that the user knows: the file that is grown is a copy
    /// with a temporary name.
    pub fn of(mut self, image: &Path) -> Self {
        if let Self::Io { path, .. } | Self::Refused { path, .. } | Self::NotLast { path, .. } = &mut self {
            *path = image.display().to_string();
        }
        self
    }
}

/// Makes the root volume of the image file at `path` larger by `bytes` (rounded up to 1 MiB): file,
/// partition table and file system. The root partition must be the last one. The same image grown
/// by the same amount gives the same bytes, at any time.
///
/// # Errors
/// [`GrowError`]; the file may be left half-grown: work on a copy.
pub fn grow_root(path: &Path, bytes: u64) -> Result<(), GrowError> {
    let io = |source| GrowError::Io {
        path: path.display().to_string(),
        source,
    };
    let refused = |why: &str| GrowError::Refused {
        path: path.display().to_string(),
        why: why.into(),
    };
    let bytes = bytes
        .checked_next_multiple_of(STEP)
        .ok_or_else(|| refused("it cannot be that large"))?;
    let disk = Arc::new(ImageFile::open_read(path).map_err(io)?);
    let old_size = disk.size();
    let layout = Layout::detect(disk.clone())?;
    let info = root_info(disk, &layout).map_err(|e| match e {
        Ext4InfoError::Io(source) => io(source),
        bad => GrowError::Root(bad),
    })?;
    check_growth(path, &layout, &info, bytes)?;
    let new_size = old_size
        .checked_add(bytes)
        .ok_or_else(|| refused("it cannot be that large"))?;
    let file = OpenOptions::new().write(true).open(path).map_err(io)?;
    file.set_len(new_size).map_err(io)?;
    drop(file);
    let disk = ImageFile::open_write(path).map_err(io)?;
    grow_partition(&disk, layout.root.number, layout.root.len + bytes)?;
    drop(disk);
    let disk = ImageFile::open_write(path).map_err(io)?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // resize2fs takes `file?offset=N`, and then cuts the whole file down to the size of the file
    // system; so it gets a file of its own.
    let scratch = scratch(path, folder).map_err(io)?;
    scratch.as_file().set_len(layout.root.len + bytes).map_err(io)?;
    let volume = ImageFile::open_write(scratch.path()).map_err(io)?;
    let root = Slice::new(&disk, layout.root.start, layout.root.len + bytes).map_err(io)?;
    copy_differing(&root, &volume).map_err(io)?;
    grow_file_system(folder, scratch.path(), &info)?;
    if ImageFile::open_read(scratch.path()).map_err(io)?.size() != root.size() {
        return Err(refused(
            "its root file system did not grow to the size of its partition",
        ));
    }
    copy_differing(&volume, &root).map_err(io)
}

/// Checks whether the root volume of an image can be grown at all, by its table and the state of
/// its file system.
fn check_growth(path: &Path, layout: &Layout, info: &Ext4Info, more: u64) -> Result<(), GrowError> {
    let refused = |why: &str| GrowError::Refused {
        path: path.display().to_string(),
        why: why.into(),
    };
    if layout.table.last() != Some(&layout.root) {
        return Err(GrowError::NotLast {
            path: path.display().to_string(),
            more,
        });
    }
    match info.refusal() {
        Some(why) => Err(refused(&format!("its root file system cannot be changed: {why}"))),
        None => Ok(()),
    }
}

/// Checks whether so many bytes and inodes fit onto the root volume of the image file at `path`, or
/// whether it can be grown to hold them. A caller uses it before it makes anything of the image.
///
/// # Errors
/// [`GrowError`] as [`grow_root`], without changing anything.
pub fn can_take(path: &Path, bytes: u64, inodes: u64) -> Result<(), GrowError> {
    let io = |source| GrowError::Io {
        path: path.display().to_string(),
        source,
    };
    let disk = Arc::new(ImageFile::open_read(path).map_err(io)?);
    let layout = Layout::detect(disk.clone())?;
    let info = root_info(disk.clone(), &layout)?;
    if let Some(why) = info.refusal() {
        return Err(GrowError::Refused {
            path: path.display().to_string(),
            why: format!("its root file system cannot be written: {why}"),
        });
    }
    match shortfall_of(disk, &layout, bytes, inodes) {
        Ok(None) => Ok(()),
        Ok(Some(more)) => check_growth(path, &layout, &info, more),
        Err(SpaceError::Root(source)) => Err(source.into()),
        Err(other) => Err(GrowError::Refused {
            path: path.display().to_string(),
            why: other.to_string(),
        }),
    }
}

/// Makes a file beside the image, with a name that begins as the image's does: the code that
/// removes an image which a killed run left unfinished removes this file with it.
fn scratch(image: &Path, folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let part = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let (stem, extension) = (part(image.file_stem()), part(image.extension()));
    tempfile::Builder::new()
        // Without a hyphen at the start, no tool takes it for an option.
        .prefix(&format!(".{}-", stem.trim_start_matches('.')))
        .suffix(&format!(".{extension}"))
        .tempfile_in(folder)
}

fn root_info(disk: Arc<ImageFile>, layout: &Layout) -> Result<Ext4Info, Ext4InfoError> {
    let slice = Slice::new(disk, layout.root.start, layout.root.len)?;
    Ext4Info::read(&slice)
}

/// Makes `to` equal to `from`; writes only where they differ, so that holes stay holes.
fn copy_differing(from: &dyn ReadAt, to: &dyn WriteAt) -> io::Result<()> {
    let (mut new, mut old) = (vec![0; STEP as usize], vec![0; STEP as usize]);
    let mut at = 0;
    while at < from.size() {
        let n = (from.size() - at).min(STEP) as usize;
        from.read_at(at, &mut new[..n])?;
        to.read_at(at, &mut old[..n])?;
        for (new, old) in new[..n].chunks(4096).zip(old[..n].chunks(4096)) {
            if new != old {
                to.write_at(at, new)?;
            }
            at += new.len() as u64;
        }
    }
    Ok(())
}

/// Checks and grows the file system that fills the file `volume`, which is in `folder`.
fn grow_file_system(folder: &Path, volume: &Path, info: &Ext4Info) -> Result<(), GrowError> {
    // The bare name, since libext2fs reads options behind a `?`, and a folder's name may contain
    // one.
    let name = volume.file_name().unwrap_or(volume.as_os_str());
    // The check is needed because resize2fs refuses a file system that was not checked since its
    // last mount. Exit code 1 means that faults were repaired.
    let mut check = tool("e2fsck");
    check.args(["-f", "-p"]).arg(name).current_dir(folder);
    run("e2fsck", check, &[0, 1], info)?;
    let mut resize = tool("resize2fs");
    resize.arg(name).current_dir(folder);
    run("resize2fs", resize, &[0], info)
}

/// Runs a tool with its clock stopped at the time when the file system was last written.
fn run(tool: &'static str, mut command: Command, good: &[i32], info: &Ext4Info) -> Result<(), GrowError> {
    let now = info.written_at.max(info.made_at).max(1).to_string();
    let output = command
        // e2fsck(8) and libext2fs (lib/ext2fs/initialize.c, e2fsck/e2fsck.c) read these instead of
        // the clock.
        .env("E2FSCK_TIME", &now)
        .env("E2FSPROGS_FAKE_TIME", &now)
        .env("SOURCE_DATE_EPOCH", &now)
        .env("E2FSCK_CONFIG", "/dev/null")
        .output()
        .map_err(|source| GrowError::NoTool { tool, source })?;
    if output.status.code().is_some_and(|code| good.contains(&code)) {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    Err(GrowError::Tool {
        tool,
        status: output.status.to_string(),
        said: said
            .chars()
            .rev()
            .take(600)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_that_grows_is_cleared_with_the_image_it_is_of() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join(".golden-Ab12.part");
        let scratch = scratch(&image, folder.path()).unwrap();
        let name = scratch.path().file_name().unwrap().to_string_lossy().into_owned();
        assert!(name.starts_with(".golden-Ab12-") && name.ends_with(".part"), "{name}");
    }
}
