//! Runs scripts on the managers of a cluster, and repeats them until the answer is good.

use std::time::{Duration, Instant};

use super::super::context::Run;
use super::super::node::Running;
use kraken_foundation::Result;
use kraken_spec::Role;

/// The pause between two tries.
const PAUSE: Duration = Duration::from_secs(3);

/// Runs a script on the first manager that answers. Returns what the script printed.
pub(super) fn ask_manager(nodes: &mut [Running<'_>], script: &str) -> Result<String, String> {
    let mut said = "no manager was booted".to_owned();
    for node in nodes.iter_mut().filter(|node| node.target.node.role == Role::Manager) {
        node.hear();
        match node.ssh(script) {
            Ok(text) => return Ok(text),
            Err(words) => said = format!("{}: {words}", node.report.hostname),
        }
    }
    Err(said)
}

/// What came of probing until a result was good.
pub(super) struct Waited {
    /// The good result, or the last bad one.
    pub(super) outcome: Result<String, String>,
    /// How long it took.
    pub(super) took: Duration,
}

/// Calls `probe` until its result is good or the scaled `limit` is exceeded.
pub(super) fn until<'a>(
    run: &Run<'_>,
    nodes: &mut [Running<'a>],
    limit: Duration,
    mut probe: impl FnMut(&mut [Running<'a>]) -> Result<String, String>,
) -> Result<Waited> {
    let since = Instant::now();
    let limit = run.scaled_timeout(limit);
    loop {
        run.interrupt.check()?;
        for node in nodes.iter_mut() {
            node.hear();
        }
        let seen = probe(nodes);
        let took = since.elapsed();
        let outcome = match seen {
            Ok(seen) => Ok(seen),
            Err(seen) if took > limit => Err(format!("within {} s: {seen}", limit.as_secs())),
            Err(_) => {
                pause(run, PAUSE)?;
                continue;
            }
        };
        return Ok(Waited { outcome, took });
    }
}

fn pause(run: &Run<'_>, time: Duration) -> Result<()> {
    let end = Instant::now() + time;
    while Instant::now() < end {
        run.interrupt.check()?;
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}
