//! The relations of a version to other packages.

use std::cell::OnceCell;

use super::id::VersionId;
use crate::index::Entry;
use crate::relation::{Relation, relations};

/// The kinds of relations that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    PreDepends,
    Depends,
    Recommends,
    /// Never followed; but a package that a kept one suggests is not dropped from a plan.
    Suggests,
    Conflicts,
    Breaks,
    /// A package of another architecture and the same name, in a version that cannot be installed
    /// together with this one.
    OtherArch,
    /// A field that cannot be read: no package fulfils it.
    Unreadable,
}

impl Kind {
    /// Whether it names packages that must not be installed.
    pub(super) fn is_negative(self) -> bool {
        matches!(self, Self::Conflicts | Self::Breaks | Self::OtherArch)
    }

    /// Whether a package without it is broken.
    pub(super) fn is_critical(self) -> bool {
        !matches!(self, Self::Recommends | Self::Suggests)
    }
}

/// One relation of a version: any of the alternatives fulfils it; or, if negative, none of the
/// packages may be installed.
pub(super) struct Dep<'a> {
    pub(super) kind: Kind,
    pub(super) alternatives: Vec<Alternative<'a>>,
}

/// One alternative, and the versions that it refers to, in whatever state they are.
pub(super) struct Alternative<'a> {
    pub(super) relation: Relation<'a>,
    /// Filled at the first use.
    pub(super) meant: OnceCell<Vec<VersionId>>,
}

impl<'a> Alternative<'a> {
    fn new(relation: Relation<'a>) -> Self {
        let meant = OnceCell::new();
        Self { relation, meant }
    }
}

/// Reads the relations of a version of the package `name`, for `arch`, in the order in which apt
/// processes them. `several` says whether there are packages of that name for more architectures.
pub(super) fn read_deps<'a>(entry: Entry<'a>, name: &'a str, arch: &str, several: bool) -> Vec<Dep<'a>> {
    let mut deps = Vec::new();
    for (kind, field) in [
        (Kind::PreDepends, entry.pre_depends()),
        (Kind::Depends, entry.depends()),
        (Kind::Conflicts, entry.conflicts()),
        (Kind::Breaks, entry.breaks()),
        (Kind::Recommends, entry.recommends()),
        (Kind::Suggests, entry.suggests()),
    ] {
        match relations(field, arch) {
            Ok(groups) => {
                for group in groups {
                    let mut alternatives = group.into_iter().map(Alternative::new);
                    if kind.is_negative() {
                        deps.extend(alternatives.map(|one| Dep {
                            kind,
                            alternatives: vec![one],
                        }));
                    } else {
                        let alternatives = alternatives.by_ref().collect();
                        deps.push(Dep { kind, alternatives });
                    }
                }
            }
            Err(_) if !kind.is_critical() => {}
            Err(_) => deps.push(itself(name, Kind::Unreadable)),
        }
    }
    if several {
        deps.push(itself(name, Kind::OtherArch));
    }
    deps
}

fn itself(name: &str, kind: Kind) -> Dep<'_> {
    let relation = Relation {
        name,
        arch: None,
        version: None,
    };
    let alternatives = vec![Alternative::new(relation)];
    Dep { kind, alternatives }
}
