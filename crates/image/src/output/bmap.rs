//! Block maps, format 2.0 of bmaptool (`docs/` of yoctoproject/bmaptool): which 4 KiB blocks of an
//! image hold data, with one hash for each range.

use std::fmt::Write as _;

use crate::bake::HashedExtent;
use kraken_foundation::{Error, Kind, Result, Sha256Hash};

/// Block size of the map, in bytes.
pub const BLOCK: u64 = 4096;

/// A block map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bmap {
    /// Size of the image in bytes.
    pub image_size: u64,
    /// The mapped ranges, in order.
    pub ranges: Vec<BmapRange>,
}

/// A range of mapped blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BmapRange {
    /// First block.
    pub first: u64,
    /// Last block, inclusive.
    pub last: u64,
    /// SHA-256 of the range's bytes (up to the image's end).
    pub sha256: Sha256Hash,
}

/// Says why a block map cannot be used.
fn bad(why: &str) -> Error {
    Error::new(Kind::Damaged, format!("it is not a usable block map: {why}"))
}

/// Stands in place of the map's own hash while that hash is computed (a rule of the format).
const NO_SUM: &str = "0000000000000000000000000000000000000000000000000000000000000000";

impl Bmap {
    /// Makes the map of the used extents of an image. Extents begin and end at block boundaries, or
    /// at the image's end.
    pub fn new(image_size: u64, extents: &[HashedExtent]) -> Self {
        let ranges = extents
            .iter()
            .map(|extent| BmapRange {
                first: extent.start / BLOCK,
                last: (extent.end - 1) / BLOCK,
                sha256: extent.sha256,
            })
            .collect();
        Self { image_size, ranges }
    }

    /// Returns the XML text, with its own checksum filled in.
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
        let sum = Sha256Hash::of(&text).to_string();
        text.replacen(NO_SUM, &sum, 1)
    }

    /// Parses a map as [`render`](Self::render) and bmaptool write it, and checks its checksum. It
    /// is not a general XML reader.
    ///
    /// # Errors
    /// [`Kind::Damaged`] when the text has another format, was changed, or has ranges without
    /// hashes.
    pub fn parse(text: &str) -> Result<Self> {
        let sum =
            element(text, "BmapFileChecksum").ok_or_else(|| bad("it has no checksum of its own (BmapFileChecksum)"))?;
        if Sha256Hash::parse_any_case(sum) != Ok(Sha256Hash::of(text.replacen(sum, NO_SUM, 1))) {
            return Err(bad("its own checksum does not match"));
        }
        if element(text, "ChecksumType").is_some_and(|kind| kind != "sha256") {
            return Err(bad("its checksums are not of the type sha256"));
        }
        let number = |name| element(text, name).and_then(|value| value.parse::<u64>().ok());
        if number("BlockSize") != Some(BLOCK) {
            return Err(bad("its block size is not 4096"));
        }
        let image_size = number("ImageSize").ok_or_else(|| bad("no ImageSize"))?;
        let blocks = image_size.div_ceil(BLOCK);
        let mut ranges: Vec<BmapRange> = Vec::new();
        for rest in text.split("<Range").skip(1) {
            let range = parse_range(rest)?;
            let floor = ranges.last().map_or(0, |before| before.last + 1);
            if range.first < floor || range.last < range.first || range.last >= blocks {
                return Err(bad("its ranges are out of order or outside the image"));
            }
            ranges.push(range);
        }
        let mapped: u64 = ranges.iter().map(|range| range.last - range.first + 1).sum();
        if number("MappedBlocksCount").is_some_and(|count| count != mapped) {
            return Err(bad("its ranges are not as many blocks as it says"));
        }
        Ok(Self { image_size, ranges })
    }
}

fn element<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (value, _) = rest.split_once(&format!("</{name}>"))?;
    Some(value.trim())
}

/// Parses what follows `<Range`: a hash, and one or two block numbers.
fn parse_range(text: &str) -> Result<BmapRange> {
    let unreadable = || bad("a Range cannot be read");
    let (attributes, rest) = text.split_once('>').ok_or_else(unreadable)?;
    let (blocks, _) = rest.split_once("</Range>").ok_or_else(unreadable)?;
    let sha256 = match attributes
        .trim()
        .strip_prefix("chksum=\"")
        .and_then(|sum| sum.strip_suffix('"'))
    {
        Some(sum) => Sha256Hash::parse_any_case(sum).map_err(|_| bad("the checksum of a Range is not a SHA-256"))?,
        None if attributes.contains("chksum") => return Err(unreadable()),
        None => {
            return Err(bad(
                "its ranges have no checksums, so it cannot be checked whether it belongs to this image",
            ));
        }
    };
    let blocks = blocks.trim();
    let (first, last) = blocks.split_once('-').unwrap_or((blocks, blocks));
    let number = |text: &str| text.trim().parse().map_err(|_| unreadable());
    Ok(BmapRange {
        first: number(first)?,
        last: number(last)?,
        sha256,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> Bmap {
        let extent = |start, end, byte| HashedExtent {
            start,
            end,
            sha256: Sha256Hash([byte; 32]),
        };
        Bmap::new(
            1 << 20,
            &[
                extent(0, 4096, 0xaa),
                extent(8192, 65536, 0xbb),
                extent(65536, 1 << 20, 0xcc),
            ],
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
        let error = Bmap::parse(&text).unwrap_err().to_string();
        assert!(error.ends_with(": its own checksum does not match"), "{error}");
    }

    /// Parses a map in which `from` is replaced by `to`, with a correct checksum.
    fn with(from: &str, to: &str) -> Result<Bmap> {
        let text = map().render();
        let sum = element(&text, "BmapFileChecksum").unwrap().to_owned();
        let text = text.replacen(&sum, NO_SUM, 1).replace(from, to);
        let sum = Sha256Hash::of(&text).to_string();
        Bmap::parse(&text.replacen(NO_SUM, &sum, 1))
    }

    #[test]
    fn a_map_that_nothing_could_be_compared_with_is_refused() {
        let a = "a".repeat(64);
        assert!(with("  <Range", "\t<Range").is_ok());
        for (from, to, why) in [
            (format!(" chksum=\"{a}\""), String::new(), "no checksums"),
            (a.clone(), "a".repeat(40), "not a SHA-256"),
            ("> sha256 <".into(), "> sha1 <".into(), "type sha256"),
            ("> 2-15 <".into(), "> 2-14 <".into(), "as many blocks"),
            ("> 2-15 <".into(), "> 2- <".into(), "cannot be read"),
        ] {
            let said = with(&from, &to).unwrap_err().to_string();
            assert!(said.contains(why), "{to}: {said}");
        }
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
