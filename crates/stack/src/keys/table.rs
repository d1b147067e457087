//! The table itself.

use super::key::Support::{Noted, Refused, Translated};
use super::key::{Key, Support};

/// The keys of one kind of mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionKeys {
    /// Where it is in the file.
    pub path: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
    /// Whether keys that begin with `x-` may stand in it; they mean nothing.
    pub extensions: bool,
}

impl SectionKeys {
    /// Returns the key of this name.
    pub(crate) fn find(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

const fn key(name: &'static str, support: Support, about: &'static str) -> Key {
    Key { name, support, about }
}

const fn section(path: &'static str, keys: &'static [Key]) -> SectionKeys {
    SectionKeys {
        path,
        keys,
        extensions: false,
    }
}

const fn extensible(path: &'static str, keys: &'static [Key]) -> SectionKeys {
    SectionKeys {
        path,
        keys,
        extensions: true,
    }
}

const CLI: &str = "`docker stack deploy` does not know it";
const EXTERNAL: &str = "nothing external exists when a cluster boots for the first time";
const PLUGIN: &str = "no plugin is installed at a first boot";

#[rustfmt::skip]
pub(crate) const FILE: SectionKeys = extensible("the file", &[
    key("services", Translated, ""),
    key("networks", Translated, "only networks that a service is in are made"),
    key("volumes", Translated, "parts of the mounts: the node that first runs a task makes the volume"),
    key("secrets", Translated, ""),
    key("configs", Translated, ""),
    key("version", Noted, "no Docker since 25 needs it; 20.10 does"),
    key("name", Refused, "`docker stack deploy` refuses it; the stack's name is in kraken.toml"),
    key("include", Refused, "`docker stack deploy` does not know it; write one file"),
    key("models", Refused, CLI),
]);

#[rustfmt::skip]
pub(crate) const SERVICE: SectionKeys = extensible("services.NAME", &[
    key("image", Translated, "pinned by its digest; the label `com.docker.stack.image` keeps what is written"),
    key("command", Translated, "a text is split into words, without a shell"),
    key("entrypoint", Translated, "a text is split into words, without a shell"),
    key("environment", Translated, ""),
    key("env_file", Translated, "files beside kraken.toml; `environment` wins"),
    key("ports", Translated, ""),
    key("volumes", Translated, ""),
    key("networks", Translated, "none: the network `default`"),
    key("secrets", Translated, ""),
    key("configs", Translated, ""),
    key("deploy", Translated, ""),
    key("healthcheck", Translated, ""),
    key("labels", Translated, "labels of the containers; those of the service are in `deploy`"),
    key("hostname", Translated, ""),
    key("user", Translated, ""),
    key("working_dir", Translated, ""),
    key("stop_grace_period", Translated, ""),
    key("stop_signal", Translated, ""),
    key("dns", Translated, ""),
    key("dns_search", Translated, ""),
    key("extra_hosts", Translated, ""),
    key("sysctls", Translated, ""),
    key("cap_add", Translated, "wins over `cap_drop`, as in Docker"),
    key("cap_drop", Translated, ""),
    key("ulimits", Translated, ""),
    key("init", Translated, ""),
    key("read_only", Translated, ""),
    key("tty", Translated, ""),
    key("stdin_open", Translated, ""),
    key("logging", Translated, ""),
    key("isolation", Translated, "only `default`: all else is of Windows"),
    key("restart", Translated, "becomes a restart policy, unless `deploy.restart_policy` is there; `no` is refused"),
    key("build", Noted, "a swarm builds nothing: the image must exist"),
    key("container_name", Noted, "a swarm names the containers itself"),
    key("depends_on", Noted, "a swarm starts all services at once: each must try again until the others are there"),
    key("expose", Noted, "services in one network reach each other at every port"),
    key("links", Noted, "services in one network find each other by name"),
    key("oom_score_adj", Refused, "no client before Docker 28 knows it, and Debian's dockerd 28.5.2 drops it"),
    key("tmpfs", Refused, "`docker stack deploy` drops it without a word; write a volume of the type `tmpfs`"),
    key("cgroup_parent", Refused, "a swarm ignores it"),
    key("cgroupns_mode", Refused, "a swarm ignores it"),
    key("credential_spec", Refused, "it is for Windows"),
    key("devices", Refused, "a swarm ignores it: the container would not have the device"),
    key("domainname", Refused, "a swarm ignores it; `hostname` may have a domain"),
    key("external_links", Refused, "a swarm ignores it: the name would not be found"),
    key("ipc", Refused, "a swarm ignores it"),
    key("mac_address", Refused, "a swarm ignores it"),
    key("network_mode", Refused, "a swarm ignores it; use `networks`"),
    key("pid", Refused, "a swarm ignores it"),
    key("privileged", Refused, "a swarm ignores it; `cap_add` gives single capabilities"),
    key("security_opt", Refused, "a swarm ignores it: the container would be less confined than it looks"),
    key("shm_size", Refused, "a swarm ignores it; mount a tmpfs at /dev/shm"),
    key("userns_mode", Refused, "a swarm ignores it"),
    key("extends", Refused, "`docker stack deploy` refuses it; use an anchor and `<<`"),
    key("volume_driver", Refused, "name the driver in the top-level `volumes`"),
    key("volumes_from", Refused, "name the volume in both services"),
    key("cpu_quota", Refused, "use `deploy.resources`"),
    key("cpu_shares", Refused, "use `deploy.resources`"),
    key("cpuset", Refused, "use `deploy.resources`"),
    key("mem_limit", Refused, "use `deploy.resources.limits.memory`"),
    key("memswap_limit", Refused, "use `deploy.resources.limits.memory`"),
    key("cpus", Refused, "use `deploy.resources.limits.cpus`"),
    key("pids_limit", Refused, "use `deploy.resources.limits.pids`"),
    key("mem_reservation", Refused, "use `deploy.resources.reservations.memory`"),
    key("scale", Refused, "use `deploy.replicas`"),
    key("profiles", Refused, "`docker stack deploy` does not know it: it would start everything"),
    key("platform", Refused, "`docker stack deploy` does not know it; use a placement constraint `node.platform.arch`"),
    key("pull_policy", Refused, "`docker stack deploy` does not know it; images are pinned by their digests"),
    key("label_file", Refused, "`docker stack deploy` does not know it; write `labels`"),
    key("gpus", Refused, "`docker stack deploy` does not know it; use `generic_resources`"),
    key("annotations", Refused, CLI),
    key("attach", Refused, CLI),
    key("blkio_config", Refused, CLI),
    key("cgroup", Refused, CLI),
    key("cpu_count", Refused, CLI),
    key("cpu_percent", Refused, CLI),
    key("cpu_period", Refused, CLI),
    key("cpu_rt_period", Refused, CLI),
    key("cpu_rt_runtime", Refused, CLI),
    key("develop", Refused, CLI),
    key("device_cgroup_rules", Refused, CLI),
    key("dns_opt", Refused, CLI),
    key("group_add", Refused, CLI),
    key("mem_swappiness", Refused, CLI),
    key("models", Refused, CLI),
    key("oom_kill_disable", Refused, CLI),
    key("post_start", Refused, CLI),
    key("pre_stop", Refused, CLI),
    key("provider", Refused, CLI),
    key("pull_refresh_after", Refused, CLI),
    key("runtime", Refused, CLI),
    key("storage_opt", Refused, CLI),
    key("use_api_socket", Refused, CLI),
    key("uts", Refused, CLI),
]);

#[rustfmt::skip]
pub(crate) const HEALTHCHECK: SectionKeys = section("services.NAME.healthcheck", &[
    key("test", Translated, "a text is run by a shell; a list begins with `CMD`, `CMD-SHELL` or `NONE`"),
    key("interval", Translated, ""),
    key("timeout", Translated, ""),
    key("retries", Translated, ""),
    key("start_period", Translated, ""),
    key("start_interval", Translated, "known since Docker 25"),
    key("disable", Translated, ""),
]);

#[rustfmt::skip]
pub(crate) const LOGGING: SectionKeys = section("services.NAME.logging", &[
    key("driver", Translated, ""),
    key("options", Translated, ""),
]);

#[rustfmt::skip]
pub(crate) const PORT: SectionKeys = section("services.NAME.ports[]", &[
    key("target", Translated, ""),
    key("published", Translated, "a number; none: Docker chooses one"),
    key("protocol", Translated, "`tcp`, `udp` or `sctp`"),
    key("mode", Translated, "`ingress`, which needs IPVS in the kernel, or `host`"),
    key("name", Refused, CLI),
    key("host_ip", Refused, "a swarm publishes on all addresses of a node"),
    key("app_protocol", Refused, CLI),
]);

#[rustfmt::skip]
pub(crate) const MOUNT: SectionKeys = section("services.NAME.volumes[]", &[
    key("type", Translated, "`volume`, `bind` or `tmpfs`; `image`, `npipe` and `cluster` are refused"),
    key("source", Translated, "of a bind mount: an absolute path on the node"),
    key("target", Translated, ""),
    key("read_only", Translated, ""),
    key("bind", Translated, ""),
    key("volume", Translated, ""),
    key("tmpfs", Translated, ""),
    key("consistency", Noted, "only Docker for Mac knows it"),
    key("image", Refused, "no Docker before 28 can mount an image"),
    key("cluster", Refused, "volumes of a CSI plugin are not made at a first boot"),
]);

#[rustfmt::skip]
pub(crate) const MOUNT_BIND: SectionKeys = section("services.NAME.volumes[].bind", &[
    key("propagation", Translated, ""),
    key("create_host_path", Refused, CLI),
    key("recursive", Refused, CLI),
    key("selinux", Refused, CLI),
]);

#[rustfmt::skip]
pub(crate) const MOUNT_VOLUME: SectionKeys = section("services.NAME.volumes[].volume", &[
    key("nocopy", Translated, ""),
    key("labels", Refused, CLI),
    key("subpath", Refused, "no Docker before 26 knows it"),
]);

#[rustfmt::skip]
pub(crate) const MOUNT_TMPFS: SectionKeys = section("services.NAME.volumes[].tmpfs", &[
    key("size", Translated, "bytes, a number"),
    key("mode", Refused, CLI),
]);

#[rustfmt::skip]
pub(crate) const FILE_REFERENCE: SectionKeys = section("services.NAME.secrets[], configs[]", &[
    key("source", Translated, ""),
    key("target", Translated, "none: the name of the source"),
    key("uid", Translated, "a text: `\"1000\"`"),
    key("gid", Translated, "a text: `\"1000\"`"),
    key("mode", Translated, "`0444` where there is none"),
]);

#[rustfmt::skip]
pub(crate) const ULIMIT: SectionKeys = section("services.NAME.ulimits.NAME", &[
    key("soft", Translated, ""),
    key("hard", Translated, ""),
]);

#[rustfmt::skip]
pub(crate) const ATTACHMENT: SectionKeys = section("services.NAME.networks.NAME", &[
    key("aliases", Translated, "the service's own name is added"),
    key("driver_opts", Refused, "no Docker before 28 knows it"),
    key("ipv4_address", Refused, "a swarm ignores it: tasks get their addresses from Docker"),
    key("ipv6_address", Refused, "a swarm ignores it: tasks get their addresses from Docker"),
    key("gw_priority", Refused, CLI),
    key("interface_name", Refused, CLI),
    key("link_local_ips", Refused, CLI),
    key("mac_address", Refused, CLI),
    key("priority", Refused, CLI),
]);

#[rustfmt::skip]
pub(crate) const DEPLOY: SectionKeys = section("services.NAME.deploy", &[
    key("mode", Translated, "`replicated`, `global`, and the jobs `replicated-job`, `global-job`"),
    key("replicas", Translated, ""),
    key("labels", Translated, "labels of the service"),
    key("placement", Translated, ""),
    key("resources", Translated, ""),
    key("restart_policy", Translated, ""),
    key("update_config", Translated, ""),
    key("rollback_config", Translated, ""),
    key("endpoint_mode", Translated, "`vip` or `dnsrr`"),
]);

#[rustfmt::skip]
pub(crate) const PLACEMENT: SectionKeys = section("services.NAME.deploy.placement", &[
    key("constraints", Translated, ""),
    key("preferences", Translated, ""),
    key("max_replicas_per_node", Translated, ""),
]);

#[rustfmt::skip]
pub(crate) const PREFERENCE: SectionKeys = section("services.NAME.deploy.placement.preferences[]", &[
    key("spread", Translated, ""),
]);

#[rustfmt::skip]
pub(crate) const RESOURCES: SectionKeys = section("services.NAME.deploy.resources", &[
    key("limits", Translated, ""),
    key("reservations", Translated, ""),
]);

#[rustfmt::skip]
pub(crate) const LIMITS: SectionKeys = section("services.NAME.deploy.resources.limits", &[
    key("cpus", Translated, "a text: `\"0.5\"`"),
    key("memory", Translated, "units of 1,024: `512M`"),
    key("pids", Translated, ""),
]);

#[rustfmt::skip]
pub(crate) const RESERVATIONS: SectionKeys = section("services.NAME.deploy.resources.reservations", &[
    key("cpus", Translated, "a text: `\"0.5\"`"),
    key("memory", Translated, "units of 1,024: `512M`"),
    key("generic_resources", Translated, ""),
    key("devices", Refused, "`docker stack deploy` does not know it; use `generic_resources`"),
]);

#[rustfmt::skip]
pub(crate) const GENERIC: SectionKeys = section("….reservations.generic_resources[]", &[
    key("discrete_resource_spec", Translated, ""),
]);

#[rustfmt::skip]
pub(crate) const DISCRETE: SectionKeys = section("….generic_resources[].discrete_resource_spec", &[
    key("kind", Translated, ""),
    key("value", Translated, ""),
]);

#[rustfmt::skip]
pub(crate) const RESTART: SectionKeys = section("services.NAME.deploy.restart_policy", &[
    key("condition", Translated, "`none`, `on-failure` or `any`"),
    key("delay", Translated, ""),
    key("max_attempts", Translated, ""),
    key("window", Translated, ""),
]);

#[rustfmt::skip]
pub(crate) const UPDATE: SectionKeys = section("services.NAME.deploy.update_config, rollback_config", &[
    key("parallelism", Translated, "1 where there is none"),
    key("delay", Translated, ""),
    key("failure_action", Translated, "`pause`, `continue`, and `rollback` of an update"),
    key("monitor", Translated, ""),
    key("max_failure_ratio", Translated, ""),
    key("order", Translated, "`stop-first` or `start-first`"),
]);

#[rustfmt::skip]
pub(crate) const NETWORK: SectionKeys = extensible("networks.NAME", &[
    key("name", Translated, ""),
    key("driver", Translated, "only `overlay`: no other driver spans the nodes of a swarm"),
    key("driver_opts", Translated, "such as `encrypted: \"\"`"),
    key("internal", Translated, ""),
    key("attachable", Translated, ""),
    key("labels", Translated, ""),
    key("ipam", Translated, ""),
    key("external", Refused, EXTERNAL),
    key("enable_ipv4", Refused, CLI),
    key("enable_ipv6", Refused, CLI),
]);

#[rustfmt::skip]
pub(crate) const IPAM: SectionKeys = section("networks.NAME.ipam", &[
    key("driver", Translated, "only `default`"),
    key("config", Translated, ""),
    key("options", Refused, CLI),
]);

#[rustfmt::skip]
pub(crate) const IPAM_CONFIG: SectionKeys = section("networks.NAME.ipam.config[]", &[
    key("subnet", Translated, ""),
    key("gateway", Refused, CLI),
    key("ip_range", Refused, CLI),
    key("aux_addresses", Refused, CLI),
]);

#[rustfmt::skip]
pub(crate) const VOLUME: SectionKeys = extensible("volumes.NAME", &[
    key("name", Translated, ""),
    key("driver", Translated, "only `local`: no plugin is installed at a first boot"),
    key("driver_opts", Translated, "such as `type: nfs`, `o: …`, `device: …`"),
    key("labels", Translated, ""),
    key("external", Refused, EXTERNAL),
    key("x-cluster-spec", Refused, "volumes of a CSI plugin are not made at a first boot"),
]);

#[rustfmt::skip]
pub(crate) const SECRET: SectionKeys = extensible("secrets.NAME", &[
    key("file", Translated, "a file beside kraken.toml"),
    key("x-kraken-generate", Translated, "ours: `password`, derived from the cluster's seed; instead of `file`"),
    key("x-kraken-length", Translated, "ours: its length, 8 to 128 characters; 32 where there is none"),
    key("name", Translated, ""),
    key("labels", Translated, ""),
    key("template_driver", Translated, "`golang`"),
    key("external", Refused, EXTERNAL),
    key("driver", Refused, PLUGIN),
    key("driver_opts", Refused, PLUGIN),
    key("environment", Refused, "`docker stack deploy` does not know it; write `file`"),
]);

#[rustfmt::skip]
pub(crate) const CONFIG: SectionKeys = extensible("configs.NAME", &[
    key("file", Translated, "a file beside kraken.toml"),
    key("name", Translated, ""),
    key("labels", Translated, ""),
    key("template_driver", Translated, "`golang`"),
    key("external", Refused, EXTERNAL),
    key("content", Refused, "`docker stack deploy` does not know it; write `file`"),
    key("environment", Refused, "`docker stack deploy` does not know it; write `file`"),
]);

/// Every section of a compose file, in the order of the handbook.
#[rustfmt::skip]
pub const SECTIONS: &[&SectionKeys] = &[
    &FILE, &SERVICE, &DEPLOY, &PLACEMENT, &PREFERENCE, &RESOURCES, &LIMITS, &RESERVATIONS, &GENERIC, &DISCRETE,
    &RESTART, &UPDATE, &HEALTHCHECK, &LOGGING, &PORT, &MOUNT, &MOUNT_BIND, &MOUNT_VOLUME, &MOUNT_TMPFS,
    &FILE_REFERENCE, &ULIMIT, &ATTACHMENT, &NETWORK, &IPAM, &IPAM_CONFIG, &VOLUME, &SECRET, &CONFIG,
];
