//! Checks the nodes together: addresses, members, roles, tokens, a service on all of them, and
//! whether they come back after a power cut and a restart.

mod absent;
mod ask;
mod report;
mod service;

use std::iter;
use std::time::Duration;

use serde_json::Value;

use super::context::Run;
use super::judge::Verdict;
use super::node::Running;
use super::report::Check;
use ask::{ask_manager, until};
use kraken_foundation::Result;
use kraken_spec::{Role, SwarmMode};
use report::{Report, decided};

/// Time limits on the reference machine, with one guest for each core.
const READY: Duration = Duration::from_secs(240);
const DOWN: Duration = Duration::from_secs(180);
const BACK: Duration = Duration::from_secs(600);

/// What the groups that are off by now showed.
#[derive(Default)]
pub(super) struct Earlier {
    /// The manager's table of members for each group.
    tables: Vec<String>,
    /// The host names of nodes that did not join the swarm.
    missing: Vec<String>,
    /// When the run began to wait for the first group to be Ready.
    began_ms: Option<u64>,
}

impl Earlier {
    fn note(&mut self, nodes: &[Running<'_>]) {
        for node in nodes.iter().filter(|node| !node.passed("swarm-node")) {
            if !self.missing.contains(&node.report.hostname) {
                self.missing.push(node.report.hostname.clone());
            }
        }
    }
}

/// Waits until the nodes that are on are Ready, before some of them are switched off for the next
/// group. Notes the result in `earlier`.
///
/// # Errors
/// If the user stopped the run.
pub(super) fn gather(run: &Run<'_>, nodes: &mut [Running<'_>], earlier: &mut Earlier) -> Result<()> {
    if run.plan.cluster.swarm.mode == SwarmMode::None || !run.managers_are_there {
        return Ok(());
    }
    earlier.began_ms.get_or_insert(run.clock.ms());
    earlier.note(nodes);
    match are_ready(run, nodes)? {
        Ok(table) => earlier.tables.push(table),
        Err(seen) => {
            earlier.tables.push(seen);
            let on = nodes.iter().map(|node| &node.report.hostname);
            let new: Vec<String> = on.filter(|name| !earlier.missing.contains(name)).cloned().collect();
            earlier.missing.extend(new);
        }
    }
    run.clock.progress();
    Ok(())
}

/// Runs the checks that need several nodes, with those that are on. Stops early if the nodes do not
/// form a swarm.
///
/// # Errors
/// If the user stopped the run, or if a guest could not be started again.
pub(super) fn check_cluster(
    run: &Run<'_>,
    nodes: &mut [Running<'_>],
    earlier: Earlier,
    checks: &mut Vec<Check>,
) -> Result<()> {
    let mut report = Report { run, checks };
    if run.plan.targets.len() > 1 {
        addresses(&mut report);
    }
    if run.plan.cluster.swarm.mode == SwarmMode::None || nodes.len() < 2 || !run.managers_are_there {
        return Ok(());
    }
    if !ready(&mut report, nodes, earlier)? {
        return Ok(());
    }
    roles(&mut report, nodes);
    tokens(&mut report, nodes);
    service::check_service(&mut report, nodes)?;
    power_cut(&mut report, nodes)?;
    manager_reboot(&mut report, nodes)
}

/// Checks that no address is claimed twice. Two nodes with the same address both come up, but
/// neither can be reached.
fn addresses(report: &mut Report<'_, '_>) {
    let began = report.run.clock.ms();
    let conflicts = report.run.lan.conflicts();
    let verdict = match conflicts.is_empty() {
        true => Verdict::Good("no address is claimed twice on the LAN (ARP)".to_owned()),
        false => Verdict::Bad {
            expected: "each address claimed by one adapter".to_owned(),
            seen: conflicts.iter().map(|conflict| report.run.describe(conflict)).collect::<Vec<_>>().join("\n"),
            cause: Some("two cards were made for one node, or for clusters with the same addresses; `kraken-flash inspect IMAGE` says which node each one is".to_owned()),
        },
    };
    report.settle("addresses", "no two nodes have one address", began, verdict);
}

/// Returns the members of the swarm as host name, status, availability and manager status.
fn members(nodes: &mut [Running<'_>]) -> Result<Vec<[String; 4]>, String> {
    let text = ask_manager(nodes, "docker node ls --format '{{json .}}'")?;
    let rows = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    Ok(rows
        .map(|row| {
            ["Hostname", "Status", "Availability", "ManagerStatus"]
                .map(|key| row[key].as_str().unwrap_or_default().to_owned())
        })
        .collect())
}

fn table(members: &[[String; 4]]) -> String {
    let mut lines: Vec<String> = members.iter().map(|row| row.join("  ").trim_end().to_owned()).collect();
    lines.sort();
    kraken_foundation::text::lines(&lines.join("\n"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Waits until the members among the running nodes are Ready. Returns the manager's table of
/// members. A node whose own check of its membership failed is not waited for.
fn are_ready(run: &Run<'_>, nodes: &mut [Running<'_>]) -> Result<Result<String, String>> {
    let members_on: Vec<String> = nodes
        .iter()
        .filter(|node| node.passed("swarm-node"))
        .map(|node| node.report.hostname.clone())
        .collect();
    let waited = until(run, nodes, READY, |nodes| {
        let rows = members(nodes)?;
        let all = members_on
            .iter()
            .all(|name| rows.iter().filter(|row| row[0] == *name && row[1] == "Ready").count() == 1);
        if all { Ok(table(&rows)) } else { Err(table(&rows)) }
    })?;
    Ok(waited.outcome)
}

/// Checks that all booted nodes are Ready, or were Ready while their group was on. Returns whether
/// the check passed.
fn ready(report: &mut Report<'_, '_>, nodes: &mut [Running<'_>], mut earlier: Earlier) -> Result<bool> {
    let run = report.run;
    let began = earlier.began_ms.unwrap_or(run.clock.ms());
    let expected: Vec<&str> = run.plan.targets.iter().map(|target| &*target.node.hostname).collect();
    let expected = format!("Ready: {}", expected.join(", "));
    earlier.note(nodes);
    let verdict = are_ready(run, nodes)?;
    let is_ready = verdict.is_ok();
    let why = match is_ready {
        true => absent::Why::default(),
        false => absent::ask(nodes),
    };
    let (Ok(table) | Err(table)) = verdict;
    earlier.tables.push(table);
    let groups = earlier.tables.len();
    let seen = match groups {
        1 => earlier.tables.concat(),
        _ => {
            let count = run.plan.targets.len();
            let tables = earlier.tables.iter().enumerate();
            let tables = tables.map(|(index, table)| format!("group {} of {groups}:\n{table}", index + 1));
            let summary = match is_ready {
                true => format!("{} of {count} Ready, in {groups} groups", count - earlier.missing.len()),
                false => format!("not all of {count} Ready, in {groups} groups"),
            };
            iter::once(summary).chain(tables).collect::<Vec<_>>().join("\n")
        }
    };
    let verdict = match is_ready && earlier.missing.is_empty() {
        true => Verdict::Good(seen),
        false => Verdict::Bad {
            expected,
            seen: iter::once(seen).chain(why.seen).collect::<Vec<_>>().join("\n"),
            cause: match earlier.missing.is_empty() {
                true => why.cause,
                false => Some(format!(
                    "not in the swarm, as their own checks say: {}",
                    earlier.missing.join(", ")
                )),
            },
        },
    };
    Ok(report.settle("ready", "every node is Ready", began, verdict))
}

fn roles(report: &mut Report<'_, '_>, nodes: &mut [Running<'_>]) {
    let began = report.run.clock.ms();
    let wanted: Vec<(String, bool)> = nodes
        .iter()
        .map(|node| (node.report.hostname.clone(), node.target.node.role == Role::Manager))
        .collect();
    let verdict = members(nodes).and_then(|rows| {
        let right =
            |(name, manager): &(String, bool)| rows.iter().any(|row| row[0] == *name && row[3].is_empty() != *manager);
        let leaders = rows.iter().filter(|row| row[3] == "Leader").count();
        if wanted.iter().all(right) && leaders == 1 {
            Ok(table(&rows))
        } else {
            Err(table(&rows))
        }
    });
    let managers: Vec<&str> = wanted
        .iter()
        .filter(|(_, manager)| *manager)
        .map(|(name, _)| name.as_str())
        .collect();
    let expected = format!(
        "managers: {}, one of them the leader; the others workers",
        managers.join(", ")
    );
    report.settle(
        "roles",
        "managers are managers, workers are workers",
        began,
        decided(verdict, expected, None),
    );
}

fn tokens(report: &mut Report<'_, '_>, nodes: &mut [Running<'_>]) {
    let began = report.run.clock.ms();
    let script = "for role in worker manager; do docker swarm join-token -q $role; done";
    let answer = ask_manager(nodes, script);
    let given: Option<Vec<String>> = report.run.plan.tokens.as_ref().map(|tokens| tokens.to_vec());
    let verdict = answer.and_then(|text| {
        let seen: Vec<&str> = text.split_whitespace().collect();
        let parsed = seen.iter().filter(|token| token.starts_with("SWMTKN-1-")).count();
        match &given {
            _ if parsed != 2 => Err("the managers give no tokens".to_owned()),
            Some(wanted) if *wanted != seen => Err("the managers give other tokens".to_owned()),
            Some(_) => Ok("the managers give the tokens of the cluster's keys, for workers and managers".to_owned()),
            None => Ok(
                "the managers give tokens for workers and managers; the cluster's keys are not at hand to compare"
                    .to_owned(),
            ),
        }
    });
    let expected = "the tokens that `kraken-flash token` prints".to_owned();
    let cause = "the images were made with other keys than those in kraken.toml's keys-file";
    report.settle(
        "tokens",
        "the swarm's tokens are valid",
        began,
        decided(verdict, expected, Some(cause)),
    );
}

/// Cuts the power of a worker (or of a manager, if the others are still a majority), waits until
/// the swarm reports it Down, and switches it on again.
fn power_cut(report: &mut Report<'_, '_>, nodes: &mut [Running<'_>]) -> Result<()> {
    const TITLE: &str = "a node that loses its power is missed, and comes back";
    let managers = nodes
        .iter()
        .filter(|node| node.target.node.role == Role::Manager)
        .count();
    let victim = nodes
        .iter()
        .rposition(|node| node.target.node.role == Role::Worker || managers > 2);
    let Some(victim) = victim else {
        let began = report.run.clock.ms();
        report.settle(
            "power-cut",
            TITLE,
            began,
            Verdict::Nothing("without this node there is no majority of managers".to_owned()),
        );
        return Ok(());
    };
    let began = report.run.clock.ms();
    let name = nodes[victim].report.hostname.clone();
    report.doing(&format!("{name}: power off"));
    nodes[victim].cut();
    let missed = until(report.run, nodes, DOWN, |nodes| {
        let rows = members(nodes)?;
        let down = rows.iter().any(|row| row[0] == name && row[1] == "Down");
        if down { Ok(String::new()) } else { Err(table(&rows)) }
    })?;
    report.doing(&format!("{name}: power on"));
    nodes[victim].start()?;
    if let Err(seen) = missed.outcome {
        let expected = format!("{name} Down");
        report.settle(
            "power-cut",
            TITLE,
            began,
            Verdict::Bad {
                expected,
                seen,
                cause: None,
            },
        );
        return Ok(());
    }
    let back = until(report.run, nodes, BACK, |nodes| {
        let rows = members(nodes)?;
        let back = rows.iter().filter(|row| row[0] == name).all(|row| row[1] == "Ready");
        if back { Ok(table(&rows)) } else { Err(table(&rows)) }
    })?;
    let verdict = back.outcome.map(|rows| {
        format!(
            "{name}: Down {} s after the cut, Ready {} s after its power came back\n{rows}",
            missed.took.as_secs(),
            back.took.as_secs()
        )
    });
    let cause = "what the node had written did not survive the cut; its console's log says more";
    report.settle(
        "power-cut",
        TITLE,
        began,
        decided(verdict, format!("{name} Ready again"), Some(cause)),
    );
    Ok(())
}

/// Restarts a manager and waits for the whole swarm.
fn manager_reboot(report: &mut Report<'_, '_>, nodes: &mut [Running<'_>]) -> Result<()> {
    const TITLE: &str = "a manager restarts, and the swarm is whole again";
    const BOOT: &str = "cat /proc/sys/kernel/random/boot_id";
    let began = report.run.clock.ms();
    let Some(manager) = nodes.iter().position(|node| node.target.node.role == Role::Manager) else {
        return Ok(());
    };
    let name = nodes[manager].report.hostname.clone();
    let before = nodes[manager].ssh(BOOT).unwrap_or_default();
    report.doing(&format!("{name}: reboot"));
    // The connection may break during the command, which is not a failure. The command does not
    // wait for the restart, because the emulator ends with the guest.
    let _ = nodes[manager].ssh("systemctl --no-block reboot");
    let names: Vec<String> = nodes.iter().map(|node| node.report.hostname.clone()).collect();
    let waited = until(report.run, nodes, BACK, |nodes| {
        let now = nodes[manager].ssh(BOOT)?;
        if now == before {
            return Err(format!("{name} has not gone down yet"));
        }
        let rows = members(nodes)?;
        let all = names
            .iter()
            .all(|name| rows.iter().any(|row| row[0] == *name && row[1] == "Ready"));
        if all { Ok(table(&rows)) } else { Err(table(&rows)) }
    })?;
    let verdict = waited.outcome.map(|rows| {
        format!(
            "{name} was restarted; all nodes Ready {} s later\n{rows}",
            waited.took.as_secs()
        )
    });
    report.settle(
        "manager-reboot",
        TITLE,
        began,
        decided(verdict, "every node Ready".to_owned(), None),
    );
    Ok(())
}
