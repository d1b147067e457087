//! Which version of each package is the candidate, by priorities and pins (apt_preferences(5),
//! apt's policy).

use super::id::{PackageId, PartId, VersionId};
use super::universe::Universe;
use crate::archive::Archive;
use crate::image::ImageState;
use crate::pins::{Pin, Place};
use crate::version::Version;

/// From this priority on a version is taken even where it is older than the installed one.
const DOWNGRADE: i32 = 1000;

const NEVER: i32 = i16::MIN as i32;

pub(super) struct Policy<'a> {
    archives: &'a [Archive],
    pins: &'a [Pin],
    /// For each part of each archive.
    priorities: Vec<Vec<i32>>,
    now: i32,
}

impl<'a> Policy<'a> {
    pub(super) fn new(image: &'a ImageState, archives: &'a [Archive]) -> Self {
        let mut policy = Self {
            archives,
            pins: &image.pins,
            priorities: Vec::new(),
            now: 100,
        };
        let general = || image.pins.iter().filter(|pin| pin.is_general());
        for (number, archive) in archives.iter().enumerate() {
            let default = match &archive.release {
                release if release.but_automatic_upgrades => 100,
                release if release.not_automatic => 1,
                _ => 500,
            };
            let of_part = |part| {
                let place = policy.place((number, part));
                let pinned = || general().filter(|pin| pin.means_place(&place));
                // Where any pin says never, the priority is never; else the first pin counts.
                if pinned().any(|pin| pin.priority == NEVER) {
                    return NEVER;
                }
                pinned().next().map_or(default, |pin| pin.priority)
            };
            let priorities = (0..archive.parts.len()).map(of_part).collect();
            policy.priorities.push(priorities);
        }
        if let Some(pin) = general().find(|pin| pin.means_now()) {
            policy.now = pin.priority;
        }
        policy
    }

    fn place(&self, (archive, part): PartId) -> Place<'a> {
        let archive = &self.archives[archive];
        Place {
            release: &archive.release,
            component: &archive.parts[part].component,
            architecture: &archive.parts[part].architecture,
            host: archive.url.host_str().unwrap_or_default(),
        }
    }

    /// Returns the version that is taken when the request names none.
    pub(super) fn candidate(&self, universe: &Universe<'_>, package: PackageId) -> Option<VersionId> {
        let installed = universe[package].installed;
        if self.pins.is_empty() && installed.is_none() && universe[package].versions.len() == 1 {
            // Nearly all packages take this path.
            return universe[package]
                .versions
                .first()
                .copied()
                .filter(|one| self.priority(universe, *one) > 0);
        }
        let (mut best, mut best_priority) = (None, -1);
        for version in &universe[package].versions {
            let priority = self.priority(universe, *version);
            if priority == 0 || priority <= best_priority {
                continue;
            }
            let text = |id: VersionId| Version::new(universe[id].entry.version());
            if installed.is_some_and(|installed| priority < DOWNGRADE && text(*version) < text(installed)) {
                continue;
            }
            (best, best_priority) = (Some(*version), priority);
        }
        best
    }

    fn priority(&self, universe: &Universe<'_>, version: VersionId) -> i32 {
        let candidate = &universe[version];
        if candidate.local.is_some() {
            // Taken only when the request names it.
            return 0;
        }
        let package = &universe[candidate.package];
        let place_priorities = candidate
            .parts
            .iter()
            .map(|((archive, part), _)| self.priorities[*archive][*part]);
        let own = candidate.installed.then_some(self.now);
        let places = || candidate.parts.iter().map(|(part, _)| self.place(*part));
        let pinned = self.pins.iter().find(|pin| {
            pin.names(package.name, package.arch, universe.native)
                && pin.means(candidate.entry.version(), candidate.installed, places())
        });
        if let Some(pin) = pinned {
            let all: Vec<i32> = place_priorities.clone().chain(own).collect();
            if all.iter().any(|priority| *priority != NEVER) {
                return pin.priority;
            }
        }
        place_priorities.chain(own).max().unwrap_or(0)
    }
}
