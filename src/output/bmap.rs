//! Block maps, format 2.0 of bmaptool (`docs/` of yoctoproject/bmaptool): which 4 KiB blocks of an image hold data, with a hash each range.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::bake::Piece;

/// Block size of the map, in bytes.
pub const BLOCK: u64 = 4096;

/// A block map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bmap {
    /// Size of the image in bytes.
    pub image_size: u64,
    /// The mapped ranges in order.
    pub ranges: Vec<BmapRange>,
}

/// A range of mapped blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BmapRange {
    /// First block.
    pub first: u64,
    /// Last block, inclusive.
    pub last: u64,
    /// SHA-256 of the range's bytes (up to the image's end), in hexadecimal.
    pub sha256: String,
}

/// Why a text is not a block map that we wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a block map of this program: {0}")]
pub struct BmapError(pub &'static str);

/// Stands where the map's own hash goes while that hash is computed (the format's rule).
const NO_SUM: &str = "0000000000000000000000000000000000000000000000000000000000000000";

impl Bmap {
    /// The map of the used pieces of an image. Pieces begin and end at block boundaries, or at the image's end.
    pub fn new(image_size: u64, pieces: &[Piece]) -> Self {
        let ranges = pieces
            .iter()
            .map(|piece| BmapRange {
                first: piece.start / BLOCK,
                last: (piece.end - 1) / BLOCK,
                sha256: piece.sha256.clone(),
            })
            .collect();
        Self { image_size, ranges }
    }

    /// The XML text, with its own checksum filled in.
    pub fn render(&self) -> String {
        let mapped: u64 = self.ranges.iter().map(|range| range.last - range.first + 1).sum();
        let mut text = format!(
            r#"<?xml version="1.0" ?>
<bmap version="2.0">
    <ImageSize> {} </ImageSize>
    <BlockSize> {BLOCK} </BlockSize>
    <BlocksCount> {} </BlocksCount>
    <MappedBlocksCount> {mapped} </MappedBlocksCount>
    <ChecksumType> sha256 </ChecksumType>
    <BmapFileChecksum> {NO_SUM} </BmapFileChecksum>
    <BlockMap>
"#,
            self.image_size,
            self.image_size.div_ceil(BLOCK),
        );
        for BmapRange { first, last, sha256 } in &self.ranges {
            let blocks = if first == last {
                first.to_string()
            } else {
                format!("{first}-{last}")
            };
            let _ = writeln!(text, r#"        <Range chksum="{sha256}"> {blocks} </Range>"#);
        }
        text.push_str("    </BlockMap>\n</bmap>\n");
        let sum = hex::encode(Sha256::digest(&text));
        text.replacen(NO_SUM, &sum, 1)
    }

    /// Reads a map as [`render`](Self::render) writes it, and checks its checksum. It is no general XML reader.
    ///
    /// # Errors
    /// [`BmapError`] when the text is another one, or was changed.
    pub fn parse(text: &str) -> Result<Self, BmapError> {
        let sum = element(text, "BmapFileChecksum").ok_or(BmapError("no BmapFileChecksum"))?;
        if sum.len() != 64 || hex::encode(Sha256::digest(text.replacen(sum, NO_SUM, 1))) != sum {
            return Err(BmapError("its own checksum does not match"));
        }
        let number = |name| element(text, name).and_then(|value| value.parse::<u64>().ok());
        if number("BlockSize") != Some(BLOCK) {
            return Err(BmapError("its block size is not 4096"));
        }
        let image_size = number("ImageSize").ok_or(BmapError("no ImageSize"))?;
        let blocks = image_size.div_ceil(BLOCK);
        let mut ranges: Vec<BmapRange> = Vec::new();
        for line in text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("<Range chksum=\""))
        {
            let range = parse_range(line).ok_or(BmapError("a Range cannot be read"))?;
            let floor = ranges.last().map_or(0, |before| before.last + 1);
            if range.first < floor || range.last < range.first || range.last >= blocks {
                return Err(BmapError("its ranges are out of order or outside the image"));
            }
            ranges.push(range);
        }
        Ok(Self { image_size, ranges })
    }
}

fn element<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (value, _) = rest.split_once(&format!("</{name}>"))?;
    Some(value.trim())
}

fn parse_range(line: &str) -> Option<BmapRange> {
    let (sha256, rest) = line.split_once("\">")?;
    let blocks = rest.trim().strip_suffix("</Range>")?.trim();
    let (first, last) = blocks.split_once('-').unwrap_or((blocks, blocks));
    Some(BmapRange {
        first: first.parse().ok()?,
        last: last.parse().ok()?,
        sha256: sha256.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> Bmap {
        let piece = |start, end, c: &str| Piece {
            start,
            end,
            sha256: c.repeat(64),
        };
        Bmap::new(
            1 << 20,
            &[piece(0, 4096, "a"), piece(8192, 65536, "b"), piece(65536, 1 << 20, "c")],
        )
    }

    #[test]
    fn what_is_written_is_read_back() {
        assert_eq!(Bmap::parse(&map().render()).unwrap(), map());
    }

    #[test]
    fn single_blocks_are_written_without_a_dash() {
        assert!(map().render().contains("> 0 </Range>") && map().render().contains("> 2-15 </Range>"));
    }

    #[test]
    fn a_changed_map_is_refused() {
        let text = map().render().replace("2-15", "2-14");
        assert_eq!(Bmap::parse(&text), Err(BmapError("its own checksum does not match")));
    }

    #[test]
    fn ranges_outside_the_image_are_refused() {
        let mut bad = map();
        bad.ranges[2].last = 4096;
        assert!(Bmap::parse(&bad.render()).is_err());
        bad.ranges[2].last = u64::MAX - 1;
        assert!(Bmap::parse("").is_err());
    }
}
