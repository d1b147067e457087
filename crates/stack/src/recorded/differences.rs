//! Where the recordings differ from the translation, and why that is the same.

/// Where a release sends something else, and why that is the same.
pub(super) struct Difference {
    /// Which releases.
    pub(super) suites: &'static [&'static str],
    /// The kind of object.
    pub(super) kind: &'static str,
    /// The path of the field.
    pub(super) path: &'static [&'static str],
    /// What the release has there, and the translation has not.
    pub(super) value: &'static str,
    /// Why it means the same.
    pub(super) why: &'static str,
}

pub(super) const ALL: &[&str] = &["bookworm", "trixie", "sid"];
const NEW: &[&str] = &["trixie", "sid"];

/// What releases send besides.
pub(super) const SENT: &[Difference] = &[
    field(ALL, "networks", &["ConfigFrom"], "null", "a network of its own"),
    field(ALL, "networks", &["ConfigOnly"], "false", "a network of its own"),
    field(
        ALL,
        "networks",
        &["Ingress"],
        "false",
        "not the network of the routing mesh",
    ),
    field(
        ALL,
        "networks",
        &["Scope"],
        "\"\"",
        "the driver decides: overlay is of the swarm",
    ),
    field(ALL, "networks", &["Options"], "null", "none"),
    field(ALL, "networks", &["IPAM"], "null", "none"),
    field(ALL, "networks", &["IPAM", "Options"], "null", "none"),
    field(
        &["bookworm"],
        "networks",
        &["CheckDuplicate"],
        "false",
        "it was given up",
    ),
    field(
        &["bookworm", "trixie"],
        "networks",
        &["EnableIPv6"],
        "false",
        "later clients send nothing when it is off",
    ),
    field(
        NEW,
        "services",
        &["TaskTemplate", "ContainerSpec", "Privileges", "NoNewPrivileges"],
        "false",
        "a compose file cannot ask for it",
    ),
    field(
        ALL,
        "services",
        &["TaskTemplate", "ContainerSpec", "Mounts", "[]", "Consistency"],
        "\"cached\"",
        "dockerd drops it",
    ),
];

const fn field(
    suites: &'static [&'static str],
    kind: &'static str,
    path: &'static [&'static str],
    value: &'static str,
    why: &'static str,
) -> Difference {
    Difference {
        suites,
        kind,
        path,
        value,
        why,
    }
}

/// What dockerd shows of a service where nothing was sent: path and value.
pub(super) const SHOWN: &[(&[&str], &str)] = &[
    (&["EndpointSpec", "Mode"], "\"vip\""),
    (&["EndpointSpec", "Ports", "[]", "Protocol"], "\"tcp\""),
    (&["EndpointSpec", "Ports", "[]", "PublishMode"], "\"ingress\""),
    (&["Mode", "Replicated", "Replicas"], "1"),
    (&["Mode", "ReplicatedJob", "MaxConcurrent"], "1"),
    (&["Mode", "ReplicatedJob", "TotalCompletions"], "1"),
    (&["TaskTemplate", "ContainerSpec", "Isolation"], "\"default\""),
    (&["TaskTemplate", "RestartPolicy", "Condition"], "\"any\""),
    (&["TaskTemplate", "RestartPolicy", "MaxAttempts"], "0"),
    (&["TaskTemplate", "Runtime"], "\"container\""),
    (&["UpdateConfig", "FailureAction"], "\"pause\""),
    (&["UpdateConfig", "Order"], "\"stop-first\""),
    (&["RollbackConfig", "FailureAction"], "\"pause\""),
    (&["RollbackConfig", "Order"], "\"stop-first\""),
];
