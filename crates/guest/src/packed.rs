//! Packed images, unpacked for one run.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::BootError;
use super::error::io_error;
use super::reaper::Reaper;
use super::scratch::folder_in;
use kraken_fetch::{Format, Limits, recognise, unpack};
use kraken_foundation::Job;
use kraken_image::output::UNPACKED_LIMIT;

/// Where packed images are unpacked; gone, with all that is in it, when it is dropped or the program ends in any way.
#[derive(Debug)]
pub struct Unpacking {
    // First the janitor, who is done when the folder is gone.
    _reaper: Reaper,
    folder: tempfile::TempDir,
}

impl Unpacking {
    /// A folder in `room`, which has the space: some GiB for each image.
    ///
    /// # Errors
    /// [`BootError::Io`] when it cannot be made.
    pub fn new(room: &Path) -> Result<Self, BootError> {
        let folder = folder_in(room)?;
        let reaper =
            Reaper::spawn(&[folder.path()]).map_err(io_error("starting a shell to clean up behind", folder.path()))?;
        Ok(Self {
            _reaper: reaper,
            folder,
        })
    }

    /// The raw image in a packed file, no larger than those that `verify` takes; a raw image itself. What is neither is left for the run to judge.
    ///
    /// # Errors
    /// [`BootError`] when the file cannot be read or is damaged, or there is no room.
    pub fn raw(&self, image: &Path, job: Job<'_>) -> Result<PathBuf, BootError> {
        let format = recognise(image).unwrap_or(Format::Raw);
        if format == Format::Raw {
            return Ok(image.to_owned());
        }
        let path = self
            .folder
            .path()
            .join(image.file_name().unwrap_or_default())
            .with_extension("raw");
        let file = File::create_new(&path).map_err(io_error("making", &path))?;
        let limits = Limits {
            exact: None,
            most: UNPACKED_LIMIT,
        };
        match unpack((image, format), (&file, &path), limits, job) {
            Ok(_) => Ok(path),
            Err(error) => {
                job.check()?;
                Err(error.into())
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
    fn what_is_booted_is_a_copy_and_what_is_watched_is_the_file_that_was_named() {
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
        assert!(target.fingerprint().unwrap() == before, "the copy is nobody's business");
        fs::write(&packed, "another").unwrap();
        assert!(target.fingerprint().unwrap() != before);
        let copy = target.image.clone();
        drop(unpacking);
        assert!(!copy.exists());
    }
}
