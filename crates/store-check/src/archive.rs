//! A layer's archive, made again from its files by its `tar-split` record.
//!
//! Source: `vbatts/tar-split`, `tar/asm`. The record's lines give headers and padding as they were,
//! and in between the names of the files whose contents come from the layer's folder.

use std::io::{self, BufRead, BufReader, Read};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc::{CRC_64_GO_ISO, Crc, Digest, NoTable};
use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::files::StoreFiles;

/// The longest line of a record in bytes: 1 MiB of padding in base 64, and a name.
const LONGEST_LINE: u64 = 4 << 20;
/// The checksum of contents. Without a table: it is not the writer's code path.
static CRC: Crc<u64, NoTable> = Crc::<u64, NoTable>::new(&CRC_64_GO_ISO);

/// A line of a record.
#[derive(Deserialize)]
struct Line {
    r#type: u8,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    name_raw: Option<String>,
    #[serde(default)]
    size: u64,
    payload: Option<String>,
    position: u64,
}

/// What comes next in the archive.
enum Piece<'a> {
    Nothing,
    Bytes { bytes: Vec<u8>, at: usize },
    File(Content<'a>),
}

/// The content of a file, which is compared with its checksum at its end.
struct Content<'a> {
    input: Box<dyn Read + 'a>,
    left: u64,
    sum: Digest<'static, u64, NoTable>,
    wanted: [u8; 8],
    name: String,
}

/// The archive, as a stream.
pub(crate) struct Archive<'a> {
    files: &'a dyn StoreFiles,
    /// The layer's folder.
    folder: Vec<u8>,
    lines: BufReader<MultiGzDecoder<Box<dyn Read + 'a>>>,
    position: u64,
    piece: Piece<'a>,
    hash: Sha256,
    is_done: bool,
}

impl<'a> Archive<'a> {
    /// Begins to make the archive of the layer in `folder` by the record `record`.
    pub(crate) fn open(files: &'a dyn StoreFiles, folder: &[u8], record: &[u8]) -> io::Result<Self> {
        Ok(Self {
            files,
            folder: folder.to_vec(),
            lines: BufReader::new(MultiGzDecoder::new(files.open(record)?)),
            position: 0,
            piece: Piece::Nothing,
            hash: Sha256::new(),
            is_done: false,
        })
    }

    /// Reads what is left, and returns the SHA-256 of the whole archive.
    pub(crate) fn finish(mut self) -> io::Result<[u8; 32]> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(self.hash.finalize().into())
    }

    /// Reads the next line of the record into `piece`; returns whether there was one.
    fn step(&mut self) -> io::Result<bool> {
        let mut line = Vec::new();
        (&mut self.lines).take(LONGEST_LINE).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(false);
        }
        let line: Line = serde_json::from_slice(&line).map_err(|error| bad(format!("a line is damaged: {error}")))?;
        if line.position != self.position {
            return Err(bad(format!(
                "line {} says that it is line {}",
                self.position, line.position
            )));
        }
        self.position += 1;
        let decode = |text: &str| STANDARD.decode(text).map_err(|_| bad("a line is not base 64".into()));
        self.piece = match line.r#type {
            2 => Piece::Bytes {
                bytes: decode(line.payload.as_deref().unwrap_or_default())?,
                at: 0,
            },
            1 if line.size == 0 => Piece::Nothing,
            1 => {
                let name = match (&line.name, &line.name_raw) {
                    (Some(name), None) => name.as_bytes().to_vec(),
                    (None, Some(raw)) => decode(raw)?,
                    _ => return Err(bad("a file has no name, or two".into())),
                };
                let sum = decode(line.payload.as_deref().unwrap_or_default())?;
                let Ok(wanted) = <[u8; 8]>::try_from(sum) else {
                    return Err(bad("a checksum does not have 8 bytes".into()));
                };
                Piece::File(self.content(&name, line.size, wanted)?)
            }
            other => return Err(bad(format!("a line is of the unknown type {other}"))),
        };
        Ok(true)
    }

    fn content(&self, name: &[u8], size: u64, wanted: [u8; 8]) -> io::Result<Content<'a>> {
        let shown = String::from_utf8_lossy(name).into_owned();
        let mut path = self.folder.clone();
        for part in name.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => return Err(bad(format!("{shown:?} leads out of the layer"))),
                _ => {
                    path.push(b'/');
                    path.extend_from_slice(part);
                }
            }
        }
        match self.files.stat(&path)? {
            None => Err(bad(format!("the file {shown:?} is missing"))),
            Some(stat) if stat.size != size => Err(bad(format!(
                "the file {shown:?} has {} bytes and should have {size}",
                stat.size
            ))),
            Some(_) => Ok(Content {
                input: self.files.open(&path)?,
                left: size,
                sum: CRC.digest(),
                wanted,
                name: shown,
            }),
        }
    }
}

impl Read for Archive<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let count = match &mut self.piece {
                Piece::Nothing => 0,
                Piece::Bytes { bytes, at } => {
                    let count = (bytes.len() - *at).min(buffer.len());
                    buffer[..count].copy_from_slice(&bytes[*at..*at + count]);
                    *at += count;
                    count
                }
                Piece::File(content) => content.read(buffer)?,
            };
            if count > 0 {
                self.hash.update(&buffer[..count]);
                return Ok(count);
            }
            if self.is_done || !self.step()? {
                self.is_done = true;
                return Ok(0);
            }
        }
    }
}

impl Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let count = self.input.read(&mut buffer[..most])?;
        if count == 0 {
            return Err(bad(format!("the file {:?} is cut off", self.name)));
        }
        self.sum.update(&buffer[..count]);
        self.left -= count as u64;
        let is_at_end = self.left == 0;
        if is_at_end && std::mem::replace(&mut self.sum, CRC.digest()).finalize().to_be_bytes() != self.wanted {
            return Err(bad(format!("the content of the file {:?} is damaged", self.name)));
        }
        Ok(count)
    }
}

pub(crate) fn bad(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
