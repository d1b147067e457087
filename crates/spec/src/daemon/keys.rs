//! The keys of `daemon.json`.

use super::key::Kind::*;
use super::key::{Key, key};

/// All keys that dockerd takes from its file, from 20.10 to 29.
const KEYS: &[Key] = &[
    key("allow-direct-routing", Bool).since(28),
    key("allow-nondistributable-artifacts", List(&Registry)).until(29),
    key("api-cors-header", Text).until(29),
    key("authorization-plugins", List(&Text)),
    key("bip", HostNet),
    key("bip6", HostNet6).since(28),
    key("bridge", Text),
    key("bridge-accept-fwmark", Mark).since(29),
    key("builder", Fields(BUILDER)),
    key("cdi-spec-dirs", List(&Path)).since(25),
    key("cgroup-parent", Text),
    key("cluster-advertise", Text).until(23),
    key("cluster-store", Text).until(23),
    key("cluster-store-opts", Map(&Text)).until(23),
    key("containerd", Path),
    key("containerd-namespace", Text),
    key("cpu-rt-period", Whole(0, i64::MAX)),
    key("cpu-rt-runtime", Whole(0, i64::MAX)),
    key("cri-containerd", Bool),
    key("data-root", Path),
    key("debug", Bool),
    key("default-address-pools", List(&Fields(POOL))),
    key("default-cgroupns-mode", OneOf(&["private", "host"])),
    key("default-gateway", Address4),
    key("default-gateway-v6", Address6),
    key("default-ipc-mode", OneOf(&["private", "shareable"])),
    key("default-network-opts", Map(&Map(&Text))).since(24),
    key("default-runtime", Text),
    key("default-shm-size", Size),
    key("default-stop-timeout", Whole(0, 86_400)).since(29),
    key("default-ulimits", Map(&Fields(ULIMIT))),
    key("dns", List(&Address)),
    key("dns-opts", List(&Text)),
    key("dns-search", List(&Domain)),
    key("exec-opts", List(&KeyValue)),
    key("exec-root", Path),
    key("experimental", Bool),
    key("features", Map(&Bool)),
    key("firewall-backend", OneOf(&["iptables", "nftables"])).since(29),
    key("fixed-cidr", Net4),
    key("fixed-cidr-v6", Net6),
    key("graph", Path).until(23),
    key("group", Text),
    key("host-gateway-ip", Address),
    key("host-gateway-ips", List(&Address)).since(28),
    key("hosts", List(&Text)),
    key("icc", Bool),
    key("init", Bool),
    key("init-path", Path),
    key("insecure-registries", List(&Registry)),
    key("ip", Address),
    key("ip-forward", Bool),
    key("ip-forward-no-drop", Bool).since(28),
    key("ip-masq", Bool),
    key("ip6tables", Bool),
    key("iptables", Bool),
    key("ipv6", Bool),
    key("labels", List(&KeyValue)),
    key("live-restore", Bool),
    key("log-driver", Text),
    key("log-format", OneOf(&["text", "json"])).since(25),
    key(
        "log-level",
        OneOf(&["debug", "info", "warn", "error", "fatal", "panic", "trace"]),
    ),
    key("log-opts", Map(&Text)),
    key("max-concurrent-downloads", Whole(1, 1000)),
    key("max-concurrent-uploads", Whole(1, 1000)),
    key("max-download-attempts", Whole(1, 1000)),
    key("metrics-addr", HostPort),
    key("min-api-version", ApiVersion).since(29),
    key("mtu", Whole(68, 65_535)),
    key("network-control-plane-mtu", Whole(68, 65_535)),
    key("network-diagnostic-port", Whole(1, 65_535)),
    key("no-new-privileges", Bool),
    key("node-generic-resources", List(&KeyValue)),
    key("nri-opts", Any).since(29),
    key("oom-score-adjust", Whole(-1000, 1000)).until(25),
    key("pidfile", Path),
    key("proxies", Fields(PROXIES)).since(23),
    key("raw-logs", Bool),
    key("registry-mirrors", List(&Mirror)),
    key("rootless", Bool),
    key("runtimes", Map(&Fields(RUNTIME))),
    key("seccomp-profile", Text),
    key("selinux-enabled", Bool),
    key("shutdown-timeout", Whole(-1, 86_400)),
    key("storage-driver", Text),
    key("storage-opts", List(&KeyValue)),
    key("swarm-default-advertise-addr", Text),
    key("tls", Bool),
    key("tlscacert", Path),
    key("tlscert", Path),
    key("tlskey", Path),
    key("tlsverify", Bool),
    key("userland-proxy", Bool),
    key("userland-proxy-path", Path),
    key("userns-remap", Text),
];

/// The keys of an item of `default-address-pools`.
const POOL: &[Key] = &[key("base", Net4), key("size", Whole(1, 30))];
/// The keys of an item of `default-ulimits`.
const ULIMIT: &[Key] = &[
    key("Name", Text),
    key("Hard", Whole(-1, i64::MAX)),
    key("Soft", Whole(-1, i64::MAX)),
];
const PROXIES: &[Key] = &[
    key("http-proxy", Proxy),
    key("https-proxy", Proxy),
    key("no-proxy", Text),
];
/// The keys of an item of `runtimes`; `runtimeType` and `options` are for the runtimes that
/// containerd has a shim for.
const RUNTIME: &[Key] = &[
    key("path", Text),
    key("runtimeArgs", List(&Text)),
    key("runtimeType", Text).since(23),
    key("options", Any).since(23),
];
/// The keys of BuildKit.
const BUILDER: &[Key] = &[key("gc", Any), key("entitlements", Any), key("history", Any).since(25)];

/// Returns the key of this name.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// Returns all keys, sorted by name.
pub(super) fn all() -> impl Iterator<Item = &'static Key> {
    KEYS.iter()
}

/// Returns the names of all keys, for suggestions.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    all().map(|key| key.name)
}

/// Returns what to do about well-known names that are not keys here: dockerd's flags, which its
/// file accepts and then ignores, and keys of other files.
pub(super) fn elsewhere(name: &str) -> Option<&'static str> {
    Some(match name {
        "add-runtime" | "runtime" => "its name in daemon.json is `runtimes`, a table",
        "authorization-plugin" => "its name in daemon.json is `authorization-plugins`, a list",
        "cdi-spec-dir" => "its name in daemon.json is `cdi-spec-dirs`, a list",
        "config-file" => "kraken-flash writes this file; leave it out",
        // The file and the flag have different names for it, and dockerd compares the names.
        "containerd-plugin-namespace" | "containerd-plugins-namespace" => {
            "dockerd does not take it from this file; leave it out"
        }
        "default-address-pool" => {
            "its name in daemon.json is `default-address-pools`, a list of { base = \"…\", size = 24 }"
        }
        "default-network-opt" => "its name in daemon.json is `default-network-opts`, a table",
        "default-ulimit" => "its name in daemon.json is `default-ulimits`, a table",
        "dns-opt" => "its name in daemon.json is `dns-opts`, a list",
        "exec-opt" => "its name in daemon.json is `exec-opts`, a list",
        "feature" => "its name in daemon.json is `features`, a table",
        "host" => "dockerd listens on its socket; see `hosts`",
        "http-proxy" | "https-proxy" | "no-proxy" => {
            "it belongs in a table of [docker.daemon]: proxies = { http-proxy = \"…\" }"
        }
        "insecure-registry" => "its name in daemon.json is `insecure-registries`, a list",
        "label" => "its name in daemon.json is `labels`, a list",
        "log-opt" => "its name in daemon.json is `log-opts`, a table",
        "node-generic-resource" => "its name in daemon.json is `node-generic-resources`, a list",
        "registry-mirror" | "registry-mirrors-list" | "mirrors" => {
            "its name in daemon.json is `registry-mirrors`, a list"
        }
        "restart" => "every container has its own restart policy; leave it out",
        "storage-opt" => "its name in daemon.json is `storage-opts`, a list",
        "swarm-raft-election-tick" | "swarm-raft-heartbeat-tick" => {
            "dockerd does not take it from this file; `docker swarm update` sets what can be set"
        }
        "max-file" | "max-size" => "it belongs in a table of [docker.daemon]: log-opts = { max-size = \"10m\" }",
        "data-path-port" => "it is `data-port` in [swarm]",
        _ => return None,
    })
}
