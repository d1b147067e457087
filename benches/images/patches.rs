//! Patches alone, in memory: the cost of one more node.

use std::sync::Arc;
use std::time::Instant;

use kraken_fetch::Options;
use kraken_flash::bake::{self, Admission, Inputs};
use kraken_flash::base::{self};
use kraken_flash::provision::Assets;
use kraken_foundation::Job;
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::progress::Silent;
use kraken_spec::BaseRef;
use kraken_spec::workspace::{MissingKeys, Surroundings, Workspace};
use kraken_swarm_state::ClusterKeys;

use super::Result;
use super::setting::{Setting, fresh};
use super::table::Table;

/// Measures 100 and 1,000 nodes.
///
/// # Errors
/// When the golden image or a patch cannot be made.
pub(crate) fn measure(setting: &Setting, table: &mut Table) -> Result<()> {
    for nodes in [100, 1000] {
        one(setting, table, nodes)?;
    }
    Ok(())
}

fn one(setting: &Setting, table: &mut Table, nodes: usize) -> Result<()> {
    let folder = setting.cluster("patches", nodes)?;
    let around = Surroundings {
        folder: folder.clone(),
        home: None,
    };
    let mut workspace = Workspace::load(None, &around, MissingKeys::Make)?;
    workspace.cluster.image.base = BaseRef::Path(setting.base.clone());
    let interrupt = Interrupt::new();
    let options = Options {
        cache: Some(folder.join("cache")),
        offline: true,
        ..Options::default()
    };
    let base = base::obtain(&workspace.cluster.image, &options, Job::new(&Silent, &interrupt))?;
    let assets = Assets::load(Some(&workspace.folder), None)?;
    let keys = ClusterKeys::from_seed([7; 32]);
    let inputs = Inputs {
        cluster: Arc::new(workspace.cluster.clone()),
        base: Arc::new(base),
        assets: Arc::new(assets),
        packages: None,
        admission: Admission::New(Arc::new(keys)),
    };
    let golden = bake::bake(inputs, &folder.join("cache/golden"), Job::new(&Silent, &interrupt))?;
    let (mut times, mut sizes) = (Vec::with_capacity(nodes), Vec::with_capacity(nodes));
    for node in &workspace.cluster.nodes {
        let start = Instant::now();
        let image = golden.node(node)?;
        times.push(start.elapsed());
        sizes.push(image.patch().size());
    }
    let mean = times.iter().sum::<std::time::Duration>().as_secs_f64() * 1000.0 / nodes as f64;
    times.sort();
    let largest = sizes.iter().max().copied().unwrap_or_default() as f64 / 1024.0;
    table.row(
        &format!("a patch, {nodes} nodes, one thread"),
        format!(
            "{mean:.1} ms (median {:.1}, slowest {:.1})",
            millis(&times, nodes / 2),
            millis(&times, nodes - 1)
        ),
        "no peer makes one".into(),
        String::new(),
        Some(("< 20 ms", mean < 20.0)),
    );
    table.row(
        &format!("its size, {nodes} nodes"),
        format!("{largest:.0} KiB at most"),
        String::new(),
        String::new(),
        Some(("< 512 KiB", largest < 512.0)),
    );
    fresh(&folder)
}

fn millis(times: &[std::time::Duration], at: usize) -> f64 {
    times.get(at).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}
