//! Everything that could be installed: packages by name and architecture, their versions, and which
//! package provides what.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Index as Place;

use super::depend::{Dep, read_deps};
use super::error::ResolveError;
use super::id::{PackageId, PartId, VersionId};
use crate::archive::Archive;
use crate::image::ImageState;
use crate::index::{Entry, Index, IndexBuilder, MultiArch};
use crate::pick::Request;
use crate::relation::relations;
use crate::version::Version;

pub(super) struct Package<'a> {
    pub(super) name: &'a str,
    pub(super) arch: &'a str,
    /// From the newest to the oldest.
    pub(super) versions: Vec<VersionId>,
    pub(super) installed: Option<VersionId>,
    pub(super) held: bool,
    pub(super) essential: bool,
    pub(super) protected: bool,
}

pub(super) struct Candidate<'a> {
    pub(super) package: PackageId,
    pub(super) entry: Entry<'a>,
    /// The indexes that have it, in the order of the sources.
    pub(super) parts: Vec<(PartId, Entry<'a>)>,
    pub(super) installed: bool,
    /// Its place among the `.deb`s of the user's.
    pub(super) local: Option<usize>,
    deps: OnceCell<Vec<Dep<'a>>>,
}

/// `owner` provides a name.
pub(super) struct Provide<'a> {
    pub(super) owner: VersionId,
    /// The text as in the index; there are more than a hundred thousand, and few are ever parsed.
    part: &'a str,
}

/// What a [`Provide`] says of the name.
pub(super) struct Provided<'a> {
    /// The version that is provided.
    pub(super) version: Option<&'a str>,
    /// The architecture that it is limited to.
    pub(super) only_for: Option<&'a str>,
}

impl<'a> Provide<'a> {
    /// Returns what is provided; `None` when it cannot be read.
    pub(super) fn read(&self) -> Option<Provided<'a>> {
        let groups = relations(self.part, "").ok()?;
        let relation = groups.into_iter().flatten().next()?;
        Some(Provided {
            version: relation.version.map(|range| range.version),
            only_for: relation.arch,
        })
    }
}

pub(super) struct Universe<'a> {
    pub(super) native: &'a str,
    /// All architectures, the image's own first.
    pub(super) archs: Vec<&'a str>,
    pub(super) packages: Vec<Package<'a>>,
    versions: Vec<Candidate<'a>>,
    /// Every name that is mentioned, numbered by first mention.
    ranks: HashMap<&'a str, u32>,
    /// By the number of the name.
    by_name: Vec<Vec<PackageId>>,
    /// By the number of the name.
    provides: Vec<Vec<Provide<'a>>>,
}

impl<'a> Place<PackageId> for Universe<'a> {
    type Output = Package<'a>;
    fn index(&self, id: PackageId) -> &Package<'a> {
        &self.packages[id.0 as usize]
    }
}

impl<'a> Place<VersionId> for Universe<'a> {
    type Output = Candidate<'a>;
    fn index(&self, id: VersionId) -> &Candidate<'a> {
        &self.versions[id.0 as usize]
    }
}

/// Reads the control texts of the `.deb`s of the user's.
pub(super) fn read_local(request: &Request) -> Result<Index, ResolveError> {
    let mut builder = IndexBuilder::default();
    for deb in &request.debs {
        builder
            .add_text(&deb.control, false)
            .map_err(|error| ResolveError::LocalDeb {
                named: deb.named.clone(),
                why: error.to_string(),
            })?;
    }
    Ok(builder.finish())
}

/// Collects versions before they are numbered.
struct Builder<'a> {
    native: &'a str,
    archs: Vec<&'a str>,
    ranks: HashMap<&'a str, u32>,
    /// By the number of the name: architectures and their versions.
    found: Vec<Vec<(&'a str, Vec<Found<'a>>)>>,
}

struct Found<'a> {
    entry: Entry<'a>,
    parts: Vec<(PartId, Entry<'a>)>,
    installed: bool,
    local: Option<usize>,
}

impl<'a> Universe<'a> {
    pub(super) fn new(image: &'a ImageState, archives: &'a [Archive], local: &'a Index) -> Self {
        let mut builder = Builder {
            native: &image.architecture,
            archs: image.architectures(),
            ranks: HashMap::new(),
            found: Vec::new(),
        };
        for (number, archive) in archives.iter().enumerate() {
            for (part, index) in archive.parts.iter().map(|part| &part.index).enumerate() {
                builder.rank(index);
                for entry in index.entries() {
                    builder.add_archived((number, part), entry);
                }
            }
        }
        builder.rank(&image.installed);
        for entry in image.installed.entries() {
            builder.add_installed(entry);
        }
        builder.rank(local);
        for (number, entry) in local.entries().enumerate() {
            builder.add_local(number, entry);
        }
        let mut universe = builder.finish();
        universe.mark_held(image);
        universe
    }

    /// Returns the packages of this name, of all architectures.
    pub(super) fn named(&self, name: &str) -> &[PackageId] {
        let rank = self.ranks.get(name).map(|rank| *rank as usize);
        rank.and_then(|rank| self.by_name.get(rank)).map_or(&[], Vec::as_slice)
    }

    pub(super) fn package(&self, name: &str, arch: &str) -> Option<PackageId> {
        self.named(name).iter().copied().find(|id| self[*id].arch == arch)
    }

    pub(super) fn provides(&self, name: &str) -> &[Provide<'a>] {
        let rank = self.ranks.get(name).map(|rank| *rank as usize);
        rank.and_then(|rank| self.provides.get(rank)).map_or(&[], Vec::as_slice)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = PackageId> + use<> {
        (0..numbered(self.packages.len())).map(PackageId)
    }

    /// Returns what a version needs and what it conflicts with, in apt's order.
    pub(super) fn deps(&self, version: VersionId) -> &[Dep<'a>] {
        let candidate = &self[version];
        candidate.deps.get_or_init(|| {
            let package = &self[candidate.package];
            let several = self.named(package.name).len() > 1;
            read_deps(candidate.entry, package.name, package.arch, several)
        })
    }

    /// Returns `name`, or `name:arch` for a package of another architecture.
    pub(super) fn full_name(&self, id: PackageId) -> String {
        let package = &self[id];
        match package.arch == self.native {
            true => package.name.to_owned(),
            false => format!("{}:{}", package.name, package.arch),
        }
    }

    fn mark_held(&mut self, image: &ImageState) {
        for at in &image.held {
            let Some(entry) = image.installed.get(*at) else {
                continue;
            };
            let arch = real_arch(entry.architecture(), self.native);
            if let Some(id) = self.package(entry.name(), arch) {
                self.packages[id.0 as usize].held = true;
            }
        }
    }
}

/// Returns the place of a name, package or version as its number.
#[expect(
    clippy::cast_possible_truncation,
    reason = "each takes more than a byte of an index, and each of the few indexes has less than 2 GiB"
)]
fn numbered(at: usize) -> u32 {
    at as u32
}

/// Packages for all architectures belong to the image's own.
fn real_arch<'a>(arch: &'a str, native: &'a str) -> &'a str {
    if arch == "all" { native } else { arch }
}

impl<'a> Builder<'a> {
    fn rank(&mut self, index: &'a Index) {
        for name in index.mentioned() {
            let next = numbered(self.ranks.len());
            self.ranks.entry(name).or_insert(next);
        }
    }

    fn versions(&mut self, entry: &Entry<'a>) -> Option<&mut Vec<Found<'a>>> {
        let arch = real_arch(entry.architecture(), self.native);
        let arch = *self.archs.iter().find(|known| **known == arch)?;
        let next = numbered(self.ranks.len());
        let rank = *self.ranks.entry(entry.name()).or_insert(next) as usize;
        if self.found.len() <= rank {
            self.found.resize_with(self.ranks.len(), Vec::new);
        }
        let archs = &mut self.found[rank];
        let at = match archs.iter().position(|(known, _)| *known == arch) {
            Some(at) => at,
            None => {
                archs.push((arch, Vec::new()));
                archs.len() - 1
            }
        };
        Some(&mut archs[at].1)
    }

    fn add_archived(&mut self, part: PartId, entry: Entry<'a>) {
        let Some(versions) = self.versions(&entry) else { return };
        let same =
            |found: &&mut Found<'a>| found.entry.version() == entry.version() && found.entry.sha256() == entry.sha256();
        match versions.iter_mut().find(same) {
            Some(found) => found.parts.push((part, entry)),
            None => versions.push(Found {
                entry,
                parts: vec![(part, entry)],
                installed: false,
                local: None,
            }),
        }
    }

    /// Adds an installed package: the same as an archive's package in that version.
    fn add_installed(&mut self, entry: Entry<'a>) {
        let Some(versions) = self.versions(&entry) else { return };
        match versions
            .iter_mut()
            .find(|found| found.entry.version() == entry.version())
        {
            Some(found) => (found.installed, found.entry) = (true, entry),
            None => versions.push(Found {
                entry,
                parts: Vec::new(),
                installed: true,
                local: None,
            }),
        }
    }

    /// Adds a `.deb` of the user's. It is never the same as another package, even in the same
    /// version.
    fn add_local(&mut self, number: usize, entry: Entry<'a>) {
        if let Some(versions) = self.versions(&entry) {
            versions.push(Found {
                entry,
                parts: Vec::new(),
                installed: false,
                local: Some(number),
            });
        }
    }

    fn finish(self) -> Universe<'a> {
        let mut universe = Universe {
            native: self.native,
            archs: self.archs,
            packages: Vec::with_capacity(self.ranks.len()),
            versions: Vec::with_capacity(self.ranks.len()),
            by_name: Vec::with_capacity(self.ranks.len()),
            provides: Vec::new(),
            ranks: self.ranks,
        };
        for mut archs in self.found {
            let rank = |arch: &str| universe.archs.iter().position(|known| *known == arch);
            archs.sort_by_key(|(arch, _)| rank(arch));
            let mut ids = Vec::with_capacity(archs.len());
            for (arch, mut versions) in archs {
                versions.sort_by_cached_key(|found| Reverse(Version::new(found.entry.version())));
                ids.extend(universe.add_package(arch, versions));
            }
            universe.by_name.push(ids);
        }
        for at in 0..universe.versions.len() {
            universe.add_provides(VersionId(numbered(at)));
        }
        universe
    }
}

impl<'a> Universe<'a> {
    fn add_package(&mut self, arch: &'a str, versions: Vec<Found<'a>>) -> Option<PackageId> {
        let name = versions.first()?.entry.name();
        let id = PackageId(numbered(self.packages.len()));
        let mut package = Package {
            name,
            arch,
            versions: Vec::with_capacity(versions.len()),
            installed: None,
            held: false,
            essential: false,
            protected: false,
        };
        for found in versions {
            let version = VersionId(numbered(self.versions.len()));
            package.versions.push(version);
            if found.installed {
                package.installed = Some(version);
            }
            package.essential |= found.entry.essential();
            package.protected |= found.entry.protected();
            self.versions.push(Candidate {
                package: id,
                entry: found.entry,
                parts: found.parts,
                installed: found.installed,
                local: found.local,
                deps: OnceCell::new(),
            });
        }
        self.packages.push(package);
        Some(id)
    }

    fn add_provides(&mut self, owner: VersionId) {
        let field = self[owner].entry.provides();
        if field.is_empty() {
            return;
        }
        for part in field.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let end = part.find(|c: char| c.is_whitespace() || "(:".contains(c));
            let next = numbered(self.ranks.len());
            let rank = *self.ranks.entry(&part[..end.unwrap_or(part.len())]).or_insert(next) as usize;
            if self.provides.len() <= rank {
                self.provides.resize_with(self.ranks.len(), Vec::new);
            }
            self.provides[rank].push(Provide { owner, part });
        }
    }

    pub(super) fn multi_arch(&self, version: VersionId) -> MultiArch {
        self[version].entry.multi_arch()
    }
}
