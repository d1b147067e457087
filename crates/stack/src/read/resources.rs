//! `deploy.resources`: limits and reservations.

use kraken_foundation::text::line;

use crate::api::{DiscreteResource, GenericResource, Limit, Reservation, Resources};
use crate::keys;
use crate::reader::{Reader, Section, written};
use crate::tree::Node;
use crate::values;

/// The least memory that swarmkit takes, in bytes.
const LEAST_MEMORY: i64 = 4 << 20;
/// The least part of a processor that swarmkit takes, in billionths.
const LEAST_CPU: i64 = 1_000_000;

/// Reads it.
pub(super) fn resources(node: &Node, path: String, reader: &mut Reader<'_>) -> Option<Resources> {
    let mut section = reader.section(node, &keys::RESOURCES, path)?;
    let mut resources = Resources::default();
    if let Some(node) = section.take("limits") {
        let mut limits = reader.section(node, &keys::LIMITS, section.within("limits"))?;
        let pids = limits.take("pids");
        let pids = pids.and_then(|node| reader.number_within(node, &limits.within("pids"), 0, i64::MAX));
        resources.limits = Some(Limit {
            nano_cpus: cpus(&mut limits, reader),
            memory_bytes: memory(&mut limits, reader),
            pids: pids.unwrap_or_default(),
        });
    }
    if let Some(node) = section.take("reservations") {
        let mut reserved = reader.section(node, &keys::RESERVATIONS, section.within("reservations"))?;
        let what = reserved.within("generic_resources");
        let generic = reserved
            .take("generic_resources")
            .and_then(|node| generic(node, &what, reader));
        resources.reservations = Some(Reservation {
            nano_cpus: cpus(&mut reserved, reader),
            memory_bytes: memory(&mut reserved, reader),
            generic_resources: generic.unwrap_or_default(),
        });
    }
    Some(resources)
}

fn cpus(section: &mut Section<'_>, reader: &mut Reader<'_>) -> i64 {
    let what = section.within("cpus");
    let Some(node) = section.take("cpus") else { return 0 };
    let Some(text) = reader.text(node, &what) else { return 0 };
    match values::cpus(&text) {
        Some(cpus) if cpus == 0 || cpus >= LEAST_CPU => cpus,
        _ => {
            let message = format!("{what} cannot be {}", written(node));
            reader.wrong(
                node.place,
                message,
                "write a number of processors, at least 0.001: `\"0.5\"`",
            );
            0
        }
    }
}

fn memory(section: &mut Section<'_>, reader: &mut Reader<'_>) -> i64 {
    let what = section.within("memory");
    let Some(node) = section.take("memory") else { return 0 };
    let Some(text) = reader.text(node, &what) else { return 0 };
    match values::memory(&text) {
        Some(memory) if memory == 0 || memory >= LEAST_MEMORY => memory,
        _ => {
            let message = format!("{what} cannot be {}", written(node));
            reader.wrong(
                node.place,
                message,
                "write an amount with its unit, at least 4M: `512M`",
            );
            0
        }
    }
}

fn generic(node: &Node, what: &str, reader: &mut Reader<'_>) -> Option<Vec<GenericResource>> {
    let mut resources = Vec::new();
    for node in reader.list(node, what)? {
        let mut section = reader.section(node, &keys::GENERIC, what.to_owned())?;
        let Some(node) = section.take("discrete_resource_spec") else {
            let message = format!("{what} has an entry without `discrete_resource_spec`");
            return reader.refuse(node.place, message, "write one, with `kind` and `value`");
        };
        let mut spec = reader.section(node, &keys::DISCRETE, section.within("discrete_resource_spec"))?;
        let (Some(kind), Some(value)) = (spec.take("kind"), spec.take("value")) else {
            return reader.refuse(
                node.place,
                format!("{} needs `kind` and `value`", line(what)),
                "write both",
            );
        };
        let kind = reader.word(kind, &spec.within("kind"))?;
        let value = reader.number_within(value, &spec.within("value"), 1, i64::MAX)?;
        resources.push(GenericResource {
            discrete_resource_spec: Some(DiscreteResource { kind, value }),
        });
    }
    Some(resources)
}
