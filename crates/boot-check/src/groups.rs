//! Which nodes run at the same time, where there are not the memory and the cores for all of them.
//!
//! Managers stay on, since workers are nothing without them; workers come in groups, each of which makes room for the next.

use super::Plan;
use kraken_guest::BootError;
use kraken_spec::{Role, SwarmMode};

/// What QEMU takes beside its guest's memory, in MiB: translated code and itself (measured, QEMU 10.0, tb-size=256).
const EMULATOR: u64 = 280;

/// So many guests for each core at most, where the user says nothing else. A node of a swarm is never idle: with seven on two cores (measured)
/// the last takes three times as long to come up as the first, and a service on all of them never settles, since dispatcher and gossip
/// take nodes for lost that are only slow, and begin anew.
const PER_CORE: usize = 2;

/// Nodes by their place in [`Plan::subjects`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Groups {
    /// Those that stay on from the first group to the end.
    stay: Vec<usize>,
    /// Those that start together; `stay` are in the first.
    start: Vec<Vec<usize>>,
}

impl Groups {
    /// All at once where that is possible and not forbidden.
    ///
    /// # Errors
    /// [`BootError::Memory`] and [`BootError::Places`]: not even the smallest group has room.
    pub(super) fn of(plan: &Plan<'_>) -> Result<Self, BootError> {
        let each = plan.machine.memory() + EMULATOR;
        let free = available();
        let fit = free.map_or(usize::MAX, |free| usize::try_from(free / each).unwrap_or(usize::MAX));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let is_manager: Vec<bool> = plan
            .targets
            .iter()
            .map(|target| plan.cluster.swarm.mode != SwarmMode::None && target.node.role == Role::Manager)
            .collect();
        let managers = is_manager.iter().filter(|is_manager| **is_manager).count();
        let places = plan.at_once.unwrap_or((cores * PER_CORE).max(managers + 1));
        Self::divide(&is_manager, places.min(fit)).map_err(|needed| match free {
            Some(free) if fit < needed => BootError::Memory {
                nodes: needed,
                needed: needed as u64 * each,
                free,
            },
            _ => BootError::Places { places, needed },
        })
    }

    /// An error says how many places are needed.
    fn divide(is_manager: &[bool], places: usize) -> Result<Self, usize> {
        let all = 0..is_manager.len();
        if places >= is_manager.len() {
            return Ok(Self {
                stay: all.clone().collect(),
                start: vec![all.collect()],
            });
        }
        let (stay, come): (Vec<usize>, Vec<usize>) = all.partition(|node| is_manager[*node]);
        let most = places.saturating_sub(stay.len());
        if most == 0 {
            return Err(stay.len() + usize::from(!come.is_empty()));
        }
        // Of about one size, so that the last one, with whom the cluster is proven, is not a remnant.
        let count = come.len().div_ceil(most);
        let mut start: Vec<Vec<usize>> = come
            .chunks(come.len().div_ceil(count).max(1))
            .map(<[usize]>::to_vec)
            .collect();
        if let Some(first) = start.first_mut() {
            first.splice(..0, stay.iter().copied());
        }
        Ok(Self { stay, start })
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.start.len()
    }

    /// Who starts, group by group.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[usize]> {
        self.start.iter().map(Vec::as_slice)
    }

    /// Whether this node is on until the end, whatever its group.
    pub(super) fn stays(&self, node: usize) -> bool {
        self.stay.contains(&node)
    }

    /// How many nodes are on at the same time at most.
    pub(super) fn largest(&self) -> usize {
        let later = self.start.iter().skip(1).map(|group| group.len() + self.stay.len());
        later.chain(self.start.first().map(Vec::len)).max().unwrap_or(0)
    }
}

/// What the kernel could give away, in MiB (proc_meminfo(5): MemAvailable); nothing where nobody says.
fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divide(managers: usize, workers: usize, places: usize) -> Result<(Vec<Vec<usize>>, usize), usize> {
        let is_manager: Vec<bool> = (0..managers + workers).map(|node| node < managers).collect();
        Groups::divide(&is_manager, places).map(|groups| {
            let largest = groups.largest();
            (groups.start, largest)
        })
    }

    #[test]
    fn all_are_on_at_once_where_they_fit() {
        assert_eq!(divide(1, 2, 3), Ok((vec![vec![0, 1, 2]], 3)));
        assert_eq!(divide(0, 1, 1), Ok((vec![vec![0]], 1)));
        assert_eq!(divide(3, 0, 7), Ok((vec![vec![0, 1, 2]], 3)));
    }

    #[test]
    fn managers_stay_and_workers_come_in_groups_of_about_one_size() {
        assert_eq!(divide(1, 6, 3), Ok((vec![vec![0, 1, 2], vec![3, 4], vec![5, 6]], 3)));
        assert_eq!(divide(1, 6, 5), Ok((vec![vec![0, 1, 2, 3], vec![4, 5, 6]], 4)));
        assert_eq!(divide(3, 2, 4), Ok((vec![vec![0, 1, 2, 3], vec![4]], 4)));
    }

    #[test]
    fn without_managers_any_place_is_enough() {
        assert_eq!(divide(0, 3, 1), Ok((vec![vec![0], vec![1], vec![2]], 1)));
        assert_eq!(divide(0, 3, 0), Err(1));
    }

    #[test]
    fn managers_and_one_worker_are_the_least() {
        assert_eq!(divide(3, 4, 3), Err(4));
        assert_eq!(divide(3, 0, 2), Err(3));
        assert_eq!(divide(1, 1, 1), Err(2));
    }

    #[test]
    fn every_node_is_in_one_group_and_no_group_is_too_large() {
        for managers in 0..4 {
            for workers in 0..9 {
                for places in 1..14 {
                    let Ok((groups, largest)) = divide(managers, workers, places) else {
                        assert!(places < managers + 1, "{managers} {workers} {places}");
                        continue;
                    };
                    let mut all: Vec<usize> = groups.into_iter().flatten().collect();
                    all.sort_unstable();
                    assert_eq!(all, (0..managers + workers).collect::<Vec<_>>());
                    assert!(largest <= places);
                }
            }
        }
    }
}
