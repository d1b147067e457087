//! Runs all checks: boots group after group, and then checks the nodes that are on together.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::Plan;
use super::cluster::{self, Earlier};
use super::context::Run;
use super::node::Running;
use super::report::{Check, Event, NodeReport, Outcome};
use kraken_foundation::{Context as _, Result};

/// The pause between two reads of the console of a node whose checks are settled.
const HEAR: Duration = Duration::from_millis(200);

/// The results of a run.
pub(super) struct Checked {
    pub(super) nodes: Vec<NodeReport>,
    pub(super) cluster_checks: Vec<Check>,
    /// Whether the run was stopped before its end.
    pub(super) interrupted: bool,
}

/// A node that is off for good.
struct Ended {
    /// Its index among the targets.
    port: usize,
    report: NodeReport,
    /// The files with its console and with the output of its probes.
    logs: [PathBuf; 2],
}

impl Ended {
    fn of(node: Running<'_>) -> Self {
        Self {
            port: node.port(),
            logs: node.logs(),
            report: node.finish(),
        }
    }
}

/// Boots all nodes in groups and runs their checks, and then those of the cluster.
///
/// # Errors
/// What this machine cannot do. What is wrong with the images stands in the report.
pub(super) fn run_checks(run: &Run<'_>) -> Result<Checked> {
    let mut on: Vec<Running<'_>> = Vec::new();
    let mut ended: Vec<Ended> = Vec::new();
    let mut earlier = Earlier::default();
    let mut checks = Vec::new();
    let mut interrupted = false;
    for (index, group) in run.groups.iter().enumerate() {
        if index == 0 {
            for later in run.groups.iter().skip(1).flatten() {
                say(run, *later, "waiting for a place");
            }
        }
        let newcomers = on.len();
        on.extend(group.iter().map(|node| Running::new(run, &run.plan.targets[*node])));
        run.may_start(group);
        let (old, new) = on.split_at_mut(newcomers);
        interrupted = boot(old, new)?;
        if interrupted {
            break;
        }
        if index + 1 == run.groups.count() {
            interrupted = stopped(cluster::check_cluster(run, &mut on, earlier, &mut checks))?;
            break;
        }
        interrupted = stopped(cluster::gather(run, &mut on, &mut earlier))?;
        if interrupted {
            break;
        }
        let (stay, leave): (Vec<_>, Vec<_>) = on.into_iter().partition(|node| run.groups.stays(node.port()));
        on = stay;
        for node in &leave {
            say(run, node.port(), "off, to make room for others");
        }
        ended.extend(leave.into_iter().map(Ended::of));
    }
    ended.extend(on.into_iter().map(Ended::of));
    // Nodes that were never started.
    for (port, target) in run.plan.targets.iter().enumerate() {
        if !ended.iter().any(|other| other.port == port) {
            ended.push(Ended::of(Running::new(run, target)));
        }
    }
    ended.sort_by_key(|node| node.port);
    Ok(Checked {
        nodes: with_consoles(run.plan, ended, run.plan.keep_consoles || failed(&checks))?,
        cluster_checks: checks,
        interrupted,
    })
}

fn say(run: &Run<'_>, port: usize, what: &str) {
    run.watcher.event(&Event::Doing {
        node: Some(run.plan.targets[port].node.number),
        what: what.to_owned(),
    });
}

/// Runs the checks of the `newcomers`, each in a thread of its own, until all are settled. The
/// consoles of the other nodes are read meanwhile. Returns whether the run was stopped.
fn boot(old: &mut [Running<'_>], newcomers: &mut [Running<'_>]) -> Result<bool> {
    let unsettled = &AtomicUsize::new(newcomers.len());
    let hear = |node: &mut Running<'_>| {
        while unsettled.load(Ordering::Relaxed) > 0 {
            node.hear();
            std::thread::sleep(HEAR);
        }
    };
    let results: Vec<Result<()>> = std::thread::scope(|scope| {
        for node in old {
            scope.spawn(move || hear(node));
        }
        let threads: Vec<_> = newcomers
            .iter_mut()
            .map(|node| {
                scope.spawn(move || {
                    // This is dropped even if the thread panics, so that the others do not wait for
                    // it.
                    let settled = Settled(unsettled);
                    let result = node.run_checks();
                    drop(settled);
                    hear(node);
                    result
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let mut interrupted = false;
    for result in results {
        interrupted |= stopped(result)?;
    }
    Ok(interrupted)
}

/// Counts one node as settled when it is dropped.
struct Settled<'a>(&'a AtomicUsize);

impl Drop for Settled<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Returns whether the user stopped the run. This is not an error: the report says what was seen
/// until then.
fn stopped(result: Result<()>) -> Result<bool> {
    match result {
        Ok(()) => Ok(false),
        Err(error) if error.is_interrupted() => Ok(true),
        Err(error) => Err(error),
    }
}

fn failed(checks: &[Check]) -> bool {
    checks.iter().any(|check| check.outcome == Outcome::Failed)
}

/// Returns the reports. The consoles of failed nodes are kept, or those of all nodes if `all` is
/// true.
fn with_consoles(plan: &Plan<'_>, ended: Vec<Ended>, all: bool) -> Result<Vec<NodeReport>> {
    ended
        .into_iter()
        .map(|node| {
            let Ended { mut report, logs, .. } = node;
            if all || failed(&report.checks) {
                let [console, probes] = logs;
                report.console = keep(&console, plan)?;
                keep(&probes, plan)?;
            }
            Ok(report)
        })
        .collect()
}

fn keep(log: &Path, plan: &Plan<'_>) -> Result<Option<PathBuf>> {
    let Some(name) = log.file_name().filter(|_| log.exists()) else {
        return Ok(None);
    };
    fs::create_dir_all(&plan.consoles).doing("making", &plan.consoles)?;
    let kept = plan.consoles.join(name);
    copy_plain(log, &kept).doing("keeping a console's log in", &kept)?;
    Ok(Some(kept))
}

/// Copies a file to a name that other users can predict. An existing file of that name is replaced
/// and never written to, so a link there is not followed.
fn copy_plain(from: &Path, to: &Path) -> io::Result<()> {
    let folder = to.parent().unwrap_or(Path::new("."));
    let mut copy = tempfile::NamedTempFile::new_in(folder)?;
    let mut from = File::open(from)?;
    io::copy(&mut from, &mut copy)?;
    copy.as_file().set_permissions(from.metadata()?.permissions())?;
    copy.persist(to).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_not_kept_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let [log, mine, kept] = ["log", "mine", "kept"].map(|name| folder.path().join(name));
        fs::write(&log, "said").unwrap();
        fs::write(&mine, "mine").unwrap();
        std::os::unix::fs::symlink(&mine, &kept).unwrap();
        for text in ["said", "said more"] {
            fs::write(&log, text).unwrap();
            copy_plain(&log, &kept).unwrap();
            assert_eq!(fs::read_to_string(&kept).unwrap(), text);
        }
        assert_eq!(fs::read_to_string(&mine).unwrap(), "mine");
        assert!(!kept.is_symlink());
        assert_eq!(
            kept.metadata().unwrap().permissions(),
            log.metadata().unwrap().permissions()
        );
    }
}
