//! FAT's dates (UTC, two-second steps, 1980 to 2107), and the clock for `fatfs`, which we set.

use std::cell::Cell;

use fatfs::{Date, DateTime, Time, TimeProvider};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// 1980-01-01 and 2107-12-31T23:59:58, in seconds since 1970-01-01 UTC: the ends of what FAT can
/// store.
const FIRST: i64 = 315_532_800;
const LAST: i64 = 4_354_819_198;

/// Returns the FAT form of `seconds` since 1970-01-01 UTC, clamped to what FAT can store.
pub(super) fn from_unix(seconds: i64) -> DateTime {
    // Even seconds: the odd one would go into a creation-time field that the other times do not
    // have.
    let seconds = seconds.clamp(FIRST, LAST) & !1;
    let civil = TimeZone::UTC.to_datetime(Timestamp::from_second(seconds).unwrap_or_default());
    DateTime {
        date: Date {
            year: civil.year() as u16,
            month: civil.month() as u16,
            day: civil.day() as u16,
        },
        time: Time {
            hour: civil.hour() as u16,
            min: civil.minute() as u16,
            sec: civil.second() as u16,
            millis: 0,
        },
    }
}

/// Returns seconds since 1970-01-01 UTC; `None` when the volume holds a date that does not exist.
pub(super) fn to_unix(at: DateTime) -> Option<i64> {
    let civil = jiff::civil::DateTime::new(
        i16::try_from(at.date.year).ok()?,
        i8::try_from(at.date.month).ok()?,
        i8::try_from(at.date.day).ok()?,
        i8::try_from(at.time.hour).ok()?,
        i8::try_from(at.time.min).ok()?,
        i8::try_from(at.time.sec).ok()?,
        0,
    )
    .ok()?;
    Some(TimeZone::UTC.to_timestamp(civil).ok()?.as_second())
}

thread_local! {
    static NOW: Cell<i64> = const { Cell::new(FIRST) };
}

/// Sets this thread's clock to `seconds` since 1970-01-01 UTC.
pub(super) fn set_clock(seconds: i64) {
    NOW.set(seconds);
}

/// The clock of the thread that writes. `fatfs` needs a static one, and several images may be
/// written at once.
#[derive(Debug)]
pub(super) struct SetClock;

/// The one instance.
pub(super) static CLOCK: SetClock = SetClock;

impl TimeProvider for SetClock {
    fn get_current_date(&self) -> Date {
        from_unix(NOW.get()).date
    }
    fn get_current_date_time(&self) -> DateTime {
        from_unix(NOW.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_the_trip_in_two_second_steps() {
        for (given, want) in [
            (1_700_000_000, 1_700_000_000),
            (1_700_000_001, 1_700_000_000),
            (0, FIRST),
            (i64::MAX, LAST),
            (i64::MIN, FIRST),
            (1_709_164_800, 1_709_164_800), // 29 February 2024
        ] {
            assert_eq!(to_unix(from_unix(given)), Some(want), "{given}");
        }
    }
}
