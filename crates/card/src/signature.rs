//! Recognises the contents of a partition by its first bytes. This is used where udev's database is
//! missing, as in containers.
//!
//! Names are those of libblkid. Offsets are those of the kernel's headers and of libblkid's
//! superblock probers.

use kraken_disk::ReadAt;

/// Kind, label and id of the contents of a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Signature {
    /// The kind, as libblkid names it.
    pub kind: &'static str,
    /// The label, not yet cleaned.
    pub label: Option<String>,
    /// The UUID, as libblkid writes it.
    pub uuid: Option<String>,
}

/// How many bytes of a volume are read: btrfs has its superblock at 64 KiB.
const HEAD: usize = 68 << 10;

/// Reads the signature of a volume; `None` when no known signature is there, or when the volume
/// cannot be read.
pub(super) fn read(volume: &dyn ReadAt) -> Option<Signature> {
    let len = usize::try_from(volume.size()).unwrap_or(HEAD).min(HEAD);
    let mut head = vec![0; len];
    volume.read_at(0, &mut head).ok()?;
    recognise(&head)
}

/// Recognises the first bytes of a volume. Signatures that claim a whole disk for other software
/// come first.
fn recognise(head: &[u8]) -> Option<Signature> {
    let head = Head(head);
    let plain = |kind| Signature {
        kind,
        ..Signature::default()
    };
    // LUKS: magic, version, and for version 2 a label of 48 bytes at 24; UUID as text at 168
    // (cryptsetup's on-disk format).
    if head.is(0, b"LUKS\xba\xbe") {
        return Some(Signature {
            kind: "crypto_LUKS",
            label: head.is(6, &[0, 2]).then(|| head.text(24, 48)).flatten(),
            uuid: head.text(168, 40),
        });
    }
    // LVM2: a label in one of the first four sectors.
    if (0..4).any(|sector| head.is(sector * 512, b"LABELONE") && head.is(sector * 512 + 24, b"LVM2 001")) {
        return Some(plain("LVM2_member"));
    }
    // md, versions 1.1 and 1.2: set UUID at 16, name of 32 bytes at 32. Versions 1.0 and 0.90 lie
    // at the end of the device; a running array shows as a holder.
    if let Some(at) = [0, 4096]
        .into_iter()
        .find(|at| head.is(*at, &0xa92b_4efc_u32.to_le_bytes()))
    {
        return Some(Signature {
            kind: "linux_raid_member",
            label: head.text(at + 32, 32),
            uuid: head.guid(at + 16),
        });
    }
    // bcache: magic at 4096 + 24, UUID after it.
    const BCACHE: &[u8] = b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81";
    if head.is(4096 + 24, BCACHE) {
        return Some(Signature {
            kind: "bcache",
            label: None,
            uuid: head.guid(4096 + 40),
        });
    }
    // btrfs: superblock at 64 KiB, magic at 64, file system's UUID at 32, label of 256 bytes at
    // 299.
    if head.is(65_536 + 64, b"_BHRfS_M") {
        return Some(Signature {
            kind: "btrfs",
            label: head.text(65_536 + 299, 256),
            uuid: head.guid(65_536 + 32),
        });
    }
    // ext: superblock at 1024, magic at 56, UUID at 104, label of 16 bytes at 120; a journal
    // (compat 0x4) and extents (incompat 0x40).
    if head.is(1024 + 56, &[0x53, 0xef]) {
        let kind = match (head.byte(1024 + 92) & 0x04 != 0, head.byte(1024 + 96) & 0x40 != 0) {
            (_, true) => "ext4",
            (true, false) => "ext3",
            (false, false) => "ext2",
        };
        return Some(Signature {
            kind,
            label: head.text(1024 + 120, 16),
            uuid: head.guid(1024 + 104),
        });
    }
    if head.is(0, b"XFSB") {
        return Some(Signature {
            kind: "xfs",
            label: head.text(108, 12),
            uuid: head.guid(32),
        });
    }
    // f2fs: superblock at 1024, UUID at 108.
    if head.is(1024, &0xf2f5_2010_u32.to_le_bytes()) {
        return Some(Signature {
            kind: "f2fs",
            label: None,
            uuid: head.guid(1024 + 108),
        });
    }
    // swap: magic at the end of the first page, whatever its size; UUID at 1036, label of 16 bytes
    // at 1052 (mkswap(8)).
    if [4096, 16_384, 65_536]
        .into_iter()
        .any(|page| head.is(page - 10, b"SWAPSPACE2"))
    {
        return Some(Signature {
            kind: "swap",
            label: head.text(1052, 16),
            uuid: head.guid(1036),
        });
    }
    for (at, magic, kind) in [
        (32_769, &b"CD001"[..], "iso9660"),
        (0, b"hsqs", "squashfs"),
        (1024, b"\xe2\xe1\xf5\xe0", "erofs"),
        (3, b"EXFAT   ", "exfat"),
        (3, b"NTFS    ", "ntfs"),
        (3, b"-FVE-FS-", "BitLocker"),
        (32, b"NXSB", "apfs"),
        (1024, b"H+", "hfsplus"),
    ] {
        if head.is(at, magic) {
            return Some(Signature {
                label: (kind == "iso9660").then(|| head.text(32_808, 32)).flatten(),
                ..plain(kind)
            });
        }
    }
    fat(&head)
}

/// FAT: a boot sector with label and volume id at 71 and 67 (FAT32) or at 43 and 39. The label that
/// counts is in the root folder; mkfs and every tool that renames write both.
fn fat(head: &Head) -> Option<Signature> {
    if !head.is(510, &[0x55, 0xaa]) {
        return None;
    }
    let (id, label) = match (head.is(82, b"FAT32   "), head.is(54, b"FAT1")) {
        (true, _) => (67, 71),
        (false, true) => (39, 43),
        (false, false) => return None,
    };
    let id = head.0.get(id..id + 4)?;
    Some(Signature {
        kind: "vfat",
        label: head.text(label, 11).filter(|label| label != "NO NAME"),
        uuid: Some(format!("{:02X}{:02X}-{:02X}{:02X}", id[3], id[2], id[1], id[0])),
    })
}

/// The first bytes of a volume. The volume may be shorter than any offset.
struct Head<'a>(&'a [u8]);

impl Head<'_> {
    fn is(&self, at: usize, magic: &[u8]) -> bool {
        self.0.get(at..at + magic.len()).is_some_and(|bytes| bytes == magic)
    }

    fn byte(&self, at: usize) -> u8 {
        self.0.get(at).copied().unwrap_or(0)
    }

    /// Returns a text that ends at a zero byte or at the end of its field.
    fn text(&self, at: usize, len: usize) -> Option<String> {
        let field = self.0.get(at..at + len)?;
        let end = field.iter().position(|byte| *byte == 0).unwrap_or(len);
        let text = String::from_utf8_lossy(&field[..end]).trim().to_owned();
        Some(text).filter(|text| !text.is_empty())
    }

    /// Returns a UUID in the order of its bytes; `None` when it is all zeros.
    fn guid(&self, at: usize) -> Option<String> {
        let bytes = self
            .0
            .get(at..at + 16)
            .filter(|bytes| bytes.iter().any(|byte| *byte != 0))?;
        let digits = hex::encode(bytes);
        Some(
            [
                &digits[..8],
                &digits[8..12],
                &digits[12..16],
                &digits[16..20],
                &digits[20..],
            ]
            .join("-"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn laid(parts: &[(usize, &[u8])]) -> Vec<u8> {
        let mut head = vec![0; HEAD];
        for (at, bytes) in parts {
            head[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        head
    }

    #[test]
    fn volumes_are_recognised_with_their_labels() {
        type Parts<'a> = &'a [(usize, &'a [u8])];
        let cases: &[(Parts, &str, Option<&str>)] = &[
            (
                &[(1080, &[0x53, 0xef]), (1116, &[4]), (1120, &[0x40]), (1144, b"rootfs")],
                "ext4",
                Some("rootfs"),
            ),
            (&[(1080, &[0x53, 0xef])], "ext2", None),
            (
                &[(510, &[0x55, 0xaa]), (82, b"FAT32   "), (71, b"bootfs     ")],
                "vfat",
                Some("bootfs"),
            ),
            (
                &[(510, &[0x55, 0xaa]), (54, b"FAT16   "), (43, b"NO NAME    ")],
                "vfat",
                None,
            ),
            (
                &[(0, b"LUKS\xba\xbe\0\x02"), (24, b"secrets")],
                "crypto_LUKS",
                Some("secrets"),
            ),
            (&[(512, b"LABELONE"), (536, b"LVM2 001")], "LVM2_member", None),
            (
                &[(4096, &[0xfc, 0x4e, 0x2b, 0xa9]), (4128, b"nas:0")],
                "linux_raid_member",
                Some("nas:0"),
            ),
            (&[(65_600, b"_BHRfS_M"), (65_835, b"photos")], "btrfs", Some("photos")),
            (&[(0, b"XFSB"), (108, b"data")], "xfs", Some("data")),
            (&[(4086, b"SWAPSPACE2")], "swap", None),
            (&[(16_374, b"SWAPSPACE2"), (1052, b"s")], "swap", Some("s")),
            (
                &[(32_769, b"CD001"), (32_808, b"Debian 13")],
                "iso9660",
                Some("Debian 13"),
            ),
        ];
        for (parts, kind, label) in cases {
            let found = recognise(&laid(parts)).unwrap_or_else(|| panic!("{kind} is not recognised"));
            assert_eq!((found.kind, found.label.as_deref()), (*kind, *label));
        }
        assert_eq!(
            recognise(&laid(&[(510, &[0x55, 0xaa])])),
            None,
            "a partition table is not a file system"
        );
        let uuid = recognise(&laid(&[
            (510, &[0x55, 0xaa]),
            (82, b"FAT32   "),
            (67, &[0x78, 0x56, 0x34, 0x12]),
        ]))
        .unwrap()
        .uuid;
        assert_eq!(uuid.as_deref(), Some("1234-5678"));
    }

    proptest! {
        #[test]
        fn no_beginning_of_a_volume_is_too_short_or_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..9000)) {
            let _ = recognise(&bytes);
        }
    }
}
