//! Options that conflict with the unit that starts dockerd, with the swarm, or with another option.

use serde_json::{Map, Value};

use super::around::{Around, Version};
use super::fault::{Fault, fault};
use super::storage;
use crate::hints::printable;
use crate::options::below;

/// With which values an option is refused.
enum When {
    /// With any value.
    Set,
    /// With this value only.
    Is(bool),
}

/// An option that must not be set here.
struct Rule {
    key: &'static str,
    when: When,
    /// Whether the rule holds only on nodes of a swarm.
    in_swarm: bool,
    why: &'static str,
    help: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        key: "hosts",
        when: When::Set,
        in_swarm: false,
        why: "docker.service starts dockerd with `-H fd://`, and dockerd does not start when `hosts` is set as well",
        help: "leave it out; from elsewhere, DOCKER_HOST=ssh://USER@NODE reaches Docker without a further port",
    },
    Rule {
        key: "containerd",
        when: When::Set,
        in_swarm: false,
        why: "docker.service starts dockerd with `--containerd`, and dockerd does not start when `containerd` is set as well",
        help: "leave it out",
    },
    Rule {
        key: "rootless",
        when: When::Is(true),
        in_swarm: false,
        why: "docker.service runs dockerd as root, and a rootless one knows no overlay network",
        help: "leave it out",
    },
    Rule {
        key: "cluster-store",
        when: When::Set,
        in_swarm: false,
        why: "`cluster-store` is of the Swarm that Docker had before 1.12, and dockerd does not know it any more",
        help: "leave it out; the swarm is [swarm]",
    },
    Rule {
        key: "cluster-advertise",
        when: When::Set,
        in_swarm: false,
        why: "`cluster-advertise` is of the Swarm that Docker had before 1.12, and dockerd does not know it any more",
        help: "leave it out; the swarm is [swarm]",
    },
    Rule {
        key: "cluster-store-opts",
        when: When::Set,
        in_swarm: false,
        why: "`cluster-store-opts` is of the Swarm that Docker had before 1.12, and dockerd does not know it any more",
        help: "leave it out; the swarm is [swarm]",
    },
    Rule {
        key: "graph",
        when: When::Set,
        in_swarm: false,
        why: "`graph` is the old name of `data-root`, and newer dockerds do not start with it",
        help: "write data-root",
    },
    Rule {
        key: "authorization-plugins",
        when: When::Set,
        in_swarm: false,
        why: "no new node has such a plugin, and without it Docker denies every request",
        help: "leave it out, install the plugin on the nodes, and add it to /etc/docker/daemon.json there",
    },
    Rule {
        key: "live-restore",
        when: When::Is(true),
        in_swarm: true,
        why: "Docker's `live-restore` and a swarm exclude each other",
        help: "leave live-restore out, or set mode = \"none\" in [swarm]",
    },
    Rule {
        key: "iptables",
        when: When::Is(false),
        in_swarm: true,
        why: "without `iptables` no published port of the swarm leads to a container",
        help: "leave it out, or set mode = \"none\" in [swarm]",
    },
    Rule {
        key: "ip-forward",
        when: When::Is(false),
        in_swarm: true,
        why: "without `ip-forward` no published port of the swarm leads to a container",
        help: "leave it out, or set mode = \"none\" in [swarm]",
    },
    Rule {
        key: "swarm-default-advertise-addr",
        when: When::Set,
        in_swarm: true,
        why: "each node is baked with its own address, and this one would be that of all",
        help: "leave it out; `subnet` and `first-address` in [network] give the nodes their addresses",
    },
    Rule {
        key: "userns-remap",
        when: When::Set,
        in_swarm: true,
        why: "with `userns-remap` dockerd keeps everything in a folder named after the remapped user, and does not find the swarm that is baked in",
        help: "leave it out, or set mode = \"none\" in [swarm]",
    },
];

/// Notes what one option alone conflicts with.
pub(super) fn one(name: &str, value: &Value, around: &Around<'_>, faults: &mut Vec<Fault>) {
    let meets = |rule: &&Rule| {
        let applies = match rule.when {
            When::Set => !matches!(value, Value::Array(items) if items.is_empty()) && value.as_str() != Some(""),
            When::Is(on) => value.as_bool() == Some(on),
        };
        rule.key == name && applies && (around.swarm || !rule.in_swarm)
    };
    if let Some(rule) = RULES.iter().find(meets) {
        faults.push(fault(name, true, rule.why, rule.help));
    }
    match name {
        "storage-driver" => storage::driver(value, around.version, faults),
        "exec-opts" => exec_opts(value, faults),
        "default-address-pools" => pools(value, faults),
        "seccomp-profile" => seccomp(value, faults),
        "runtimes" => runtimes(value, faults),
        "data-root" => storage::root(value, faults),
        _ => {}
    }
}

/// Checks `exec-opts`: Linux has only one option for the runtime of containers.
fn exec_opts(value: &Value, faults: &mut Vec<Fault>) {
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        let Some((name, driver)) = item.as_str().and_then(|text| text.split_once('=')) else {
            continue;
        };
        if name.trim() != "native.cgroupdriver" || !matches!(driver.trim(), "systemd" | "cgroupfs") {
            faults.push(fault(
                below("exec-opts", &index.to_string()),
                false,
                format!(
                    "\"{}={}\" is not an option of dockerd's for running containers",
                    printable(name),
                    printable(driver)
                ),
                "the only ones are native.cgroupdriver=systemd and native.cgroupdriver=cgroupfs",
            ));
        }
    }
}

fn pools(value: &Value, faults: &mut Vec<Fault>) {
    for (index, pool) in value.as_array().into_iter().flatten().enumerate() {
        let path = below("default-address-pools", &index.to_string());
        let base = pool
            .get("base")
            .and_then(Value::as_str)
            .and_then(|text| text.parse::<ipnet::Ipv4Net>().ok());
        let (Some(base), Some(size)) = (base, pool.get("size").and_then(Value::as_u64)) else {
            faults.push(fault(
                path,
                false,
                "a pool has a `base` and a `size`",
                "for example: { base = \"172.30.0.0/16\", size = 24 }",
            ));
            continue;
        };
        if size < u64::from(base.prefix_len()) {
            faults.push(fault(
                below(&path, "size"),
                false,
                format!("a subnet of /{size} is larger than its pool {base}, and dockerd does not start with it"),
                format!("write a number from {} to 30", base.prefix_len()),
            ));
        }
    }
}

fn seccomp(value: &Value, faults: &mut Vec<Fault>) {
    let Some(text) = value.as_str() else { return };
    if !(text.starts_with('/') || matches!(text, "" | "builtin" | "unconfined")) {
        faults.push(fault(
            "seccomp-profile",
            false,
            format!(
                "\"{}\" is not a profile: dockerd reads it from an absolute path",
                printable(text)
            ),
            "write a path, \"builtin\" or \"unconfined\"",
        ));
    }
}

/// dockerd's own runtime, which cannot be defined again.
const STOCK: &str = "runc";

fn runtimes(value: &Value, faults: &mut Vec<Fault>) {
    for (name, runtime) in value.as_object().into_iter().flatten() {
        let path = below("runtimes", name);
        if name == STOCK {
            faults.push(fault(
                path,
                true,
                "the name \"runc\" is dockerd's own",
                "give the runtime another name",
            ));
        } else if runtime.get("path").is_none() && runtime.get("runtimeType").is_none() {
            faults.push(fault(
                path,
                true,
                "a runtime has a `path` or a `runtimeType`",
                "for example: crun = { path = \"/usr/bin/crun\" }",
            ));
        }
    }
}

/// Notes options that conflict with each other.
pub(super) fn together(options: &Map<String, Value>, around: &Around<'_>, faults: &mut Vec<Fault>) {
    let on = |key: &str| options.get(key).and_then(Value::as_bool);
    let text = |key: &str| options.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let mut find = |key: &str, why: &str, help: &str| faults.push(fault(key, true, why, help));
    if text("bridge").is_some() && text("bip").is_some() {
        find(
            "bip",
            "`bridge` and `bip` exclude each other, and dockerd does not start with both",
            "leave one of them out",
        );
    }
    if on("iptables") == Some(false) && on("icc") == Some(false) {
        find(
            "icc",
            "icc = false is done by iptables, which is off, and dockerd does not start so",
            "leave one of them out",
        );
    }
    let old = around.version.is_some_and(|version| version < Version(27));
    if old && on("ip6tables") == Some(true) && on("experimental") != Some(true) {
        find(
            "ip6tables",
            "before Docker 27 `ip6tables` is experimental, and dockerd does not start with it",
            "add experimental = true, or leave it out",
        );
    }
    if old && on("ipv6") == Some(true) && text("fixed-cidr-v6").is_none() {
        find(
            "ipv6",
            "before Docker 27 `ipv6` needs a subnet, and dockerd does not start without",
            "add fixed-cidr-v6 = \"fd00:d0c::/64\"",
        );
    }
    let tls = ["tls", "tlsverify"].into_iter().find(|key| on(key) == Some(true));
    if let Some(key) = tls
        && !["tlscert", "tlskey"].iter().all(|key| text(key).is_some())
    {
        find(
            key,
            "dockerd does not start without a certificate and its key, and listens on its socket only, which needs none",
            "leave it out",
        );
    }
    let swarm_tables = options
        .get("features")
        .and_then(|features| features.get("swarm-nftables"))
        .and_then(Value::as_bool);
    if around.swarm && text("firewall-backend") == Some("nftables") && swarm_tables != Some(true) {
        find(
            "firewall-backend",
            "nftables and a swarm exclude each other",
            "leave it out, or set mode = \"none\" in [swarm]",
        );
    }
    runtime(options, faults);
    storage::together(options, faults);
    slice(options, faults);
    gateway(options, faults);
}

fn runtime(options: &Map<String, Value>, faults: &mut Vec<Fault>) {
    let Some(name) = options.get("default-runtime").and_then(Value::as_str) else {
        return;
    };
    let made = options
        .get("runtimes")
        .and_then(|runtimes| runtimes.get(name))
        .is_some();
    if !(made || name.is_empty() || name == STOCK || name.starts_with("io.containerd.")) {
        faults.push(fault(
            "default-runtime",
            false,
            format!(
                "there is no runtime \"{}\", and dockerd does not start with it",
                printable(name)
            ),
            format!(
                "add it: runtimes = {{ {} = {{ path = \"/usr/bin/…\" }} }}, or leave it out",
                printable(name)
            ),
        ));
    }
}

/// With systemd's control groups, which all systems here use by default, a parent is a slice.
fn slice(options: &Map<String, Value>, faults: &mut Vec<Fault>) {
    let Some(name) = options.get("cgroup-parent").and_then(Value::as_str) else {
        return;
    };
    let own = options.get("exec-opts").and_then(Value::as_array);
    let cgroupfs = own
        .into_iter()
        .flatten()
        .any(|item| item.as_str() == Some("native.cgroupdriver=cgroupfs"));
    if !(cgroupfs || name.is_empty() || (name.ends_with(".slice") && name.len() > ".slice".len())) {
        faults.push(fault(
            "cgroup-parent",
            false,
            format!(
                "\"{}\" is not a slice of systemd's, and dockerd does not start with it",
                printable(name)
            ),
            "write a name such as \"docker.slice\"",
        ));
    }
}

/// Notes a gateway that is not in docker0's own network.
fn gateway(options: &Map<String, Value>, faults: &mut Vec<Fault>) {
    let text = |key: &str| options.get(key).and_then(Value::as_str);
    let bip = text("bip").and_then(|text| text.parse::<ipnet::Ipv4Net>().ok());
    if let (Some(bip), Some(gateway)) = (bip, text("default-gateway").and_then(|text| text.parse().ok()))
        && !bip.contains::<&std::net::Ipv4Addr>(&gateway)
    {
        let why = format!(
            "{gateway} cannot be `default-gateway`: it is not in docker0's network {}",
            bip.trunc()
        );
        faults.push(fault(
            "default-gateway",
            false,
            why,
            "write an address of that network, or leave it out",
        ));
    }
    if let (Some(bip), Some(part)) = (
        bip,
        text("fixed-cidr").and_then(|text| text.parse::<ipnet::Ipv4Net>().ok()),
    ) && !bip.contains(&part)
    {
        let why = format!(
            "{part} cannot be `fixed-cidr`: it is not in docker0's network {}",
            bip.trunc()
        );
        faults.push(fault(
            "fixed-cidr",
            false,
            why,
            "write a part of that network, or leave `bip` out",
        ));
    }
}
