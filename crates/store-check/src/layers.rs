//! The records of layers, and the folders that they lead to.
//!
//! Sources: moby, `daemon/internal/layer/filestore.go`, `daemon/graphdriver/overlay2/overlay.go`.

use std::io;

use kraken_foundation::Sha256Hash;

use crate::files::{FileKind, StoreFiles};
use crate::names::{DATABASE, digest, read};

/// The maximum size of the small files of a layer, in bytes: 125 short names.
const MOST: u64 = 16 << 10;
/// The length of a folder's name.
const CACHE_ID: usize = 64;
/// The length of a short name.
const LINK: usize = 26;

/// A layer on top of others, as its record has it.
#[derive(Clone, Debug)]
pub(crate) struct LayerRecord {
    /// The name of the record.
    pub(crate) chain: Sha256Hash,
    /// The digest of the archive.
    pub(crate) diff_id: Sha256Hash,
    /// Below Docker's data root: where the layer's files are.
    pub(crate) diff: Vec<u8>,
    /// Below Docker's data root: the `tar-split` record.
    pub(crate) tar_split: Vec<u8>,
    /// What the record says of the size of all files, in bytes.
    pub(crate) size: u64,
    /// The short name, which mounts use.
    pub(crate) link: String,
}

/// Returns the name of the record of a layer on top of another one.
pub(crate) fn chain(parent: Option<Sha256Hash>, diff_id: Sha256Hash) -> Sha256Hash {
    match parent {
        None => diff_id,
        Some(parent) => Sha256Hash::of(format!("sha256:{parent} sha256:{diff_id}")),
    }
}

/// Reads the record of the layer with `diff_id` on top of `below` and checks the folder that it
/// leads to. Returns the record where it leads to a folder; adds what is wrong to `wrong`.
pub(crate) fn record(
    files: &dyn StoreFiles,
    below: &[LayerRecord],
    diff_id: Sha256Hash,
    wrong: &mut Vec<String>,
) -> io::Result<Option<LayerRecord>> {
    let parent = below.last().map(|parent| parent.chain);
    let chain = chain(parent, diff_id);
    let folder = format!("{DATABASE}/layerdb/sha256/{chain}");
    if files.stat(folder.as_bytes())?.is_none() {
        wrong.push(format!("the record of the layer sha256:{chain} is missing"));
        return Ok(None);
    }
    let mut small = Small { files, wrong };
    let wanted = format!("sha256:{diff_id}");
    small.must_be(&format!("{folder}/diff"), &wanted)?;
    match parent {
        Some(parent) => small.must_be(&format!("{folder}/parent"), &format!("sha256:{parent}"))?,
        None => small.must_be_missing(&format!("{folder}/parent"))?,
    }
    let size = small.text(&format!("{folder}/size"))?;
    let Ok(size) = size.parse() else {
        small.wrong.push(format!("{folder}/size: {size:?} is not a number"));
        return Ok(None);
    };
    let cache_id = small.text(&format!("{folder}/cache-id"))?;
    let good = |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !good(&cache_id, CACHE_ID) {
        small
            .wrong
            .push(format!("{folder}/cache-id: {cache_id:?} is not the name of a folder"));
        return Ok(None);
    }
    let place = format!("overlay2/{cache_id}");
    let diff = format!("{place}/diff");
    if files
        .stat(diff.as_bytes())?
        .is_none_or(|stat| stat.kind != FileKind::Folder)
    {
        small
            .wrong
            .push(format!("{diff}: the files of the layer sha256:{chain} are missing"));
        return Ok(None);
    }
    let link = small.text(&format!("{place}/link"))?;
    if !good(&link, LINK) {
        small.wrong.push(format!("{place}/link: {link:?} is not a short name"));
        return Ok(None);
    }
    let short = format!("overlay2/l/{link}");
    match files.stat(short.as_bytes())?.map(|stat| stat.kind) {
        Some(FileKind::Symlink) => {
            let target = files.target(short.as_bytes())?;
            if target != format!("../{cache_id}/diff").as_bytes() {
                small
                    .wrong
                    .push(format!("{short}: it leads to {}", target.escape_ascii()));
            }
        }
        _ => small
            .wrong
            .push(format!("{short}: the short name of {place} is missing")),
    }
    let lower: Vec<String> = below.iter().rev().map(|layer| format!("l/{}", layer.link)).collect();
    match lower.is_empty() {
        true => small.must_be_missing(&format!("{place}/lower"))?,
        false => small.must_be(&format!("{place}/lower"), &lower.join(":"))?,
    }
    if !lower.is_empty() && files.stat(format!("{place}/work").as_bytes())?.is_none() {
        small.wrong.push(format!("{place}/work: it is missing"));
    }
    Ok(Some(LayerRecord {
        chain,
        diff_id,
        diff: diff.into_bytes(),
        tar_split: format!("{folder}/tar-split.json.gz").into_bytes(),
        size,
        link,
    }))
}

/// Whether a text is a digest, for those who list records.
pub(crate) fn is_chain(name: &str) -> bool {
    digest(&format!("sha256:{name}")).is_some()
}

/// Reads small files.
struct Small<'a> {
    files: &'a dyn StoreFiles,
    wrong: &'a mut Vec<String>,
}

impl Small<'_> {
    /// Returns the text of a file; an empty one where it is missing, which is reported.
    fn text(&mut self, path: &str) -> io::Result<String> {
        match read(self.files, path, MOST)? {
            Some(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            None => {
                self.wrong.push(format!("{path}: it is missing"));
                Ok(String::new())
            }
        }
    }

    fn must_be(&mut self, path: &str, wanted: &str) -> io::Result<()> {
        match read(self.files, path, MOST)? {
            Some(bytes) if bytes == wanted.as_bytes() => {}
            Some(bytes) => {
                let found = bytes[..bytes.len().min(200)].escape_ascii();
                self.wrong
                    .push(format!("{path}: it says \"{found}\" and should say {wanted:?}"));
            }
            None => self.wrong.push(format!("{path}: it is missing")),
        }
        Ok(())
    }

    fn must_be_missing(&mut self, path: &str) -> io::Result<()> {
        if self.files.stat(path.as_bytes())?.is_some() {
            self.wrong
                .push(format!("{path}: the lowest layer of an image has none"));
        }
        Ok(())
    }
}
