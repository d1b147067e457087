//! Fills in the defaults and checks every value, noting what is wrong and going on.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use super::Files;
use super::cluster::{BaseRef, Cluster};
use super::hints::printable;
use super::mask;
use super::names::{self, Check, Wrong};
use super::problem::{Problem, Problems};
use super::raw::{At, Field, RawCluster, RawConfig};

mod apt;
mod docker;
mod image;
mod network;
mod nodes;
mod pools;
mod swarm;
mod system;
mod user;

/// The cluster; `None` when something is wrong, which was noted then.
pub(super) fn cluster(raw: &RawConfig, files: &dyn Files, problems: &mut Problems) -> Option<Cluster> {
    let name = cluster_name(&raw.cluster, problems);
    let addresses = network::Addresses::new(&raw.network, problems);
    let network = network::network(&raw.network, &addresses, problems);
    let nodes = nodes::nodes(raw, name.as_deref(), &addresses, problems);
    let nets = pools::Nets::new(raw, &addresses, network.as_ref());
    let count = nodes.as_ref().map(Vec::len);
    let swarm = swarm::swarm(raw, files, &nets, count, problems);
    let image = image::image(&raw.image, files, problems);
    let user = user::user(&raw.user, files, problems);
    let system = system::system(&raw.system, files, problems);
    let docker = docker::docker(raw, files, &nets, swarm.as_ref(), problems);
    let apt = apt::apt(&raw.apt, problems);
    Some(Cluster {
        name: name?,
        network: network?,
        image: image?,
        user: user?,
        system: system?,
        docker: docker?,
        apt: apt?,
        swarm: swarm?,
        nodes: nodes?,
    })
}

/// A base as `[image] base` or `--base` writes it; `locate` says where a file is.
///
/// # Errors
/// What is wrong with it and the mend, in one sentence.
pub fn base_ref(text: &str, locate: &dyn Fn(&str) -> PathBuf) -> Result<BaseRef, String> {
    image::parse_base(text, locate).map_err(|Wrong { why, mend }| format!("{why}; {mend}"))
}

/// The cluster's name: a label that leaves room for `-` and a number.
fn cluster_name(raw: &RawCluster, problems: &mut Problems) -> Option<String> {
    let with_number = |text: &str| {
        let longest = names::LONGEST_LABEL - "-10000".len();
        if text.len() > longest {
            return names::wrong(
                format!("it is longer than {longest} characters"),
                "host names are made of it: shorten it",
            );
        }
        names::hostname(text)
    };
    checked(&raw.name, "name", "kraken", with_number, problems)
}

/// The text of a field, or its default; `None` when it is wrong. What `check` finds is noted.
fn checked(
    field: &Field<String>,
    key: &str,
    default: &str,
    check: impl FnOnce(&str) -> Check,
    problems: &mut Problems,
) -> Option<String> {
    match field {
        Field::Absent => Some(default.to_owned()),
        Field::Wrong => None,
        Field::Given(at) => check_text(at, key, check, problems),
    }
}

/// Checks one text and notes what is wrong.
fn check_text(
    at: &At<String>,
    key: &str,
    check: impl FnOnce(&str) -> Check,
    problems: &mut Problems,
) -> Option<String> {
    parsed(at, key, |text| check(text).map(|()| text.to_owned()), problems)
}

/// Makes something of a text, or notes why that cannot be.
fn parsed<T>(at: &At<String>, key: &str, parse: impl FnOnce(&str) -> Check<T>, problems: &mut Problems) -> Option<T> {
    match parse(&at.value) {
        Ok(value) => Some(value),
        Err(Wrong { why, mend }) => {
            let shown = printable(&mask::paint_over(&at.value, &[]));
            problems.push(
                Problem::new(format!("\"{shown}\" cannot be `{key}`: {why}"))
                    .at(at.span.clone(), why)
                    .help(mend),
            );
            None
        }
    }
}

/// A field or its default; `None` when it is wrong.
fn value_or<T: Clone>(field: &Field<T>, default: T) -> Option<T> {
    match field {
        Field::Absent => Some(default),
        Field::Wrong => None,
        Field::Given(at) => Some(at.value.clone()),
    }
}

/// A list of checked texts, without repetitions, or its default. More than `most` of them are refused.
fn checked_list(
    field: &Field<Vec<At<String>>>,
    key: &str,
    most: usize,
    default: &[&str],
    check: impl Fn(&str) -> Check,
    problems: &mut Problems,
) -> Option<Vec<String>> {
    let list = match field {
        Field::Absent => return Some(default.iter().map(|text| (*text).to_owned()).collect()),
        Field::Wrong => return None,
        Field::Given(list) => list,
    };
    if list.value.len() > most {
        problems.push(
            Problem::new(format!("`{key}` has more than {most} entries"))
                .at(list.span.clone(), format!("{} entries", list.value.len()))
                .help("shorten the list"),
        );
        return None;
    }
    let texts: Vec<_> = list
        .value
        .iter()
        .map(|at| check_text(at, key, &check, problems))
        .collect();
    let mut kept: Vec<String> = Vec::new();
    for text in texts {
        let text = text?;
        if !kept.contains(&text) {
            kept.push(text);
        }
    }
    Some(kept)
}

/// Notes that a file which the spec names cannot be used.
fn bad_file(at: &At<String>, path: &Path, what: &str, why: impl Display, mend: impl Into<String>) -> Problem {
    Problem::new(format!("reading the {what} {}: {why}", path.display()))
        .at(at.span.clone(), "named here")
        .help(mend)
}
