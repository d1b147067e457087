//! One step of planning: what it was told, and what is to follow it.

use super::id::{PackageId, VersionId};

/// What a step was told.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) package: PackageId,
    pub(super) version: VersionId,
    pub(super) depth: u32,
    pub(super) by_user: bool,
    /// The package was protected before this step: what it needs is protected, too.
    pub(super) spread: bool,
}

impl Step {
    /// Whether a failure ends the step at once: what a user asks for is tried to the end, for the sake of the message.
    pub(super) fn fails_early(&self) -> bool {
        !self.spread && !self.by_user
    }
}

/// What is to follow a step.
#[derive(Default)]
pub(super) struct Todo {
    pub(super) upgrade: Vec<PackageId>,
    pub(super) remove: Vec<PackageId>,
}
