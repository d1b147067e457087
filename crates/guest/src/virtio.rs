//! Finds out whether the kernels of an image have a driver for the disk of `virt`.

use kraken_disk::{FileTree, real_path};
use kraken_foundation::Result;

/// The largest list of modules of one kernel, in bytes.
const LIST_LIMIT: u64 = 16 << 20;

/// Returns whether the kernels in this root have modules, but none for the disk of `virt`.
pub(crate) fn lacks_virtio(root: &dyn FileTree) -> Result<bool> {
    let folder = real_path(root, "/lib/modules")?;
    if root.metadata(&folder)?.is_none() {
        return Ok(false);
    }
    let mut seen = false;
    for release in root.list(&folder)? {
        for list in ["modules.dep", "modules.builtin"] {
            let Some(text) = root.read(&format!("{folder}/{release}/{list}"), LIST_LIMIT)? else {
                continue;
            };
            seen = true;
            if String::from_utf8_lossy(&text).contains("/virtio_blk.ko") {
                return Ok(false);
            }
        }
    }
    // A card without any module list is faulty. It boots with its own kernel, so that the run shows
    // the fault.
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kraken_disk::MemoryTree;

    #[test]
    fn kernels_without_virtio_differ_from_missing_kernels() {
        let with = |files: &[(&str, &str)]| {
            let mut tree = MemoryTree::default();
            for (path, text) in files {
                tree.file(path, text.as_bytes());
            }
            lacks_virtio(&tree).unwrap()
        };
        const PI: (&str, &str) = (
            "/lib/modules/6.12.25+rpt-rpi-v8/modules.dep",
            "kernel/fs/ext4/ext4.ko.xz:\n",
        );
        const BUILT_IN: (&str, &str) = (
            "/lib/modules/6.12-v8/modules.builtin",
            "kernel/drivers/block/virtio_blk.ko\n",
        );
        const DEBIAN: (&str, &str) = (
            "/lib/modules/6.12-arm64/modules.dep",
            "kernel/drivers/block/virtio_blk.ko.xz:\n",
        );
        assert!(with(&[PI]));
        assert!(!with(&[PI, BUILT_IN]));
        assert!(!with(&[DEBIAN, PI]));
        assert!(!with(&[]));
        assert!(!with(&[("/lib/modules/6.12-arm64/kernel/fs/ext4.ko", "")]));
    }
}
