//! `[docker]`: where Docker comes from, which packages, what dockerd is told.

use super::{check_text, checked_list, parsed, value_or};
use crate::spec::Files;
use crate::spec::cluster::Docker;
use crate::spec::names::{self, Check, wrong};
use crate::spec::problem::{Problem, Problems};
use crate::spec::raw::{Field, RawDocker};

use super::image::check_url;

const MOST_PACKAGES: usize = 100;

/// The whole section.
pub(super) fn docker(raw: &RawDocker, files: &dyn Files, problems: &mut Problems) -> Option<Docker> {
    let default = Docker::default();
    let source = value_or(&raw.source, default.source);
    let packages = match &raw.packages {
        Field::Absent => Some(None),
        field => checked_list(field, "packages", MOST_PACKAGES, &[], names::baked_package, problems).map(Some),
    };
    let archive = match &raw.archive {
        Field::Absent => Some(default.archive),
        Field::Wrong => None,
        Field::Given(at) => check_text(at, "archive", check_url, problems),
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
        Field::Given(at) => parsed(at, "key-fingerprint", fingerprint, problems),
    };
    let user_in_group = value_or(&raw.user_in_group, default.user_in_group);
    let daemon = value_or(&raw.daemon, default.daemon);
    Some(Docker {
        source: source?,
        packages: packages?,
        archive: archive?.trim_end_matches('/').to_owned(),
        key_file: key_file?,
        key_fingerprint: key_fingerprint?,
        user_in_group: user_in_group?,
        daemon: daemon?,
    })
}

/// An OpenPGP version 4 fingerprint (RFC 9580, 5.5.4.2): 20 bytes, in hexadecimal; blanks between the groups are left out.
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
