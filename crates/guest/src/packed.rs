//! Unpacks packed images for one run.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::reaper::Reaper;
use super::scratch::folder_in;
use kraken_fetch::{Format, Limits, Packed, RawFile, recognise, unpack};
use kraken_foundation::Job;
use kraken_foundation::{Context as _, Result};
use kraken_image::output::UNPACKED_LIMIT;

/// A folder for unpacked images. The folder and its files are removed when this value is dropped,
/// or when the program ends in any way.
#[derive(Debug)]
pub struct Unpacking {
    // The reaper is dropped first: it removes the folder.
    _reaper: Reaper,
    folder: tempfile::TempDir,
}

impl Unpacking {
    /// Makes a folder in `room`, which needs some GiB of free space for each image.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn new(room: &Path) -> Result<Self> {
        let folder = folder_in(room)?;
        let reaper = Reaper::spawn(&[folder.path()]).doing("starting a shell to clean up behind", folder.path())?;
        Ok(Self {
            _reaper: reaper,
            folder,
        })
    }

    /// Returns the raw image of a packed file, which may be as large as those that `verify`
    /// accepts. For a raw image, or a file of unknown format, returns `image` itself; the run then
    /// reports what is wrong with it.
    ///
    /// # Errors
    /// If the file cannot be read or is damaged, or if the disk is full.
    pub fn raw(&self, image: &Path, job: Job<'_>) -> Result<PathBuf> {
        let format = recognise(image).unwrap_or(Format::Raw);
        if format == Format::Raw {
            return Ok(image.to_owned());
        }
        let path = self
            .folder
            .path()
            .join(image.file_name().unwrap_or_default())
            .with_extension("raw");
        let file = File::create_new(&path).doing("making", &path)?;
        let limits = Limits {
            exact: None,
            most: UNPACKED_LIMIT,
        };
        let packed = Packed { path: image, format };
        let raw = RawFile {
            file: &file,
            path: &path,
        };
        match unpack(packed, raw, limits, job) {
            Ok(_) => Ok(path),
            Err(error) => {
                job.check()?;
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;
    use crate::BootTarget;
    use kraken_foundation::interrupt::Interrupt;
    use kraken_foundation::progress::Silent;

    #[test]
    fn a_copy_is_booted_and_the_named_file_is_watched() {
        let room = tempfile::tempdir().unwrap();
        let mut image = vec![0; 1 << 20];
        image[510..512].copy_from_slice(&[0x55, 0xaa]);
        let packed = room.path().join("kraken-1.img.gz");
        let mut encoder = flate2::write::GzEncoder::new(File::create(&packed).unwrap(), flate2::Compression::fast());
        encoder.write_all(&image).unwrap();
        encoder.finish().unwrap();

        let unpacking = Unpacking::new(&room.path().join("boot")).unwrap();
        let cluster = testkit::images::kraken();
        let mut target = BootTarget::file(&cluster.nodes[0], packed.clone());
        target.unpack(&unpacking, Job::new(&Silent, &Interrupt::new())).unwrap();
        assert_eq!(fs::read(&target.image).unwrap(), image);
        assert_eq!(target.named(), Some(packed.clone()));

        let before = target.fingerprint().unwrap();
        fs::write(&target.image, "another").unwrap();
        assert!(
            target.fingerprint().unwrap() == before,
            "a change of the copy does not count"
        );
        fs::write(&packed, "another").unwrap();
        assert!(target.fingerprint().unwrap() != before);
        let copy = target.image.clone();
        drop(unpacking);
        assert!(!copy.exists());
    }
}
