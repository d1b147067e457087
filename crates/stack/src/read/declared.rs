//! What the top level declares.

use std::collections::BTreeMap;

use super::files::FileObjects;
use super::mounts::Volumes;
use super::networks::Networks;

/// What a service can refer to, under the names of the compose file.
pub(super) struct Declared<'n> {
    pub(super) networks: Networks<'n>,
    pub(super) volumes: Volumes,
    pub(super) secrets: BTreeMap<String, FileObjects>,
    pub(super) configs: BTreeMap<String, FileObjects>,
}
