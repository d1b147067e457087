//! What a store consists of, and how two stores differ.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use testkit::lay::TIME;

/// An entry of a store, without what dockerd draws at random.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    kind: String,
    mode: u32,
    owner: (u32, u32),
    links: u64,
    mtime: (i64, i64),
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    content: Vec<u8>,
}

/// Names that are drawn at random, each with one that follows from the layer.
struct Names(Vec<(String, String)>);

impl Names {
    fn of(root: &Path) -> Self {
        let mut names = Vec::new();
        for layer in fs::read_dir(root.join("image/overlay2/layerdb/sha256")).unwrap() {
            let layer = layer.unwrap();
            let chain = layer.file_name().into_string().unwrap();
            let cache = fs::read_to_string(layer.path().join("cache-id")).unwrap();
            let link = fs::read_to_string(root.join("overlay2").join(&cache).join("link")).unwrap();
            names.push((cache, format!("CACHE-{chain}")));
            names.push((link, format!("LINK-{chain}")));
        }
        Self(names)
    }

    fn apply(&self, bytes: &[u8]) -> Vec<u8> {
        let replace = |text: Vec<u8>, random: &[u8], name: &[u8]| {
            let mut replaced = Vec::new();
            let mut rest = &text[..];
            while let Some(at) = rest.windows(random.len()).position(|window| window == random) {
                replaced.extend_from_slice(&rest[..at]);
                replaced.extend_from_slice(name);
                rest = &rest[at + random.len()..];
            }
            [&replaced, rest].concat()
        };
        self.0.iter().fold(bytes.to_vec(), |text, (random, name)| {
            replace(text, random.as_bytes(), name.as_bytes())
        })
    }
}

/// Reads `image` and `overlay2` of a data root.
pub(super) fn store(root: &Path) -> BTreeMap<Vec<u8>, Seen> {
    let names = Names::of(root);
    let mut seen = BTreeMap::new();
    let mut todo = vec![root.join("image"), root.join("overlay2")];
    while let Some(path) = todo.pop() {
        let stat = fs::symlink_metadata(&path).unwrap();
        let file_type = stat.file_type();
        let mut content = Vec::new();
        let kind = if stat.is_dir() {
            todo.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            "folder".to_owned()
        } else if stat.is_symlink() {
            content = names.apply(fs::read_link(&path).unwrap().as_os_str().as_bytes());
            "link".to_owned()
        } else if stat.is_file() {
            content = fs::read(&path).unwrap();
            if path.ends_with("tar-split.json.gz") {
                let packed = std::mem::take(&mut content);
                flate2::read::MultiGzDecoder::new(&packed[..])
                    .read_to_end(&mut content)
                    .unwrap();
            }
            // Files of a layer hold none of the names.
            if !path.to_string_lossy().contains("/diff/") {
                content = names.apply(&content);
            }
            "file".to_owned()
        } else {
            format!("device {} {}", file_type.is_char_device(), stat.rdev())
        };
        let name = names.apply(path.strip_prefix(root).unwrap().as_os_str().as_bytes());
        let entry = Seen {
            kind,
            mode: stat.mode() & 0o7777,
            owner: (stat.uid(), stat.gid()),
            links: if stat.is_dir() { 0 } else { stat.nlink() },
            mtime: (stat.mtime(), stat.mtime_nsec()),
            xattrs: xattrs(&path),
            content,
        };
        seen.insert(name, entry);
    }
    seen
}

fn xattrs(path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut names = vec![0; 64 << 10];
    let count = rustix::fs::llistxattr(path, &mut names[..]).unwrap();
    let names = names[..count].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names
        .map(|name| {
            let mut value = vec![0; 64 << 10];
            let count = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
            (name.to_vec(), value[..count].to_vec())
        })
        .collect()
}

/// Why an entry may differ.
fn allowed(path: &[u8], docker: Option<&Seen>, own: Option<&Seen>) -> Option<&'static str> {
    let text = String::from_utf8_lossy(path);
    match (docker, own) {
        (Some(_), None) if text.starts_with("image/overlay2/imagedb/metadata/sha256/") => {
            Some("which of the loaded images was made from which; a pull does not know it either")
        }
        (None, Some(_)) if text.ends_with("/committed") => {
            Some("on the top layer, too: without it, `docker save` mounts the layer to be written")
        }
        (Some(docker), Some(own)) if text.ends_with("/tar-split.json.gz") => {
            // Docker 20.10 ends with a segment of no bytes.
            let lines = |seen: &Seen| -> Vec<String> {
                let text = String::from_utf8_lossy(&seen.content).into_owned();
                let lines = text.lines().map(str::to_owned);
                lines.filter(|line| !line.contains("\"payload\":\"\"")).collect()
            };
            (lines(docker) == lines(own)).then_some("a segment without bytes")
        }
        (Some(docker), Some(own)) if text == "image/overlay2/repositories.json" => {
            // `docker load` knows no digests, by which services name an image.
            let names = |seen: &Seen| -> BTreeMap<String, BTreeMap<String, String>> {
                let value: serde_json::Value = serde_json::from_slice(&seen.content).unwrap();
                serde_json::from_value(value["Repositories"].clone()).unwrap()
            };
            let mut own = names(own);
            own.values_mut()
                .for_each(|names| names.retain(|name, _| !name.contains('@')));
            (own == names(docker)).then_some("names by digest")
        }
        _ => None,
    }
}

/// Returns the differences that are not allowed, in words.
pub(super) fn differences(dockers: &BTreeMap<Vec<u8>, Seen>, ours: &BTreeMap<Vec<u8>, Seen>) -> Vec<String> {
    let mut found = Vec::new();
    let own_alone = ours.keys().filter(|path| !dockers.contains_key(*path));
    for path in dockers.keys().chain(own_alone) {
        let (docker, mut own) = (dockers.get(path), ours.get(path).cloned());
        if let (Some(docker), Some(own)) = (docker, &mut own) {
            let in_layer = path.windows(6).any(|window| window == b"/diff/");
            if !in_layer || own.kind.starts_with("device") || own.mtime == (TIME, 0) {
                // Docker takes the time of its own clock.
                own.mtime = docker.mtime;
            }
        }
        if own.as_ref() != docker && allowed(path, docker, own.as_ref()).is_none() {
            let shown = |seen: Option<&Seen>| match seen {
                None => "nothing".to_owned(),
                Some(seen) => format!(
                    "{} {:04o} {:?} {} {:?} {:?} {}",
                    seen.kind,
                    seen.mode,
                    seen.owner,
                    seen.links,
                    seen.mtime,
                    seen.xattrs,
                    seen.content[..seen.content.len().min(300)].escape_ascii()
                ),
            };
            found.push(format!(
                "{}\n   docker: {}\n   ours:   {}",
                path.escape_ascii(),
                shown(docker),
                shown(own.as_ref())
            ));
        }
    }
    found
}
