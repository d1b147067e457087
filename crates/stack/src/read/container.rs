//! The keys of a service that are about its containers alone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use kraken_foundation::text::line;

use crate::api::{ContainerSpec, DnsConfig, Driver, HealthConfig, Ulimit};
use crate::keys;
use crate::problem::Place;
use crate::reader::{Pair, Reader, Section, Text, written};
use crate::tree::{Node, Value};
use crate::values;

/// A health check's times must be at least this, or 0, in nanoseconds.
const SHORTEST_CHECK: i64 = 1_000_000;

/// Reads them.
pub(super) fn container(section: &mut Section<'_>, spec: &mut ContainerSpec, reader: &mut Reader<'_>) {
    spec.labels = reader.labels(section.take("labels"), &section.within("labels"));
    spec.command = words(section, "entrypoint", reader);
    spec.args = words(section, "command", reader);
    spec.hostname = text(section, "hostname", reader);
    spec.dir = text(section, "working_dir", reader);
    spec.user = text(section, "user", reader);
    spec.stop_signal = text(section, "stop_signal", reader);
    spec.init = flag(section, "init", reader);
    spec.tty = flag(section, "tty", reader).unwrap_or_default();
    spec.open_stdin = flag(section, "stdin_open", reader).unwrap_or_default();
    spec.read_only = flag(section, "read_only", reader).unwrap_or_default();
    if let Some(node) = section.take("stop_grace_period") {
        spec.stop_grace_period = reader.duration(node, &section.within("stop_grace_period"));
    }
    if let Some(node) = section.take("isolation") {
        let isolation = reader.choice(node, &section.within("isolation"), &["default"]);
        spec.isolation = isolation.unwrap_or_default();
    }
    if let Some(node) = section.take("healthcheck") {
        spec.healthcheck = healthcheck(node, section.within("healthcheck"), reader);
    }
    if let Some(node) = section.take("sysctls") {
        let pairs = reader.pairs(node, &section.within("sysctls")).unwrap_or_default();
        spec.sysctls = map(pairs);
    }
    spec.hosts = hosts(section, reader);
    spec.dns_config = dns(section, reader);
    spec.ulimits = ulimits(section, reader);
    capabilities(section, spec, reader);
}

fn map(pairs: Vec<Pair>) -> BTreeMap<String, String> {
    let pairs = pairs.into_iter();
    pairs.map(|pair| (pair.name, pair.value.unwrap_or_default())).collect()
}

fn text(section: &mut Section<'_>, key: &'static str, reader: &mut Reader<'_>) -> String {
    let text = section
        .take(key)
        .and_then(|node| reader.text(node, &section.within(key)));
    text.unwrap_or_default()
}

fn flag(section: &mut Section<'_>, key: &'static str, reader: &mut Reader<'_>) -> Option<bool> {
    section
        .take(key)
        .and_then(|node| reader.flag(node, &section.within(key)))
}

/// Reads a command: a list of words, or a text with them.
fn words(section: &mut Section<'_>, key: &'static str, reader: &mut Reader<'_>) -> Vec<String> {
    let what = section.within(key);
    let Some(node) = section.take(key) else {
        return Vec::new();
    };
    let texts = reader.texts(node, &what).unwrap_or_default();
    let texts = texts.into_iter().map(|text| text.text);
    if matches!(node.value, Value::List(_)) {
        return texts.collect();
    }
    let text: String = texts.collect();
    let words = values::words(&text);
    if words.is_none() {
        reader.wrong(
            node.place,
            format!("{what} ends within quotes or after a backslash"),
            "close the quotes, or write a list",
        );
    }
    words.unwrap_or_default()
}

fn healthcheck(node: &Node, path: String, reader: &mut Reader<'_>) -> Option<HealthConfig> {
    let mut section = reader.section(node, &keys::HEALTHCHECK, path)?;
    let test = section
        .take("test")
        .and_then(|node| test(node, &section.within("test"), reader));
    let is_disabled = flag(&mut section, "disable", reader).unwrap_or_default();
    let mut time = |key: &'static str, reader: &mut Reader<'_>| {
        let Some(node) = section.take(key) else { return 0 };
        let what = section.within(key);
        let time = reader.duration(node, &what).unwrap_or_default();
        if time != 0 && time < SHORTEST_CHECK {
            reader.wrong(
                node.place,
                format!("{what} is shorter than 1ms"),
                "write a longer time, or 0s",
            );
        }
        time
    };
    let config = HealthConfig {
        interval: time("interval", reader),
        timeout: time("timeout", reader),
        start_period: time("start_period", reader),
        start_interval: time("start_interval", reader),
        retries: 0,
        test: test.unwrap_or_default(),
    };
    let retries = section.take("retries");
    let retries =
        retries.and_then(|node| reader.number_within(node, &section.within("retries"), 0, i64::from(i32::MAX)));
    match (is_disabled, config.test.is_empty()) {
        (true, true) => Some(HealthConfig {
            test: vec!["NONE".to_owned()],
            ..HealthConfig::default()
        }),
        (true, false) => {
            let message = format!("{} has both `test` and `disable`", section.path);
            reader.refuse(section.place, message, "keep one of them")
        }
        (false, _) => Some(HealthConfig {
            retries: retries.unwrap_or_default(),
            ..config
        }),
    }
}

fn test(node: &Node, what: &str, reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let texts = reader.texts(node, what)?.into_iter().map(|text| text.text);
    if !matches!(node.value, Value::List(_)) {
        return Some(std::iter::once("CMD-SHELL".to_owned()).chain(texts).collect());
    }
    let test: Vec<String> = texts.collect();
    match test.first().map(String::as_str) {
        None | Some("NONE" | "CMD" | "CMD-SHELL") => Some(test),
        Some(_) => reader.refuse(
            node.place,
            format!("{what} is a list that does not begin with CMD, CMD-SHELL or NONE"),
            "write `[CMD, program, argument]`",
        ),
    }
}

/// A line of `extra_hosts`.
struct Host {
    name: String,
    address: String,
    place: Place,
}

/// Reads `extra_hosts` into lines of `/etc/hosts`. A list keeps its order, a mapping is sorted, as
/// Docker does it.
fn hosts(section: &mut Section<'_>, reader: &mut Reader<'_>) -> Vec<String> {
    let what = section.within("extra_hosts");
    let Some(node) = section.take("extra_hosts") else {
        return Vec::new();
    };
    let mut hosts: Vec<Host> = Vec::new();
    if let Value::List(_) = node.value {
        for Text { text, place, .. } in reader.texts(node, &what).unwrap_or_default() {
            match text.split_once('=').or_else(|| text.split_once(':')) {
                Some((name, address)) => hosts.push(Host {
                    name: name.to_owned(),
                    address: address.to_owned(),
                    place,
                }),
                None => reader.wrong(
                    place,
                    format!("{what} has an entry without an address"),
                    "write `host:address`",
                ),
            }
        }
    } else {
        let pairs = reader.pairs(node, &what).unwrap_or_default().into_iter();
        hosts.extend(pairs.map(|Pair { name, value, place, .. }| Host {
            name,
            address: value.unwrap_or_default(),
            place,
        }));
        hosts.sort_by_key(|host| format!("{}:{}", host.name, host.address));
    }
    let lines = hosts.into_iter().map(|Host { name, address, place }| {
        let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let address = bare.unwrap_or(&address);
        if address != "host-gateway" && address.parse::<IpAddr>().is_err() {
            let message = format!("{what} has a host without an IP address");
            reader.wrong(place, message, "write an IP address behind the colon");
        }
        format!("{address} {name}")
    });
    lines.collect()
}

fn dns(section: &mut Section<'_>, reader: &mut Reader<'_>) -> Option<DnsConfig> {
    let what = section.within("dns");
    let servers = section.take("dns").and_then(|node| reader.unique_texts(node, &what));
    let domains = section
        .take("dns_search")
        .and_then(|node| reader.unique_texts(node, &section.within("dns_search")));
    if servers.is_none() && domains.is_none() {
        return None;
    }
    let mut config = DnsConfig::default();
    for Text { text, place, .. } in servers.unwrap_or_default() {
        if text.parse::<IpAddr>().is_err() {
            reader.wrong(
                place,
                format!("{what} has an entry that is not an IP address"),
                "write the server's address",
            );
        }
        config.nameservers.push(text);
    }
    config.search = domains.unwrap_or_default().into_iter().map(|text| text.text).collect();
    (config != DnsConfig::default()).then_some(config)
}

fn ulimits(section: &mut Section<'_>, reader: &mut Reader<'_>) -> Vec<Ulimit> {
    let what = section.within("ulimits");
    let Some(node) = section.take("ulimits") else {
        return Vec::new();
    };
    let entries = reader.entries(node, &what).unwrap_or_default();
    let mut ulimits = Vec::new();
    for entry in entries {
        let path = format!("{what}.{}", line(&entry.key));
        if !entry.key.bytes().all(|byte| byte.is_ascii_lowercase()) || entry.key.is_empty() {
            reader.wrong(
                entry.place,
                format!("{path} is not a limit"),
                "such as `nofile` or `nproc`",
            );
        }
        let limit = |node: &Node, what: &str, reader: &mut Reader<'_>| {
            let most = i64::from(i32::MAX);
            reader.number_within(node, what, -1, most).unwrap_or_default()
        };
        let (soft, hard) = match &entry.value.value {
            Value::Map(_) => {
                let Some(mut both) = reader.section(&entry.value, &keys::ULIMIT, path.clone()) else {
                    continue;
                };
                let (Some(soft), Some(hard)) = (both.take("soft"), both.take("hard")) else {
                    reader.wrong(
                        entry.place,
                        format!("{path} needs both `soft` and `hard`"),
                        "write both",
                    );
                    continue;
                };
                (
                    limit(soft, &format!("{path}.soft"), reader),
                    limit(hard, &format!("{path}.hard"), reader),
                )
            }
            _ => {
                let single = limit(&entry.value, &path, reader);
                (single, single)
            }
        };
        ulimits.push(Ulimit {
            name: entry.key.to_string(),
            hard,
            soft,
        });
    }
    ulimits.sort_by(|a, b| a.name.cmp(&b.name));
    ulimits
}

/// Reads capabilities: in upper case, with `CAP_`, sorted, each once. What is added is not dropped,
/// and `ALL` includes the others.
fn capabilities(section: &mut Section<'_>, spec: &mut ContainerSpec, reader: &mut Reader<'_>) {
    let mut read = |key: &'static str| {
        let what = section.within(key);
        let texts = section.take(key).and_then(|node| {
            reader.list(node, &what)?;
            reader.unique_texts(node, &what)
        });
        let mut names = BTreeSet::new();
        for Text { text, place, .. } in texts.unwrap_or_default() {
            let name = text.trim().to_uppercase();
            let is_name =
                |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
            if !is_name(&name) || name == "RESET" {
                reader.wrong(
                    place,
                    format!("{what} has an entry that is not a capability"),
                    "such as `NET_ADMIN`",
                );
            }
            names.insert(match name.as_str() {
                "ALL" => name,
                _ if name.starts_with("CAP_") => name,
                _ => format!("CAP_{name}"),
            });
        }
        match names.contains("ALL") {
            true => BTreeSet::from(["ALL".to_owned()]),
            false => names,
        }
    };
    let (add, drop) = (read("cap_add"), read("cap_drop"));
    spec.capability_drop = drop.difference(&add).cloned().collect();
    spec.capability_add = add.into_iter().collect();
}

/// Reads `logging`.
pub(super) fn log_driver(section: &mut Section<'_>, reader: &mut Reader<'_>) -> Option<Driver> {
    let node = section.take("logging")?;
    let mut logging = reader.section(node, &keys::LOGGING, section.within("logging"))?;
    let name = text(&mut logging, "driver", reader);
    if name.contains([':', '/']) {
        let node = logging.take("driver").unwrap_or(node);
        let message = format!("the log driver {} is a plugin", written(node));
        reader.wrong(
            node.place,
            message,
            "no plugin is installed at a first boot: use one of Docker's own drivers",
        );
    }
    let options = logging
        .take("options")
        .and_then(|node| reader.options(node, &logging.within("options")));
    Some(Driver {
        name,
        options: options.unwrap_or_default(),
    })
}
