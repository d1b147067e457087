//! Drops from the plan what an abandoned branch has left behind: apt's mark and sweep over new
//! packages.

use super::id::PackageId;
use super::state::{Mode, Plan, View};

impl Plan<'_, '_> {
    /// Drops new packages that the request does not name and that no kept package needs, recommends
    /// or suggests.
    ///
    /// All installed packages stay, whatever their reason.
    pub(super) fn sweep(&mut self) {
        let mut marked = vec![false; self.states.len()];
        let is_root = |id: &PackageId| {
            let state = self.state(*id);
            state.target.is_some() && (self.installed(*id).is_some() || !state.auto)
        };
        let mut todo: Vec<PackageId> = self.universe.ids().filter(is_root).collect();
        for id in &todo {
            marked[id.0 as usize] = true;
        }
        while let Some(id) = todo.pop() {
            let Some(version) = self.state(id).target else { continue };
            for dep in self.universe.deps(version).iter().filter(|dep| !dep.kind.is_negative()) {
                for alternative in &dep.alternatives {
                    for found in self.present(alternative, dep.kind, version, View::Planned) {
                        let id = self.universe[found].package;
                        if !std::mem::replace(&mut marked[id.0 as usize], true) {
                            todo.push(id);
                        }
                    }
                }
            }
        }
        for (state, _) in self.states.iter_mut().zip(marked).filter(|(_, marked)| !marked) {
            if state.mode == Mode::Install && !state.protected {
                (state.mode, state.target) = (Mode::Keep, None);
            }
        }
    }
}
