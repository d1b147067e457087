//! `[apt]`: mirrors and a proxy for packages, and whether recommended packages are installed, too.

use std::collections::BTreeMap;

use super::field::{check_text, value_or};
use super::image::check_url;
use crate::cluster::Apt;
use crate::field::Field;
use crate::problem::Problems;
use crate::raw::RawApt;

/// Resolves the whole section.
pub(super) fn apt(raw: &RawApt, problems: &mut Problems) -> Option<Apt> {
    let mirrors = match &raw.mirrors {
        Field::Absent => Some(BTreeMap::new()),
        Field::Wrong => None,
        Field::Given(at) => {
            let pairs: Vec<_> = at
                .value
                .0
                .iter()
                .map(|pair| {
                    let archive = check_text(&pair.name, check_url, problems);
                    let mirror = check_text(&pair.value, check_url, problems);
                    Some((archive?, mirror?))
                })
                .collect();
            pairs.into_iter().collect()
        }
    };
    let proxy = match &raw.proxy {
        Field::Absent => Some(None),
        Field::Wrong => None,
        Field::Given(at) => check_text(at, check_url, problems).map(Some),
    };
    let recommends = value_or(&raw.recommends, Apt::default().recommends);
    Some(Apt {
        mirrors: mirrors?,
        proxy: proxy?,
        recommends: recommends?,
    })
}
