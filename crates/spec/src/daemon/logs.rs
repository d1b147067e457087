//! `log-driver` and `log-opts`: dockerd does not start with an option that the driver does not
//! know.

use serde_json::{Map, Value};

use super::around::{Around, Version};
use super::fault::Fault;
use super::kinds::is_size;
use crate::hints::{printable, suggestion};
use crate::options::below;

/// A log driver that is built in.
struct Driver {
    name: &'static str,
    /// The options that only this driver has.
    own: &'static [&'static str],
    /// The first version in which it accepts labels, environment and tag; `None` if it never does.
    common: Option<Version>,
    /// The first version that does not have it any more.
    until: Option<Version>,
}

/// The options that most drivers accept.
const COMMON: [&str; 5] = ["labels", "labels-regex", "env", "env-regex", "tag"];
/// The options that dockerd itself accepts, with any driver.
const BUILT_IN: [&str; 6] = [
    "mode",
    "max-buffer-size",
    "cache-disabled",
    "cache-max-size",
    "cache-max-file",
    "cache-compress",
];
const FILES: &[&str] = &["max-size", "max-file", "compress"];

const fn driver(name: &'static str, own: &'static [&'static str]) -> Driver {
    Driver {
        name,
        own,
        common: Some(Version::OLDEST),
        until: None,
    }
}

const DRIVERS: &[Driver] = &[
    Driver {
        common: Some(Version(29)),
        ..driver("local", FILES)
    },
    driver("json-file", FILES),
    driver("journald", &[]),
    driver(
        "syslog",
        &[
            "syslog-address",
            "syslog-facility",
            "syslog-format",
            "syslog-tls-ca-cert",
            "syslog-tls-cert",
            "syslog-tls-key",
            "syslog-tls-skip-verify",
        ],
    ),
    driver(
        "gelf",
        &[
            "gelf-address",
            "gelf-compression-level",
            "gelf-compression-type",
            "gelf-tcp-max-reconnect",
            "gelf-tcp-reconnect-delay",
        ],
    ),
    driver(
        "fluentd",
        &[
            "fluentd-address",
            "fluentd-async",
            "fluentd-async-connect",
            "fluentd-async-reconnect-interval",
            "fluentd-buffer-limit",
            "fluentd-max-retries",
            "fluentd-read-timeout",
            "fluentd-request-ack",
            "fluentd-retry-wait",
            "fluentd-sub-second-precision",
            "fluentd-write-timeout",
        ],
    ),
    driver(
        "awslogs",
        &[
            "awslogs-create-group",
            "awslogs-create-stream",
            "awslogs-credentials-endpoint",
            "awslogs-datetime-format",
            "awslogs-endpoint",
            "awslogs-force-flush-interval-seconds",
            "awslogs-format",
            "awslogs-group",
            "awslogs-max-buffered-events",
            "awslogs-multiline-pattern",
            "awslogs-region",
            "awslogs-stream",
        ],
    ),
    driver(
        "splunk",
        &[
            "splunk-caname",
            "splunk-capath",
            "splunk-format",
            "splunk-gzip",
            "splunk-gzip-level",
            "splunk-index",
            "splunk-index-acknowledgment",
            "splunk-insecureskipverify",
            "splunk-source",
            "splunk-sourcetype",
            "splunk-token",
            "splunk-url",
            "splunk-verify-connection",
        ],
    ),
    driver(
        "gcplogs",
        &[
            "gcp-log-cmd",
            "gcp-meta-id",
            "gcp-meta-name",
            "gcp-meta-zone",
            "gcp-project",
        ],
    ),
    Driver {
        until: Some(Version(25)),
        ..driver("logentries", &["logentries-token", "line-only"])
    },
];

/// Notes a driver that dockerd does not have, and options that the driver does not know.
pub(super) fn check(options: &Map<String, Value>, around: &Around<'_>, faults: &mut Vec<Fault>) {
    let own = options.get("log-driver").and_then(Value::as_str);
    let Some(Value::Object(given)) = options.get("log-opts") else {
        if let Some(name) = own {
            find(name, around.version, faults);
        }
        return;
    };
    let name = match own {
        // dockerd ignores the options of this driver.
        Some("none") => return,
        Some(name) => Some(name),
        None => around.log_driver,
    };
    let driver = match name {
        Some(name) => match find(name, around.version, faults) {
            Some(driver) => Some(driver),
            None => return,
        },
        None => None,
    };
    for (key, value) in given {
        option(key, value, driver, around.version, faults);
    }
    buffer(given, faults);
}

fn find(name: &str, version: Option<Version>, faults: &mut Vec<Fault>) -> Option<&'static Driver> {
    let lives = |driver: &&Driver| match (driver.until, version) {
        (Some(until), Some(version)) => version < until,
        _ => true,
    };
    let found = DRIVERS.iter().filter(lives).find(|driver| driver.name == name);
    if found.is_none() && name != "none" {
        let known = || DRIVERS.iter().filter(lives).map(|driver| driver.name).chain(["none"]);
        faults.push(Fault {
            path: "log-driver".to_owned(),
            on_key: false,
            why: format!(
                "dockerd has no log driver \"{}\" when a node starts for the first time, and does not start with it",
                printable(name)
            ),
            help: suggestion(name, known()).unwrap_or_else(|| {
                let known: Vec<_> = known().collect();
                format!(
                    "choose one of {}; a plugin can be given to single services once it is installed",
                    known.join(", ")
                )
            }),
        });
    }
    found
}

/// Notes what is wrong with one option. If the driver is not known, at least one driver must have
/// the option.
fn option(key: &str, value: &Value, driver: Option<&Driver>, version: Option<Version>, faults: &mut Vec<Fault>) {
    let path = below("log-opts", key);
    let takes_common = |driver: &Driver| match (driver.common, version) {
        (Some(since), Some(version)) => version >= since,
        // The version is not known yet. If one of the possible versions does not accept the option,
        // Docker would not start.
        (Some(since), None) => since == Version::OLDEST,
        (None, _) => false,
    };
    let knows = |driver: &Driver| driver.own.contains(&key) || (takes_common(driver) && COMMON.contains(&key));
    let known = BUILT_IN.contains(&key) || driver.map_or_else(|| DRIVERS.iter().any(knows), knows);
    if !known {
        let names = || {
            let drivers = DRIVERS
                .iter()
                .filter(move |other| driver.is_none_or(|driver| driver.name == other.name));
            let own = drivers.flat_map(move |driver| {
                driver
                    .own
                    .iter()
                    .chain(takes_common(driver).then_some(&COMMON).into_iter().flatten())
            });
            own.chain(&BUILT_IN).copied()
        };
        let whose = driver.map_or_else(
            || "no log driver of dockerd's".to_owned(),
            |driver| format!("the log driver \"{}\" does not", driver.name),
        );
        let why = match driver {
            Some(_) => format!("{whose} know `{}`, and dockerd does not start with it", printable(key)),
            None => format!("{whose} knows `{}`, and dockerd does not start with it", printable(key)),
        };
        let help = suggestion(key, names()).unwrap_or_else(|| match driver {
            Some(_) if DRIVERS.iter().any(knows) => {
                let others: Vec<_> = DRIVERS
                    .iter()
                    .filter(|other| knows(other))
                    .map(|other| other.name)
                    .collect();
                format!("leave it out, or choose a log-driver that does: {}", others.join(", "))
            }
            _ => {
                let known: Vec<_> = names().collect();
                format!("known there: {}", known.join(", "))
            }
        });
        faults.push(Fault {
            path,
            on_key: true,
            why,
            help,
        });
        return;
    }
    let Some(text) = value.as_str() else {
        return faults.push(Fault {
            path,
            on_key: false,
            why: format!("`{key}` in log-opts must be a text, in quotes, whatever it means"),
            help: format!("for example: {key} = \"{}\"", example(key)),
        });
    };
    if !means(key, text) {
        faults.push(Fault {
            path,
            on_key: false,
            why: format!("\"{}\" cannot be `{key}` in log-opts", printable(text)),
            help: format!("for example: {key} = \"{}\"", example(key)),
        });
    }
}

fn example(key: &str) -> &'static str {
    match key {
        "max-size" | "max-buffer-size" | "cache-max-size" => "10m",
        "max-file" | "cache-max-file" => "3",
        "compress" | "cache-disabled" | "cache-compress" => "true",
        "mode" => "non-blocking",
        _ => "…",
    }
}

/// Returns whether a value can be read, for the options whose values have a form of their own.
fn means(key: &str, text: &str) -> bool {
    match key {
        "max-size" => text == "-1" || is_size(text),
        "max-buffer-size" | "cache-max-size" => is_size(text),
        "max-file" | "cache-max-file" => text.parse::<u32>().is_ok_and(|count| count >= 1),
        // As Go's strconv.ParseBool reads it.
        "compress" | "cache-disabled" | "cache-compress" => matches!(
            text,
            "1" | "t" | "T" | "TRUE" | "true" | "True" | "0" | "f" | "F" | "FALSE" | "false" | "False"
        ),
        "mode" => matches!(text, "blocking" | "non-blocking"),
        _ => true,
    }
}

fn buffer(given: &Map<String, Value>, faults: &mut Vec<Fault>) {
    let mode = given.get("mode").and_then(Value::as_str);
    if given.contains_key("max-buffer-size") && mode != Some("non-blocking") {
        faults.push(Fault {
            path: "log-opts/max-buffer-size".to_owned(),
            on_key: true,
            why: "`max-buffer-size` goes with mode = \"non-blocking\" only, and dockerd does not start without that"
                .to_owned(),
            help: "add mode = \"non-blocking\" to log-opts, or leave it out".to_owned(),
        });
    }
}
