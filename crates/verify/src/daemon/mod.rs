//! Whether the card's dockerd starts with the card's options: by the tables of `spec::daemon`, and, where its program can run here, by
//! its own word.
//!
//! The options are read from the image, so that what an overlay put in their place counts.

mod ask;
mod subject;
mod unit;

use serde_json::{Map, Value};

use super::report::ImageReport;
use kraken_disk::{FileTree, real_path};
use kraken_image::packages::PackagesRecord;
use kraken_spec::daemon::{self, Around, Version};
use subject::{OPTIONS, is_there};

pub(super) use subject::Subject;

const CHECK: &str = "docker";
/// The largest file of options that is read, in bytes.
const LIMIT: u64 = 1 << 20;
/// Where packages put dockerd: Docker's own, and Debian's.
const PROGRAMS: [&str; 2] = ["/usr/bin/dockerd", "/usr/sbin/dockerd"];

/// Checks one image that has dockerd in it; says nothing of others.
pub(super) fn verify(subject: &Subject<'_>, report: &mut ImageReport) {
    let Some(program) = PROGRAMS.into_iter().find(|path| is_there(subject.root, path)) else {
        return;
    };
    report.begin(CHECK);
    let bytes = match real_path(subject.root, OPTIONS).and_then(|path| subject.root.read(&path, LIMIT)) {
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
                format!("it is no JSON object ({error}): dockerd does not start with it"),
            );
        }
    };
    let around = Around {
        swarm: subject.swarm,
        version: version(subject.root),
        log_driver: None,
    };
    let faults = daemon::faults(&options, &around);
    for fault in &faults {
        report.find(CHECK, place(), format!("{}: {}; {}", fault.path, fault.why, fault.help));
    }
    match ask::dockerd(subject, program, options) {
        ask::Answer::Right => {}
        // Said already, with the mend.
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
