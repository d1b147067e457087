//! Recognises a file by its first bytes: a raw disk image, a compressed one, or something else that
//! it names.

/// How an image is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Not packed: the bytes of a disk, with a partition table.
    Raw,
    /// `.xz` (<https://tukaani.org/xz/xz-file-format.txt>).
    Xz,
    /// `.zst` (RFC 8878).
    Zstd,
    /// `.gz` (RFC 1952).
    Gzip,
    /// `.zip` (PKWARE's APPNOTE.TXT).
    Zip,
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Raw => "raw image",
            Self::Xz => "xz file",
            Self::Zstd => "zstd file",
            Self::Gzip => "gzip file",
            Self::Zip => "zip archive",
        })
    }
}

/// The number of first bytes that [`recognise`] needs; fewer, when the file is shorter.
pub(crate) const HEAD: usize = 64 << 10;

/// Bytes at an offset that identify a kind of file.
struct Magic(usize, &'static [u8], &'static str);

/// Checked before a boot signature: these can contain one by chance or by design.
const NOT_IMAGES: &[Magic] = &[
    Magic(0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    Magic(0, b"BZh", "a bzip2 file"),
    Magic(0, b"Rar!\x1a\x07", "a RAR archive"),
    Magic(0, b"\x04\x22\x4d\x18", "an lz4 file"),
    Magic(0, b"LZIP", "an lzip file"),
    Magic(0, b"QFI\xfb", "a qcow2 disk image"),
    Magic(0, b"KDMV", "a VMDK disk image"),
    Magic(0, b"vhdxfile", "a VHDX disk image"),
    Magic(0, b"conectix", "a VHD disk image"),
    Magic(0, b"hsqs", "a squashfs file system"),
    Magic(0, b"!<arch>\n", "a Debian package"),
    Magic(0, b"\x7fELF", "a program"),
    Magic(0, b"%PDF", "a PDF document"),
    Magic(257, b"ustar", "a tar archive"),
    Magic(32769, b"CD001", "an ISO 9660 (CD) image"),
    Magic(1080, b"\x53\xef", "an ext4 file system without a partition table"),
];

/// Returns the format of a file, by its first [`HEAD`] bytes.
///
/// # Errors
/// What the file is instead ("an HTML page").
pub(crate) fn recognise(head: &[u8]) -> Result<Format, &'static str> {
    let packed = [
        (&b"\xfd7zXZ\0"[..], Format::Xz),
        (b"\x28\xb5\x2f\xfd", Format::Zstd),
        (b"\x1f\x8b", Format::Gzip),
        (b"PK\x03\x04", Format::Zip),
    ];
    for (magic, format) in packed {
        if head.starts_with(magic) {
            return Ok(format);
        }
    }
    // A skippable frame, 0x184D2A50 to 0x184D2A5F little-endian: pzstd begins with one.
    if matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]) {
        return Ok(Format::Zstd);
    }
    for Magic(offset, magic, name) in NOT_IMAGES {
        if head.get(*offset..).is_some_and(|rest| rest.starts_with(magic)) {
            return Err(name);
        }
    }
    if head.get(510..512) == Some(&[0x55, 0xaa]) {
        // A disk that once was a file system keeps that one's boot sector; the entries behind it
        // decide.
        let fat = head.get(82..87) == Some(b"FAT32") || head.get(54..57) == Some(b"FAT");
        return match fat && !kraken_disk::has_mbr_entries(head) {
            true => Err("a FAT file system without a partition table"),
            false => Ok(Format::Raw),
        };
    }
    Err(unknown(head))
}

fn unknown(head: &[u8]) -> &'static str {
    if head.is_empty() {
        return "an empty file";
    }
    if head.iter().all(|&byte| byte == 0) {
        return "a disk without a partition table (it begins with zeros)";
    }
    // A text cut in the middle of a character is still a text.
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or(""),
        Err(_) => return "data of no known kind, without a boot signature",
    };
    let start = text.trim_start_matches('\u{feff}').trim_start();
    let opening: String = start.chars().take(16).collect::<String>().to_ascii_lowercase();
    if opening.starts_with("<!doctype html") || opening.starts_with("<html") {
        "an HTML page"
    } else if opening.starts_with("<?xml") {
        "an XML document"
    } else if opening.starts_with(['{', '[']) {
        "a JSON document"
    } else if opening.starts_with("version https://") {
        "a Git LFS pointer"
    } else {
        "a text"
    }
}

/// Returns the size in bytes that a disk must have at least for its partition table to be right; 0
/// when that is unknown. MBR: the ends of the four primary partitions. GPT (UEFI specification,
/// 5.3.2): the place of the backup header.
pub(crate) fn least_size(head: &[u8]) -> u64 {
    let word = |at: usize| Some(u64::from(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?)));
    // A header without a protective entry is left over from an older table.
    if head.get(512..520) == Some(b"EFI PART") && kraken_disk::is_gpt(head) {
        let backup = head.get(544..552).and_then(|bytes| bytes.try_into().ok());
        return backup.map_or(0, |bytes| {
            u64::from_le_bytes(bytes).saturating_add(1).saturating_mul(512)
        });
    }
    let ends = (0..4).filter_map(|number| {
        let entry = 446 + 16 * number;
        let (start, count) = (word(entry + 8)?, word(entry + 12)?);
        let kind = *head.get(entry + 4)?;
        // 0xee covers "the whole disk", however large that is.
        (kind != 0 && kind != 0xee && count > 0).then_some((start + count) * 512)
    });
    ends.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: usize, bytes: &[u8]) -> Vec<u8> {
        let mut head = vec![1; HEAD];
        head[offset..offset + bytes.len()].copy_from_slice(bytes);
        head
    }

    #[test]
    fn every_kind_of_file_is_named() {
        let mut fat = at(510, b"\x55\xaa");
        fat[82..87].copy_from_slice(b"FAT32");
        let mut iso = at(510, b"\x55\xaa");
        iso[32769..32774].copy_from_slice(b"CD001");
        let cases: Vec<(Vec<u8>, Result<Format, &str>)> = vec![
            (at(510, b"\x55\xaa"), Ok(Format::Raw)),
            (at(0, b"\xfd7zXZ\0"), Ok(Format::Xz)),
            (at(0, b"\x28\xb5\x2f\xfd"), Ok(Format::Zstd)),
            (at(0, b"\x50\x2a\x4d\x18"), Ok(Format::Zstd)),
            (at(0, b"\x1f\x8b\x08"), Ok(Format::Gzip)),
            (at(0, b"PK\x03\x04"), Ok(Format::Zip)),
            (at(0, b"7z\xbc\xaf\x27\x1c"), Err("a 7z archive")),
            (at(257, b"ustar\0"), Err("a tar archive")),
            (
                at(1080, b"\x53\xef"),
                Err("an ext4 file system without a partition table"),
            ),
            (fat, Err("a FAT file system without a partition table")),
            (iso, Err("an ISO 9660 (CD) image")),
            (b"\n <!DOCTYPE HTML><p>Login".to_vec(), Err("an HTML page")),
            (b"<html>".to_vec(), Err("an HTML page")),
            (b"{\"error\": 1}".to_vec(), Err("a JSON document")),
            ("caf\u{e9}".as_bytes()[..4].to_vec(), Err("a text")),
            (b"not found".to_vec(), Err("a text")),
            (vec![], Err("an empty file")),
            (
                vec![0; 4096],
                Err("a disk without a partition table (it begins with zeros)"),
            ),
            (vec![0xfe; 100], Err("data of no known kind, without a boot signature")),
        ];
        for (head, want) in cases {
            assert_eq!(recognise(&head), want);
        }
    }

    #[test]
    fn an_old_boot_sector_before_a_partition_table_is_a_leftover() {
        for (at, kind) in [(82, &b"FAT32   "[..]), (54, b"FAT16   ")] {
            let mut head = vec![0; HEAD];
            head[..3].copy_from_slice(b"\xeb\x58\x90");
            head[3..11].copy_from_slice(b"mkfs.fat");
            head[at..at + kind.len()].copy_from_slice(kind);
            head[510..512].copy_from_slice(b"\x55\xaa");
            let fat = Err("a FAT file system without a partition table");
            assert_eq!(recognise(&head), fat);
            // Text of a boot program where the entries would be.
            head[446..478].copy_from_slice(b"Remove disks or other media.\xff\r\n\0");
            assert_eq!(recognise(&head), fat);
            head[446..478].fill(0);
            head[450] = 0x0c;
            head[454..462].copy_from_slice(&[0, 0x40, 0, 0, 0, 0, 0x10, 0]);
            assert_eq!(recognise(&head), Ok(Format::Raw));
        }
    }

    #[test]
    fn a_partition_table_gives_the_least_size_of_the_disk() {
        let mut head = vec![0; HEAD];
        head[446 + 4] = 0x0c;
        head[446 + 8..446 + 16].copy_from_slice(&[0, 0x40, 0, 0, 0, 0, 0x10, 0]);
        assert_eq!(least_size(&head), (0x4000 + 0x10_0000) * 512);
        head[446 + 16 + 4] = 0xee;
        head[446 + 24..446 + 32].copy_from_slice(&[0xff; 8]);
        assert_eq!(
            least_size(&head),
            (0x4000 + 0x10_0000) * 512,
            "a protective entry counts for nothing"
        );
        head[512..520].copy_from_slice(b"EFI PART");
        head[544..552].copy_from_slice(&99u64.to_le_bytes());
        assert_eq!(
            least_size(&head),
            (0x4000 + 0x10_0000) * 512,
            "a GPT that no entry protects is a leftover"
        );
        head[446 + 24..446 + 28].copy_from_slice(&[1, 0, 0, 0]);
        assert_eq!(least_size(&head), 100 * 512);
        head[544..552].copy_from_slice(&[0xff; 8]);
        assert_eq!(least_size(&head), u64::MAX);
        for cut in [0, 1, 447, 511, 513, 545] {
            least_size(&head[..cut]);
        }
    }
}
