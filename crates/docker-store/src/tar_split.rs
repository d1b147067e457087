//! The record with which Docker makes a layer's archive again, byte by byte, from the files that
//! came out of it: `docker save` and `docker push` need it.
//!
//! Source: `vbatts/tar-split`, `tar/asm` and `tar/storage`. Lines of JSON, one for each piece of
//! the archive in order: headers and padding as they are, files by name and CRC-64.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc::{CRC_64_GO_ISO, Crc, Digest, Table};
use flate2::{Compression, GzBuilder, write::GzEncoder};
use serde::Serialize;

/// The checksum of contents: that of Go's `crc64.ISO`.
static CRC: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_GO_ISO);

/// Packed lines, in the order of the archive.
pub(crate) struct TarSplit {
    packer: GzEncoder<Vec<u8>>,
    position: u64,
}

/// The content of a file while it is read.
pub(crate) struct Checksum(Digest<'static, u64, Table<16>>);

/// Headers and padding.
#[derive(Serialize)]
struct Segment {
    r#type: u8,
    payload: String,
    position: u64,
}

/// A file, folder or link.
#[derive(Serialize)]
struct File<'a> {
    r#type: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    /// Base 64 of a name that is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    name_raw: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// `null` without a content.
    payload: Option<String>,
    position: u64,
}

impl Checksum {
    pub(crate) fn new() -> Self {
        Self(CRC.digest())
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}

impl TarSplit {
    pub(crate) fn new() -> Self {
        // Without a time and a name, so that the same layer gives the same bytes.
        let packer = GzBuilder::new().write(Vec::new(), Compression::default());
        Self { packer, position: 0 }
    }

    /// Adds headers and padding; nothing where there are none.
    pub(crate) fn segment(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let segment = Segment {
            r#type: 2,
            payload: STANDARD.encode(bytes),
            position: self.position,
        };
        self.line(&segment)
    }

    /// Adds an entry. `content` is its checksum; it counts only when there is a content.
    pub(crate) fn file(&mut self, name: &[u8], size: u64, content: Checksum) -> io::Result<()> {
        let text = std::str::from_utf8(name).ok();
        let file = File {
            r#type: 1,
            name: text,
            name_raw: text.is_none().then(|| STANDARD.encode(name)),
            size: (size > 0).then_some(size),
            payload: (size > 0).then(|| STANDARD.encode(content.0.finalize().to_be_bytes())),
            position: self.position,
        };
        self.line(&file)
    }

    fn line(&mut self, value: &impl Serialize) -> io::Result<()> {
        let line = go_escaped(&serde_json::to_string(value)?);
        self.packer.write_all(line.as_bytes())?;
        self.packer.write_all(b"\n")?;
        self.position += 1;
        Ok(())
    }

    /// Returns the packed lines.
    pub(crate) fn finish(self) -> io::Result<Vec<u8>> {
        self.packer.finish()
    }
}

/// Escapes what Go's `encoding/json` escapes besides.
fn go_escaped(json: &str) -> String {
    if !json.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return json.to_owned();
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => escaped.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn lines_are_those_of_tar_split() {
        let mut split = TarSplit::new();
        split.segment(b"header").unwrap();
        let mut sum = Checksum::new();
        sum.update(b"1234");
        sum.update(b"56789");
        split.file(b"./a<b>", 9, sum).unwrap();
        split.segment(b"").unwrap();
        split.file(b"\xff", 0, Checksum::new()).unwrap();
        let packed = split.finish().unwrap();
        let mut text = String::new();
        flate2::read::GzDecoder::new(&packed[..])
            .read_to_string(&mut text)
            .unwrap();
        // The check value of CRC-64/GO-ISO for `123456789` is b90956c775a41001.
        let wanted = "{\"type\":2,\"payload\":\"aGVhZGVy\",\"position\":0}\n\
                      {\"type\":1,\"name\":\"./a\\u003cb\\u003e\",\"size\":9,\"payload\":\"uQlWx3WkEAE=\",\"position\":1}\n\
                      {\"type\":1,\"name_raw\":\"/w==\",\"payload\":null,\"position\":2}\n";
        assert_eq!(text, wanted);
    }
}
