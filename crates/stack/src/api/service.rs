//! A service: everything around its containers.

use std::collections::BTreeMap;

use serde::Serialize;

use super::container::ContainerSpec;
use super::driver::Driver;
use super::empty::is_default;

/// What a service is to be.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ServiceSpec {
    /// `STACK_SERVICE`.
    pub name: String,
    /// Those of `deploy.labels`, and two that `docker stack` finds its services by.
    pub labels: BTreeMap<String, String>,
    /// What each task runs.
    pub task_template: TaskSpec,
    /// How many tasks.
    pub mode: ServiceMode,
    /// How tasks are replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_config: Option<UpdateConfig>,
    /// How tasks are replaced when an update is taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback_config: Option<UpdateConfig>,
    /// Its name in DNS and its ports.
    pub endpoint_spec: EndpointSpec,
}

/// What each task of a service runs, and where.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TaskSpec {
    /// The container.
    pub container_spec: ContainerSpec,
    /// Limits and reservations.
    pub resources: Resources,
    /// What follows the end of a task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<RestartPolicy>,
    /// Which nodes may run it.
    pub placement: Placement,
    /// The networks that it is in, in the order of their names.
    pub networks: Vec<NetworkAttachment>,
    /// Where its output goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_driver: Option<Driver>,
    /// Docker counts forced updates here; a new stack has none.
    pub force_update: u64,
}

/// How many tasks a service has. One field is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ServiceMode {
    /// A number of tasks, which run for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicated: Option<Replicated>,
    /// One task on each node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub global: Option<Empty>,
    /// A number of tasks, which run to their end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicated_job: Option<Job>,
    /// One task on each node, which runs to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub global_job: Option<Empty>,
}

/// A message without fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Empty {}

/// The tasks of a replicated service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Replicated {
    /// How many; Docker takes none for 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u64>,
}

/// The tasks of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Job {
    /// How many at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrent: Option<u64>,
    /// How many in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_completions: Option<u64>,
}

/// How tasks are replaced.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateConfig {
    /// How many at a time; 0 is all.
    pub parallelism: u64,
    /// The pause between two of them, in nanoseconds.
    #[serde(skip_serializing_if = "is_default")]
    pub delay: i64,
    /// `pause`, `continue` or `rollback`.
    #[serde(skip_serializing_if = "is_default")]
    pub failure_action: String,
    /// How long a new task is watched, in nanoseconds.
    #[serde(skip_serializing_if = "is_default")]
    pub monitor: i64,
    /// The part of tasks that may fail, 0 to 1.
    pub max_failure_ratio: f32,
    /// `stop-first` or `start-first`.
    pub order: String,
}

/// Limits and reservations of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Resources {
    /// What it can use at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limit>,
    /// What a node must have free for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reservations: Option<Reservation>,
}

/// What a task can use at most; 0 means unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Limit {
    /// Processors, in billionths.
    #[serde(rename = "NanoCPUs", skip_serializing_if = "is_default")]
    pub nano_cpus: i64,
    /// Memory, in bytes.
    #[serde(rename = "MemoryBytes", skip_serializing_if = "is_default")]
    pub memory_bytes: i64,
    /// Processes.
    #[serde(rename = "Pids", skip_serializing_if = "is_default")]
    pub pids: i64,
}

/// What a node must have free for a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reservation {
    /// Processors, in billionths.
    #[serde(rename = "NanoCPUs", skip_serializing_if = "is_default")]
    pub nano_cpus: i64,
    /// Memory, in bytes.
    #[serde(rename = "MemoryBytes", skip_serializing_if = "is_default")]
    pub memory_bytes: i64,
    /// Resources that nodes announce themselves.
    #[serde(rename = "GenericResources", skip_serializing_if = "Vec::is_empty")]
    pub generic_resources: Vec<GenericResource>,
}

/// A resource that a node announces itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GenericResource {
    /// The only form that a compose file knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discrete_resource_spec: Option<DiscreteResource>,
}

/// A number of something that a node has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DiscreteResource {
    /// What.
    #[serde(skip_serializing_if = "is_default")]
    pub kind: String,
    /// How many.
    #[serde(skip_serializing_if = "is_default")]
    pub value: i64,
}

/// What follows the end of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RestartPolicy {
    /// `none`, `on-failure` or `any`; Docker takes none for `any`.
    #[serde(skip_serializing_if = "is_default")]
    pub condition: String,
    /// The pause before a new task, in nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<i64>,
    /// How often at most; 0 means unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u64>,
    /// The time over which attempts are counted, in nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<i64>,
}

/// Which nodes may run a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Placement {
    /// All of them must be true of a node.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<String>,
    /// What tasks are spread over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub preferences: Vec<Preference>,
    /// How many tasks one node may have; 0 means unlimited.
    #[serde(skip_serializing_if = "is_default")]
    pub max_replicas: u64,
}

/// What tasks are spread over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Preference {
    /// The only strategy that there is.
    pub spread: Spread,
}

/// A label of nodes, over whose values tasks are spread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Spread {
    /// Such as `node.labels.rack`.
    #[serde(skip_serializing_if = "is_default")]
    pub spread_descriptor: String,
}

/// A network that tasks are in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworkAttachment {
    /// The network's name, where Docker has its id.
    pub target: String,
    /// Names of the service in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Options of the network's driver.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub driver_opts: BTreeMap<String, String>,
}

/// A service's name in DNS and its ports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct EndpointSpec {
    /// `vip` or `dnsrr`; Docker takes none for `vip`.
    #[serde(skip_serializing_if = "is_default")]
    pub mode: String,
    /// The ports that are reached from outside, in the order of their numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortConfig>,
}

/// A port that is reached from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PortConfig {
    /// `tcp`, `udp` or `sctp`; Docker takes none for `tcp`.
    #[serde(skip_serializing_if = "is_default")]
    pub protocol: String,
    /// The port in the container.
    #[serde(skip_serializing_if = "is_default")]
    pub target_port: u32,
    /// The port on nodes; 0 leaves the choice to Docker.
    #[serde(skip_serializing_if = "is_default")]
    pub published_port: u32,
    /// `ingress` or `host`; Docker takes none for `ingress`.
    #[serde(skip_serializing_if = "is_default")]
    pub publish_mode: String,
}
