//! Which version is tried first where several would do: apt's order among providers.

use std::cmp::Ordering;

use super::depend::Dep;
use super::id::{PackageId, VersionId};
use super::state::{Mode, Plan, View};
use crate::index::MultiArch;

/// Versions that fulfil a relation (or conflict with it), in the order in which they are tried.
pub(super) trait Solutions {
    /// Returns those that exist in a view: alternative by alternative, installed ones before all
    /// others.
    fn solutions(&self, by: VersionId, at: usize, view: View) -> Vec<VersionId>;

    /// Returns all that are installed or candidates, each once, without an order.
    fn all_solutions(&self, by: VersionId, at: usize) -> Vec<VersionId>;
}

impl Solutions for Plan<'_, '_> {
    fn solutions(&self, by: VersionId, at: usize, view: View) -> Vec<VersionId> {
        let dep = &self.universe.deps(by)[at];
        let (mut installed, mut new) = (Vec::new(), Vec::new());
        for alternative in &dep.alternatives {
            let mut found: Vec<VersionId> = self.present(alternative, dep.kind, by, view).collect();
            found.sort_by(|a, b| self.compare(alternative.relation.name, *a, *b));
            for version in found {
                match self.installed(self.universe[version].package) {
                    Some(_) => installed.push(version),
                    None => new.push(version),
                }
            }
        }
        installed.append(&mut new);
        installed.dedup();
        self.without_hopeless(dep, installed)
    }

    fn all_solutions(&self, by: VersionId, at: usize) -> Vec<VersionId> {
        let dep = &self.universe.deps(by)[at];
        let of = |view| {
            dep.alternatives
                .iter()
                .flat_map(move |one| self.present(one, dep.kind, by, view))
        };
        let mut found: Vec<VersionId> = of(View::Candidates).chain(of(View::Now)).collect();
        found.sort();
        found.dedup();
        self.without_hopeless(dep, found)
    }
}

impl Plan<'_, '_> {
    /// Leaves out packages that must not be installed.
    fn without_hopeless(&self, dep: &Dep<'_>, mut found: Vec<VersionId>) -> Vec<VersionId> {
        if !dep.kind.is_negative() {
            found.retain(|version| {
                let id = self.universe[*version].package;
                let state = self.state(id);
                let away = state.mode == Mode::Delete || (state.mode == Mode::Keep && self.installed(id).is_none());
                !(state.protected && away)
            });
        }
        found
    }

    /// Orders the better one first, by apt's CompareProviders, criterion by criterion.
    fn compare(&self, wanted: &str, a: VersionId, b: VersionId) -> Ordering {
        let (pa, pb) = (self.universe[a].package, self.universe[b].package);
        // For each criterion: the version that meets it comes first.
        let first = |criterion: &dyn Fn(PackageId, VersionId) -> bool| criterion(pb, b).cmp(&criterion(pa, a));
        first(&|id, _| self.state(id).protected)
            .then_with(|| first(&|id, version| self.has_installed_sibling(id, version)))
            .then_with(|| first(&|id, _| self.installed(id).is_some()))
            .then_with(|| first(&|id, _| self.universe[id].name == wanted))
            .then_with(|| first(&|id, _| self.universe[id].essential))
            .then_with(|| first(&|id, _| self.universe[id].protected))
            .then_with(|| self.arch_rank(pa).cmp(&self.arch_rank(pb)))
            .then_with(|| {
                self.universe[a]
                    .entry
                    .priority()
                    .cmp(&self.universe[b].entry.priority())
            })
            // The one that was mentioned last comes first.
            .then_with(|| pb.cmp(&pa))
    }

    fn arch_rank(&self, id: PackageId) -> Option<usize> {
        let arch = self.universe[id].arch;
        self.universe.archs.iter().position(|known| *known == arch)
    }

    fn has_installed_sibling(&self, id: PackageId, version: VersionId) -> bool {
        let siblings = self.universe.named(self.universe[id].name);
        self.universe.multi_arch(version) == MultiArch::Same
            && siblings.iter().any(|other| self.installed(*other).is_some())
    }
}
