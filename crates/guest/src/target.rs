//! What is booted: an image file, or a golden image with a patch. Makes the overlay over it, which
//! takes everything that the guest writes.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::firmware::{self, BootFiles};
use super::programs::{self, run, text};
use super::written::{self, Written};
use super::{Machine, Unpacking, virtio};
use kraken_disk::{CowView, Ext4Tree, FileTree, ImageFile, Layout, Patch, ReadAt};
use kraken_foundation::{Context as _, Error, Job, Kind, Result, named};
use kraken_overlay::{Entry, EntryPath, Overlay, Volume};
use kraken_spec::Node;

/// An image that is booted as one node.
#[derive(Clone)]
pub struct BootTarget<'a> {
    /// The node of the cluster that the image should be.
    pub node: &'a Node,
    /// The raw image: the node's own, or the golden image if there is a patch.
    pub image: PathBuf,
    /// The file that the user named, if `image` was unpacked from it.
    pub packed: Option<PathBuf>,
    /// The difference between the golden image and the node's image.
    pub patch: Option<Patch>,
}

/// The size and the time of change of an image, to see whether another program changes it.
#[derive(PartialEq, Eq)]
pub struct Fingerprint(u64, Option<SystemTime>);

impl<'a> BootTarget<'a> {
    /// A target that is an image file.
    pub fn file(node: &'a Node, image: PathBuf) -> Self {
        Self {
            node,
            image,
            packed: None,
            patch: None,
        }
    }

    /// A target that is a golden image with a node's patch. No file of the node's own image is
    /// needed.
    pub fn made(node: &'a Node, golden: PathBuf, patch: Patch) -> Self {
        Self {
            node,
            image: golden,
            packed: None,
            patch: Some(patch),
        }
    }

    /// Unpacks the image if it is packed (see [`Unpacking::raw`]), so that the unpacked one is
    /// booted.
    ///
    /// # Errors
    /// If it cannot be unpacked.
    pub fn unpack(&mut self, unpacking: &Unpacking, job: Job<'_>) -> Result<()> {
        let raw = unpacking.raw(&self.image, job)?;
        if raw != self.image {
            self.packed = Some(std::mem::replace(&mut self.image, raw));
        }
        Ok(())
    }

    /// Returns the path of the image for the report; `None` if the node has no image file of its
    /// own.
    pub fn named(&self) -> Option<PathBuf> {
        self.patch.is_none().then(|| self.original().to_owned())
    }

    /// Returns the file that the user owns. It must not change while the target is booted.
    pub fn original(&self) -> &Path {
        self.packed.as_ref().unwrap_or(&self.image)
    }

    /// Returns the present fingerprint of that file.
    ///
    /// # Errors
    /// If the file is gone.
    pub fn fingerprint(&self) -> Result<Fingerprint> {
        let file = self.original();
        let metadata = fs::metadata(file).doing("looking at", file)?;
        Ok(Fingerprint(metadata.len(), metadata.modified().ok()))
    }

    /// Opens the whole disk as it would be on the card.
    fn disk(&self) -> Result<Arc<CowView<ImageFile>>> {
        let file = ImageFile::open_read(&self.image).doing("opening", &self.image)?;
        Ok(Arc::new(match &self.patch {
            Some(patch) => CowView::with_patch(file, patch.clone()),
            None => CowView::new(file),
        }))
    }

    fn layout(&self, disk: &Arc<CowView<ImageFile>>) -> Result<Layout> {
        Layout::detect(disk.clone()).quoted(|| format!("looking at {}", self.image.display()))
    }

    /// Opens the root volume.
    pub fn root(&self) -> Result<Ext4Tree> {
        let disk = self.disk()?;
        let layout = self.layout(&disk)?;
        layout
            .root_tree(disk)
            .quoted(|| format!("reading the root volume of {}", self.image.display()))
    }

    /// Returns whether `virt` needs another kernel than the card's, because all of the card's
    /// drivers are for a Pi. If the root volume cannot be read, the result is false: the card's own
    /// kernel will then show what is wrong.
    pub fn lacks_virtio(&self) -> bool {
        self.root()
            .is_ok_and(|root| virtio::lacks_virtio(&root).unwrap_or(false))
    }

    /// Returns what the firmware would read from the card as it was made.
    pub fn boot_files(&self, machine: Machine) -> Result<Result<BootFiles>> {
        let disk: Arc<dyn ReadAt> = self.disk()?;
        Ok(written::boot_tree(&disk).and_then(|boot| firmware::boot_files(&boot, machine)))
    }

    /// Opens the card as it is now, with what guests have written into the overlay file at
    /// `overlay`.
    pub fn written(&self, overlay: &Path) -> Result<Arc<dyn ReadAt>> {
        Ok(Arc::new(Written::open(overlay, &self.image)?))
    }

    /// Returns the free space in bytes on the root volume after it has grown to a card of `card`
    /// bytes; `None` if that cannot be known beforehand.
    pub fn room(&self, card: u64) -> Result<Option<u64>> {
        let disk = self.disk()?;
        let layout = self.layout(&disk)?;
        let growth = card.saturating_sub(disk.size());
        Ok(kraken_disk::free_space(disk, &layout)
            .ok()
            .map(|space| space.root + growth))
    }

    /// Makes the overlay file at `at`: over the image, as large as a card of `card` bytes, with the
    /// patch, and with the public key `key` for root.
    ///
    /// If the key cannot be added, returns the reason. The card is then booted without it.
    pub fn overlay(&self, at: &Path, card: u64, key: &str) -> Result<Option<Error>> {
        let disk = self.disk()?;
        let layout = self.layout(&disk)?;
        let size = disk.size().max(card);
        let base = self.image.canonicalize().doing("finding", &self.image)?;
        let create = [
            "create",
            "-q",
            "-f",
            "qcow2",
            "-F",
            "raw",
            "-b",
            text(&base)?,
            text(at)?,
        ];
        run("qemu-img", &[&create[..], &[&size.to_string()]].concat(), b"")?;
        let kept_out = put_key(disk.clone(), &layout, key).err();
        let disk = Arc::into_inner(disk).ok_or_else(|| still_open(at))?;
        let patch = match (&kept_out, &self.patch) {
            (None, _) => disk.into_patch().doing("reading", &self.image)?,
            // The view may hold half of a key, so it is not used.
            (Some(_), Some(patch)) => patch.clone(),
            (Some(_), None) => return Ok(kept_out),
        };
        write_patch(&patch, at)?;
        Ok(kept_out)
    }
}

fn still_open(path: &Path) -> Error {
    let text = format!("closing {}: its image is still being read", path.display());
    Error::new(Kind::Internal, text)
}

/// Adds the emulator's own key to root's authorized keys: in the overlay, never in the image.
fn put_key(disk: Arc<CowView<ImageFile>>, layout: &Layout, key: &str) -> kraken_foundation::Result<()> {
    const FILE: &str = "/root/.ssh/authorized_keys";
    let mut overlay = Overlay::new();
    let mut text = layout
        .root_tree(disk.clone())
        .ok()
        .and_then(|root| root.read(FILE, 1 << 20).ok().flatten())
        .unwrap_or_default();
    text.extend_from_slice(key.trim_end().as_bytes());
    text.push(b'\n');
    for (path, entry) in [
        ("/root/.ssh", Entry::directory(0o700, 0)),
        (FILE, Entry::file(text, 0o600, 0)),
    ] {
        // Both paths are valid.
        if let Ok(path) = EntryPath::new(path) {
            overlay.insert(Volume::Root, path, entry);
        }
    }
    kraken_disk::apply(disk, layout, &overlay)
}

/// Writes a patch into an overlay with qemu-io(1). Each run of adjacent blocks goes through a file
/// beside the overlay.
fn write_patch(patch: &Patch, overlay: &Path) -> Result<()> {
    let folder =
        tempfile::tempdir_in(overlay.parent().unwrap_or(Path::new("."))).doing("making a folder beside", overlay)?;
    let mut runs: Vec<(u64, Vec<u8>)> = Vec::new();
    for (at, bytes) in patch.iter() {
        match runs.last_mut() {
            Some((start, run)) if *start + run.len() as u64 == at => run.extend_from_slice(bytes),
            _ => runs.push((at, bytes.to_vec())),
        }
    }
    let mut script = String::new();
    for (number, (at, bytes)) in runs.iter().enumerate() {
        let file = folder.path().join(number.to_string());
        named::write(&file, bytes).doing("writing", &file)?;
        let _ = writeln!(script, "write -q -s {} {at} {}", file.display(), bytes.len());
    }
    script.push_str("flush\nquit\n");
    let said = run("qemu-io", &["-f", "qcow2", text(overlay)?], script.as_bytes())?;
    let said = String::from_utf8_lossy(&said);
    // qemu-io prints what failed, but exits successfully.
    match said
        .lines()
        .find(|line| line.contains("failed") || line.contains("rror"))
    {
        Some(line) => Err(programs::failed("qemu-io", line)),
        None => Ok(()),
    }
}
