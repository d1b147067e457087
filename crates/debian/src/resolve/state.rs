//! What is planned for each package, and whether that is consistent.

use super::depend::{Alternative, Dep, Kind};
use super::id::{PackageId, VersionId};
use super::policy::Policy;
use super::universe::Universe;

/// Chains of dependencies longer than this are not followed; apt's own limit.
pub(super) const DEEPEST: u32 = 3000;

/// What will happen to a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Keep,
    Install,
    Delete,
}

#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) mode: Mode,
    /// The version that will be installed.
    pub(super) target: Option<VersionId>,
    /// The version that would be taken.
    pub(super) candidate: Option<VersionId>,
    /// The candidate when the plan for the package was last changed: apt uses that one when it
    /// decides whether something is available.
    pub(super) published: Option<VersionId>,
    /// No later decision may change it.
    pub(super) protected: bool,
    /// The request does not name it.
    pub(super) auto: bool,
    /// The package that brought it in, or displaced it.
    pub(super) because: Option<PackageId>,
}

/// A view of versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// What is installed now.
    Now,
    /// What will be installed.
    Planned,
    /// What would be taken.
    Candidates,
    /// What would have been taken when plans were last changed.
    Published,
}

/// The plan as it grows.
pub(super) struct Plan<'u, 'a> {
    pub(super) universe: &'u Universe<'a>,
    pub(super) states: Vec<State>,
    pub(super) recommends: bool,
    /// The packages that are installed now: few among many.
    pub(super) there: Vec<PackageId>,
    first_choices: Vec<Option<VersionId>>,
}

impl<'u, 'a> Plan<'u, 'a> {
    pub(super) fn new(universe: &'u Universe<'a>, policy: &Policy<'_>, recommends: bool) -> Self {
        let state = |id: PackageId| {
            let candidate = policy.candidate(universe, id);
            State {
                mode: Mode::Keep,
                target: universe[id].installed,
                candidate,
                published: candidate,
                protected: false,
                auto: false,
                because: None,
            }
        };
        let states: Vec<State> = universe.ids().map(state).collect();
        Self {
            universe,
            first_choices: states.iter().map(|state| state.candidate).collect(),
            states,
            recommends,
            there: universe.ids().filter(|id| universe[*id].installed.is_some()).collect(),
        }
    }

    pub(super) fn state(&self, id: PackageId) -> &State {
        &self.states[id.0 as usize]
    }

    pub(super) fn state_mut(&mut self, id: PackageId) -> &mut State {
        &mut self.states[id.0 as usize]
    }

    /// Returns the candidate before anything was planned.
    pub(super) fn first_choice(&self, id: PackageId) -> Option<VersionId> {
        self.first_choices[id.0 as usize]
    }

    pub(super) fn installed(&self, id: PackageId) -> Option<VersionId> {
        self.universe[id].installed
    }

    /// Returns the version of a package in a view.
    pub(super) fn seen(&self, id: PackageId, view: View) -> Option<VersionId> {
        match view {
            View::Now => self.installed(id),
            View::Planned => self.state(id).target,
            View::Candidates => self.state(id).candidate,
            View::Published => self.state(id).published,
        }
    }

    /// Returns the versions that an alternative refers to and that exist in a view.
    pub(super) fn present<'s>(
        &'s self,
        alternative: &'s Alternative<'a>,
        kind: Kind,
        by: VersionId,
        view: View,
    ) -> impl Iterator<Item = VersionId> + 's {
        let meant = alternative.meant(self.universe, kind, by).iter().copied();
        meant.filter(move |version| self.seen(self.universe[*version].package, view) == Some(*version))
    }

    /// Whether a relation is fulfilled in a view.
    pub(super) fn fulfilled(&self, dep: &Dep<'a>, by: VersionId, view: View) -> bool {
        let present = |one: &Alternative<'a>| self.present(one, dep.kind, by, view).next().is_some();
        dep.alternatives.iter().any(present) != dep.kind.is_negative()
    }

    /// Whether a relation matters: dependencies always, recommendations where they are requested.
    pub(super) fn counts(&self, kind: Kind) -> bool {
        kind.is_critical() || (self.recommends && kind == Kind::Recommends)
    }

    /// Whether the version that will be installed lacks something that it needs; with `wishes`, or
    /// something that matters.
    pub(super) fn is_broken(&self, id: PackageId, wishes: bool) -> bool {
        let Some(target) = self.state(id).target else {
            return false;
        };
        let deps = self.universe.deps(target).iter();
        let mut deps = deps.filter(|dep| dep.kind.is_critical() || (wishes && self.counts(dep.kind)));
        deps.any(|dep| !self.fulfilled(dep, target, View::Planned))
    }

    /// Whether the plan for a package may become this one.
    pub(super) fn may_become(&self, id: PackageId, mode: Mode, depth: u32, by_user: bool) -> bool {
        let (state, package) = (self.state(id), &self.universe[id]);
        if depth > DEEPEST || package.versions.is_empty() {
            return false;
        }
        if by_user || state.mode == mode {
            return true;
        }
        if state.protected || (mode != Mode::Keep && package.held) {
            return false;
        }
        mode != Mode::Delete || !(package.essential || package.protected)
    }

    /// Keeps a package as it is now.
    pub(super) fn keep(&mut self, id: PackageId, depth: u32, by_user: bool) -> bool {
        if !self.may_become(id, Mode::Keep, depth, by_user) {
            return false;
        }
        let installed = self.installed(id);
        let state = self.state_mut(id);
        if state.mode != Mode::Keep {
            (state.mode, state.target) = (Mode::Keep, installed);
            state.published = state.candidate;
        }
        true
    }

    /// Whether a package may be removed. A requested package that is not installed yet may not.
    pub(super) fn may_delete(&self, id: PackageId) -> bool {
        let state = self.state(id);
        self.installed(id).is_some() || state.target.is_none() || state.auto
    }

    /// Plans the removal of a package. The final check refuses such a plan.
    pub(super) fn delete(&mut self, id: PackageId, because: PackageId, depth: u32) -> bool {
        if !self.may_become(id, Mode::Delete, depth, false) {
            return false;
        }
        if self.state(id).mode == Mode::Delete || self.state(id).target.is_none() {
            return true;
        }
        if !self.may_delete(id) {
            return false;
        }
        let was_there = self.installed(id).is_some();
        let state = self.state_mut(id);
        state.mode = if was_there { Mode::Delete } else { Mode::Keep };
        state.target = None;
        state.published = state.candidate;
        state.because = Some(because);
        true
    }

    /// Plans the candidate.
    pub(super) fn set_install(&mut self, id: PackageId, follow: bool, by_user: bool) {
        let installed = self.installed(id);
        let state = self.state_mut(id);
        if state.protected && state.target == state.candidate {
            return;
        }
        state.mode = Mode::Install;
        state.target = state.candidate;
        state.published = state.candidate;
        let new = installed.is_none();
        if by_user && (new || follow) {
            state.auto = false;
        } else if !by_user && new {
            state.auto = true;
        }
        if state.candidate == installed {
            state.mode = Mode::Keep;
        }
    }

    /// Drops the plan for a package, and its candidate.
    pub(super) fn discard(&mut self, id: PackageId) {
        let installed = self.installed(id);
        let state = self.state_mut(id);
        let as_it_was = state.mode == Mode::Keep && state.target == state.candidate && state.candidate == installed;
        if !as_it_was {
            state.published = state.candidate;
            (state.mode, state.target, state.candidate) = (Mode::Keep, installed, installed);
        }
    }
}
