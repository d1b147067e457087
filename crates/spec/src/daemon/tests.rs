//! Values that dockerd accepts and values that keep it from starting, option by option.

use super::*;

fn options(text: &str) -> Map<String, Value> {
    let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    match serde_json::to_value(table).unwrap() {
        Value::Object(map) => map,
        other => panic!("{other}"),
    }
}

const IN_SWARM: Around<'static> = Around {
    swarm: true,
    version: None,
    log_driver: Some("local"),
};

fn around(version: u32) -> Around<'static> {
    Around {
        version: Some(Version(version)),
        ..IN_SWARM
    }
}

fn taken(text: &str, around: &Around<'_>) {
    let found = faults(&options(text), around);
    assert!(found.is_empty(), "{text}: {found:?}");
}

fn refused(text: &str, around: &Around<'_>, path: &str, words: &str) {
    let found = faults(&options(text), around);
    let [fault] = found.as_slice() else {
        panic!("{text}: {found:?}");
    };
    assert_eq!(fault.path, path, "{text}: {fault:?}");
    let said = format!("{}; {}", fault.why, fault.help);
    assert!(said.contains(words), "{text}: {said}");
    assert!(!fault.help.is_empty() && !fault.why.is_empty(), "{text}: {fault:?}");
}

#[test]
fn what_people_write_is_taken() {
    for text in [
        "",
        "dns = [\"192.168.3.1\", \"fd00::1\"]",
        "debug = true\nlog-level = \"warn\"",
        "log-opts = { max-size = \"5m\", max-file = \"2\", compress = \"false\" }",
        "log-driver = \"json-file\"\nlog-opts = { max-size = \"10m\", tag = \"{{.Name}}\", labels = \"a,b\" }",
        "log-driver = \"journald\"",
        "log-driver = \"none\"",
        "log-opts = { mode = \"non-blocking\", max-buffer-size = \"4m\" }",
        "log-driver = \"syslog\"\nlog-opts = { syslog-address = \"udp://192.168.3.1:514\" }",
        "bip = \"172.30.0.1/24\"\nfixed-cidr = \"172.30.0.128/25\"\ndefault-gateway = \"172.30.0.2\"",
        "default-address-pools = [{ base = \"172.30.0.0/16\", size = 24 }]",
        "registry-mirrors = [\"https://mirror.home.arpa:5000\", \"http://192.168.3.20:5000/\"]",
        "insecure-registries = [\"192.168.3.20:5000\", \"registry.home.arpa:5000\", \"10.1.0.0/16\", \"nas\", \"[fd00::1]:5000\"]",
        "exec-opts = [\"native.cgroupdriver=systemd\"]",
        "features = { containerd-snapshotter = true, buildkit = true }",
        "data-root = \"/mnt/ssd/docker\"",
        "default-ulimits = { nofile = { Name = \"nofile\", Hard = 64000, Soft = 64000 } }",
        "default-shm-size = \"64M\"",
        "runtimes = { crun = { path = \"/usr/bin/crun\", runtimeArgs = [] } }\ndefault-runtime = \"crun\"",
        "default-runtime = \"io.containerd.runc.v2\"",
        "proxies = { http-proxy = \"http://192.168.3.1:3128\", no-proxy = \"localhost\" }",
        "builder = { gc = { enabled = true, defaultKeepStorage = \"2GB\" } }",
        "metrics-addr = \"127.0.0.1:9323\"",
        "mtu = 1450\nuserland-proxy = false\nicc = false\nip-masq = false\nlive-restore = false\niptables = true",
        "node-generic-resources = [\"gpu=1\"]\nlabels = [\"rack=top\"]",
        "dns-search = [\"home.arpa\"]\ndns-opts = [\"ndots:1\"]",
        "ip = \"127.0.0.1\"\nhost-gateway-ip = \"192.168.3.1\"",
        "hosts = []",
        "storage-driver = \"overlay2\"",
        "storage-driver = \"btrfs\"\ndata-root = \"/mnt/ssd/docker\"",
        "cgroup-parent = \"docker.slice\"",
        "default-network-opts = { bridge = { \"com.docker.network.driver.mtu\" = \"1450\" } }",
        "seccomp-profile = \"/etc/docker/seccomp.json\"",
        "shutdown-timeout = -1\nmax-concurrent-downloads = 1",
    ] {
        taken(text, &IN_SWARM);
    }
}

#[test]
fn keys_that_dockerd_does_not_know_are_refused_with_the_nearest() {
    for (text, path, words) in [
        ("log-levle = \"warn\"", "log-levle", "did you mean `log-level`?"),
        ("log-driverr = \"local\"", "log-driverr", "did you mean `log-driver`?"),
        ("data_root = \"/srv/docker\"", "data_root", "did you mean `data-root`?"),
        ("label = [\"a=b\"]", "label", "`labels`"),
        (
            "insecure-registry = [\"nas\"]",
            "insecure-registry",
            "`insecure-registries`",
        ),
        ("http-proxy = \"http://192.168.3.1:3128\"", "http-proxy", "proxies = {"),
        ("max-size = \"10m\"", "max-size", "log-opts = {"),
        (
            "swarm-raft-election-tick = 10",
            "swarm-raft-election-tick",
            "docker swarm update",
        ),
        ("qqqq = 1", "qqqq", "dockerd(8)"),
        (
            "proxies = { htp-proxy = \"http://192.168.3.1\" }",
            "proxies/htp-proxy",
            "did you mean `http-proxy`?",
        ),
        (
            "runtimes = { crun = { pth = \"/usr/bin/crun\", path = \"/usr/bin/crun\" } }",
            "runtimes/crun/pth",
            "`path`",
        ),
    ] {
        refused(text, &IN_SWARM, path, words);
    }
}

#[test]
fn values_of_another_type_or_form_are_refused() {
    for (text, path, words) in [
        ("dns = \"192.168.3.1\"", "dns", "must be a list"),
        ("dns = [\"router.lan\"]", "dns/0", "an IP address"),
        ("dns = [\"192.168.3.1\", 7]", "dns/1", "an IP address"),
        ("debug = \"true\"", "debug", "without quotes"),
        ("mtu = \"1450\"", "mtu", "a whole number"),
        ("mtu = -1", "mtu", "from 68 to 65535"),
        ("mtu = 1.5", "mtu", "from 68"),
        ("log-level = \"warning\"", "log-level", "did you mean `warn`?"),
        ("log-opts = { max-size = 10 }", "log-opts/max-size", "a text, in quotes"),
        ("log-opts = { max-size = \"ten\" }", "log-opts/max-size", "\"10m\""),
        ("log-opts = { max-file = \"0\" }", "log-opts/max-file", "\"3\""),
        ("log-opts = { compress = \"yes\" }", "log-opts/compress", "\"true\""),
        ("log-opts = [\"max-size=10m\"]", "log-opts", "a table"),
        (
            "registry-mirrors = [\"mirror.home.arpa\"]",
            "registry-mirrors/0",
            "https://",
        ),
        (
            "registry-mirrors = [\"https://me:hunter2@mirror/\"]",
            "registry-mirrors/0",
            "without user",
        ),
        (
            "registry-mirrors = [\"https://mirror/?a=b\"]",
            "registry-mirrors/0",
            "query",
        ),
        (
            "insecure-registries = [\"http://192.168.3.20:5000\"]",
            "insecure-registries/0",
            "without http://",
        ),
        (
            "insecure-registries = [\"nas:99999\"]",
            "insecure-registries/0",
            "its port",
        ),
        ("bip = \"172.30.0.0/24\"", "bip", "own IPv4 address"),
        ("bip = \"172.30.0.1\"", "bip", "length of its network"),
        ("fixed-cidr = \"172.30.0.1/24\"", "fixed-cidr", "an IPv4 network"),
        (
            "default-address-pools = [{ base = \"172.30.0.0/16\", size = \"24\" }]",
            "default-address-pools/0/size",
            "whole number",
        ),
        (
            "default-address-pools = [{ base = \"172.30.0.0/16\" }]",
            "default-address-pools/0",
            "`size`",
        ),
        (
            "default-address-pools = [{ base = \"172.30.0.0/16\", size = 8 }]",
            "default-address-pools/0/size",
            "larger than its pool",
        ),
        ("default-shm-size = 64", "default-shm-size", "\"64M\""),
        ("data-root = \"mnt/ssd\"", "data-root", "absolute path"),
        ("data-root = \"/mnt/../etc\"", "data-root", "absolute path"),
        ("data-root = \"/\"", "data-root", "the system's"),
        ("data-root = \"/tmp/docker\"", "data-root", "the system's"),
        (
            "data-root = \"/mnt/ssd/docker/\"",
            "data-root",
            "write \"/mnt/ssd/docker\"",
        ),
        (
            "exec-opts = [\"native.cgroupdrivr=systemd\"]",
            "exec-opts/0",
            "native.cgroupdriver=systemd",
        ),
        (
            "exec-opts = [\"isolation=hyperv\"]",
            "exec-opts/0",
            "native.cgroupdriver=cgroupfs",
        ),
        ("labels = [\"rack\"]", "labels/0", "name=value"),
        ("seccomp-profile = \"profile.json\"", "seccomp-profile", "absolute path"),
        (
            "features = { buildkit = \"on\" }",
            "features/buildkit",
            "without quotes",
        ),
        ("metrics-addr = \"9323\"", "metrics-addr", "127.0.0.1:9323"),
        (
            "default-ulimits = { nofile = 64000 }",
            "default-ulimits/nofile",
            "a table",
        ),
    ] {
        refused(text, &IN_SWARM, path, words);
    }
}

#[test]
fn log_options_belong_to_their_driver() {
    refused("log-opts = { tag = \"x\" }", &IN_SWARM, "log-opts/tag", "json-file");
    refused("log-opts = { tag = \"x\" }", &around(26), "log-opts/tag", "json-file");
    taken("log-opts = { tag = \"x\" }", &around(29));
    refused(
        "log-opts = { max-sise = \"10m\" }",
        &IN_SWARM,
        "log-opts/max-sise",
        "did you mean `max-size`?",
    );
    refused(
        "log-driver = \"journald\"\nlog-opts = { max-size = \"10m\" }",
        &IN_SWARM,
        "log-opts/max-size",
        "local, json-file",
    );
    refused(
        "log-driver = \"jsonfile\"",
        &IN_SWARM,
        "log-driver",
        "did you mean `json-file`?",
    );
    refused(
        "log-driver = \"loki\"\nlog-opts = { loki-url = \"x\" }",
        &IN_SWARM,
        "log-driver",
        "plugin",
    );
    refused(
        "log-opts = { max-buffer-size = \"4m\" }",
        &IN_SWARM,
        "log-opts/max-buffer-size",
        "non-blocking",
    );
    refused(
        "log-driver = \"logentries\"",
        &around(26),
        "log-driver",
        "choose one of",
    );
    taken("log-driver = \"logentries\"", &around(20));
    // If the user replaces the template, its driver is not known. Options that no driver accepts
    // are refused all the same.
    let unknown = Around {
        log_driver: None,
        ..IN_SWARM
    };
    taken("log-opts = { tag = \"x\" }", &unknown);
    refused(
        "log-opts = { tagg = \"x\" }",
        &unknown,
        "log-opts/tagg",
        "did you mean `tag`?",
    );
}

#[test]
fn what_fights_the_unit_or_the_swarm_is_refused() {
    let alone = Around {
        swarm: false,
        ..IN_SWARM
    };
    for (text, path, words) in [
        (
            "hosts = [\"unix:///var/run/docker.sock\", \"tcp://0.0.0.0:2375\"]",
            "hosts",
            "-H fd://",
        ),
        (
            "containerd = \"/run/containerd/containerd.sock\"",
            "containerd",
            "--containerd",
        ),
        ("rootless = true", "rootless", "root"),
        ("cluster-store = \"etcd://10.1.1.1\"", "cluster-store", "[swarm]"),
        ("graph = \"/srv/docker\"", "graph", "data-root"),
        ("authorization-plugins = [\"opa\"]", "authorization-plugins", "denies"),
        ("storage-driver = \"aufs\"", "storage-driver", "any more"),
        ("storage-driver = \"devicemapper\"", "storage-driver", "any more"),
        (
            "storage-driver = \"overlay3\"",
            "storage-driver",
            "did you mean `overlay2`?",
        ),
        ("storage-driver = \"zfs\"", "storage-driver", "ext4"),
        ("storage-opts = [\"overlay2.size=10G\"]", "storage-opts/0", "XFS"),
        ("storage-opts = [\"dm.basesize=10G\"]", "storage-opts/0", "no option"),
        ("bridge = \"br0\"\nbip = \"172.30.0.1/24\"", "bip", "exclude"),
        ("tls = true", "tls", "certificate"),
        (
            "tlsverify = true\ntlscacert = \"/etc/docker/ca.pem\"",
            "tlsverify",
            "certificate",
        ),
        ("default-runtime = \"crun\"", "default-runtime", "runtimes = {"),
        (
            "runtimes = { runc = { path = \"/usr/bin/crun\" } }",
            "runtimes/runc",
            "another name",
        ),
        ("runtimes = { crun = {} }", "runtimes/crun", "`path`"),
        ("cgroup-parent = \"docker\"", "cgroup-parent", ".slice"),
        (
            "bip = \"172.30.0.1/24\"\ndefault-gateway = \"192.168.3.1\"",
            "default-gateway",
            "172.30.0.0/24",
        ),
        (
            "bip = \"172.30.0.1/24\"\nfixed-cidr = \"172.31.0.0/25\"",
            "fixed-cidr",
            "172.30.0.0/24",
        ),
    ] {
        refused(text, &IN_SWARM, path, words);
        refused(text, &alone, path, words);
    }
    for (text, path) in [
        ("live-restore = true", "live-restore"),
        ("iptables = false", "iptables"),
        ("ip-forward = false", "ip-forward"),
        (
            "swarm-default-advertise-addr = \"eth0\"",
            "swarm-default-advertise-addr",
        ),
        ("userns-remap = \"default\"", "userns-remap"),
        ("firewall-backend = \"nftables\"", "firewall-backend"),
    ] {
        refused(text, &IN_SWARM, path, "");
        taken(text, &alone);
    }
    refused("iptables = false\nicc = false", &alone, "icc", "iptables");
}

#[test]
fn versions_know_their_own_keys() {
    for (text, from, until) in [
        ("firewall-backend = \"iptables\"", 29, 99),
        ("host-gateway-ips = [\"192.168.3.1\"]", 28, 99),
        ("log-format = \"json\"", 25, 99),
        ("default-network-opts = {}", 24, 99),
        ("proxies = {}", 23, 99),
        ("oom-score-adjust = -500", 20, 25),
        ("api-cors-header = \"*\"", 20, 29),
        ("ip6tables = true", 27, 99),
        ("ipv6 = true", 27, 99),
        ("debug = true", 20, 99),
    ] {
        for version in [20, 23, 24, 25, 26, 27, 28, 29] {
            let found = faults(&options(text), &around(version));
            assert_eq!(
                found.is_empty(),
                (from..until).contains(&version),
                "{text} in {version}: {found:?}"
            );
        }
        taken(text, &IN_SWARM);
    }
    for (package, want) in [
        ("26.1.5+dfsg1-9+b9", Some(26)),
        ("20.10.24+dfsg1-1+deb12u1", Some(20)),
        ("5:28.5.2-1~debian.13~trixie", Some(28)),
        ("27.5-1", Some(27)),
        ("x", None),
    ] {
        assert_eq!(Version::of_package(package), want.map(Version), "{package}");
    }
}

#[test]
fn the_data_root_is_dockerds_own_when_nothing_moves_it() {
    for (text, want) in [
        ("", "/var/lib/docker"),
        ("data-root = \"\"", "/var/lib/docker"),
        ("data-root = \"/mnt/ssd/docker\"", "/mnt/ssd/docker"),
    ] {
        assert_eq!(data_root(&options(text)), want, "{text}");
    }
}

#[test]
fn the_table_is_sorted_and_its_schema_has_every_key() {
    let names: Vec<&str> = names().collect();
    assert!(names.is_sorted(), "{names:?}");
    let schema = schema();
    for name in &names {
        assert!(schema["properties"][name] != Value::Null, "{name}");
    }
    assert_eq!(schema["properties"]["dns"]["items"]["type"], "string");
}
