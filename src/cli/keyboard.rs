//! What `plan` prints about the keyboard before an image shows which layouts it knows.

use kraken_flash::packages::lock::LockedSet;
use kraken_spec::{Cluster, KEYBOARDS_OF, is_listed_layout};

/// The package that contains the lists.
const PACKAGE: &str = "xkb-data";

/// Returns the warning about layouts that this program does not know: they may be newer than it.
pub(super) fn unlisted(cluster: &Cluster) -> Option<String> {
    let layouts: Vec<String> = cluster
        .system
        .keyboard
        .layout
        .split(',')
        .filter(|layout| !is_listed_layout(layout))
        .map(|layout| format!("{layout:?}"))
        .collect();
    (!layouts.is_empty()).then(|| {
        format!(
            "layout {} in [system.keyboard] is not in the list of {KEYBOARDS_OF}, which is the one that this program has; `build` asks the \
             image's own list, and refuses what is not in it either",
            layouts.join(" and ")
        )
    })
}

/// Returns whether the images will have the lists of their base, and not those of a package that is
/// baked in.
pub(super) fn is_the_bases(cluster: &Cluster, bake: Option<&LockedSet>) -> bool {
    match bake {
        Some(bake) => bake.packages.iter().all(|package| package.name != PACKAGE),
        // The dependencies of packages are not known yet; Docker alone brings no keyboards.
        None => cluster.system.packages.is_empty() && cluster.system.debs.is_empty(),
    }
}
