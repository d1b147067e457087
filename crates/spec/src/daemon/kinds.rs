//! The types of options, and the values that dockerd accepts for each.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use serde_json::Value;

use super::fault::Fault;
use super::key::{Key, Kind};
use crate::hints::{printable, quoted, suggestion};
use crate::mask;
use crate::names;
use crate::options::below;

/// Notes what is wrong with a value and with the values inside it.
pub(super) fn check(kind: &Kind, value: &Value, path: &str, faults: &mut Vec<Fault>) {
    match (kind, value) {
        (Kind::Any, _) => {}
        (Kind::List(inner), Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                check(inner, item, &below(path, &index.to_string()), faults);
            }
        }
        (Kind::Map(inner), Value::Object(map)) => {
            for (name, value) in map {
                check(inner, value, &below(path, name), faults);
            }
        }
        (Kind::Fields(keys), Value::Object(map)) => fields(keys, map, path, faults),
        _ => {
            if let Some(fault) = simple(kind, value, path) {
                faults.push(fault);
            }
        }
    }
}

fn fields(keys: &'static [Key], map: &serde_json::Map<String, Value>, path: &str, faults: &mut Vec<Fault>) {
    for (name, value) in map {
        let path = below(path, name);
        if let Some(key) = keys.iter().find(|key| key.name == name) {
            check(&key.kind, value, &path, faults);
            continue;
        }
        let known = || keys.iter().map(|key| key.name);
        faults.push(Fault {
            path,
            on_key: true,
            why: format!("dockerd knows no `{}` there", printable(name)),
            help: suggestion(name, known()).unwrap_or_else(|| {
                let known: Vec<_> = known().collect();
                format!("known there: {}", known.join(", "))
            }),
        });
    }
}

/// Returns what is wrong with a value that has no other values inside it.
fn simple(kind: &Kind, value: &Value, path: &str) -> Option<Fault> {
    let Form { want, example } = form(kind);
    let fault = |why: String, help: String| {
        Some(Fault {
            path: path.to_owned(),
            on_key: false,
            why,
            help,
        })
    };
    let key = shown(path);
    let wrong_type = || fault(format!("{key} must be {want}"), format!("for example: {example}"));
    let text = match (kind, value) {
        (Kind::Bool, Value::Bool(_)) => return None,
        (Kind::Whole(from, to), Value::Number(number)) => {
            return match number.as_i64() {
                Some(number) if (*from..=*to).contains(&number) => None,
                _ if *to == i64::MAX => fault(
                    format!("{number} cannot be {key}"),
                    format!("write a whole number from {from} on"),
                ),
                _ => fault(
                    format!("{number} cannot be {key}"),
                    format!("write a whole number from {from} to {to}"),
                ),
            };
        }
        (Kind::Bool | Kind::Whole(..) | Kind::List(_) | Kind::Map(_) | Kind::Fields(_), _) => return wrong_type(),
        (_, Value::String(text)) => text,
        _ => return wrong_type(),
    };
    if let Kind::OneOf(choices) = kind {
        if choices.contains(&text.as_str()) {
            return None;
        }
        let help =
            suggestion(text, choices.iter().copied()).unwrap_or_else(|| format!("choose one of {}", quoted(choices)));
        return fault(format!("\"{}\" is not a valid {key}", printable(text)), help);
    }
    if fits(kind, text) {
        return None;
    }
    let shown = printable(&mask::paint_over(text, &[]));
    fault(
        format!("\"{shown}\" cannot be {key}: it must be {want}"),
        format!("for example: {example}"),
    )
}

/// Returns a value's name for a sentence: its key, and the key of the table that it is in.
fn shown(path: &str) -> String {
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let mut keys = path.split('/').filter(|part| !is_number(part));
    let first = keys.next().unwrap_or(path);
    match keys.next_back() {
        Some(last) => format!("`{}` in {}", printable(last), printable(first)),
        None => format!("`{}`", printable(first)),
    }
}

/// What a value must be.
struct Form {
    /// In words: "a whole number, without quotes".
    want: &'static str,
    /// An example in TOML.
    example: &'static str,
}

/// Returns a type in words, and an example in TOML.
fn form(kind: &Kind) -> Form {
    let (want, example) = match kind {
        Kind::Bool => ("true or false, without quotes", "true"),
        Kind::Whole(..) => ("a whole number, without quotes", "5"),
        Kind::Text | Kind::Any => ("a text, in quotes", "\"10\""),
        Kind::OneOf(_) => ("a text, in quotes", "\"info\""),
        Kind::Path => ("an absolute path, in quotes", "\"/srv/docker\""),
        Kind::Address => ("an IP address, in quotes", "\"192.168.3.1\""),
        Kind::Address4 => ("an IPv4 address, in quotes", "\"172.30.0.1\""),
        Kind::Address6 => ("an IPv6 address, in quotes", "\"fd00::1\""),
        Kind::Net4 => ("an IPv4 network, in quotes", "\"172.30.0.0/16\""),
        Kind::Net6 => ("an IPv6 network, in quotes", "\"fd00:1::/64\""),
        Kind::HostNet => (
            "docker0's own IPv4 address with the length of its network, in quotes",
            "\"172.30.0.1/24\"",
        ),
        Kind::HostNet6 => (
            "docker0's own IPv6 address with the length of its network, in quotes",
            "\"fd00:1::1/64\"",
        ),
        Kind::Size => ("a number of bytes with its unit, in quotes", "\"64M\""),
        Kind::KeyValue => ("a text with a `=` in it, in quotes", "\"name=value\""),
        Kind::Domain => ("a domain, in quotes", "\"home.arpa\""),
        Kind::Mirror => (
            "an http:// or https:// address without user, query and fragment, in quotes",
            "\"https://mirror.home.arpa:5000\"",
        ),
        Kind::Registry => (
            "a host, with its port when it has one, or a network, in quotes and without http://",
            "\"192.168.3.20:5000\"",
        ),
        Kind::Proxy => ("the address of a proxy, in quotes", "\"http://192.168.3.1:3128\""),
        Kind::HostPort => ("an address with a port, in quotes", "\"127.0.0.1:9323\""),
        Kind::Mark => ("a firewall mark, in quotes", "\"0x1/0x3\""),
        Kind::ApiVersion => ("a version of the API, in quotes", "\"1.44\""),
        Kind::List(_) => ("a list", "[\"…\"]"),
        Kind::Map(_) | Kind::Fields(_) => ("a table", "{ name = \"…\" }"),
    };
    Form { want, example }
}

fn fits(kind: &Kind, text: &str) -> bool {
    match kind {
        Kind::Path => text.starts_with('/') && !text.contains('\0') && !text.split('/').any(|part| part == ".."),
        Kind::Address => text.parse::<IpAddr>().is_ok(),
        Kind::Address4 => text.parse::<Ipv4Addr>().is_ok(),
        Kind::Address6 => text.parse::<Ipv6Addr>().is_ok(),
        Kind::Net4 => text.parse::<Ipv4Net>().is_ok_and(|net| net == net.trunc()),
        Kind::Net6 => text.parse::<Ipv6Net>().is_ok_and(|net| net == net.trunc()),
        Kind::HostNet => text
            .parse::<Ipv4Net>()
            .is_ok_and(|net| net.prefix_len() <= 30 && net.addr() != net.network() && net.addr() != net.broadcast()),
        Kind::HostNet6 => text.parse::<Ipv6Net>().is_ok_and(|net| net.addr() != net.network()),
        Kind::Size => is_size(text),
        Kind::KeyValue => text.split_once('=').is_some_and(|(name, _)| !name.trim().is_empty()),
        Kind::Domain => text == "." || names::domain(text).is_ok(),
        Kind::Mirror => is_mirror(text),
        Kind::Registry => is_registry(text),
        Kind::Proxy => text.is_empty() || url::Url::parse(text).is_ok_and(|url| url.host().is_some()),
        Kind::HostPort => is_host_port(text, true),
        Kind::Mark => {
            let number = |text: &str| match text.strip_prefix("0x") {
                Some(digits) => u32::from_str_radix(digits, 16).is_ok(),
                None => text.parse::<u32>().is_ok(),
            };
            let (mark, mask) = text
                .split_once('/')
                .map_or((text, None), |(mark, mask)| (mark, Some(mask)));
            number(mark) && mask.is_none_or(number)
        }
        Kind::ApiVersion => text
            .split_once('.')
            .is_some_and(|(major, minor)| major == "1" && minor.parse::<u32>().is_ok_and(|minor| minor >= 24)),
        _ => true,
    }
}

/// Returns whether go-units reads the text as a number of bytes: a number, then k, m, g, t or p or
/// none of them, then `b` or `ib` or nothing.
pub(super) fn is_size(text: &str) -> bool {
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic()).trim_end();
    let unit = lower.strip_prefix(digits).unwrap_or_default().trim_start();
    let known = |unit: &str| {
        matches!(
            unit.trim_end_matches('b').trim_end_matches('i'),
            "" | "k" | "m" | "g" | "t" | "p"
        )
    };
    digits
        .parse::<f64>()
        .is_ok_and(|number| number.is_finite() && number >= 0.0)
        && known(unit)
}

fn is_mirror(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.host().is_some()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    })
}

fn is_registry(text: &str) -> bool {
    text.parse::<ipnet::IpNet>().is_ok() || text.parse::<IpAddr>().is_ok() || is_host_port(text, false)
}

/// Returns whether the text is `host:port`, or a host alone.
fn is_host_port(text: &str, with_port: bool) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let host_fits = match bare {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => (with_port && host.is_empty()) || host.parse::<Ipv4Addr>().is_ok() || names::domain(host).is_ok(),
    };
    let port_fits = match port {
        Some(port) => port.parse::<u16>().is_ok_and(|port| port != 0),
        None => !with_port,
    };
    host_fits && port_fits
}
