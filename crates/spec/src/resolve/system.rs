//! `[system]`: time zone, locale, keyboard, packages, the extra overlay, the clock floor, the
//! report of stages.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::field::{checked, checked_list, parsed, value_or};
use crate::cluster::{DebRef, Keyboard, System};
use crate::defaults::{LOCALE, STATUS, TIMEZONE};
use crate::field::{At, Field};
use crate::names::{self, Check, wrong};
use crate::problem::{Problem, Problems};
use crate::raw::{RawKeyboard, RawSystem};
use crate::{Files, keyboard};

const MOST_PACKAGES: usize = 1000;
/// 2000-01-01 UTC: FAT has no times before 1980, and no image for a Pi is older than 2012.
const EARLIEST_FLOOR: i64 = 946_684_800;
/// 2038-01-01 UTC: a 32-bit `time_t` can still hold it.
const LATEST_FLOOR: i64 = 2_145_916_800;

/// Resolves the whole section.
pub(super) fn system(raw: &RawSystem, files: &dyn Files, problems: &mut Problems) -> Option<System> {
    let timezone = checked(&raw.timezone, TIMEZONE, names::timezone, problems);
    let locale = checked(&raw.locale, LOCALE, names::locale, problems);
    let keyboard = keyboard(&raw.keyboard, problems);
    let packages = checked_list(&raw.packages, MOST_PACKAGES, &[], names::baked_package, problems);
    let debs = debs(&raw.debs, files, problems);
    let packages_on_first_boot = checked_list(
        &raw.packages_on_first_boot,
        MOST_PACKAGES,
        &[],
        names::package,
        problems,
    );
    let overlay = match &raw.overlay {
        Field::Absent => Some(None),
        Field::Wrong => None,
        Field::Given(at) => {
            let path = files.locate(&at.value);
            if files.is_folder(&path) {
                Some(Some(path))
            } else {
                problems.push(
                    Problem::new(format!("there is no folder {}", path.display()))
                        .at(at.span.clone(), "named here")
                        .help("make it, with boot/ and root/ in it, or leave the line out"),
                );
                None
            }
        }
    };
    let clock_floor = match &raw.clock_floor {
        Field::Absent => Some(None),
        Field::Wrong => None,
        Field::Given(at) => parsed(at, parse_time, problems).map(Some),
    };
    Some(System {
        timezone: timezone?,
        locale: locale?,
        keyboard: keyboard?,
        packages: packages?,
        debs: debs?,
        packages_on_first_boot: packages_on_first_boot?,
        overlay: overlay?,
        clock_floor: clock_floor?,
        status: value_or(&raw.status, STATUS)?,
    })
}

/// Returns the package files, each of which must exist.
fn debs(field: &Field<Vec<At<String>>>, files: &dyn Files, problems: &mut Problems) -> Option<Vec<DebRef>> {
    let list = match field {
        Field::Absent => return Some(Vec::new()),
        Field::Wrong => return None,
        Field::Given(list) => list,
    };
    let found: Vec<_> = list
        .value
        .iter()
        .map(|at| {
            let path = files.locate(&at.value);
            if files.is_file(&path) {
                let written = at.value.clone();
                return Some(DebRef { written, path });
            }
            problems.push(
                Problem::new(format!("there is no package file {}", path.display()))
                    .at(at.span.clone(), "named here")
                    .help("correct the name; a package of an archive goes into `packages`, by its name alone"),
            );
            None
        })
        .collect();
    found.into_iter().collect()
}

fn keyboard(raw: &RawKeyboard, problems: &mut Problems) -> Option<Keyboard> {
    let default = Keyboard::default();
    let needed = |text: &str, check: fn(&str) -> Check| match text {
        "" => wrong("it is empty", "write for example \"us\", or leave the line out"),
        text => check(text),
    };
    let model = |text: &str| needed(text, keyboard::value);
    let layout = |text: &str| needed(text, keyboard::layout);
    let model = checked(&raw.model, &default.model, model, problems);
    let layout = checked(&raw.layout, &default.layout, layout, problems);
    let variant = |text: &str| match &layout {
        Some(layout) => keyboard::variants(text, layout),
        None => keyboard::value(text),
    };
    let variant = checked(&raw.variant, &default.variant, variant, problems);
    Some(Keyboard {
        model: model?,
        layout: layout?,
        variant: variant?,
    })
}

/// Reads a date (its midnight, UTC) or an RFC 3339 time, and returns seconds since 1970-01-01 UTC.
fn parse_time(text: &str) -> Check<i64> {
    let help = "write a date (\"2026-11-23\") or a time with its offset (\"2026-11-23T12:00:00Z\")";
    let midnight = |date: Date| TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0));
    let time = if text.len() == "2026-11-23".len() {
        text.parse::<Date>().and_then(midnight)
    } else {
        text.parse::<Timestamp>()
    };
    match time.map(Timestamp::as_second) {
        Ok(seconds) if (EARLIEST_FLOOR..=LATEST_FLOOR).contains(&seconds) => Ok(seconds),
        Ok(_) => wrong("it is not between 2000 and 2037", help),
        Err(_) => wrong("this is neither a date nor an RFC 3339 time", help),
    }
}
