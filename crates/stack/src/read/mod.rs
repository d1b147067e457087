//! The tree of a compose file → a stack.

mod container;
mod declared;
mod deploy;
mod environment;
mod files;
mod mounts;
mod networks;
mod ports;
mod resources;
mod service;

use std::collections::{BTreeMap, HashMap};

use kraken_foundation::text::line;

use crate::facts::PublishMode;
use crate::keys;
use crate::problem::{Place, Problems};
use crate::reader::Reader;
use crate::stack::{Service, Stack};
use crate::tree::{Node, Value};
use crate::values;

use declared::Declared;
use files::FileObjects;
use networks::Networks;

/// The names of mappings whose values are not shown in errors.
const SECRET_KEYS: [&str; 4] = ["environment", "driver_opts", "options", "args"];

/// Marks the values that may be secrets, so that no error shows them.
pub(crate) fn hide_secrets(node: &Node, problems: &mut Problems) {
    match &node.value {
        Value::Scalar(_) => {}
        Value::List(nodes) => nodes.iter().for_each(|node| hide_secrets(node, problems)),
        Value::Map(entries) => {
            for entry in entries {
                match SECRET_KEYS.contains(&&*entry.key) {
                    true => hide(&entry.value, problems),
                    false => hide_secrets(&entry.value, problems),
                }
            }
        }
    }
}

fn hide(node: &Node, problems: &mut Problems) {
    match &node.value {
        Value::List(nodes) => nodes.iter().for_each(|node| hide(node, problems)),
        Value::Map(entries) => entries.iter().for_each(|entry| hide(&entry.value, problems)),
        // Of `NAME=value` the name is hidden, too: with quotes and escapes, the place of a part is
        // not known.
        Value::Scalar(scalar) => problems.hide(node.place.span().start..scalar.until),
    }
}

/// Returns the stack; `None` when the file has no services.
pub(crate) fn stack(tree: &Node, reader: &mut Reader<'_>) -> Option<Stack> {
    if !values::is_service_name(reader.stack) {
        let message = format!("`{}` cannot be the name of a stack", line(reader.stack));
        reader.wrong(Place::default(), message, "use letters, digits and hyphens");
    }
    let mut file = reader.section(tree, &keys::FILE, "the compose file".to_owned())?;
    let mut networks = Networks::new(file.take("networks"), reader);
    let volumes = mounts::volumes(file.take("volumes"), reader);
    let (mut secrets, mut secret_names) = (Vec::new(), BTreeMap::new());
    for secret in files::secrets(file.take("secrets"), reader) {
        secret_names.insert(
            secret.key,
            FileObjects {
                name: secret.spec.name.clone(),
            },
        );
        secrets.push(secret.spec);
    }
    let (mut configs, mut config_names) = (Vec::new(), BTreeMap::new());
    for config in files::configs(file.take("configs"), reader) {
        config_names.insert(
            config.key,
            FileObjects {
                name: config.spec.name.clone(),
            },
        );
        configs.push(config.spec);
    }
    let node = file.take("services")?;
    networks.read(reader);
    let mut declared = Declared {
        networks,
        volumes,
        secrets: secret_names,
        configs: config_names,
    };
    let mut services = Vec::new();
    for entry in reader.entries(node, "services")? {
        let name = format!("{}_{}", reader.stack, entry.key);
        if !values::is_service_name(&name) {
            let message = format!("`{}` cannot be the name of a service", line(&name));
            let help = "a name has at most 63 letters, digits, `-` and `_`, with the name of the stack in front";
            reader.wrong(entry.place, message, help);
        }
        services.extend(service::service(entry, name, &mut declared, reader));
    }
    if services.is_empty() && reader.problems.is_empty() {
        reader.wrong(
            node.place,
            "there are no services",
            "write at least one below `services`",
        );
    }
    unique_ports(&services, reader);
    Some(Stack {
        name: reader.stack.to_owned(),
        networks: declared.networks.used(),
        secrets,
        configs,
        services,
        notes: std::mem::take(&mut reader.notes),
    })
}

/// Refuses a port that two services publish: swarmkit would leave one of them without its tasks. In
/// host mode two may have it, on different nodes.
fn unique_ports(services: &[Service], reader: &mut Reader<'_>) {
    /// Who publishes a port.
    struct Publisher<'a> {
        mode: PublishMode,
        service: &'a str,
    }
    let mut taken: HashMap<_, Publisher<'_>> = HashMap::new();
    for service in services {
        for port in service.spec.published_ports() {
            let Some(published) = port.published else { continue };
            let at = (published, port.protocol);
            match taken.get(&at) {
                // The same service twice is reported where its ports are.
                Some(other) if other.service == service.key => {}
                Some(other) if other.mode == PublishMode::Ingress || port.mode == PublishMode::Ingress => {
                    let message = format!(
                        "the services {} and {} both publish port {published}/{}",
                        line(other.service),
                        line(&service.key),
                        port.protocol
                    );
                    reader.wrong(service.place, message, "publish another port, or one of them only");
                }
                _ => {
                    let publisher = Publisher {
                        mode: port.mode,
                        service: &service.key,
                    };
                    taken.insert(at, publisher);
                }
            }
        }
    }
}
