//! Explains why something cannot be installed: which package needs which, down to the one that
//! cannot be fulfilled.

use std::collections::HashMap;

use super::depend::{Alternative, Dep};
use super::id::VersionId;
use super::state::{DEEPEST, Plan, View};

/// Returns the chain from a version down to what is missing; `None` when nothing is missing.
pub(super) fn explain(plan: &Plan<'_, '_>, version: VersionId) -> Option<Vec<String>> {
    let id = plan.universe[version].package;
    let mut explainer = Explainer {
        plan,
        known: HashMap::new(),
    };
    let stays = plan.state(id).target == Some(version) && !plan.is_broken(id, false);
    let no_reason = || (!stays).then(|| vec!["what it needs cannot all be there at once".to_owned()]);
    explainer.why_not(version, 0).or_else(no_reason)
}

struct Explainer<'p, 'u, 'a> {
    plan: &'p Plan<'u, 'a>,
    /// The results for versions; one that is being examined counts as no problem, so that cycles
    /// end.
    known: HashMap<VersionId, Option<Vec<String>>>,
}

impl<'a> Explainer<'_, '_, 'a> {
    fn why_not(&mut self, version: VersionId, depth: u32) -> Option<Vec<String>> {
        if let Some(known) = self.known.get(&version) {
            return known.clone();
        }
        let universe = self.plan.universe;
        // What is installed already was not caused by the request.
        if depth > DEEPEST || (depth > 0 && self.plan.installed(universe[version].package) == Some(version)) {
            return None;
        }
        self.known.insert(version, None);
        let deps = universe.deps(version).iter().filter(|dep| dep.kind.is_critical());
        let why = deps.into_iter().find_map(|dep| match dep.kind.is_negative() {
            true => self.stands_against(version, dep),
            false => self.unfulfilled(version, dep, depth),
        });
        self.known.insert(version, why.clone());
        why
    }

    fn title(&self, version: VersionId) -> String {
        let candidate = &self.plan.universe[version];
        format!(
            "{} {}",
            self.plan.universe.full_name(candidate.package),
            candidate.entry.version()
        )
    }

    fn stands_against(&self, version: VersionId, dep: &Dep<'a>) -> Option<Vec<String>> {
        let one = dep.alternatives.first()?;
        let there = self.plan.present(one, dep.kind, version, View::Planned);
        let there: Vec<VersionId> = there.collect();
        let other = *there.first()?;
        Some(vec![format!(
            "{} cannot be beside {} ({})",
            self.title(version),
            self.title(other),
            one.relation
        )])
    }

    fn unfulfilled(&mut self, version: VersionId, dep: &Dep<'a>, depth: u32) -> Option<Vec<String>> {
        let wish = dep.alternatives.iter().map(|one| one.relation.to_string());
        let needs = format!("{} needs {}", self.title(version), wish.collect::<Vec<_>>().join(" | "));
        let mut first = None;
        for one in &dep.alternatives {
            let meant = one.meant(self.plan.universe, dep.kind, version).to_vec();
            let candidates: Vec<VersionId> = meant.into_iter().filter(|v| self.may_be_had(*v)).collect();
            if candidates.is_empty() {
                first.get_or_insert_with(|| vec![format!("{needs}, and {}", self.why_none(one))]);
            }
            for candidate in candidates {
                // An alternative that is available is not a reason.
                let below = self.why_not(candidate, depth + 1)?;
                first.get_or_insert_with(|| {
                    let mut chain = vec![needs.clone()];
                    chain.extend(below);
                    chain
                });
            }
        }
        first
    }

    /// Whether a version would be accepted at all.
    fn may_be_had(&self, version: VersionId) -> bool {
        let id = self.plan.universe[version].package;
        let held = self.plan.universe[id].held && self.plan.installed(id) != Some(version);
        self.plan.state(id).target == Some(version) || (!held && self.plan.first_choice(id) == Some(version))
    }

    fn why_none(&self, one: &Alternative<'a>) -> String {
        let universe = self.plan.universe;
        let name = one.relation.name;
        let ids = universe.named(name);
        let Some(id) = ids.first() else {
            return match universe.provides(name).is_empty() {
                true => format!("no archive has {name}"),
                false => format!("none of the packages that provide {name} fits"),
            };
        };
        let text = |version: Option<VersionId>| version.map(|version| universe[version].entry.version());
        match (text(self.plan.first_choice(*id)), text(self.plan.installed(*id))) {
            (_, Some(installed)) if universe[*id].held => format!("{name} is on hold at {installed}"),
            (Some(candidate), _) => format!("{name} is to be had as {candidate} only"),
            (None, Some(installed)) => format!("{name} is {installed} in the image"),
            (None, None) => format!("{name} may not be taken (a pin, or its archive, keeps it away)"),
        }
    }
}
