//! What other checks need to know of a service: where it may run, what it takes of a node.

use crate::api::ServiceSpec;
use crate::constraint::{Constraint, NodeTraits};

/// A port that a service publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PublishedPort<'a> {
    /// `tcp`, `udp` or `sctp`.
    pub protocol: &'a str,
    /// The port in the container.
    pub target: u32,
    /// The port on nodes; `None` leaves the choice to Docker.
    pub published: Option<u32>,
    /// On which nodes.
    pub mode: PublishMode,
}

/// On which nodes a port is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PublishMode {
    /// On all: the routing mesh leads to a task. It needs IPVS in the kernel.
    Ingress,
    /// On the nodes that run a task.
    Host,
}

/// A volume with a name, which is on one node only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedVolume<'a> {
    /// Its name in Docker: `STACK_VOLUME`.
    pub name: &'a str,
    /// Where it is in the container.
    pub target: &'a str,
    /// Whether its data are on the node: not when driver options lead elsewhere (`type: nfs`).
    pub is_local: bool,
}

/// The memory of one task, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// What it can use at most, when there is a limit.
    pub limit: Option<u64>,
    /// What a node must have free for it, when something is reserved.
    pub reservation: Option<u64>,
}

impl ServiceSpec {
    /// Whether the placement constraints let tasks run on a node.
    pub fn may_run_on(&self, node: &NodeTraits<'_>) -> bool {
        let constraints = &self.task_template.placement.constraints;
        constraints
            .iter()
            .all(|text| Constraint::parse(text).is_ok_and(|constraint| constraint.is_met_by(node)))
    }

    /// Whether there are placement constraints.
    pub fn is_constrained(&self) -> bool {
        !self.task_template.placement.constraints.is_empty()
    }

    /// Returns the ports that it publishes.
    pub fn published_ports(&self) -> impl Iterator<Item = PublishedPort<'_>> {
        self.endpoint_spec.ports.iter().map(|port| PublishedPort {
            protocol: match port.protocol.as_str() {
                "" => "tcp",
                protocol => protocol,
            },
            target: port.target_port,
            published: (port.published_port != 0).then_some(port.published_port),
            mode: match port.publish_mode.as_str() {
                "host" => PublishMode::Host,
                _ => PublishMode::Ingress,
            },
        })
    }

    /// Returns the volumes with names that its tasks mount.
    pub fn named_volumes(&self) -> impl Iterator<Item = NamedVolume<'_>> {
        let mounts = self.task_template.container_spec.mounts.iter();
        let volumes = mounts.filter(|mount| mount.r#type == "volume" && !mount.source.is_empty());
        volumes.map(|mount| {
            let driver = mount
                .volume_options
                .as_ref()
                .and_then(|options| options.driver_config.as_ref());
            NamedVolume {
                name: &mount.source,
                target: &mount.target,
                is_local: driver.is_none_or(|driver| !driver.options.contains_key("device")),
            }
        })
    }

    /// Returns the memory of one task.
    pub fn memory(&self) -> Memory {
        let resources = &self.task_template.resources;
        let bytes = |bytes: i64| u64::try_from(bytes).ok().filter(|&bytes| bytes > 0);
        Memory {
            limit: resources.limits.and_then(|limits| bytes(limits.memory_bytes)),
            reservation: resources
                .reservations
                .as_ref()
                .and_then(|reserved| bytes(reserved.memory_bytes)),
        }
    }

    /// Returns how many tasks it has on `nodes` nodes that may run them.
    pub fn tasks(&self, nodes: u64) -> u64 {
        let replicas = self.mode.replicated.map(|replicated| replicated.replicas);
        let jobs = self.mode.replicated_job.map(|job| job.total_completions);
        match replicas.or(jobs) {
            Some(count) => count.unwrap_or(1),
            None => nodes,
        }
    }
}
