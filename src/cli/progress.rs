//! Progress for people: bars on a terminal, plain lines elsewhere, nothing with `--quiet`.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use kraken_foundation::progress::{Progress, Silent, Task};

use super::failure::clean;

/// Writes a line to stderr. When stderr is closed, no reader is left for an error message either.
macro_rules! line {
    ($($part:tt)*) => {{
        let _ = writeln!(std::io::stderr(), $($part)*);
    }};
}

/// How often a task that takes longer reports its progress when there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Returns the kind of progress that the options and the terminal ask for. All of it goes to
/// stderr.
pub(super) fn choose(quiet: bool, verbose: bool) -> Box<dyn Progress> {
    if quiet {
        Box::new(Silent)
    } else if std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb") {
        Box::new(Bars {
            all: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()),
            verbose,
        })
    } else {
        Box::new(Lines { verbose })
    }
}

/// One bar for each running task.
struct Bars {
    all: MultiProgress,
    verbose: bool,
}

struct Bar(ProgressBar);

fn bar_style() -> ProgressStyle {
    ProgressStyle::with_template(
        "{spinner} {msg:<34} {wide_bar:.cyan/dim} {bytes:>10}/{total_bytes:<10} {binary_bytes_per_sec:>12} {eta:>4}",
    )
    .unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn spinner_style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {msg:<34} {elapsed}").unwrap_or_else(|_| ProgressStyle::default_spinner())
}

impl Progress for Bars {
    fn task(&self, what: &str, total: Option<u64>) -> Box<dyn Task> {
        let bar = match total {
            Some(bytes) => ProgressBar::new(bytes).with_style(bar_style()),
            None => ProgressBar::new_spinner().with_style(spinner_style()),
        };
        let bar = self.all.add(bar.with_message(clean(what)));
        bar.enable_steady_tick(Duration::from_millis(120));
        Box::new(Bar(bar))
    }

    fn note(&self, line: &str) {
        let line = clean(line);
        // A bar that is drawn again must not overwrite the line.
        self.all.suspend(|| line!("{line}"));
    }

    fn detail(&self, line: &str) {
        if self.verbose {
            self.note(line);
        }
    }
}

impl Task for Bar {
    fn set_total(&self, bytes: u64) {
        if self.0.length().is_none() {
            self.0.set_style(bar_style());
        }
        self.0.set_length(bytes);
    }
    fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Prints a line when a task begins, and one now and then while it runs.
struct Lines {
    verbose: bool,
}

struct Line {
    what: String,
    total: AtomicU64,
    done: AtomicU64,
    started: Instant,
    /// Seconds since `started` at which the last line was written.
    last_line: AtomicU64,
}

impl Progress for Lines {
    fn task(&self, what: &str, total: Option<u64>) -> Box<dyn Task> {
        let what = clean(what);
        line!("{what} …");
        Box::new(Line {
            what,
            total: AtomicU64::new(total.unwrap_or(0)),
            done: AtomicU64::new(0),
            started: Instant::now(),
            last_line: AtomicU64::new(0),
        })
    }

    fn note(&self, line: &str) {
        line!("{}", clean(line));
    }

    fn detail(&self, line: &str) {
        if self.verbose {
            self.note(line);
        }
    }
}

impl Task for Line {
    fn set_total(&self, bytes: u64) {
        self.total.store(bytes, Ordering::Relaxed);
    }

    fn advance(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let now = self.started.elapsed().as_secs();
        let last = self.last_line.load(Ordering::Relaxed);
        let due = now >= last + LINE_EVERY.as_secs();
        if due
            && self
                .last_line
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            let total = self.total.load(Ordering::Relaxed);
            match (done * 100).checked_div(total) {
                Some(percent) => line!(
                    "{}: {} of {} ({percent} %)",
                    self.what,
                    HumanBytes(done),
                    HumanBytes(total)
                ),
                None => line!("{}: {}", self.what, HumanBytes(done)),
            }
        }
    }
}
