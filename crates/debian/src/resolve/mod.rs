//! From a request to the packages that are to be unpacked: the choice that `apt-get install` makes
//! with its own solver.
//!
//! The behaviour follows apt's sources (apt-pkg: depcache, policy, cacheset, algorithms; 2.6 and
//! the solver that apt-get of 3.0 still has). It differs on purpose in this: nothing is ever
//! removed, and where apt would continue its search by removing or holding back what it has
//! planned, this code gives up and says why.

mod depend;
mod error;
mod explain;
mod id;
mod mark;
mod meant;
mod outcome;
mod policy;
mod providers;
mod room;
mod state;
mod step;
mod sweep;
mod universe;

use super::archive::Archive;
use super::image::ImageState;
use super::index::Index;
use super::pick::{Request, RequestedPackage, Resolution};
use super::version::Version;
pub use error::ResolveError;
use id::{PackageId, VersionId};
use policy::Policy;
use state::{Mode, Plan};
use universe::Universe;

/// The stack of the planning thread, in bytes. Each step of a chain needs some hundred bytes, more
/// without optimisation.
const STACK: usize = 256 << 20;

/// How often the plan is searched for packages that it breaks.
const ROUNDS: usize = 20;

/// Chooses the packages to unpack, so that everything that was requested works once it is
/// configured.
///
/// # Errors
/// [`ResolveError`].
pub fn resolve(image: &ImageState, archives: &[Archive], wanted: &Request) -> Result<Resolution, ResolveError> {
    let local = universe::read_local(wanted)?;
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(STACK);
        let run = || run(image, archives, wanted, &local);
        let thread = builder.spawn_scoped(scope, run);
        let thread = thread.map_err(|error| ResolveError::Thread(error.to_string()))?;
        thread
            .join()
            .unwrap_or_else(|_| Err(ResolveError::Thread("it broke off".to_owned())))
    })
}

fn run(image: &ImageState, archives: &[Archive], wanted: &Request, local: &Index) -> Result<Resolution, ResolveError> {
    let universe = Universe::new(image, archives, local);
    let policy = Policy::new(image, archives);
    let mut plan = Plan::new(&universe, &policy, wanted.recommends);
    let mut asked = Vec::new();
    for number in 0..wanted.debs.len() {
        asked.push((
            local_version(&universe, wanted, local, number)?,
            wanted.debs[number].named.clone(),
        ));
    }
    for package in &wanted.packages {
        asked.push((choose(&plan, package)?, package.to_string()));
    }
    for (version, _) in &asked {
        let id = universe[*version].package;
        check_change(&plan, *version)?;
        (plan.state_mut(id).candidate, plan.state_mut(id).published) = (Some(*version), Some(*version));
        plan.state_mut(id).protected = true;
        plan.install(id, false, 0, true);
    }
    let mut order: Vec<PackageId> = asked.iter().map(|(version, _)| universe[*version].package).collect();
    order.sort();
    order.dedup();
    for id in order {
        plan.install(id, true, 0, true);
    }
    // A removal is refused in any case, so nothing needs to be repaired around it.
    if plan.states.iter().all(|state| state.mode != Mode::Delete) {
        repair(&mut plan);
    }
    plan.sweep();
    outcome::outcome(&plan, archives, wanted, &asked)
}

/// Returns the version of a `.deb` of the user's.
fn local_version(
    universe: &Universe<'_>,
    wanted: &Request,
    local: &Index,
    number: usize,
) -> Result<VersionId, ResolveError> {
    let entry = local.get(number);
    let found = entry.and_then(|entry| {
        let packages = universe.named(entry.name()).iter();
        let mut versions = packages.flat_map(|id| universe[*id].versions.iter().copied());
        versions.find(|version| universe[*version].local == Some(number))
    });
    found.ok_or_else(|| ResolveError::OtherArchitecture {
        asked: wanted.debs[number].named.clone(),
        known: universe.archs.iter().map(|arch| (*arch).to_owned()).collect(),
    })
}

/// Returns the version that a name in the request refers to.
fn choose(plan: &Plan<'_, '_>, asked: &RequestedPackage) -> Result<VersionId, ResolveError> {
    let universe = plan.universe;
    let arch = match asked.architecture.as_deref() {
        None | Some("native" | "all") => universe.native,
        Some(arch) if universe.archs.contains(&arch) => arch,
        Some(_) => {
            return Err(ResolveError::OtherArchitecture {
                asked: asked.to_string(),
                known: universe.archs.iter().map(|arch| (*arch).to_owned()).collect(),
            });
        }
    };
    let others = universe.named(&asked.name).iter().copied();
    let mut others = others.filter(|_| asked.architecture.is_none() && universe.provides(&asked.name).is_empty());
    let Some(id) = universe.package(&asked.name, arch).or_else(|| others.next()) else {
        return choose_provider(plan, asked, arch);
    };
    let Some(wanted) = &asked.version else {
        return match plan.state(id).candidate {
            Some(version) => Ok(version),
            None => choose_provider(plan, asked, arch),
        };
    };
    let versions = || universe[id].versions.iter().copied();
    let text = |version: VersionId| universe[version].entry.version();
    let usable = |version: &VersionId| !universe[*version].parts.is_empty() || universe[*version].installed;
    versions()
        .filter(usable)
        .find(|version| text(*version) == wanted || Version::new(text(*version)) == Version::new(wanted.as_str()))
        .ok_or_else(|| ResolveError::NoSuchVersion {
            asked: asked.clone(),
            versions: versions()
                .filter(usable)
                .map(|version| text(version).to_owned())
                .collect(),
        })
}

/// Returns the only package that provides a virtual one.
fn choose_provider(plan: &Plan<'_, '_>, asked: &RequestedPackage, arch: &str) -> Result<VersionId, ResolveError> {
    let universe = plan.universe;
    let provides = universe.provides(&asked.name);
    let mut found: Vec<VersionId> = provides
        .iter()
        .filter(|provide| match &asked.version {
            Some(wanted) => provide.read().and_then(|provided| provided.version) == Some(wanted.as_str()),
            None => true,
        })
        .map(|provide| provide.owner)
        .filter(|owner| {
            let id = universe[*owner].package;
            let serves = universe[id].arch == arch || universe.multi_arch(*owner) == super::index::MultiArch::Foreign;
            serves && plan.state(id).candidate == Some(*owner)
        })
        .collect();
    found.sort();
    found.dedup_by_key(|version| universe[universe[*version].package].name);
    match found[..] {
        [one] => Ok(one),
        [] if provides.is_empty() && universe.named(&asked.name).is_empty() => {
            let asked = asked.clone();
            Err(ResolveError::NoSuchPackage { asked })
        }
        [] => Err(ResolveError::NoCandidate { asked: asked.clone() }),
        _ => {
            let mut providers: Vec<String> = found.iter().map(|v| universe.full_name(universe[*v].package)).collect();
            providers.sort();
            let asked = asked.clone();
            Err(ResolveError::Virtual { asked, providers })
        }
    }
}

/// Checks whether the installed version may be replaced by this one.
fn check_change(plan: &Plan<'_, '_>, version: VersionId) -> Result<(), ResolveError> {
    let universe = plan.universe;
    let id = universe[version].package;
    let Some(installed) = plan.installed(id).filter(|installed| *installed != version) else {
        return Ok(());
    };
    let text = |version: VersionId| universe[version].entry.version().to_owned();
    let package = universe.full_name(id);
    if universe[id].held {
        let installed = text(installed);
        return Err(ResolveError::Held { package, installed });
    }
    let pinned = plan.state(id).candidate == Some(version);
    if !pinned && Version::new(text(version)) < Version::new(text(installed)) {
        return Err(ResolveError::Downgrade {
            package,
            installed: text(installed),
            asked: text(version),
        });
    }
    Ok(())
}

/// Upgrades packages that the plan breaks, as far as that helps: an installed one may conflict with
/// a new one.
fn repair(plan: &mut Plan<'_, '_>) {
    for follow in [false, true] {
        for _ in 0..ROUNDS {
            let broken: Vec<PackageId> = plan
                .universe
                .ids()
                .filter(|id| plan.state(*id).target.is_some() && plan.is_broken(*id, false))
                .collect();
            let mut changed = false;
            for id in broken {
                let before = (plan.state(id).mode, plan.state(id).target);
                if (before.0 != Mode::Install || follow) && plan.is_broken(id, false) {
                    plan.install(id, follow, 0, false);
                    changed |= before != (plan.state(id).mode, plan.state(id).target);
                }
            }
            if !changed {
                break;
            }
        }
    }
}
