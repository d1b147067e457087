//! What an image contains: its architectures, the packages that dpkg has installed, the archives
//! that apt trusts with their keys, and its pins.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Display;

use super::control::paragraphs;
use super::index::{Entry, Index, IndexBuilder};
use super::pins::{self, Pin};
use super::sources::{self, KeyFile, Source};
use kraken_disk::{FileTree, real_path};
use kraken_foundation::{Error, Kind, Result};

/// The maximum size of dpkg's status (bytes); that of a large desktop has some ten megabytes.
const MOST_STATUS: u64 = 256 << 20;

/// The maximum size of a file of apt's configuration, and of a key file (bytes).
const MOST_CONFIG: u64 = 16 << 20;

const STATUS: &str = "/var/lib/dpkg/status";

/// The state of an image.
#[derive(Clone, Debug, Default)]
pub struct ImageState {
    /// dpkg's own architecture (`arm64`).
    pub architecture: String,
    /// The other architectures that dpkg accepts, in its order.
    pub foreign: Vec<String>,
    /// The archives, in apt's order, with their keys.
    pub sources: Vec<Source>,
    /// What was ignored, for the user.
    pub notes: Vec<String>,
    /// The packages that are not configured, each with its state, for the user: they keep an image
    /// from being a base.
    pub unfinished: Vec<String>,
    pub(super) installed: Index,
    /// Places in `installed` of packages on hold.
    pub(super) held: HashSet<usize>,
    pub(super) pins: Vec<Pin>,
}

impl ImageState {
    /// Reads the state from the root file system of an image. Nothing is executed, and no link
    /// leads out of the tree.
    ///
    /// # Errors
    /// When a file cannot be read or used, there is no dpkg, or packages are not configured.
    pub fn read(root: &dyn FileTree) -> Result<Self> {
        let mut image = Self::read_archives(root)?;
        if !image.unfinished.is_empty() {
            let text = format!(
                "the image has packages that are not configured: {}; it was not finished, or has been baked already: take a base as it was published",
                image.unfinished.join(", ")
            );
            return Err(Error::new(Kind::Unsupported, text));
        }
        for file in config_files(root, "/etc/apt/preferences", "/etc/apt/preferences.d", &["", ".pref"])? {
            let text = text(root, &file, MOST_CONFIG)?.unwrap_or_default();
            let read = pins::pins(&text).map_err(|why| bad_config(&file, &why))?;
            image.pins.extend(read);
        }
        Ok(image)
    }

    /// Reads which archives an image trusts, and what is installed; pins are not read.
    ///
    /// # Errors
    /// When a file cannot be read or used, or there is no dpkg.
    pub fn read_archives(root: &dyn FileTree) -> Result<Self> {
        let mut image = Self::default();
        let status = text(root, STATUS, MOST_STATUS)?.ok_or_else(no_dpkg)?;
        image.read_status(&status)?;
        image.read_architectures(root)?;
        image.read_sources(root)?;
        image.read_keys(root)?;
        Ok(image)
    }

    /// Returns the installed packages, in the order of dpkg's status.
    pub fn installed(&self) -> impl Iterator<Item = Entry<'_>> {
        self.installed.entries()
    }

    /// Returns all architectures, dpkg's own first.
    pub fn architectures(&self) -> Vec<&str> {
        let foreign = self.foreign.iter().map(String::as_str);
        std::iter::once(self.architecture.as_str()).chain(foreign).collect()
    }

    fn read_status(&mut self, text: &str) -> Result<()> {
        let mut builder = IndexBuilder::default();
        let mut place = 0;
        for paragraph in paragraphs(text) {
            let paragraph = paragraph.map_err(|error| bad_status(format_args!("paragraph 1: {error}")))?;
            let package = paragraph.get("Package").unwrap_or_default().to_owned();
            let status = paragraph.get("Status").unwrap_or_default();
            let words: Vec<&str> = status.split_whitespace().collect();
            match words[..] {
                [want, "ok", "installed"] => {
                    if want == "hold" {
                        self.held.insert(place);
                    }
                    place += 1;
                    builder.add(&paragraph, false).map_err(bad_status)?;
                }
                [_, "ok", "config-files" | "not-installed"] => {}
                [_, "ok" | "reinstreq", state] => self.unfinished.push(format!("{package} ({state})")),
                _ => {
                    return Err(bad_status(format_args!(
                        "the package {package} has the status `{status}`"
                    )));
                }
            }
        }
        self.installed = builder.finish();
        Ok(())
    }

    fn read_architectures(&mut self, root: &dyn FileTree) -> Result<()> {
        let dpkg = self
            .installed()
            .find(|entry| entry.name() == "dpkg")
            .ok_or_else(no_dpkg)?;
        self.architecture = dpkg.architecture().to_owned();
        let list = text(root, "/var/lib/dpkg/arch", MOST_CONFIG)?.unwrap_or_default();
        let foreign = list
            .lines()
            .map(str::trim)
            .filter(|arch| !arch.is_empty() && *arch != self.architecture);
        self.foreign = foreign.map(str::to_owned).collect();
        Ok(())
    }

    fn read_sources(&mut self, root: &dyn FileTree) -> Result<()> {
        let endings = [".list", ".sources"];
        for file in config_files(root, "/etc/apt/sources.list", "/etc/apt/sources.list.d", &endings)? {
            let text = text(root, &file, MOST_CONFIG)?.unwrap_or_default();
            let read = match file.ends_with(".sources") {
                true => sources::paragraphs(&text, &file, &self.architecture),
                false => sources::one_line(&text, &file, &self.architecture),
            };
            let mut read = read.map_err(|why| bad_config(&file, &why))?;
            self.sources.append(&mut read.sources);
            self.notes.append(&mut read.notes);
        }
        Ok(())
    }

    /// Reads the key files that the sources name; where they name none, those that apt trusts for
    /// all archives.
    fn read_keys(&mut self, root: &dyn FileTree) -> Result<()> {
        let mut cache: BTreeMap<String, Option<Vec<u8>>> = BTreeMap::new();
        let mut common = None;
        for source in &mut self.sources {
            if source.keys.files.is_empty() {
                if common.is_none() {
                    let endings = [".gpg", ".asc"];
                    let mut files = config_files(root, "/etc/apt/trusted.gpg", "/etc/apt/trusted.gpg.d", &endings)?;
                    files.retain(|file| file.ends_with(".gpg") || file.ends_with(".asc"));
                    common = Some(files);
                }
                let named = common.iter().flatten();
                source.keys.files = named
                    .map(|name| KeyFile {
                        name: name.clone(),
                        bytes: None,
                    })
                    .collect();
            }
            for file in &mut source.keys.files {
                if file.bytes.is_some() {
                    continue;
                }
                if !cache.contains_key(&file.name) {
                    cache.insert(file.name.clone(), bytes(root, &file.name, MOST_CONFIG)?);
                }
                file.bytes = cache.get(&file.name).cloned().flatten();
                if file.bytes.is_none() {
                    let why = format!("{} has Signed-By: {}, and there is no such file", source.url, file.name);
                    return Err(bad_config(&source.named_in, &why));
                }
            }
        }
        Ok(())
    }
}

fn no_dpkg() -> Error {
    let text = format!(
        "the image has no {STATUS}: packages can be put only into images of Debian, Raspberry Pi OS and their like"
    );
    Error::new(Kind::Unsupported, text)
}

/// dpkg's status cannot be read.
fn bad_status(why: impl Display) -> Error {
    let text = format!("reading {STATUS} of the image: {why}; the image is damaged: take another base");
    Error::new(Kind::Damaged, text)
}

/// A file of apt's configuration cannot be used.
fn bad_config(file: &str, why: &str) -> Error {
    Error::new(Kind::Damaged, format!("reading {file} of the image: {why}"))
}

/// Returns a file and those of the folder beside it, sorted, with one of these endings; `""` is a
/// name without a dot. Names with other characters than apt accepts (letters, digits, `-`, `_`,
/// `.`) are left out, as in apt.
fn config_files(root: &dyn FileTree, file: &str, folder: &str, endings: &[&str]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    if bytes(root, file, MOST_CONFIG)?.is_some() {
        found.push(file.to_owned());
    }
    let good = |name: &String| {
        !name.starts_with('.')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            && endings.iter().any(|ending| match *ending {
                "" => !name.contains('.'),
                ending => name.ends_with(ending),
            })
    };
    let mut names = root.list(&real_path(root, folder)?)?;
    names.retain(good);
    names.sort();
    found.extend(names.iter().map(|name| format!("{folder}/{name}")));
    Ok(found)
}

fn bytes(root: &dyn FileTree, path: &str, most: u64) -> Result<Option<Vec<u8>>> {
    root.read(&real_path(root, path)?, most)
}

fn text(root: &dyn FileTree, path: &str, most: u64) -> Result<Option<String>> {
    let bytes = bytes(root, path, most)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kraken_disk::MemoryTree;

    fn package(name: &str, status: &str, more: &str) -> String {
        format!("Package: {name}\nStatus: {status}\nArchitecture: arm64\nVersion: 1\n{more}\n")
    }

    fn tree(status: &str) -> MemoryTree {
        let mut tree = MemoryTree::new();
        let dpkg = package("dpkg", "install ok installed", "");
        tree.file(STATUS, format!("{dpkg}{status}").as_bytes());
        tree
    }

    #[test]
    fn what_is_installed_and_held_is_read() {
        let status = package("a", "hold ok installed", "Depends: b\nConffiles:\n /etc/a 123\n")
            + &package("b", "deinstall ok config-files", "")
            + "Package: gone\nStatus: purge ok not-installed\nArchitecture: arm64\n\n";
        let mut tree = tree(&status);
        tree.file("/var/lib/dpkg/arch", &b"arm64\narmhf\n"[..]);
        let image = ImageState::read(&tree).unwrap();
        let names: Vec<_> = image.installed().map(|entry| entry.name()).collect();
        assert_eq!(names, ["dpkg", "a"]);
        assert!(image.held.contains(&1) && !image.held.contains(&0));
        assert_eq!(image.architectures(), ["arm64", "armhf"]);
    }

    #[test]
    fn half_done_packages_are_an_error() {
        for state in ["unpacked", "half-installed", "half-configured", "triggers-pending"] {
            let tree = tree(&package("a", &format!("install ok {state}"), ""));
            let error = ImageState::read(&tree).unwrap_err().to_string();
            assert!(error.contains(&format!("not configured: a ({state})")), "{error}");
        }
        for (status, want) in [("install ok", "the status `install ok`"), ("", "the status ``")] {
            let error = ImageState::read(&tree(&package("a", status, "")))
                .unwrap_err()
                .to_string();
            assert!(error.contains(want), "{error}");
        }
        let error = ImageState::read(&MemoryTree::new()).unwrap_err();
        let text = error.to_string();
        assert!(
            error.kind() == Kind::Unsupported && text.contains("has no /var/lib/dpkg/status"),
            "{text}"
        );
    }

    #[test]
    fn sources_and_keys_are_read_through_links() {
        let mut tree = tree("");
        tree.file("/etc/apt/sources.list", &b"deb http://a.example.org s c\n"[..])
            .file(
                "/etc/apt/sources.list.d/b.sources",
                &b"Types: deb\nURIs: http://b.example.org\nSuites: s\nComponents: c\nSigned-By: /usr/share/keyrings/k.gpg\n"[..],
            )
            .file("/etc/apt/sources.list.d/c.list.save", &b"rubbish"[..])
            .file("/etc/apt/sources.list.d/x~.list", &b"rubbish"[..])
            .file("/etc/apt/trusted.gpg.d/z.asc", &b"common"[..])
            .file("/etc/apt/trusted.gpg.d/z.txt", &b"rubbish"[..])
            .file("/usr/share/keyrings/k.pgp", &b"own"[..])
            .symlink("/usr/share/keyrings/k.gpg", "k.pgp")
            .file("/etc/apt/preferences.d/one", &b"Package: *\nPin: release a=x\nPin-Priority: 7\n"[..])
            .file("/etc/apt/preferences.d/two.bak", &b"rubbish"[..]);
        let image = ImageState::read(&tree).unwrap();
        let keys = |at: usize| image.sources[at].keys.files[0].bytes.clone().unwrap();
        assert_eq!(image.sources.len(), 2);
        assert_eq!((keys(0), keys(1)), (b"common".to_vec(), b"own".to_vec()));
        assert_eq!(image.pins.len(), 1);
    }

    #[test]
    fn what_cannot_be_used_names_its_file() {
        for (file, text, want) in [
            ("/etc/apt/sources.list.d/a.list", "deb x", "a.list of the image: line 1"),
            ("/etc/apt/preferences", "Pin: x\n", "preferences of the image: a record"),
            (
                "/etc/apt/sources.list",
                "deb [signed-by=/none.gpg] http://a.example.org s c",
                "no such file",
            ),
        ] {
            let mut tree = tree("");
            tree.file(file, text.as_bytes());
            let error = ImageState::read(&tree).unwrap_err().to_string();
            assert!(error.contains(want), "{error}");
        }
    }
}
