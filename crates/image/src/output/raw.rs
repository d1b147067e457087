//! Writes a node's image as a raw, sparse file.

use std::fs::File;
use std::io;

use crate::bake::{CopyMethod, NodeImage, copy_used};
use kraken_disk::ReadAt;
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::progress::Task;

/// Fills `to` (empty, just created) with the node's image: the golden image's used blocks, then the
/// patch.
///
/// # Errors
/// The system's error; `Interrupted` when asked to stop.
pub(super) fn write(
    image: &NodeImage<'_>,
    to: &File,
    task: &dyn Task,
    interrupt: &Interrupt,
) -> io::Result<CopyMethod> {
    use std::os::unix::fs::FileExt;
    let golden = image.golden();
    let method = copy_used(
        golden.file().file(),
        to,
        image.size(),
        golden.used(),
        true,
        task,
        interrupt,
    )?;
    for (offset, bytes) in image.patch().iter() {
        to.write_all_at(bytes, offset)?;
    }
    Ok(method)
}
