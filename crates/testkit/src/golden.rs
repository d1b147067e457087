//! Golden files: what a user or a card sees.

use std::path::Path;

use snapbox::data::DataFormat;
use snapbox::{Assert, Data, IntoData};

/// Compares with a file of the repository; `SNAPSHOTS=overwrite` writes it instead.
#[track_caller]
pub fn golden(path: &str, got: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    // No text is a pattern, and path separators are not normalised.
    let want = Data::read_from(&file, Some(DataFormat::Text)).raw();
    Assert::new().action_env("SNAPSHOTS").eq(got.into_data().raw(), want);
}
