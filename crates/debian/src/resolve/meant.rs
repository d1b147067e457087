//! Which versions of other packages a relation refers to.

use super::depend::{Alternative, Kind};
use super::id::{PackageId, VersionId};
use super::universe::Universe;
use crate::index::MultiArch;
use crate::relation::{Op, Relation};

impl<'a> Alternative<'a> {
    /// Returns the versions: of the package itself, then of those that provide it.
    pub(super) fn meant(&self, universe: &Universe<'a>, kind: Kind, by: VersionId) -> &[VersionId] {
        self.meant.get_or_init(|| match kind {
            Kind::OtherArch => other_archs(universe, by),
            Kind::Unreadable => Vec::new(),
            _ => find(universe, &self.relation, kind, by),
        })
    }
}

/// Returns versions of the same package for other architectures that cannot be installed together
/// with this one.
fn other_archs(universe: &Universe<'_>, by: VersionId) -> Vec<VersionId> {
    let candidate = &universe[by];
    let same = universe.multi_arch(by) == MultiArch::Same;
    let version = candidate.entry.version();
    let others = universe.named(universe[candidate.package].name).iter();
    let others = others.filter(|other| **other != candidate.package);
    let versions = others.flat_map(|other| universe[*other].versions.iter().copied());
    versions
        .filter(|other| !same || !Op::Equal.holds(universe[*other].entry.version(), version))
        .collect()
}

fn find(universe: &Universe<'_>, relation: &Relation<'_>, kind: Kind, by: VersionId) -> Vec<VersionId> {
    let owner = universe[by].package;
    let arch = universe[owner].arch;
    let negative = kind.is_negative();
    let wanted = |version: Option<&str>| match (relation.version, version) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(range), Some(version)) => range.accepts(version),
    };
    let mut meant = Vec::new();
    for target in universe.named(relation.name) {
        if negative && ignored(universe, by, owner, *target) {
            continue;
        }
        for version in &universe[*target].versions {
            if wanted(Some(universe[*version].entry.version())) && serves(universe, *version, relation, arch, negative)
            {
                meant.push(*version);
            }
        }
    }
    for provide in universe.provides(relation.name) {
        let provider = universe[provide.owner].package;
        if negative && universe[provider].name == universe[owner].name {
            continue;
        }
        let Some(provided) = provide.read() else {
            continue;
        };
        let for_arch = provided.only_for.is_none_or(|arch| relation.arch == Some(arch));
        if for_arch && wanted(provided.version) && serves(universe, provide.owner, relation, arch, negative) {
            meant.push(provide.owner);
        }
    }
    let mut seen = std::collections::HashSet::new();
    meant.retain(|version| seen.insert(*version));
    meant
}

/// Whether a negative relation does not apply to this package: it is the one that has the relation,
/// or the same one for another architecture that may be installed with it.
fn ignored(universe: &Universe<'_>, by: VersionId, owner: PackageId, target: PackageId) -> bool {
    universe[owner].name == universe[target].name && (owner == target || universe.multi_arch(by) == MultiArch::Same)
}

/// Whether a version fits a relation as far as architectures matter.
fn serves(universe: &Universe<'_>, version: VersionId, relation: &Relation<'_>, arch: &str, negative: bool) -> bool {
    let own = universe[universe[version].package].arch;
    match relation.arch {
        // A package that must not be installed must not be installed for any architecture.
        None => negative || own == arch || universe.multi_arch(version) == MultiArch::Foreign,
        Some("any") => universe.multi_arch(version) == MultiArch::Allowed,
        Some("native") => own == universe.native,
        Some(named) => own == named,
    }
}
