//! Writes an image so that its zero blocks become holes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// The size of the blocks that become holes when they are all zero, in bytes: the block of ext4 and
/// of the page cache.
const HOLE: usize = 4096;

static ZEROS: [u8; HOLE] = [0; HOLE];

/// Writes a file from front to back, skipping blocks of zeros. The file must be empty to begin
/// with.
pub(crate) struct SparseWriter<'f> {
    file: &'f File,
    offset: u64,
}

impl<'f> SparseWriter<'f> {
    pub(crate) fn new(file: &'f File) -> Self {
        Self { file, offset: 0 }
    }

    /// Appends `data`. Holes are found best when every call but the last brings a multiple of 4096
    /// bytes.
    pub(crate) fn write(&mut self, data: &[u8]) -> io::Result<()> {
        let mut run_start = 0;
        let mut at = 0;
        for chunk in data.chunks(HOLE) {
            if *chunk == ZEROS[..chunk.len()] {
                self.write_run(&data[run_start..at], run_start)?;
                run_start = at + chunk.len();
            }
            at += chunk.len();
        }
        self.write_run(&data[run_start..], run_start)?;
        self.offset += data.len() as u64;
        Ok(())
    }

    fn write_run(&self, run: &[u8], start: usize) -> io::Result<()> {
        if run.is_empty() {
            return Ok(());
        }
        self.file.write_all_at(run, self.offset + start as u64)
    }

    /// Sets the file to its full length (a hole at the end is not written) and syncs it to the
    /// disk.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.file.set_len(self.offset)?;
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn what_is_written_reads_back_and_zeros_take_no_room() {
        let mut content = vec![0u8; 3 << 20];
        for at in [0, 4095, 4096, 70_000, (2 << 20) + 1] {
            content[at] = 7;
        }
        content.extend_from_slice(&[0; 777]);
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        let mut writer = SparseWriter::new(file.as_file());
        for block in content.chunks(1 << 20) {
            writer.write(block).expect("write");
        }
        writer.finish().expect("finish");
        assert_eq!(std::fs::read(file.path()).expect("read"), content);
        let allocated = file.as_file().metadata().expect("metadata").blocks() * 512;
        assert!(allocated < 256 << 10, "{allocated} bytes allocated");
    }
}
