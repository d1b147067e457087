//! Divides the nodes into groups if this machine has too little memory or too few cores for all of
//! them at the same time.
//!
//! Managers stay on, since workers cannot do without them. Workers come in groups, and each group
//! is switched off before the next one starts.

use super::Plan;
use kraken_foundation::{Error, Kind, Result};
use kraken_spec::{Role, SwarmMode};

/// The memory that QEMU takes besides its guest's, in MiB: its translated code and itself
/// (measured, QEMU 10.0, tb-size=256).
const EMULATOR: u64 = 280;

/// The largest number of guests for each core, unless the user gives a number. A node of a swarm is
/// never idle. Measured with seven nodes on two cores: the last one takes three times as long to
/// come up as the first, and a service on all of them never settles, since dispatcher and gossip
/// take slow nodes for lost ones and begin again.
const PER_CORE: usize = 2;

/// Which nodes are on together. Nodes are given by their index in [`Plan::targets`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Groups {
    /// The nodes that stay on from the first group to the end.
    stay: Vec<usize>,
    /// The nodes that start together, group by group. The first group includes `stay`.
    start: Vec<Vec<usize>>,
}

impl Groups {
    /// Puts all nodes into one group if the memory and the user's limit allow it.
    ///
    /// # Errors
    /// [`Kind::Full`] or [`Kind::Usage`] if not even the smallest group is possible.
    pub(super) fn of(plan: &Plan<'_>) -> Result<Self> {
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
            Some(free) if fit < needed => {
                let memory = needed as u64 * each;
                let text = format!(
                    "booting {needed} at the same time, the fewest that show something, takes about {memory} MiB of memory, and {free} MiB are free: free some, or boot some of the nodes alone (--nodes 1)"
                );
                Error::new(Kind::Full, text)
            }
            _ => {
                let text = format!(
                    "{places} at once are too few: the managers that are booted stay on, and beside them there must be a place for one more; {needed} are enough"
                );
                Error::new(Kind::Usage, text)
            }
        })
    }

    /// Divides the nodes so that at most `places` are on at the same time. The error is the
    /// smallest possible number of places.
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
        // The groups are of about equal size, so that the last one, on which the cluster is
        // checked, is not a small remainder.
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

    /// Returns the number of groups.
    pub(super) fn count(&self) -> usize {
        self.start.len()
    }

    /// Returns the nodes that start, group by group.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[usize]> {
        self.start.iter().map(Vec::as_slice)
    }

    /// Returns whether this node stays on until the end.
    pub(super) fn stays(&self, node: usize) -> bool {
        self.stay.contains(&node)
    }

    /// Returns how many nodes are on at the same time at most.
    pub(super) fn largest(&self) -> usize {
        let later = self.start.iter().skip(1).map(|group| group.len() + self.stay.len());
        later.chain(self.start.first().map(Vec::len)).max().unwrap_or(0)
    }
}

/// Returns the available memory in MiB (proc_meminfo(5): MemAvailable); `None` if the kernel does
/// not report it.
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
