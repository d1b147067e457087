//! Plans a package and everything that it needs: what apt's dependency cache does when it marks a
//! package for installation.
//!
//! The order of the steps decides what is chosen, so it is apt's: conflicts first, then the
//! packages that an upgrade drags along, then dependencies one after the other, each of them all
//! the way down before the next.

use super::depend::{Dep, Kind};
use super::id::{PackageId, VersionId};
use super::providers::Solutions;
use super::state::{DEEPEST, Mode, Plan, View};
use super::step::{Step, Todo};
use crate::index::MultiArch;

/// The relations of a version that are not fulfilled yet, by their places among its relations.
#[derive(Default)]
struct OpenRelations {
    /// They name packages that are needed.
    positive: Vec<usize>,
    /// They name packages that must not be installed.
    negative: Vec<usize>,
}

impl<'a> Plan<'_, 'a> {
    /// Plans a package; with `follow`, also what it needs. Returns whether that worked.
    pub(super) fn install(&mut self, id: PackageId, follow: bool, depth: u32, by_user: bool) -> bool {
        let state = self.state(id);
        let (candidate, installed) = (state.candidate, self.installed(id));
        let only_protects =
            state.protected && state.mode == Mode::Keep && candidate.is_some() && candidate == installed;
        if !only_protects && !self.may_become(id, Mode::Install, depth, by_user) {
            return false;
        }
        let Some(version) = candidate else { return false };
        if depth > DEEPEST {
            return false;
        }
        let state = self.state(id);
        if !state.protected && !self.is_broken(id, true) {
            if candidate == installed {
                return self.state(id).target.is_some() || self.keep(id, depth + 1, by_user);
            }
            if self.state(id).mode == Mode::Install {
                return true;
            }
        }
        if !self.may_install(id, version, follow, by_user) {
            return false;
        }
        let step = Step {
            package: id,
            version,
            depth,
            by_user,
            spread: self.state(id).protected,
        };
        self.install_version(step, follow)
    }

    fn install_version(&mut self, step: Step, follow: bool) -> bool {
        if step.by_user {
            self.set_install(step.package, follow, true);
        }
        let mut todo = Todo::default();
        let mut good = true;
        let mut open = OpenRelations::default();
        if follow {
            open = self.open_relations(step);
            good &= self.make_room(step, &open.negative, &mut todo);
            if !good && step.fails_early() {
                return false;
            }
            self.collect_dragged(step, &mut todo);
        }
        if !step.by_user {
            self.set_install(step.package, follow, false);
        }
        if !follow {
            return good;
        }
        self.state_mut(step.package).protected = true;
        good &= self.follow(step, &open.positive, &todo);
        self.state_mut(step.package).protected = step.spread;
        if !good && step.fails_early() {
            return false;
        }
        for id in todo.remove {
            if !self.delete(id, step.package, step.depth) {
                good = false;
                if step.fails_early() {
                    self.discard(step.package);
                    break;
                }
            }
        }
        good
    }

    /// Plans upgrades and dependencies of a package that is planned now.
    fn follow(&mut self, step: Step, needs: &[usize], todo: &Todo) -> bool {
        self.upgrade_siblings(step);
        let mut good = self.upgrade_or_remove(step, &todo.upgrade);
        if good || !step.fails_early() {
            good &= self.install_needs(step, needs);
        }
        if !good && step.fails_early() {
            self.discard(step.package);
        }
        good
    }

    /// Returns the relations of a version that are not fulfilled yet.
    fn open_relations(&self, step: Step) -> OpenRelations {
        let mut open = OpenRelations::default();
        for (at, dep) in self.universe.deps(step.version).iter().enumerate() {
            if (self.fulfilled(dep, step.version, View::Planned) && !step.spread) || !self.counts(dep.kind) {
                continue;
            }
            if dep.kind.is_negative() {
                open.negative.push(at);
            } else {
                open.positive.push(at);
            }
        }
        open
    }

    fn dep(&self, step: Step, at: usize) -> &'_ Dep<'a> {
        &self.universe.deps(step.version)[at]
    }

    /// Collects installed packages that need the version which this one replaces, and not the new
    /// one.
    fn collect_dragged(&self, step: Step, todo: &mut Todo) {
        let Some(current) = self.installed(step.package) else {
            return;
        };
        for id in self.there.iter().copied() {
            let Some(version) = self.installed(id) else { continue };
            if self.state(id).mode == Mode::Install || todo.upgrade.contains(&id) {
                continue;
            }
            let name = self.universe[step.package].name;
            let mut deps = self
                .universe
                .deps(version)
                .iter()
                .filter(|dep| !dep.kind.is_negative() && self.counts(dep.kind));
            let dragged = deps.any(|dep| {
                let mut named = dep.alternatives.iter().filter(|one| one.relation.name == name);
                named.any(|one| {
                    let meant = one.meant(self.universe, dep.kind, version);
                    meant.contains(&current) && !meant.contains(&step.version)
                })
            });
            if dragged {
                todo.upgrade.push(id);
            }
        }
    }

    fn upgrade_or_remove(&mut self, step: Step, upgrade: &[PackageId]) -> bool {
        let mut good = true;
        for id in upgrade {
            if self.state(*id).mode == Mode::Install {
                continue;
            }
            if self.install(*id, true, step.depth + 1, false) {
                self.blame(*id, step.package);
            } else if !self.delete(*id, step.package, step.depth + 1) {
                good = false;
                if step.fails_early() {
                    break;
                }
            } else if step.spread {
                self.state_mut(*id).protected = true;
            }
        }
        good
    }

    /// Upgrades installed packages that were built from the same source together with this one.
    fn upgrade_siblings(&mut self, step: Step) {
        let source = self.universe[step.version].entry.source();
        let is_sibling = |id: &PackageId| {
            let state = self.state(*id);
            let installed = self.installed(*id);
            *id != step.package
                && installed.is_some()
                && state.candidate != installed
                && !(state.mode == Mode::Install && state.target == state.candidate)
                && state
                    .candidate
                    .is_some_and(|version| self.universe[version].entry.source() == source)
        };
        let siblings: Vec<PackageId> = self.there.iter().copied().filter(is_sibling).collect();
        for follow in [false, true] {
            for id in &siblings {
                if self.install(*id, follow, step.depth + 1, false) {
                    self.blame(*id, step.package);
                }
            }
        }
    }

    fn install_needs(&mut self, step: Step, needs: &[usize]) -> bool {
        let mut good = true;
        for at in needs {
            if !self.install_need(step, *at) {
                good = false;
                if step.fails_early() {
                    break;
                }
            }
        }
        good
    }

    /// Handles one relation. A recommendation that is not available is not a failure.
    fn install_need(&mut self, step: Step, at: usize) -> bool {
        let dep = self.dep(step, at);
        let critical = dep.kind.is_critical();
        if self.fulfilled(dep, step.version, View::Planned) {
            return !step.spread || !critical || self.protect_only_solution(step, at);
        }
        if self.installed(step.package).is_some() && !critical && !self.newly_recommended(step, at) {
            return true;
        }
        let solutions = self.solutions(step.version, at, View::Candidates);
        let single = solutions.len() == 1;
        for version in solutions {
            let id = self.universe[version].package;
            if self.state(id).candidate != Some(version) {
                continue;
            }
            if step.spread && critical && single {
                if !self.install(id, false, step.depth + 1, false) {
                    continue;
                }
                self.state_mut(id).protected = true;
            }
            if self.install(id, true, step.depth + 1, false) {
                self.blame(id, step.package);
                return true;
            }
        }
        !critical
    }

    /// Protects a version that alone can fulfil a relation of a protected package.
    fn protect_only_solution(&mut self, step: Step, at: usize) -> bool {
        let solutions = self.all_solutions(step.version, at);
        let [version] = solutions[..] else { return true };
        let id = self.universe[version].package;
        if self.state(id).protected {
            return true;
        }
        self.state_mut(id).protected = true;
        self.install(id, true, step.depth + 1, false)
    }

    /// Whether an upgraded package recommends something that its installed version did not
    /// recommend, or that was installed.
    fn newly_recommended(&self, step: Step, at: usize) -> bool {
        let Some(current) = self.installed(step.package) else {
            return true;
        };
        let name = self.dep(step, at).alternatives.first().map(|one| one.relation.name);
        let before = self.universe.deps(current).iter();
        let mut before = before.filter(|dep| dep.kind == Kind::Recommends);
        let mut known = false;
        let fulfilled = before.any(|dep| {
            let same = dep.alternatives.iter().any(|one| Some(one.relation.name) == name);
            known |= same;
            same && self.fulfilled(dep, current, View::Now)
        });
        fulfilled || !known
    }

    /// Records which package first brought this one in.
    fn blame(&mut self, id: PackageId, because: PackageId) {
        let state = self.state_mut(id);
        if state.mode == Mode::Install && state.because.is_none() {
            state.because = Some(because);
        }
    }

    /// Whether a candidate can be installed at all: its needs have candidates, and it fits its
    /// installed siblings of other architectures. If not, the candidate is dropped.
    fn may_install(&mut self, id: PackageId, version: VersionId, follow: bool, by_user: bool) -> bool {
        if !by_user && !self.in_step_with_siblings(id, version) {
            return false;
        }
        if !follow || self.installed(id) == Some(version) {
            return true;
        }
        let possible = self.universe.deps(version).iter().all(|dep| {
            !dep.kind.is_critical()
                || dep.kind.is_negative()
                || self.fulfilled(dep, version, View::Planned)
                || self.fulfilled(dep, version, View::Published)
        });
        if !possible && !self.state(id).protected {
            let installed = self.installed(id);
            let state = self.state_mut(id);
            state.candidate = installed;
            if installed.is_some() {
                state.published = installed;
            }
            if state.mode != Mode::Delete {
                (state.mode, state.target) = (Mode::Keep, installed);
            }
        }
        possible
    }

    /// Checks that a package that may be installed for several architectures has the same version
    /// for all of them.
    fn in_step_with_siblings(&self, id: PackageId, version: VersionId) -> bool {
        let state = self.state(id);
        let settled = state.mode == Mode::Install && state.target == Some(version);
        if settled || self.installed(id) == Some(version) || self.universe.multi_arch(version) != MultiArch::Same {
            return true;
        }
        let text = self.universe[version].entry.version();
        self.universe.named(self.universe[id].name).iter().all(|other| {
            let Some(candidate) = self.state(*other).candidate else {
                return true;
            };
            *other == id
                || self.installed(*other).is_none()
                || self.universe[candidate].entry.version() == text
                || self.universe.multi_arch(candidate) != MultiArch::Same
                || self.universe[candidate].parts.is_empty()
        })
    }
}
