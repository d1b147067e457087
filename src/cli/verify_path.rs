//! The path that `verify` gets, with and without `--boot`: whether it exists, and which node its
//! name means.

use std::path::Path;

use kraken_spec::Cluster;

use super::Failure;

/// Checks that the path exists; nothing else is reported about a path that does not.
pub(super) fn is_there(path: &Path) -> Result<(), Failure> {
    std::fs::metadata(path).map(drop).map_err(|error| {
        Failure::message(format!(
            "looking at {}: {error}; `kraken-flash build` makes images, in images/ where nothing else is said",
            path.display()
        ))
    })
}

/// Returns the node after which a file is named: `kraken-3.img` should be kraken-3.
pub(super) fn node_by_name(path: &Path, cluster: &Cluster) -> Option<u32> {
    let stem = path
        .file_name()?
        .to_str()?
        .trim_end_matches(".xz")
        .trim_end_matches(".zst")
        .trim_end_matches(".gz")
        .trim_end_matches(".zip");
    let stem = stem.strip_suffix(".img")?;
    cluster
        .nodes
        .iter()
        .find(|node| node.hostname == stem)
        .map(|node| node.number)
}
