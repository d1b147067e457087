//! Rings in a graph of files: strongly connected components of more than one file (Tarjan's
//! algorithm).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// File → the files of the same crate that it uses.
pub(super) type Uses = BTreeMap<PathBuf, BTreeSet<PathBuf>>;

struct Search<'a> {
    uses: &'a Uses,
    visits: BTreeMap<&'a PathBuf, Visit>,
    stack: Vec<&'a PathBuf>,
    rings: Vec<Vec<PathBuf>>,
}

#[derive(Clone, Copy)]
struct Visit {
    /// Its place in the order of the visits.
    number: usize,
    on_stack: bool,
}

/// All rings, each sorted by name.
pub(super) fn rings(uses: &Uses) -> Vec<Vec<PathBuf>> {
    let mut search = Search {
        uses,
        visits: BTreeMap::new(),
        stack: Vec::new(),
        rings: Vec::new(),
    };
    for file in uses.keys() {
        if !search.visits.contains_key(file) {
            search.visit(file);
        }
    }
    search.rings
}

impl<'a> Search<'a> {
    /// Gives the lowest number that is reached from this file.
    fn visit(&mut self, file: &'a PathBuf) -> usize {
        let number = self.visits.len();
        let mut lowest = number;
        self.visits.insert(file, Visit { number, on_stack: true });
        self.stack.push(file);
        for used in self.uses.get(file).into_iter().flatten() {
            match self.visits.get(used).copied() {
                None => lowest = lowest.min(self.visit(used)),
                Some(other) if other.on_stack => lowest = lowest.min(other.number),
                Some(_) => {}
            }
        }
        if lowest == number {
            self.close(file);
        }
        lowest
    }

    /// Takes the component that begins with this file from the stack.
    fn close(&mut self, first: &PathBuf) {
        let mut ring = Vec::new();
        while let Some(file) = self.stack.pop() {
            if let Some(visit) = self.visits.get_mut(file) {
                visit.on_stack = false;
            }
            ring.push(file.clone());
            if file == first {
                break;
            }
        }
        if ring.len() > 1 {
            ring.sort();
            self.rings.push(ring);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(edges: &[(&str, &str)]) -> Uses {
        let mut uses = Uses::new();
        for (from, to) in edges {
            uses.entry(from.into()).or_default().insert(to.into());
        }
        uses
    }

    #[test]
    fn a_ring_is_found_and_a_chain_is_none() {
        assert!(rings(&uses(&[("a", "b"), ("b", "c"), ("a", "c")])).is_empty());
        let found = rings(&uses(&[
            ("a", "b"),
            ("b", "c"),
            ("c", "b"),
            ("d", "e"),
            ("e", "d"),
            ("c", "d"),
        ]));
        let names: Vec<Vec<&str>> = found
            .iter()
            .map(|ring| ring.iter().filter_map(|file| file.to_str()).collect())
            .collect();
        assert_eq!(names, [["d", "e"], ["b", "c"]]);
    }
}
