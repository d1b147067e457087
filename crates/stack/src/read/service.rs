//! A service.

use std::collections::BTreeSet;

use kraken_foundation::text::line;

use super::declared::Declared;
use super::{container, deploy, environment, files, mounts, networks, ports};
use crate::api::{ContainerSpec, EndpointSpec, ServiceSpec, TaskSpec};
use crate::image::{familiar, is_image};
use crate::keys;
use crate::problem::Place;
use crate::reader::{Reader, Section, written};
use crate::stack::{IMAGE_LABEL, Service};
use crate::tree::Entry;

/// Reads a service; `name` is its name in Docker.
pub(super) fn service(
    entry: &Entry,
    name: String,
    declared: &mut Declared<'_>,
    reader: &mut Reader<'_>,
) -> Option<Service> {
    let path = format!("services.{}", line(&entry.key));
    let mut section = reader.section(&entry.value, &keys::SERVICE, path)?;
    // Without an image the rest is still read: all mistakes are reported at once.
    let Image { reference, place } = image(&mut section, entry.place, reader).unwrap_or(Image {
        reference: String::new(),
        place: entry.place,
    });
    let deploy = deploy::deploy(&mut section, reader);
    let mut container = ContainerSpec {
        image: familiar(&reference),
        env: environment::environment(&mut section, reader),
        mounts: mounts::mounts(&mut section, &declared.volumes, reader),
        secrets: files::secret_references(&mut section, &declared.secrets, reader),
        configs: files::config_references(&mut section, &declared.configs, reader),
        ..ContainerSpec::default()
    };
    container::container(&mut section, &mut container, reader);
    unique_targets(&container, &section, reader);
    let ports = ports::ports(&mut section, reader);
    if deploy.endpoint_mode == "dnsrr" && ports.iter().any(|port| port.publish_mode != "host") {
        reader.wrong(
            section.place,
            format!("{} has `endpoint_mode: dnsrr` and a port in ingress mode", section.path),
            "publish the port with `mode: host`, or use `endpoint_mode: vip`",
        );
    }
    let mut labels = deploy.labels;
    labels.insert(IMAGE_LABEL.to_owned(), reference);
    let networks = networks::attachments(&mut section, &entry.key, &mut declared.networks, reader);
    let spec = ServiceSpec {
        name,
        labels,
        task_template: TaskSpec {
            container_spec: container,
            resources: deploy.resources,
            restart_policy: deploy.restart_policy,
            placement: deploy.placement,
            networks,
            log_driver: container::log_driver(&mut section, reader),
            force_update: 0,
        },
        mode: deploy.mode,
        update_config: deploy.update_config,
        rollback_config: deploy.rollback_config,
        endpoint_spec: EndpointSpec {
            mode: deploy.endpoint_mode,
            ports,
        },
    };
    Some(Service {
        key: entry.key.to_string(),
        place: entry.place,
        image_place: place,
        spec,
    })
}

/// What a service names as its image.
struct Image {
    reference: String,
    place: Place,
}

fn image(section: &mut Section<'_>, place: Place, reader: &mut Reader<'_>) -> Option<Image> {
    let Some(node) = section.take("image") else {
        let help = "a swarm builds nothing: name an image that exists";
        return reader.refuse(place, format!("{} has no image", section.path), help);
    };
    let image = reader.text(node, &section.within("image"))?;
    match is_image(&image) {
        true => Some(Image {
            reference: image,
            place: node.place,
        }),
        false => {
            let message = format!("{} is not the name of an image", written(node));
            reader.refuse(node.place, message, "write it as `name:tag`, in lower case")
        }
    }
}

/// Refuses what two mounts, secrets or configs put at the same place.
fn unique_targets(container: &ContainerSpec, section: &Section<'_>, reader: &mut Reader<'_>) {
    let secrets = container
        .secrets
        .iter()
        .map(|secret| format!("/run/secrets/{}", secret.file.name));
    let configs = container
        .configs
        .iter()
        .map(|config| match config.file.name.strip_prefix('/') {
            Some(_) => config.file.name.clone(),
            None => format!("/{}", config.file.name),
        });
    let mounts = container.mounts.iter().map(|mount| mount.target.clone());
    let mut seen = BTreeSet::new();
    for target in mounts.chain(secrets).chain(configs) {
        if seen.contains(&target) {
            let message = format!("{} has two files or mounts at the same place", section.path);
            reader.wrong(section.place, message, "give one of them another `target`");
        }
        seen.insert(target);
    }
}
