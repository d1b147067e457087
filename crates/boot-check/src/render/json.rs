//! A boot report as JSON: the report itself, and whether all of it is good.

use serde::Serialize;

use super::super::BootReport;

/// The result of [`json`].
#[derive(Debug, Serialize)]
pub struct Json<'a> {
    /// The value of [`BootReport::is_good`], so that readers need not compute it.
    good: bool,
    #[serde(flatten)]
    report: &'a BootReport,
}

/// Returns the report as serde writes it, with `good` in front.
pub fn json(report: &BootReport) -> Json<'_> {
    Json {
        good: report.is_good(),
        report,
    }
}
