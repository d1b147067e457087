//! Networks: the top-level ones, and those that a service is in.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use kraken_foundation::text::line;

use crate::api::{Ipam, IpamConfig, NetworkAttachment, NetworkSpec};
use crate::keys;
use crate::problem::Place;
use crate::reader::{Reader, Section, Text, nearest};
use crate::tree::{Entry, Node, Value};
use crate::values;

/// The network of services that name none.
const DEFAULT: &str = "default";
/// Names that Docker keeps for networks of its own.
const RESERVED: [&str; 6] = ["bridge", "default", "docker_gwbridge", "host", "ingress", "none"];

/// The networks of a stack.
pub(super) struct Networks<'n> {
    node: Option<&'n Node>,
    /// Under their names in the compose file.
    declared: BTreeMap<String, NetworkSpec>,
    /// The names, in the compose file, of those that a service is in.
    used: BTreeSet<String>,
}

impl<'n> Networks<'n> {
    /// Keeps the top-level `networks`, which [`Self::read`] reads.
    pub(super) fn new(node: Option<&'n Node>, reader: &Reader<'_>) -> Self {
        let default = NetworkSpec {
            name: format!("{}_{DEFAULT}", reader.stack),
            labels: BTreeMap::from([("com.docker.stack.namespace".to_owned(), reader.stack.to_owned())]),
            driver: "overlay".to_owned(),
            ..NetworkSpec::default()
        };
        Self {
            node,
            declared: BTreeMap::from([(DEFAULT.to_owned(), default)]),
            used: BTreeSet::new(),
        }
    }

    /// Reads the top-level `networks`.
    pub(super) fn read(&mut self, reader: &mut Reader<'_>) {
        let Some(node) = self.node else { return };
        for entry in reader.entries(node, "networks").unwrap_or_default() {
            if let Some(network) = network(entry, reader) {
                self.declared.insert(entry.key.to_string(), network);
            }
        }
    }

    /// Returns the networks that a service is in, in the order of their names.
    pub(super) fn used(mut self) -> Vec<NetworkSpec> {
        self.declared.retain(|name, _| self.used.contains(name));
        let mut networks: Vec<NetworkSpec> = self.declared.into_values().collect();
        networks.sort_by(|a, b| a.name.cmp(&b.name));
        networks
    }
}

fn network(entry: &Entry, reader: &mut Reader<'_>) -> Option<NetworkSpec> {
    let path = format!("networks.{}", line(&entry.key));
    let mut network = NetworkSpec {
        name: format!("{}_{}", reader.stack, entry.key),
        labels: reader.labels(None, &path),
        driver: "overlay".to_owned(),
        ..NetworkSpec::default()
    };
    if !entry.value.is_null() {
        let mut section = reader.section(&entry.value, &keys::NETWORK, path)?;
        if let Some(node) = section.take("name") {
            network.name = reader.word(node, &section.within("name"))?;
        }
        if let Some(node) = section.take("driver") {
            reader.choice(node, &section.within("driver"), &["overlay"]);
        }
        if let Some(node) = section.take("driver_opts") {
            network.options = reader.options(node, &section.within("driver_opts"))?;
        }
        network.labels = reader.labels(section.take("labels"), &section.within("labels"));
        let mut flag = |key: &'static str| {
            let flag = section.take(key);
            flag.and_then(|node| reader.flag(node, &section.within(key)))
                .unwrap_or_default()
        };
        network.internal = flag("internal");
        network.attachable = flag("attachable");
        if let Some(node) = section.take("ipam") {
            network.ipam = ipam(node, section.within("ipam"), reader);
        }
    }
    if RESERVED.contains(&network.name.as_str()) || !values::is_service_name(&network.name) {
        let message = format!("`{}` cannot be the name of a network", line(&network.name));
        reader.wrong(
            entry.place,
            message,
            "use at most 63 letters, digits, `-` and `_`, and none of Docker's own names",
        );
    }
    Some(network)
}

fn ipam(node: &Node, path: String, reader: &mut Reader<'_>) -> Option<Ipam> {
    let mut section = reader.section(node, &keys::IPAM, path)?;
    let mut ipam = Ipam::default();
    if let Some(node) = section.take("driver") {
        ipam.driver = reader.choice(node, &section.within("driver"), &["default"])?;
    }
    if let Some(node) = section.take("config") {
        let what = section.within("config");
        for node in reader.list(node, &what)? {
            let mut config = reader.section(node, &keys::IPAM_CONFIG, what.clone())?;
            let Some(node) = config.take("subnet") else {
                return reader.refuse(
                    config.place,
                    format!("{what} has no `subnet`"),
                    "write one: `10.9.0.0/24`",
                );
            };
            let subnet = reader.text(node, &format!("{what}.subnet"))?;
            let is_network = subnet.parse::<IpNet>().is_ok_and(|net| net.addr() == net.network());
            if !is_network {
                let message = format!("{what} has a subnet that is not a network");
                reader.wrong(
                    node.place,
                    message,
                    "write the address of the network and its length: `10.9.0.0/24`",
                );
            }
            ipam.config.push(IpamConfig { subnet });
        }
    }
    (ipam != Ipam::default()).then_some(ipam)
}

/// A network that a service names.
struct Named {
    network: String,
    /// How messages show it: as it is written.
    shown: String,
    aliases: Vec<String>,
    place: Place,
}

/// Reads the networks of the service `service`, in the order of their names in Docker.
pub(super) fn attachments(
    section: &mut Section<'_>,
    service: &str,
    networks: &mut Networks<'_>,
    reader: &mut Reader<'_>,
) -> Vec<NetworkAttachment> {
    let what = section.within("networks");
    let mut named = match section.take("networks") {
        Some(node) => named(node, &what, reader).unwrap_or_default(),
        None => Vec::new(),
    };
    if named.is_empty() {
        named.push(Named {
            network: DEFAULT.to_owned(),
            shown: DEFAULT.to_owned(),
            aliases: Vec::new(),
            place: section.place,
        });
    }
    let mut attachments = Vec::new();
    for Named {
        network,
        shown,
        mut aliases,
        place,
    } in named
    {
        let Some(spec) = networks.declared.get(&network) else {
            let message = format!("{what} names the network `{shown}`, which is not declared");
            let help = match nearest(&network, networks.declared.keys().map(String::as_str)) {
                Some(name) => format!("did you mean `{name}`?"),
                None => "declare it below `networks` at the top level".to_owned(),
            };
            reader.wrong(place, message, help);
            continue;
        };
        aliases.push(service.to_owned());
        attachments.push(NetworkAttachment {
            target: spec.name.clone(),
            aliases,
            ..NetworkAttachment::default()
        });
        networks.used.insert(network);
    }
    attachments.sort_by(|a, b| a.target.cmp(&b.target));
    attachments
}

fn named(node: &Node, what: &str, reader: &mut Reader<'_>) -> Option<Vec<Named>> {
    let Value::Map(entries) = &node.value else {
        let mut seen = BTreeSet::new();
        let texts = reader.text_list(node, what)?.into_iter();
        let named = texts.filter_map(|Text { text, shown, place }| {
            if !seen.insert(text.clone()) {
                let message = format!("{what} names the network `{shown}` twice");
                return reader.refuse(place, message, "keep one of them");
            }
            Some(Named {
                network: text,
                shown,
                aliases: Vec::new(),
                place,
            })
        });
        return Some(named.collect());
    };
    let mut named = Vec::new();
    for entry in entries {
        let mut aliases = Vec::new();
        if !entry.value.is_null() {
            let path = format!("{what}.{}", line(&entry.key));
            let mut section = reader.section(&entry.value, &keys::ATTACHMENT, path)?;
            if let Some(node) = section.take("aliases") {
                let what = section.within("aliases");
                reader.list(node, &what)?;
                let texts = reader.unique_texts(node, &what)?;
                aliases = texts.into_iter().map(|text| text.text).collect();
            }
        }
        named.push(Named {
            network: entry.key.to_string(),
            shown: line(&entry.key),
            aliases,
            place: entry.place,
        });
    }
    Some(named)
}
