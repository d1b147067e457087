//! Which shapes of ext4 are neither read nor written, by name, and what to do about each.
//!
//! The bits are those of Linux, Documentation/filesystems/ext4/super.rst; tune2fs(8) says which of
//! them `tune2fs -O ^…` removes.

/// The fields that decide whether a volume can be read and written.
pub(super) struct Shape {
    pub incompat: u32,
    pub ro_compat: u32,
    pub block_size: u64,
    pub inode_size: u16,
}

/// A feature that is not supported, and its description for messages.
struct Feature(u32, &'static str);

const FILETYPE: u32 = 0x2;
const EXTENTS: u32 = 0x40;
const METADATA_CSUM: u32 = 0x400;

const INCOMPAT: &[Feature] = &[
    Feature(
        0x1,
        "it uses compression, which Linux does not have either; use another base",
    ),
    Feature(0x8, "it is a journal device, not a file system"),
    Feature(
        0x10,
        "it has the feature meta_bg, which is not supported; use a base made without it (`mkfs.ext4 -O ^meta_bg`)",
    ),
    Feature(
        0x100,
        "it has the feature mmp (protection against being mounted twice), which is not supported; \
         take it off that partition with `tune2fs -O ^mmp`, or use a base made without it",
    ),
    Feature(
        0x400,
        "it has the feature ea_inode, which is not supported; use a base made without it (`mkfs.ext4 -O ^ea_inode`)",
    ),
    Feature(
        0x1000,
        "it has the feature dirdata (Lustre), which is not supported; use another base",
    ),
    Feature(
        0x4000,
        "it has the feature large_dir, which is not supported; use a base made without it (`mkfs.ext4 -O ^large_dir`)",
    ),
    Feature(
        0x8000,
        "it has the feature inline_data, which is not supported; use a base made without it (`mkfs.ext4 -O ^inline_data`)",
    ),
    Feature(
        0x1_0000,
        "it has the feature encrypt, which is not supported; use a base made without it (`mkfs.ext4 -O ^encrypt`)",
    ),
    Feature(
        0x2_0000,
        "it has the feature casefold, which is not supported; \
         take it off that partition with `tune2fs -O ^casefold`, or use a base made without it",
    ),
];
/// extents, filetype, recover, 64bit, flex_bg, csum_seed.
const KNOWN_INCOMPAT: u32 = 0x2 | 0x4 | 0x40 | 0x80 | 0x200 | 0x2000;

const RO_COMPAT: &[Feature] = &[
    Feature(
        0x80,
        "it has snapshots (next3), which are not supported; use another base",
    ),
    Feature(
        0x100,
        "it has the feature quota, which is not supported; \
         take it off that partition with `tune2fs -O ^quota`, or use a base made without it",
    ),
    Feature(
        0x200,
        "it has the feature bigalloc, which is not supported; use a base made without it (`mkfs.ext4 -O ^bigalloc`)",
    ),
    Feature(0x800, "it has replicas, which are not supported; use another base"),
    Feature(
        0x1000,
        "it has the feature read-only: it is not to be written; \
         take it off that partition with `tune2fs -O ^read-only`, or use a base made without it",
    ),
    Feature(
        0x2000,
        "it has the feature project (quotas), which is not supported; \
         take it off that partition with `tune2fs -O ^project`, or use a base made without it",
    ),
    Feature(
        0x4000,
        "its files share blocks (shared_blocks, as Android has it): it cannot be written; use a base made without it",
    ),
    Feature(
        0x8000,
        "it has the feature verity, which is not supported; use a base made without it (`mkfs.ext4 -O ^verity`)",
    ),
];
/// sparse_super, large_file, btree_dir, huge_file, uninit_bg, dir_nlink, extra_isize,
/// metadata_csum, orphan_present.
const KNOWN_RO_COMPAT: u32 = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x20 | 0x40 | 0x400 | 0x1_0000;

const UNKNOWN: &str = "it has a feature that this program does not know (`dumpe2fs -h` on that partition lists them); \
                       use a base made by mkfs.ext4 with Debian's own settings";

/// Returns why a volume of this shape is neither read nor written; `None` when it is supported.
pub(super) fn unsupported(shape: &Shape) -> Option<&'static str> {
    let named = |features: &[Feature], bits: u32| features.iter().find(|f| f.0 & bits != 0).map(|f| f.1);
    let known = |features: &[Feature], more: u32| features.iter().fold(more, |all, feature| all | feature.0);
    if let Some(why) = named(INCOMPAT, shape.incompat).or_else(|| named(RO_COMPAT, shape.ro_compat)) {
        return Some(why);
    }
    if shape.incompat & EXTENTS == 0 {
        return Some("it has no extents (ext2 or ext3), which is not supported; use a base with ext4");
    }
    if shape.incompat & FILETYPE == 0 {
        return Some(
            "it lacks the feature filetype, without which it is not supported; \
             add it to that partition with `tune2fs -O filetype` and `e2fsck -fD`, or use a base made with it",
        );
    }
    if shape.incompat & !known(INCOMPAT, KNOWN_INCOMPAT) != 0
        || shape.ro_compat & !known(RO_COMPAT, KNOWN_RO_COMPAT) != 0
    {
        return Some(UNKNOWN);
    }
    if shape.inode_size < 256 {
        return Some(
            "its inodes have 128 bytes, which is not supported (they end in 2038, too); \
             use a base made with larger ones (`mkfs.ext4 -I 256`)",
        );
    }
    if shape.block_size > 4096 {
        return Some(
            "its blocks are larger than 4096 bytes, which a Raspberry Pi cannot mount; use a base made with `mkfs.ext4 -b 4096`",
        );
    }
    // The checksum of a block of extents stands behind the last extent that fits. The library that
    // writes puts it at the block's end. Only with 1024 and 4096 bytes is that the same place.
    if shape.ro_compat & METADATA_CSUM != 0 && shape.block_size % 12 != 4 {
        return Some(
            "its blocks have 2048 bytes and checksums, which is not supported; \
             use a base made with `mkfs.ext4 -b 4096`, or take the checksums off that partition with `tune2fs -O ^metadata_csum`",
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Shape = Shape {
        incompat: KNOWN_INCOMPAT,
        ro_compat: KNOWN_RO_COMPAT,
        block_size: 4096,
        inode_size: 256,
    };

    #[test]
    fn every_feature_that_is_refused_is_named_with_the_help() {
        assert_eq!(unsupported(&GOOD), None);
        for bit in (0..32).map(|n| 1 << n) {
            let why = unsupported(&Shape {
                incompat: GOOD.incompat | bit,
                ..GOOD
            });
            assert_eq!(why.is_none(), KNOWN_INCOMPAT & bit != 0, "incompat {bit:#x}");
            let why = unsupported(&Shape {
                ro_compat: GOOD.ro_compat | bit,
                ..GOOD
            });
            assert_eq!(why.is_none(), KNOWN_RO_COMPAT & bit != 0, "ro_compat {bit:#x}");
        }
        for (bit, name) in [
            (0x10, "^meta_bg"),
            (0x100, "^mmp"),
            (0x400, "^ea_inode"),
            (0x4000, "^large_dir"),
            (0x8000, "^inline_data"),
            (0x2_0000, "^casefold"),
        ] {
            let incompat = GOOD.incompat | bit;
            assert!(unsupported(&Shape { incompat, ..GOOD }).unwrap().contains(name));
        }
        for (bit, name) in [(0x100, "^quota"), (0x200, "^bigalloc"), (0x2000, "^project")] {
            let ro_compat = GOOD.ro_compat | bit;
            assert!(unsupported(&Shape { ro_compat, ..GOOD }).unwrap().contains(name));
        }
        for (missing, name) in [(EXTENTS, "extents"), (FILETYPE, "filetype")] {
            let incompat = GOOD.incompat & !missing;
            assert!(unsupported(&Shape { incompat, ..GOOD }).unwrap().contains(name));
        }
    }

    #[test]
    fn sizes_of_blocks_and_inodes_that_would_be_written_wrong_are_refused() {
        let with = |block_size, ro_compat, inode_size| {
            unsupported(&Shape {
                block_size,
                ro_compat,
                inode_size,
                ..GOOD
            })
        };
        assert!(with(4096, KNOWN_RO_COMPAT, 128).unwrap().contains("-I 256"));
        assert_eq!(with(4096, KNOWN_RO_COMPAT, 1024), None);
        assert_eq!(with(1024, KNOWN_RO_COMPAT, 256), None);
        assert_eq!(with(2048, KNOWN_RO_COMPAT & !METADATA_CSUM, 256), None);
        assert!(with(2048, KNOWN_RO_COMPAT, 256).unwrap().contains("^metadata_csum"));
        for large in [8192, 16384, 32768, 65536] {
            assert!(with(large, KNOWN_RO_COMPAT, 256).unwrap().contains("-b 4096"));
        }
    }
}
