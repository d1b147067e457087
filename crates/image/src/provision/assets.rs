//! The templates and overlays: the built-in ones, and those of the user that replace them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use include_dir::{Dir, DirEntry, include_dir};
use sha2::{Digest, Sha256};

use kraken_foundation::{Error, Kind, Result, Sha256Hash};
use kraken_overlay::{Entry, EntryPath, Overlay, Volume};
use kraken_spec::Role;

use super::render::Renderer;
use super::{error, fat_names};

static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../templates");
static OVERLAYS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../overlays");

/// The templates that make YAML; all others make plain text.
const YAML: [&str; 4] = ["user-data", "network-config", "meta-data", "zz_kraken-flash.cfg"];
/// The largest template, in bytes.
const MAX_TEMPLATE: u64 = 1 << 20;
/// The largest file of an overlay folder, in bytes; the most files that it may have; and how deep
/// it may be.
const MAX_FILE: u64 = 256 << 20;
const MAX_FILES: usize = 20_000;
const MAX_DEPTH: usize = 32;

/// A file of an overlay, before it gets its time.
#[derive(Clone, Debug)]
enum Item {
    File { bytes: std::sync::Arc<[u8]>, mode: u16 },
    Directory,
    Symlink(String),
}

type Items = BTreeMap<(Volume, EntryPath), Item>;

/// Which overlay: `overlays/common`, `manager`, `worker`, or the folder that `[system] overlay`
/// names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Common,
    Manager,
    Worker,
    User,
}

impl From<Role> for Part {
    fn from(role: Role) -> Self {
        match role {
            Role::Manager => Part::Manager,
            Role::Worker => Part::Worker,
        }
    }
}

/// The templates and overlays that images are made with.
pub struct Assets {
    pub(super) renderer: Renderer,
    /// The texts of the templates by name, for [`Assets::digest`].
    templates: BTreeMap<String, String>,
    common: Items,
    manager: Items,
    worker: Items,
    user: Items,
}

impl Assets {
    /// Loads the built-in templates and overlays only.
    ///
    /// # Errors
    /// When they are broken, which a test excludes.
    pub fn embedded() -> Result<Self> {
        Self::load(None, None)
    }

    /// Loads the built-in templates and overlays. The files of `templates/` and
    /// `overlays/{common,manager,worker}/{boot,root}/` in `folder` (that of `kraken.toml`) replace
    /// those of the same name. `overlay`, the folder of `[system] overlay` with its `boot/` and
    /// `root/`, is laid over all of them.
    ///
    /// In an image these files belong to root; a file is 0755 when its owner may execute it, else
    /// 0644. Symbolic links stay links. A file that cannot be read, or that is neither file, folder
    /// nor link, is an error.
    ///
    /// # Errors
    /// [`Kind::Usage`], with the name of the file and what to do; otherwise when a file cannot be
    /// read.
    pub fn load(folder: Option<&Path>, overlay: Option<&Path>) -> Result<Self> {
        let mut templates: BTreeMap<String, String> = TEMPLATES
            .files()
            .filter_map(|file| {
                let name = file.path().file_name()?.to_str()?;
                Some((name.to_owned(), file.contents_utf8()?.to_owned()))
            })
            .collect();
        if let Some(folder) = folder {
            override_templates(&mut templates, &folder.join("templates"))?;
        }
        let part = |name: &str| -> Result<Items> {
            let mut items = Items::new();
            if let Some(dir) = OVERLAYS.get_dir(name) {
                embedded_items(dir, name, &mut items)?;
            }
            if let Some(folder) = folder {
                folder_items(&folder.join("overlays").join(name), &mut items)?;
            }
            Ok(items)
        };
        if let Some(folder) = folder {
            refuse_unknown_parts(&folder.join("overlays"))?;
        }
        let mut user = Items::new();
        if let Some(overlay) = overlay {
            fs::read_dir(overlay).map_err(|source| unreadable(overlay, source))?;
            folder_items(overlay, &mut user)?;
        }
        let assets = Self {
            renderer: Renderer::new(&templates, |name| YAML.contains(&name))?,
            templates,
            common: part("common")?,
            manager: part("manager")?,
            worker: part("worker")?,
            user,
        };
        assets.refuse_names_that_are_one()?;
        Ok(assets)
    }

    /// Refuses files that would replace one another on the boot volume of a node, whichever
    /// overlays they come from.
    fn refuse_names_that_are_one(&self) -> Result<()> {
        for role in [&self.manager, &self.worker] {
            let names = [&self.common, role, &self.user].into_iter().flatten();
            let on_boot = names.filter(|((volume, _), _)| *volume == Volume::Boot);
            let clash = fat_names::clash(on_boot.map(|((_, path), item)| fat_names::Named {
                path,
                is_file: !matches!(item, Item::Directory),
            }));
            if let Some([one, other]) = clash {
                return Err(same_on_fat(&one, &other));
            }
        }
        Ok(())
    }

    /// Returns the SHA-256 over all templates and overlays, for the manifest.
    pub fn digest(&self) -> Sha256Hash {
        let mut hash = Sha256::new();
        for (name, text) in &self.templates {
            for field in [name, text] {
                hash.update((field.len() as u64).to_le_bytes());
                hash.update(field);
            }
        }
        for part in [Part::Common, Part::Manager, Part::Worker, Part::User] {
            hash.update(self.part(part, 0).digest());
        }
        hash.finalize().into()
    }

    /// Returns the names of all templates, sorted.
    pub fn template_names() -> Vec<&'static str> {
        let mut names: Vec<_> = TEMPLATES
            .files()
            .filter_map(|file| file.path().file_name()?.to_str())
            .collect();
        names.sort_unstable();
        names
    }

    /// Returns whether an overlay for all nodes has something in this folder of the root volume.
    pub(super) fn bring(&self, folder: &str) -> bool {
        let below = format!("{folder}/");
        let mut names = self.common.keys().chain(self.user.keys());
        names.any(|(volume, path)| *volume == Volume::Root && path.as_str().starts_with(&below))
    }

    /// Returns one part as an overlay whose entries all have this time.
    pub(super) fn part(&self, part: Part, mtime: i64) -> Overlay {
        let items = match part {
            Part::Common => &self.common,
            Part::Manager => &self.manager,
            Part::Worker => &self.worker,
            Part::User => &self.user,
        };
        let mut overlay = Overlay::new();
        for ((volume, path), item) in items {
            let entry = match item {
                Item::File { bytes, mode } => Entry::file(bytes.clone(), *mode, mtime),
                Item::Directory => Entry::directory(0o755, mtime),
                Item::Symlink(target) => Entry::symlink(target.clone(), mtime),
            };
            overlay.insert(*volume, path.clone(), entry);
        }
        overlay
    }
}

/// Two names are the same on the boot volume of a node: a file that kraken-flash itself writes, or
/// files of an overlay.
fn same_on_fat(one: &str, other: &str) -> Error {
    let text = format!(
        "reading the overlays: boot{one} and boot{other} are one file on the boot volume, which is FAT and knows no case; \
         rename one of them, or spell both alike"
    );
    Error::new(Kind::Usage, text)
}

fn unreadable(path: &Path, source: std::io::Error) -> Error {
    let text = format!(
        "reading {}: {source}; make it readable, or move it away",
        path.display()
    );
    Error::of(source).context(text)
}

fn refused(path: &Path, why: &str) -> Error {
    Error::new(Kind::Usage, format!("reading the overlay {}: {why}", path.display()))
}

/// An entry of a folder.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct FolderEntry {
    name: String,
    path: PathBuf,
}

/// Returns the entries of a folder, sorted by name; empty when the folder does not exist.
fn entries(folder: &Path) -> Result<Vec<FolderEntry>> {
    let reader = match fs::read_dir(folder) {
        Ok(reader) => reader,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(folder, error)),
    };
    let mut entries = Vec::new();
    for entry in reader {
        let path = entry.map_err(|error| unreadable(folder, error))?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .ok_or_else(|| refused(&path, "its name is not UTF-8; rename it"))?;
        let name = name.to_owned();
        entries.push(FolderEntry { name, path });
    }
    entries.sort();
    Ok(entries)
}

/// Names that templates had before, and have now.
const RENAMED: [(&str, &str); 3] = [
    ("kraken-tell", "kraken-status"),
    ("kraken-tell.service", "kraken-status.service"),
    ("kraken-light", "kraken-led"),
];

fn override_templates(templates: &mut BTreeMap<String, String>, folder: &Path) -> Result<()> {
    for FolderEntry { name, path } in entries(folder)? {
        if name.starts_with('.') || name.ends_with('~') {
            continue; // an editor's or a version control's own
        }
        let Some(template) = templates.get_mut(&name) else {
            if let Some((_, now)) = RENAMED.iter().find(|(old, _)| *old == name) {
                return Err(refused(
                    &path,
                    &format!("this template is called `{now}` now: rename the file"),
                ));
            }
            return Err(Error::new(
                Kind::Usage,
                format!(
                    "reading {}: there is no template of that name; the templates are: {}",
                    path.display(),
                    Assets::template_names().join(", ")
                ),
            ));
        };
        let size = fs::metadata(&path).map_err(|error| unreadable(&path, error))?.len();
        if size > MAX_TEMPLATE {
            return Err(refused(&path, "it is larger than 1 MiB; a template is a small text"));
        }
        *template = fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
    }
    Ok(())
}

fn refuse_unknown_parts(folder: &Path) -> Result<()> {
    for FolderEntry { name, path } in entries(folder)? {
        // A note beside the folders (a README) is not used and does no harm; a folder of another
        // name is a mistake.
        if path.is_dir() && !name.starts_with('.') && !["common", "manager", "worker"].contains(&name.as_str()) {
            return Err(refused(
                &path,
                "an overlay is named common, manager or worker; rename it, or use [system] overlay",
            ));
        }
    }
    Ok(())
}

fn embedded_items(dir: &Dir<'_>, part: &str, items: &mut Items) -> Result<()> {
    for entry in dir.entries() {
        match entry {
            DirEntry::Dir(dir) => embedded_items(dir, part, items)?,
            DirEntry::File(file) => {
                let path = file.path();
                let below = path.strip_prefix(part).unwrap_or(path);
                for (folder, volume) in [("boot", Volume::Boot), ("root", Volume::Root)] {
                    if let Some(inside) = below.strip_prefix(folder).ok().and_then(Path::to_str) {
                        let bytes = file.contents();
                        // The program stores no modes: a script is recognised by its first two
                        // bytes.
                        let mode = if bytes.starts_with(b"#!") { 0o755 } else { 0o644 };
                        let item = Item::File {
                            bytes: bytes.into(),
                            mode,
                        };
                        items.insert((volume, EntryPath::new(inside).map_err(error::bad_path)?), item);
                    }
                }
            }
        }
    }
    Ok(())
}

/// Reads everything under `folder/boot` and `folder/root`.
fn folder_items(folder: &Path, items: &mut Items) -> Result<()> {
    for FolderEntry { name, path } in entries(folder)? {
        let volume = match name.as_str() {
            "boot" => Volume::Boot,
            "root" => Volume::Root,
            name if name.starts_with('.') => continue,
            _ => {
                return Err(refused(
                    &path,
                    "an overlay has only the folders boot and root; move it into one of them",
                ));
            }
        };
        if !fs::symlink_metadata(&path)
            .map_err(|error| unreadable(&path, error))?
            .is_dir()
        {
            return Err(refused(&path, "it is not a folder"));
        }
        walk(&path, "", volume, MAX_DEPTH, items)?;
    }
    Ok(())
}

fn walk(folder: &Path, inside: &str, volume: Volume, depth: usize, items: &mut Items) -> Result<()> {
    for FolderEntry { name, path } in entries(folder)? {
        if depth == 0 || items.len() >= MAX_FILES {
            return Err(refused(
                &path,
                "the overlay has more than 20000 files or 32 levels of folders",
            ));
        }
        let place = format!("{inside}/{name}");
        let meta = fs::symlink_metadata(&path).map_err(|error| unreadable(&path, error))?;
        let item = if meta.is_dir() {
            Item::Directory
        } else if meta.is_file() {
            read_file(&path, &meta)?
        } else if meta.is_symlink() && volume == Volume::Root {
            let target = fs::read_link(&path).map_err(|error| unreadable(&path, error))?;
            let target = target
                .to_str()
                .ok_or_else(|| refused(&path, "its target is not UTF-8"))?;
            Item::Symlink(target.to_owned())
        } else if meta.is_symlink() {
            return Err(refused(
                &path,
                "the boot volume is FAT, which has no symbolic links; copy the file",
            ));
        } else {
            return Err(refused(&path, "it is a device, socket or pipe; take it away"));
        };
        // A folder that only contains others keeps the image's own mode and owner.
        if meta.is_dir() {
            walk(&path, &place, volume, depth - 1, items)?;
            if entries(&path)?.is_empty() {
                items.insert((volume, EntryPath::new(&place).map_err(error::bad_path)?), item);
            }
        } else {
            items.insert((volume, EntryPath::new(&place).map_err(error::bad_path)?), item);
        }
    }
    Ok(())
}

fn read_file(path: &Path, meta: &fs::Metadata) -> Result<Item> {
    if meta.len() > MAX_FILE {
        return Err(refused(path, "it is larger than 256 MiB; fetch it on the node instead"));
    }
    let bytes = fs::read(path).map_err(|error| unreadable(path, error))?;
    let mode = if executable(meta) { 0o755 } else { 0o644 };
    Ok(Item::File {
        bytes: bytes.into(),
        mode,
    })
}

#[cfg(unix)]
fn executable(meta: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    meta.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
fn executable(_: &fs::Metadata) -> bool {
    false
}
