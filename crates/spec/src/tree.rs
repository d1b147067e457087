//! The names of all keys of `kraken.toml`, as a tree: a section is a key that has others below it.

/// A key, and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// The key as it is written.
    pub(super) key: &'static str,
    /// What is below it.
    pub(super) holds: Holds,
}

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// A value.
    Value,
    /// A section with these keys.
    Keys(&'static [Name]),
    /// Any number of sections, each with these keys.
    List(&'static [Name]),
}

/// A section, and the keys in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SectionNames {
    /// The keys that lead to it; empty for the file itself.
    pub(super) path: Vec<&'static str>,
    /// Whether there may be any number of it.
    pub(super) is_list: bool,
    /// Its keys, in the order of the declaration.
    pub(super) names: &'static [Name],
}

impl SectionNames {
    /// Returns its headline: `[system.keyboard]`, `[[node]]`.
    pub(super) fn header(&self) -> String {
        let path = self.path.join(".");
        match self.is_list {
            true => format!("[[{path}]]"),
            false => format!("[{path}]"),
        }
    }
}

/// Returns the file itself and all its sections, each before those below it.
pub(super) fn sections(root: &'static [Name]) -> Vec<SectionNames> {
    let mut list = Vec::new();
    let file = SectionNames {
        path: Vec::new(),
        is_list: false,
        names: root,
    };
    collect(file, &mut list);
    list
}

fn collect(section: SectionNames, list: &mut Vec<SectionNames>) {
    let (path, names) = (section.path.clone(), section.names);
    list.push(section);
    for name in names {
        let (names, is_list) = match name.holds {
            Holds::Value => continue,
            Holds::Keys(names) => (names, false),
            Holds::List(names) => (names, true),
        };
        let mut path = path.clone();
        path.push(name.key);
        collect(SectionNames { path, is_list, names }, list);
    }
}
