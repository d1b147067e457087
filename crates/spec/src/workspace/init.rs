//! Writes a new, commented `kraken.toml`.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::error::WorkspaceError;
use super::keys::write_new;
use crate::keys;

/// Writes a commented spec to `path`, never over another file. The clock is read only here: today's
/// date becomes the spec's `clock-floor`, so that builds themselves depend on the spec alone.
///
/// # Errors
/// [`WorkspaceError::Exists`] when there is a file already, [`WorkspaceError::Write`] when it
/// cannot be written.
pub fn init(path: &Path) -> Result<(), WorkspaceError> {
    write_new(path, keys::template(&today()).as_bytes(), 0o644)
}

/// Returns today's date in UTC.
fn today() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(now.as_secs()).unwrap_or_default();
    let timestamp = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    TimeZone::UTC.to_datetime(timestamp).date().to_string()
}
