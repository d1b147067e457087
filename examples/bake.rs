//! Bakes every node of a cluster through the library: `cargo run --example bake -- FOLDER OUTPUT`,
//! where FOLDER has a `kraken.toml`.

use std::error::Error;
use std::path::PathBuf;

use kraken_flash::output::{Folder, ManifestInputs, Options};
use kraken_flash::project::{Admission, Job, Project};
use kraken_flash::spec::workspace::{MissingKeys, Surroundings};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(folder), Some(output)) = (arguments.next(), arguments.next()) else {
        return Err("usage: bake FOLDER OUTPUT".into());
    };
    let around = Surroundings { folder, home: None };
    let project = Project::open(None, &around, MissingKeys::Make)?;

    // The base image comes from the cache or the network; a cluster without a swarm needs no keys.
    let job = Job::silent();
    let prepared = project.prepare(Admission::None, &kraken_flash::fetch::Options::default(), job)?;
    let golden = prepared.bake(job)?;

    // Each node is a small patch over the golden image, written as NAME.img with its block map.
    let nodes = project.nodes(&[])?;
    let inputs = ManifestInputs::new(&golden, project.config_sha256);
    let images = Folder::open(&output)?.write(&golden, &nodes, inputs, Options::default(), job)?;
    for image in images {
        println!("{}  {}", image.node.id.hostname, image.path.display());
    }
    Ok(())
}
