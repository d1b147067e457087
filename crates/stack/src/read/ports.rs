//! Published ports.

use crate::api::PortConfig;
use crate::keys;
use crate::reader::{Reader, Section, written};
use crate::tree::{Kind, Node, Value};

/// How many ports one service can publish; a range of thousands is a mistake.
const MOST: usize = 1024;

/// Reads `ports`, in the order of the published ports.
pub(super) fn ports(section: &mut Section<'_>, reader: &mut Reader<'_>) -> Vec<PortConfig> {
    let what = section.within("ports");
    let Some(node) = section.take("ports") else {
        return Vec::new();
    };
    let mut ports: Vec<PortConfig> = Vec::new();
    for node in reader.list(node, &what).unwrap_or_default() {
        let found = match &node.value {
            Value::Map(_) => long(node, &what, reader).into_iter().collect(),
            _ => short(node, reader).unwrap_or_default(),
        };
        let is_taken = |port: &PortConfig| {
            let mut others = ports.iter().filter(|other| other.published_port == port.published_port);
            port.published_port != 0 && others.any(|other| protocol(other) == protocol(port))
        };
        if let Some(port) = found.iter().find(|port| is_taken(port)) {
            let message = format!("{what} publishes port {} twice", port.published_port);
            reader.wrong(node.place, message, "remove one of them");
        }
        ports.extend(found);
        if ports.len() > MOST {
            reader.wrong(
                node.place,
                format!("{what} has more than {MOST} ports"),
                "publish fewer",
            );
            break;
        }
    }
    ports.sort_by(|a, b| {
        let key = |port: &PortConfig| (port.published_port, port.target_port);
        key(a).cmp(&key(b)).then_with(|| a.protocol.cmp(&b.protocol))
    });
    ports
}

fn protocol(port: &PortConfig) -> &str {
    match port.protocol.as_str() {
        "" => "tcp",
        protocol => protocol,
    }
}

fn long(node: &Node, what: &str, reader: &mut Reader<'_>) -> Option<PortConfig> {
    let mut section = reader.section(node, &keys::PORT, what.to_owned())?;
    let mut number = |key: &'static str, least: i64, reader: &mut Reader<'_>| {
        let node = section.take(key)?;
        let number = reader.number_within(node, &format!("{what}.{key}"), least, 65535)?;
        u32::try_from(number).ok()
    };
    let (target, published) = (number("target", 1, reader), number("published", 0, reader));
    let mut choice = |key: &'static str, choices: &[&str], reader: &mut Reader<'_>| {
        let node = section.take(key)?;
        reader.choice(node, &format!("{what}.{key}"), choices)
    };
    let protocol = choice("protocol", &["tcp", "udp", "sctp"], reader);
    let mode = choice("mode", &["ingress", "host"], reader);
    let Some(target_port) = target else {
        if section.take("target").is_none() {
            reader.wrong(
                node.place,
                format!("{what} has a port without `target`"),
                "name the port of the container",
            );
        }
        return None;
    };
    Some(PortConfig {
        protocol: protocol.unwrap_or_default(),
        target_port,
        published_port: published.unwrap_or_default(),
        publish_mode: mode.unwrap_or_default(),
    })
}

/// Some ports in a row, both included.
#[derive(Clone, Copy)]
struct Range {
    first: u32,
    last: u32,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u32>().ok().filter(|&port| digits && port <= 65535)
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let range = Self {
            first: number(first)?,
            last: number(last)?,
        };
        (range.first <= range.last).then_some(range)
    }

    fn count(self) -> u32 {
        self.last - self.first + 1
    }
}

/// Reads `published:target/protocol`, where both may be ranges.
fn short(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<PortConfig>> {
    let bad = |reader: &mut Reader<'_>| {
        let message = format!("{} is not a port", written(node));
        reader.refuse(node.place, message, "write `published:target`, in quotes: \"8080:80\"")
    };
    let scalar = node.scalar()?;
    let text = match scalar.kind {
        Kind::Integer(port) => port.to_string(),
        Kind::Text => scalar.text.to_string(),
        _ => return bad(reader),
    };
    let parts: Vec<&str> = text.split(':').collect();
    let (published, target) = match parts[..] {
        [target] => (None, target),
        [published, target] => (Some(published).filter(|text| !text.is_empty()), target),
        _ => {
            let message = format!(
                "{} names an address, and a swarm publishes on all addresses of a node",
                written(node)
            );
            return reader.refuse(node.place, message, "write `published:target`");
        }
    };
    let (target, protocol) = target.split_once('/').unwrap_or((target, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return bad(reader);
    }
    let Some(target) = Range::parse(target).filter(|range| range.first > 0) else {
        return bad(reader);
    };
    let published = match published.map(Range::parse) {
        Some(None) => return bad(reader),
        Some(Some(range)) => Some(range),
        None => None,
    };
    if target.count().max(published.map_or(1, Range::count)) as usize > MOST {
        let message = format!("{} has more than {MOST} ports", written(node));
        return reader.refuse(node.place, message, "publish fewer");
    }
    let port = |published: u32, target: u32| PortConfig {
        protocol: protocol.clone(),
        target_port: target,
        published_port: published,
        publish_mode: "ingress".to_owned(),
    };
    match published {
        None => Some((target.first..=target.last).map(|target| port(0, target)).collect()),
        Some(published) if published.count() == target.count() => {
            let pairs = (published.first..=published.last).zip(target.first..=target.last);
            Some(pairs.map(|(published, target)| port(published, target)).collect())
        }
        // One port of the container at several ports of the nodes.
        Some(published) if target.count() == 1 => {
            let ports = published.first..=published.last;
            Some(ports.map(|published| port(published, target.first)).collect())
        }
        Some(_) => bad(reader),
    }
}
