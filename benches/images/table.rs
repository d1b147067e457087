//! The table of results, in Markdown, so that it can be copied into docs/performance.md.

use std::fmt::Write as _;

/// Rows of results.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<[String; 5]>,
}

impl Table {
    /// Adds a row: the measurement, our time, the other side's, the comparison, and the goal with
    /// whether it was met (`None`: no goal).
    pub(crate) fn row(&mut self, what: &str, ours: String, peer: String, ratio: String, goal: Option<(&str, bool)>) {
        let goal = match goal {
            None => String::new(),
            Some((text, true)) => format!("{text}: met"),
            Some((text, false)) => format!("{text}: MISSED"),
        };
        eprintln!("bench:   {what}: {ours} against {peer}, {ratio} {goal}");
        self.rows.push([what.into(), ours, peer, ratio, goal]);
    }

    /// Adds the reason why a measurement was not made.
    pub(crate) fn not_measured(&mut self, what: &str, why: &str) {
        self.row(what, format!("not measured: {why}"), String::new(), String::new(), None);
    }

    /// Returns the whole table.
    pub(crate) fn render(&self) -> String {
        let mut text = String::from("| what | kraken-flash | peer | ratio | goal |\n| --- | --- | --- | --- | --- |\n");
        for row in &self.rows {
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
        text
    }
}

/// Returns seconds, with as many digits as are significant.
pub(crate) fn seconds(time: std::time::Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1000.0)
    } else {
        format!("{seconds:.1} s")
    }
}
