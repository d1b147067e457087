//! What `inspect` and `plan` print about a base that has been in use.

use kraken_flash::base::{Lived, Stay};
use kraken_spec::{Cluster, UsedImage};

/// A line with a label.
pub(super) struct Line {
    /// One word.
    pub(super) label: &'static str,
    pub(super) text: String,
}

/// Returns what the build removes from it and what stays.
pub(super) fn lines(lived: &Lived) -> Vec<Line> {
    let line = |label, text| Line { label, text };
    let mut lines = Vec::new();
    let leftovers: Vec<&str> = lived.leftovers.iter().map(|leftover| leftover.what).collect();
    if !leftovers.is_empty() {
        lines.push(line("has", leftovers.join(", ")));
    }
    if !lived.seed.is_empty() {
        lines.push(line("sets", lived.seed.join(", ")));
    }
    lines.extend(lived.stays.iter().map(|stay| line("has", stay.what.clone())));
    lines
}

/// Returns which traces of its use are refused for this cluster.
pub(super) fn refused<'l>(lived: &'l Lived, cluster: &'l Cluster) -> Vec<&'l Stay> {
    match cluster.image.used {
        UsedImage::Accept => Vec::new(),
        UsedImage::Refuse => lived.stays_beside(&cluster.user.name).collect(),
    }
}

/// Returns what becomes of these traces in this cluster, a sentence each.
pub(super) fn becomes(lived: &Lived, cluster: &Cluster) -> Vec<String> {
    let mut lines = Vec::new();
    let leftovers: Vec<&str> = lived.leftovers.iter().map(|leftover| leftover.what).collect();
    if !leftovers.is_empty() {
        lines.push(format!("taken out: {}", leftovers.join(", ")));
    }
    if !lived.seed.is_empty() {
        lines.push(format!(
            "replaced by what kraken.toml says: {} of its user-data",
            lived.seed.join(", ")
        ));
    }
    let refused = refused(lived, cluster);
    for stay in lived.stays_beside(&cluster.user.name) {
        lines.push(match refused.is_empty() {
            true => format!("on every node: {}", stay.what),
            false => format!("refused: {}", stay.what),
        });
    }
    if !refused.is_empty() {
        lines.push(
            "`build` takes this base only with used = \"accept\" in [image], or a fresh one in its place".to_owned(),
        );
    }
    lines
}
