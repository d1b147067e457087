//! Checks that the card's dockerd starts with the card's options: with the tables of
//! `spec::daemon`, and with the program itself if it can run on this machine.
//!
//! The options are read from the image, so that a file which an overlay put there is checked.

mod ask;
mod target;
mod unit;

use serde_json::{Map, Value};

use super::report::ImageReport;
use kraken_disk::{FileTree, real_path};
use kraken_image::packages::PackagesRecord;
use kraken_spec::daemon::{self, Around, Version};
use target::{OPTIONS, is_there};

pub(super) use target::DaemonTarget;

const CHECK: &str = "docker";
/// The largest file of options that is read, in bytes.
const LIMIT: u64 = 1 << 20;
/// The places where Docker's and Debian's packages put dockerd.
const PROGRAMS: [&str; 2] = ["/usr/bin/dockerd", "/usr/sbin/dockerd"];

/// Checks one image that contains dockerd. Does nothing for other images.
pub(super) fn verify(target: &DaemonTarget<'_>, report: &mut ImageReport) {
    let Some(program) = PROGRAMS.into_iter().find(|path| is_there(target.root, path)) else {
        return;
    };
    report.begin(CHECK);
    let bytes = match real_path(target.root, OPTIONS).and_then(|path| target.root.read(&path, LIMIT)) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => b"{}".to_vec(),
        Err(error) => return report.find(CHECK, place(), error.to_string()),
    };
    let options: Map<String, Value> = match serde_json::from_slice(&bytes) {
        Ok(options) => options,
        Err(error) => {
            return report.find(
                CHECK,
                place(),
                format!("it is not a JSON object ({error}): dockerd does not start with it"),
            );
        }
    };
    let around = Around {
        swarm: target.swarm,
        version: version(target.root),
        log_driver: None,
    };
    let faults = daemon::faults(&options, &around);
    for fault in &faults {
        report.find(CHECK, place(), format!("{}: {}; {}", fault.path, fault.why, fault.help));
    }
    match ask::dockerd(target, program, options) {
        ask::Answer::Right => {}
        // The tables have already reported it, with a help.
        ask::Answer::Wrong(_) if !faults.is_empty() => {}
        ask::Answer::Wrong(said) => report.find(CHECK, place(), format!("the card's own dockerd refuses it: {said}")),
        ask::Answer::NotAsked(why) => report.note(format!("{CHECK}: the card's own dockerd was not asked: {why}")),
    }
}

fn place() -> String {
    format!("root:{OPTIONS}")
}

fn version(root: &dyn FileTree) -> Option<Version> {
    let record = PackagesRecord::read(root).ok().flatten()?;
    let engine = record
        .packages
        .iter()
        .find(|package| daemon::ENGINES.contains(&package.name.as_str()))?;
    Version::of_package(&engine.version)
}
