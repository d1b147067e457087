//! One step of planning: its parameters, and what must follow it.

use super::id::{PackageId, VersionId};

/// The parameters of a step.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) package: PackageId,
    pub(super) version: VersionId,
    pub(super) depth: u32,
    pub(super) by_user: bool,
    /// The package was protected before this step, so what it needs is protected, too.
    pub(super) spread: bool,
}

impl Step {
    /// Whether a failure ends the step at once. A requested package is tried to the end, for the
    /// sake of the message.
    pub(super) fn fails_early(&self) -> bool {
        !self.spread && !self.by_user
    }
}

/// What must follow a step.
#[derive(Default)]
pub(super) struct Todo {
    pub(super) upgrade: Vec<PackageId>,
    pub(super) remove: Vec<PackageId>,
}
