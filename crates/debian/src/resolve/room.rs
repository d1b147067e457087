//! Handles conflicts of a package: a conflicting package is dropped from the plan, upgraded, or
//! planned for removal.

use super::id::PackageId;
use super::providers::Solutions;
use super::state::{Mode, Plan, View};
use super::step::{Step, Todo};

impl Plan<'_, '_> {
    /// Handles the packages that conflict with this one: other plans are dropped, installed
    /// packages upgraded or removed, later.
    pub(super) fn make_room(&mut self, step: Step, bars: &[usize], todo: &mut Todo) -> bool {
        let mut good = true;
        let mut bad_candidates = Vec::new();
        for at in bars {
            for version in self.solutions(step.version, *at, View::Candidates) {
                let id = self.universe[version].package;
                if self.state(id).candidate != Some(version) {
                    continue;
                }
                if self.installed(id) == Some(version) {
                    good &= self.plan_removal(step, id, todo);
                } else if self.state(id).mode == Mode::Install && !self.keep(id, step.depth, false) {
                    good = false;
                } else if step.spread {
                    self.discard_candidate(id);
                    if self.installed(id).is_none() {
                        self.state_mut(id).protected = true;
                    }
                } else {
                    bad_candidates.push(id);
                }
                if !good && step.fails_early() {
                    return false;
                }
            }
            for version in self.solutions(step.version, *at, View::Now) {
                let id = self.universe[version].package;
                let candidate = self.state(id).candidate;
                if candidate.is_some() && candidate != Some(version) && !bad_candidates.contains(&id) {
                    todo.upgrade.push(id);
                } else if candidate != self.installed(id) {
                    good &= self.plan_removal(step, id, todo);
                }
                if !good && step.fails_early() {
                    return false;
                }
            }
        }
        good
    }

    /// Plans the removal of an installed package that conflicts and that no upgrade helps.
    fn plan_removal(&mut self, step: Step, id: PackageId, todo: &mut Todo) -> bool {
        if self.state(id).mode == Mode::Delete && !step.spread {
            return true;
        }
        if !step.spread {
            if !self.may_become(id, Mode::Delete, step.depth, false) || !self.may_delete(id) {
                return false;
            }
            todo.remove.push(id);
            return true;
        }
        if self.state(id).mode != Mode::Delete && !self.delete(id, step.package, step.depth + 1) {
            return false;
        }
        self.discard_candidate(id);
        self.state_mut(id).protected = true;
        true
    }

    fn discard_candidate(&mut self, id: PackageId) {
        let state = self.state_mut(id);
        state.candidate = state.target;
    }
}
