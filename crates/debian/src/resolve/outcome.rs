//! From a finished plan to picks, or to the reason why there are none.

use super::error::ResolveError;
use super::explain::explain;
use super::id::{PackageId, VersionId};
use super::state::{Mode, Plan};
use crate::archive::Archive;
use crate::pick::{Pick, PickFrom, Request, Resolution};

/// Checks the plan, and converts it to picks.
pub(super) fn outcome(
    plan: &Plan<'_, '_>,
    archives: &[Archive],
    wanted: &Request,
    asked: &[(VersionId, String)],
) -> Result<Resolution, ResolveError> {
    for (version, name) in asked {
        if let Some(chain) = explain(plan, *version) {
            let asked = name.clone();
            return Err(ResolveError::Unsatisfiable { asked, chain });
        }
    }
    check(plan, asked)?;
    let universe = plan.universe;
    let is_asked = |id: PackageId| asked.iter().any(|(version, _)| universe[*version].package == id);
    let mut resolution = Resolution::default();
    for id in universe.ids() {
        let state = plan.state(id);
        let installed = plan.installed(id);
        match state.target {
            Some(target) if state.mode == Mode::Install && Some(target) != installed => {
                resolution
                    .picks
                    .push(pick(plan, archives, wanted, target, is_asked(id))?);
            }
            Some(target) if is_asked(id) => {
                let version = universe[target].entry.version().to_owned();
                resolution.already.push((universe.full_name(id), version));
            }
            _ => {}
        }
    }
    resolution
        .picks
        .sort_by(|a, b| (&a.name, &a.architecture).cmp(&(&b.name, &b.architecture)));
    resolution.already.sort();
    Ok(resolution)
}

/// Checks that nothing is removed, and that nothing is broken that worked before.
fn check(plan: &Plan<'_, '_>, asked: &[(VersionId, String)]) -> Result<(), ResolveError> {
    let universe = plan.universe;
    for id in universe.ids() {
        let (Some(installed), None) = (plan.installed(id), plan.state(id).target) else {
            continue;
        };
        let because = plan.state(id).because.map(|because| universe.full_name(because));
        return Err(ResolveError::Removal {
            package: universe.full_name(id),
            installed: universe[installed].entry.version().to_owned(),
            because: because.unwrap_or_else(|| asked.first().map(|(_, name)| name.clone()).unwrap_or_default()),
        });
    }
    for id in universe.ids() {
        let state = plan.state(id);
        let Some(target) = state.target else { continue };
        // What was broken before was not caused by the request.
        if !plan.is_broken(id, false) || (state.mode != Mode::Install && was_broken(plan, id)) {
            continue;
        }
        let asked = universe.full_name(id);
        let chain =
            explain(plan, target).unwrap_or_else(|| vec!["what it needs cannot all be there at once".to_owned()]);
        return Err(ResolveError::Unsatisfiable { asked, chain });
    }
    Ok(())
}

fn was_broken(plan: &Plan<'_, '_>, id: PackageId) -> bool {
    let Some(installed) = plan.installed(id) else {
        return false;
    };
    let mut deps = plan
        .universe
        .deps(installed)
        .iter()
        .filter(|dep| dep.kind.is_critical());
    deps.any(|dep| !plan.fulfilled(dep, installed, super::state::View::Now))
}

fn pick(
    plan: &Plan<'_, '_>,
    archives: &[Archive],
    wanted: &Request,
    version: VersionId,
    asked: bool,
) -> Result<Pick, ResolveError> {
    let universe = plan.universe;
    let candidate = &universe[version];
    let id = candidate.package;
    let installed = plan
        .installed(id)
        .map(|installed| universe[installed].entry.version().to_owned());
    let (entry, from, size, sha256) = match (candidate.local, candidate.parts.first()) {
        (Some(number), _) => {
            let deb = &wanted.debs[number];
            (candidate.entry, PickFrom::Local(number), deb.size, Some(deb.sha256))
        }
        (None, Some(((archive, _), entry))) => {
            let from = PickFrom::Archive {
                url: archives[*archive].file_url(entry.filename()),
                filename: entry.filename().to_owned(),
            };
            (*entry, from, entry.size(), entry.sha256())
        }
        // A version that is only installed is never planned again.
        (None, None) => (candidate.entry, PickFrom::Local(usize::MAX), 0, None),
    };
    let sha256 = sha256.ok_or_else(|| ResolveError::Unsatisfiable {
        asked: universe.full_name(id),
        chain: vec!["no archive has it".to_owned()],
    })?;
    let because = plan.state(id).because.filter(|_| !asked);
    Ok(Pick {
        name: entry.name().to_owned(),
        version: entry.version().to_owned(),
        architecture: entry.architecture().to_owned(),
        from,
        size,
        sha256,
        upgrades: installed,
        asked,
        needed_by: because.map(|because| universe.full_name(because)),
        essential: entry.essential(),
    })
}
