//! The container of a service's tasks.

use std::collections::BTreeMap;

use serde::Serialize;

use super::driver::Driver;
use super::empty::is_default;

/// What a container is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerSpec {
    /// The image: as the compose file has it, or pinned by its digest.
    pub image: String,
    /// Those of the service's `labels`, and the stack's name.
    pub labels: BTreeMap<String, String>,
    /// `entrypoint`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// `command`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Its host name.
    #[serde(skip_serializing_if = "is_default")]
    pub hostname: String,
    /// `NAME=value`, or `NAME` alone, which takes the image's value away; sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// Its working directory.
    #[serde(skip_serializing_if = "is_default")]
    pub dir: String,
    /// The user, `1000` or `1000:1000` or a name.
    #[serde(skip_serializing_if = "is_default")]
    pub user: String,
    /// Always there, and empty: what a swarm can ask for is of Windows and SELinux.
    pub privileges: Privileges,
    /// Whether an init process runs in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<bool>,
    /// The signal that ends it.
    #[serde(skip_serializing_if = "is_default")]
    pub stop_signal: String,
    /// Whether it has a terminal.
    #[serde(rename = "TTY", skip_serializing_if = "is_default")]
    pub tty: bool,
    /// Whether its standard input stays open.
    #[serde(skip_serializing_if = "is_default")]
    pub open_stdin: bool,
    /// Whether its root file system is read-only.
    #[serde(skip_serializing_if = "is_default")]
    pub read_only: bool,
    /// Volumes, folders of the node, RAM disks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// How long it may take to end, in nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_grace_period: Option<i64>,
    /// How its health is checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<HealthConfig>,
    /// Lines of its `/etc/hosts`: `ADDRESS NAME`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Its name servers.
    #[serde(rename = "DNSConfig", skip_serializing_if = "Option::is_none")]
    pub dns_config: Option<DnsConfig>,
    /// Secrets as files in it, sorted by the secret's name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretReference>,
    /// Configs as files in it, sorted by the config's name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub configs: Vec<ConfigReference>,
    /// Only Windows has anything but `default`.
    #[serde(skip_serializing_if = "is_default")]
    pub isolation: String,
    /// Kernel parameters of its namespaces.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctls: BTreeMap<String, String>,
    /// `CAP_…`, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub capability_add: Vec<String>,
    /// `CAP_…`, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub capability_drop: Vec<String>,
    /// Limits of its processes, sorted by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ulimits: Vec<Ulimit>,
}

/// What only Windows and SELinux know: nothing of it can be asked for here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Privileges {
    /// Windows only.
    #[serde(rename = "CredentialSpec")]
    pub credential_spec: Option<()>,
    /// A compose file cannot ask for it.
    #[serde(rename = "SELinuxContext")]
    pub selinux_context: Option<()>,
}

/// Something mounted in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Mount {
    /// `volume`, `bind` or `tmpfs`.
    pub r#type: String,
    /// The volume's name or the node's path; empty for a tmpfs and an anonymous volume.
    #[serde(skip_serializing_if = "is_default")]
    pub source: String,
    /// The path in the container.
    pub target: String,
    /// Whether it cannot be written.
    #[serde(skip_serializing_if = "is_default")]
    pub read_only: bool,
    /// Of a bind mount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bind_options: Option<BindOptions>,
    /// Of a volume with a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_options: Option<VolumeOptions>,
    /// Of a tmpfs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tmpfs_options: Option<TmpfsOptions>,
}

/// Options of a bind mount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct BindOptions {
    /// `rprivate`, `private`, `rshared`, `shared`, `rslave` or `slave`.
    #[serde(skip_serializing_if = "is_default")]
    pub propagation: String,
}

/// Options of a volume, which the node that first runs the task makes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VolumeOptions {
    /// Whether a new volume stays empty.
    #[serde(skip_serializing_if = "is_default")]
    pub no_copy: bool,
    /// Those of the volume, and the stack's name.
    pub labels: BTreeMap<String, String>,
    /// Where its data are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver_config: Option<Driver>,
}

/// Options of a tmpfs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TmpfsOptions {
    /// Its size; 0 means unlimited.
    #[serde(skip_serializing_if = "is_default")]
    pub size_bytes: i64,
}

/// How the health of a container is checked. Times are in nanoseconds; 0 is the image's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HealthConfig {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", command]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    /// The time between two checks.
    #[serde(skip_serializing_if = "is_default")]
    pub interval: i64,
    /// How long one may take.
    #[serde(skip_serializing_if = "is_default")]
    pub timeout: i64,
    /// How long failures do not count.
    #[serde(skip_serializing_if = "is_default")]
    pub start_period: i64,
    /// The time between two checks in the start period.
    #[serde(skip_serializing_if = "is_default")]
    pub start_interval: i64,
    /// How many failures in a row make it unhealthy.
    #[serde(skip_serializing_if = "is_default")]
    pub retries: i64,
}

/// Name servers of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DnsConfig {
    /// Their addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nameservers: Vec<String>,
    /// Domains that names are completed with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
}

/// The file that a secret or a config becomes in a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileTarget {
    /// A path, or a name in `/run/secrets` or `/`.
    #[serde(rename = "Name")]
    pub name: String,
    /// Its owner, a number as text.
    #[serde(rename = "UID")]
    pub uid: String,
    /// Its group, a number as text.
    #[serde(rename = "GID")]
    pub gid: String,
    /// Its permission bits.
    #[serde(rename = "Mode")]
    pub mode: u32,
}

/// A secret in a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecretReference {
    /// The file that it becomes.
    #[serde(rename = "File")]
    pub file: FileTarget,
    /// The secret's name; its id is known when its object is made.
    #[serde(rename = "SecretName")]
    pub secret_name: String,
}

/// A config in a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigReference {
    /// The file that it becomes.
    #[serde(rename = "File")]
    pub file: FileTarget,
    /// The config's name; its id is known when its object is made.
    #[serde(rename = "ConfigName")]
    pub config_name: String,
}

/// A limit of a container's processes; -1 is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Ulimit {
    /// Such as `nofile`.
    pub name: String,
    /// What root can raise `soft` to.
    pub hard: i64,
    /// What counts.
    pub soft: i64,
}
