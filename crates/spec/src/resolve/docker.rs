//! `[docker]`: where Docker comes from, which packages, and the options of dockerd.

use super::field::{check_text, checked_list, parsed, value_or};
use super::pools::{self, Nets};
use crate::Files;
use crate::cluster::{Docker, DockerSource, Swarm, SwarmMode};
use crate::daemon;
use crate::field::{At, Field};
use crate::names::{self, Check, wrong};
use crate::problem::{Problem, Problems};
use crate::raw::RawConfig;

use super::image::check_url;

const MOST_PACKAGES: usize = 100;

/// Resolves the whole section.
pub(super) fn docker(
    config: &RawConfig,
    files: &dyn Files,
    nets: &Nets,
    swarm: Option<&Swarm>,
    problems: &mut Problems,
) -> Option<Docker> {
    let raw = &config.docker;
    let default = Docker::default();
    let source = value_or(&raw.source, default.source);
    let packages = match &raw.packages {
        Field::Absent => Some(None),
        field => checked_list(field, MOST_PACKAGES, &[], names::baked_package, problems).map(Some),
    };
    let archive = match &raw.archive {
        Field::Absent => Some(default.archive),
        Field::Wrong => None,
        Field::Given(at) => check_text(at, check_url, problems),
    };
    let key_file = match &raw.key_file {
        Field::Absent => Some(None),
        Field::Wrong => None,
        Field::Given(at) => {
            let path = files.locate(&at.value);
            if files.is_file(&path) {
                Some(Some(path))
            } else {
                problems.push(
                    Problem::new(format!("there is no file {}", path.display()))
                        .at(at.span.clone(), "named here")
                        .help("put the key of Docker's archive there, or leave the line out: it is fetched, and its fingerprint checked"),
                );
                None
            }
        }
    };
    let key_fingerprint = match &raw.key_fingerprint {
        Field::Absent => Some(default.key_fingerprint),
        Field::Wrong => None,
        Field::Given(at) => parsed(at, fingerprint, problems),
    };
    let user_in_group = value_or(&raw.user_in_group, default.user_in_group);
    let daemon = match &raw.daemon {
        Field::Absent => Some(default.daemon),
        Field::Wrong => None,
        Field::Given(at) => Some(at.value.values.clone()),
    };
    if source.is_some_and(|source| source != DockerSource::None) {
        check_daemon(config, files, problems);
        pools::check_own_local(nets, problems);
        check_engine(config, problems);
    }
    let local_pools = match (source, swarm) {
        (Some(DockerSource::None), _) | (_, None) => Vec::new(),
        (_, Some(swarm)) if swarm.mode == SwarmMode::None => pools::local_pools(&nets.needed, &[]),
        (_, Some(swarm)) => pools::local_pools(&nets.needed, &swarm.address_pools),
    };
    Some(Docker {
        source: source?,
        packages: packages?,
        archive: archive?.trim_end_matches('/').to_owned(),
        key_file: key_file?,
        key_fingerprint: key_fingerprint?,
        user_in_group: user_in_group?,
        daemon: daemon?,
        local_pools,
    })
}

/// The user's file that replaces the template with the options of all nodes.
const TEMPLATE: &str = "templates/daemon.json";
/// The log driver of the built-in template.
const LOG_DRIVER: &str = "local";

/// Returns whether the nodes are to be a swarm, provided that there is a Docker: also when
/// something else in the section is wrong.
fn wants_swarm(config: &RawConfig) -> bool {
    match &config.swarm.mode {
        Field::Absent => true,
        Field::Wrong => false,
        Field::Given(at) => at.value != SwarmMode::None,
    }
}

/// Notes the options with which dockerd would not start, or would not be in the swarm. The version
/// of dockerd is not known here, so at least one version must know each key; `provision` checks
/// again, with the version that is in the image.
fn check_daemon(config: &RawConfig, files: &dyn Files, problems: &mut Problems) {
    let Field::Given(at) = &config.docker.daemon else {
        return;
    };
    let own_template = files.is_file(&files.locate(TEMPLATE));
    let around = daemon::Around {
        swarm: wants_swarm(config),
        version: None,
        log_driver: (!own_template).then_some(LOG_DRIVER),
    };
    for fault in daemon::faults(&at.value.values, &around) {
        let span = match fault.on_key {
            true => at.value.key_span(&fault.path),
            false => at.value.value_span(&fault.path),
        };
        problems.push(
            Problem::new(fault.why)
                .at(span.unwrap_or_else(|| at.span.clone()), "set here")
                .help(fault.help),
        );
    }
}

/// A swarm needs dockerd, so if the packages are named one by one, one of them must contain it.
fn check_engine(config: &RawConfig, problems: &mut Problems) {
    let Field::Given(packages) = &config.docker.packages else {
        return;
    };
    if !wants_swarm(config) {
        return;
    }
    let texts = |field: &Field<Vec<At<String>>>| match field {
        Field::Given(list) => list.value.iter().map(|at| at.value.clone()).collect(),
        Field::Absent | Field::Wrong => Vec::new(),
    };
    let named: Vec<String> = texts(&config.docker.packages)
        .into_iter()
        .chain(texts(&config.system.packages))
        .map(|name| name.split(['=', ':']).next().unwrap_or_default().to_owned())
        // The name of a package file begins with the name of its package.
        .chain(texts(&config.system.debs).into_iter().filter_map(|path| {
            let file = path.rsplit('/').next()?;
            Some(file.split('_').next()?.to_owned())
        }))
        .collect();
    if named.iter().any(|name| daemon::ENGINES.contains(&name.as_str())) {
        return;
    }
    problems.push(
        Problem::new("a swarm needs dockerd, and none of these packages holds it")
            .at(packages.span.clone(), "neither docker.io nor docker-ce")
            .help(
                "add \"docker.io\" (or \"docker-ce\"), or leave the line out and write other packages as `packages` in [system]; \
                 or set mode = \"none\" in [swarm]",
            ),
    );
}

/// Reads an OpenPGP version 4 fingerprint (RFC 9580, 5.5.4.2): 20 bytes, in hexadecimal; blanks
/// between the groups are left out.
fn fingerprint(text: &str) -> Check<[u8; 20]> {
    let digits: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let mut bytes = [0; 20];
    match hex::decode_to_slice(&digits, &mut bytes) {
        Ok(()) => Ok(bytes),
        Err(_) => wrong(
            "a fingerprint is 40 hexadecimal digits",
            "copy it from Docker's installation guide, or from `gpg --show-keys FILE`",
        ),
    }
}
