//! A boot report as JSON: as it is, and whether all of it is good.

use serde::Serialize;

use super::super::BootReport;

/// What [`json`] gives.
#[derive(Debug, Serialize)]
pub struct Json<'a> {
    /// [`BootReport::is_good`], so that nobody has to count.
    good: bool,
    #[serde(flatten)]
    report: &'a BootReport,
}

/// The report as serde writes it, with `good` in front.
pub fn json(report: &BootReport) -> Json<'_> {
    Json {
        good: report.is_good(),
        report,
    }
}
