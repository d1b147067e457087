//! Grows the root volume of an image file: the file, the partition, and the file system, by
//! e2fsprogs on the file itself.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use super::ext4::Ext4Info;
use super::file::ImageFile;
use super::io::{ReadAt, WriteAt, index};
use super::layout::Layout;
use super::slice::Slice;
use super::space::shortfall_of;
use super::table::grow_partition;
use super::tools::tool;
use kraken_foundation::{Context, Error, Kind, Result};

/// Cards and images are laid out in steps of this size; growth is rounded up to it.
const STEP: u64 = STEP_LEN as u64;
/// The same, as a size in memory.
const STEP_LEN: usize = 1 << 20;

/// Makes the root volume of the image file at `path` larger by `bytes` (rounded up to 1 MiB): file,
/// partition table and file system. The root partition must be the last one. The same image grown
/// by the same amount gives the same bytes, at any time.
///
/// Errors name `image`, which the user knows: the file that is grown is usually a copy of it with a
/// temporary name.
///
/// # Errors
/// When the file cannot be read or written, its root volume cannot be grown ([`can_take`]), or
/// e2fsprogs are missing or fail. The file may be left half-grown: work on a copy.
pub fn grow_root(path: &Path, image: &Path, bytes: u64) -> Result<()> {
    let too_large = || refused(Kind::Full, image, "it cannot be that large");
    let bytes = bytes.checked_next_multiple_of(STEP).ok_or_else(too_large)?;
    let disk = Arc::new(ImageFile::open_read(path).doing("growing", image)?);
    let old_size = disk.size();
    let layout = Layout::detect(disk.clone())?;
    let info = Ext4Info::of(disk, &layout.root).map_err(|error| match error.downcast_ref::<io::Error>() {
        Some(source) => refused(error.kind(), image, source),
        None => error,
    })?;
    check_growth(image, &layout, &info, bytes)?;
    let new_size = old_size.checked_add(bytes).ok_or_else(too_large)?;
    let file = OpenOptions::new().write(true).open(path).doing("growing", image)?;
    file.set_len(new_size).doing("growing", image)?;
    drop(file);
    let disk = ImageFile::open_write(path).doing("growing", image)?;
    grow_partition(&disk, layout.root.number, layout.root.len + bytes)?;
    drop(disk);
    let disk = ImageFile::open_write(path).doing("growing", image)?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // resize2fs takes `file?offset=N`, and then cuts the whole file down to the size of the file
    // system; so it gets a file of its own.
    let scratch = scratch(path, folder).doing("growing", image)?;
    scratch
        .as_file()
        .set_len(layout.root.len + bytes)
        .doing("growing", image)?;
    let volume = ImageFile::open_write(scratch.path()).doing("growing", image)?;
    let root = Slice::new(&disk, layout.root.start, layout.root.len + bytes).doing("growing", image)?;
    copy_differing(&root, &volume).doing("growing", image)?;
    grow_file_system(folder, scratch.path(), &info)?;
    if ImageFile::open_read(scratch.path()).doing("growing", image)?.size() != root.size() {
        let why = "its root file system did not grow to the size of its partition";
        return Err(refused(Kind::Tool, image, why));
    }
    copy_differing(&volume, &root).doing("growing", image)
}

/// Checks whether the root volume of an image can be grown at all, by its table and the state of
/// its file system.
fn check_growth(image: &Path, layout: &Layout, info: &Ext4Info, more: u64) -> Result<()> {
    if layout.table.last() != Some(&layout.root) {
        let text = format!(
            "making the root partition of {} {} MiB larger: it is not the last one of its disk, so there is no room behind it; \
             use an image whose root partition is the last, or take the ones behind it out \
             (`sfdisk --delete` on a copy of it), or ask for fewer packages",
            image.display(),
            more >> 20
        );
        return Err(Error::new(Kind::Full, text));
    }
    match info.refusal() {
        Some(why) => Err(refused(
            info.refusal_kind(),
            image,
            format_args!("its root file system cannot be changed: {why}"),
        )),
        None => Ok(()),
    }
}

/// The root volume of `image` cannot be grown.
fn refused(kind: Kind, image: &Path, why: impl Display) -> Error {
    Error::new(kind, format!("growing {}: {why}", image.display()))
}

/// Checks whether so many bytes and inodes fit onto the root volume of the image file at `path`, or
/// whether it can be grown to hold them. A caller uses it before it makes anything of the image.
///
/// # Errors
/// When they neither fit nor can be made to: the file cannot be read, its root file system was not
/// unmounted or has a shape that is not supported, or other partitions are behind it.
pub fn can_take(path: &Path, bytes: u64, inodes: u64) -> Result<()> {
    let disk = Arc::new(ImageFile::open_read(path).doing("growing", path)?);
    let layout = Layout::detect(disk.clone())?;
    let info = Ext4Info::of(disk.clone(), &layout.root)?;
    if let Some(why) = info.refusal() {
        let why = format_args!("its root file system cannot be written: {why}");
        return Err(refused(info.refusal_kind(), path, why));
    }
    match shortfall_of(disk, &layout, bytes, inodes)? {
        None => Ok(()),
        Some(more) => check_growth(path, &layout, &info, more),
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

/// Makes `to` equal to `from`; writes only where they differ, so that holes stay holes.
fn copy_differing(from: &dyn ReadAt, to: &dyn WriteAt) -> io::Result<()> {
    let (mut new, mut old) = (vec![0; STEP_LEN], vec![0; STEP_LEN]);
    let mut at = 0;
    while at < from.size() {
        let n = index(from.size() - at).min(STEP_LEN);
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
fn grow_file_system(folder: &Path, volume: &Path, info: &Ext4Info) -> Result<()> {
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
fn run(tool: &'static str, mut command: Command, good: &[i32], info: &Ext4Info) -> Result<()> {
    let now = info.written_at.max(info.made_at).max(1).to_string();
    let output = command
        // e2fsck(8) and libext2fs (lib/ext2fs/initialize.c, e2fsck/e2fsck.c) read these instead of
        // the clock.
        .env("E2FSCK_TIME", &now)
        .env("E2FSPROGS_FAKE_TIME", &now)
        .env("SOURCE_DATE_EPOCH", &now)
        .env("E2FSCK_CONFIG", "/dev/null")
        .output()
        .map_err(|error| no_tool(tool, error))?;
    if output.status.code().is_some_and(|code| good.contains(&code)) {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    // The end of what it printed is enough.
    let skipped = said.chars().count().saturating_sub(600);
    let said: String = said.chars().skip(skipped).collect();
    let text = format!(
        "growing the root file system: `{tool}` failed ({}): {said}",
        output.status
    );
    Err(Error::new(Kind::Tool, text))
}

fn no_tool(tool: &str, error: io::Error) -> Error {
    let text = format!("growing an image needs `{tool}`, which could not be started ({error}); install e2fsprogs");
    Error::from(error).context(text)
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
