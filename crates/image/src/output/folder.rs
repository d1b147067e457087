//! A folder of images: writes the nodes' files into it, several at a time. A file gets its final
//! name only when it is complete.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::compress::{self, Compression};
use super::manifest::{self, MANIFEST, Manifest, ManifestInputs, ManifestNode, ManifestSwarm};
use super::{Bmap, SUMS, error, raw, sums};
use crate::bake::{CopyMethod, Golden, NodeImage};
use kraken_disk::{ImageFile, ReadAt};
use kraken_foundation::{Context as _, Error, Job, Kind, Result, Sha256Hash, atomic, lock, parallel};
use kraken_spec::Node;

/// Prefix and suffix of unfinished files.
const PREFIX: &str = ".kraken-flash-";
const SUFFIX: &str = ".part";

/// How to write the images.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// How the images are compressed; `None` for raw images.
    pub compress: Option<Compression>,
    /// Leave `SHA256SUMS` out: hashing every byte of every image, holes included, takes longer than
    /// writing them. The block maps have a hash of every used range in any case.
    pub no_sums: bool,
}

/// An image that was written.
#[derive(Clone, Debug)]
pub struct Written {
    /// The path of the file.
    pub path: PathBuf,
    /// Its entry in the manifest.
    pub node: ManifestNode,
}

/// An output folder, locked against other runs of this program until it is dropped.
pub struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the folder if it is missing, locks it, and removes unfinished files of killed runs.
    ///
    /// # Errors
    /// [`Kind::Conflict`] when another run holds the lock; otherwise when the folder cannot be
    /// used, or its manifest cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).map_err(error::io("making the folder", path))?;
        let lock = File::open(path).map_err(error::io("opening the folder", path))?;
        let is_free = lock::try_exclusive(&lock, "--output").map_err(error::io("locking the folder", path))?;
        if !is_free {
            return Err(Error::new(
                Kind::Conflict,
                format!(
                    "{} is in use by another kraken-flash; wait for it to end, or choose another folder with --output",
                    path.display()
                ),
            ));
        }
        for entry in fs::read_dir(path)
            .map_err(error::io("reading the folder", path))?
            .flatten()
        {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(PREFIX) && name.ends_with(SUFFIX) {
                fs::remove_file(entry.path()).map_err(error::io("removing", entry.path()))?;
            }
        }
        let folder = Self {
            path: path.into(),
            _lock: lock,
        };
        // A manifest that cannot be read is found before the images are baked.
        folder.read_manifest()?;
        Ok(folder)
    }

    /// Writes the images of `nodes`, then the sums and the manifest. Images of other nodes that an
    /// earlier run with the same inputs left here stay listed; when the inputs changed, only the
    /// new ones are listed.
    ///
    /// The old manifest is removed first. A run that is killed leaves no manifest or, for a swarm,
    /// one that lists no image and still says which members' cards may have been written. A run
    /// that fails or is interrupted leaves one that lists the complete images.
    ///
    /// # Errors
    /// The first error of any node. Finished images stay, unfinished ones are removed.
    pub fn write(
        &self,
        golden: &Golden,
        nodes: &[&Node],
        inputs: ManifestInputs,
        options: Options,
        job: Job<'_>,
    ) -> Result<Vec<Written>> {
        let mut before = self.read_manifest()?;
        let known = before.as_mut().and_then(|manifest| manifest.swarm.take());
        let swarm = ManifestSwarm::new(golden, known.clone());
        let before = before.filter(|manifest| manifest.inputs == inputs);
        match &known {
            // The swarm's images still exist, and a run that is killed now could not record them
            // later.
            Some(_) => self.write_manifest(golden, None, known.clone(), &[], inputs.clone())?,
            None => self.remove(MANIFEST)?,
        }
        self.remove(SUMS)?;
        // Compressing uses all cores by itself; copying and hashing use one each.
        let threads = match options.compress {
            Some(_) => 1,
            None => parallel::cores(),
        };
        let outcome = parallel::map(nodes, threads, |node| self.write_node(golden, node, options, job));
        let mut written = outcome.done;
        written.sort_by_key(|image| image.node.id.number);
        // No image was made, so cards may still have been written from the earlier swarm's images.
        let swarm = if written.is_empty() { known } else { swarm };
        let listed = self.write_manifest(golden, before, swarm, &written, inputs);
        // The failure of an image is more important than a failure to list the others.
        match outcome.error {
            Some(error) => Err(error),
            None => listed.map(|()| written),
        }
    }

    fn write_node(&self, golden: &Golden, node: &Node, options: Options, job: Job<'_>) -> Result<Written> {
        job.check()?;
        let image = golden.node(node).context(|| format!("baking {}", node.hostname))?;
        let raw_name = format!("{}.img", node.hostname);
        let name = format!("{raw_name}{}", options.compress.map_or("", Compression::extension));
        let path = self.path.join(&name);
        let (sha256, raw_sha256, size) = match options.compress {
            None => (self.write_raw(&image, &path, options, job)?, None, image.size()),
            Some(method) => {
                let temp = self.temp()?;
                let task = job.task(&format!("compressing {name}"), Some(image.size()));
                let packed = compress::write(&image, temp.as_file(), method, &*task, job.interrupt)
                    .map_err(error::io("writing", &path))?;
                self.clear_for(&name)?;
                persist(temp, &path)?;
                (Some(packed.sha256), Some(packed.raw_sha256), packed.size)
            }
        };
        let extents = image
            .hashed_extents()
            .map_err(error::io("hashing the blocks of", &path))?;
        let bmap = Bmap::new(image.size(), &extents).render();
        self.write_text(&self.path.join(format!("{raw_name}.bmap")), &bmap)?;
        let node = ManifestNode {
            id: node.id.clone(),
            board: node.board.to_string(),
            labels: node.labels.clone(),
            file: name,
            size,
            sha256,
            raw_sha256,
            raw_size: image.size(),
            used_bytes: extents.iter().map(|extent| extent.end - extent.start).sum(),
        };
        Ok(Written { path, node })
    }

    fn write_raw(
        &self,
        image: &NodeImage<'_>,
        path: &Path,
        options: Options,
        job: Job<'_>,
    ) -> Result<Option<Sha256Hash>> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temp = self.temp()?;
        {
            let task = job.task(&format!("writing {name}"), Some(image.golden().used().bytes()));
            let method =
                raw::write(image, temp.as_file(), &*task, job.interrupt).map_err(error::io("writing", path))?;
            job.detail(&format!(
                "{name}: {}, then a patch of {} KiB",
                match method {
                    CopyMethod::Reflink => "shares the golden image's blocks",
                    CopyMethod::Ranges => "used blocks of the golden image copied",
                },
                image.patch().size() >> 10
            ));
        }
        let sha256 = match options.no_sums {
            true => None,
            false => {
                let task = job.task(&format!("hashing {name}"), Some(image.size()));
                // Hashes the file as it was written, not the image that it was written from.
                let file = ImageFile::open_read(temp.path()).map_err(error::io("opening", path))?;
                Some(sums::hash_file(&file, &*task, job.interrupt).map_err(error::io("hashing", path))?)
            }
        };
        self.clear_for(&name)?;
        persist(temp, path)?;
        Ok(sha256)
    }

    /// Removes, before a node's new image gets its name, its old block map, which describes other
    /// bytes, and its image in other compressions.
    fn clear_for(&self, name: &str) -> Result<()> {
        let raw = name.trim_end_matches(".xz").trim_end_matches(".zst");
        self.remove(&format!("{raw}.bmap"))?;
        for extension in ["", ".xz", ".zst"] {
            let other = format!("{raw}{extension}");
            if other != name {
                self.remove(&other)?;
            }
        }
        Ok(())
    }

    /// Removes a file of the folder, if it exists.
    fn remove(&self, name: &str) -> Result<()> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error::io("removing", path)(error)),
            _ => Ok(()),
        }
    }

    fn temp(&self) -> Result<tempfile::NamedTempFile> {
        use std::os::unix::fs::PermissionsExt;
        tempfile::Builder::new()
            .prefix(PREFIX)
            .suffix(SUFFIX)
            // An image may hold a password hash and, with a swarm in it, keys: only its owner may
            // read it.
            .permissions(fs::Permissions::from_mode(0o600))
            .tempfile_in(&self.path)
            .map_err(error::io("making a file in", &self.path))
    }

    fn write_text(&self, path: &Path, text: &str) -> Result<()> {
        // These files hold no secret.
        atomic::write(path, 0o644, text.as_bytes()).map_err(error::io("writing", path))
    }

    /// Reads the manifest of an earlier run. One that cannot be read is never overwritten: it may
    /// be the only record of a swarm whose nodes run, or a file of another program.
    fn read_manifest(&self) -> Result<Option<Manifest>> {
        Manifest::read(&self.path).map_err(|error| {
            error.with_help(
                "restore the file from a copy; if no card of these images is in use, move it away; \
                 if one is, or the file is another program's, choose another folder with --output",
            )
        })
    }

    fn write_manifest(
        &self,
        golden: &Golden,
        before: Option<Manifest>,
        swarm: Option<ManifestSwarm>,
        written: &[Written],
        inputs: ManifestInputs,
    ) -> Result<()> {
        let mut nodes: BTreeMap<u32, ManifestNode> = before
            .map(|manifest| manifest.nodes)
            .unwrap_or_default()
            .into_iter()
            .filter(|node| self.path.join(&node.file).is_file())
            .map(|node| (node.id.number, node))
            .collect();
        nodes.extend(written.iter().map(|image| (image.node.id.number, image.node.clone())));
        if nodes.is_empty() && swarm.is_none() {
            return Ok(());
        }
        let manifest = Manifest {
            manifest_version: manifest::VERSION,
            tool: concat!("kraken-flash ", env!("CARGO_PKG_VERSION")).into(),
            cluster: golden.inputs().cluster.name.clone(),
            inputs,
            nodes: nodes.into_values().collect(),
            swarm,
        };
        let sums = manifest.sums();
        if !sums.is_empty() {
            self.write_text(&self.path.join(SUMS), &sums)?;
        }
        let path = self.path.join(MANIFEST);
        let mut text = serde_json::to_string_pretty(&manifest)
            .map_err(io::Error::from)
            .map_err(error::io("writing", &path))?;
        text.push('\n');
        self.write_text(&path, &text)
    }
}

/// Gives a finished file its final name.
fn persist(temp: tempfile::NamedTempFile, path: &Path) -> Result<()> {
    temp.persist(path)
        .map(drop)
        .map_err(|error| error.error)
        .map_err(error::io("naming", path))
}
