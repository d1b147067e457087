//! A translated stack: its objects, the images that its services name, and the notes.

use kraken_foundation::text::line;
use kraken_foundation::{Error, Kind, Result};

use crate::api::{ConfigSpec, NetworkSpec, SecretSpec, ServiceSpec};
use crate::image::is_pinned;
use crate::problem::{Note, Place};

/// The label in which `docker stack` keeps what the compose file names as the image.
pub(crate) const IMAGE_LABEL: &str = "com.docker.stack.image";

/// What a compose file says. The images of its services are not pinned yet: [`Stack::pinned`] makes
/// objects of it that can be written into a swarm's state.
#[derive(Clone, Debug, PartialEq)]
pub struct Stack {
    /// Its name, with which the names of its objects begin.
    pub name: String,
    /// The networks that services are in, in the order of their names.
    pub networks: Vec<NetworkSpec>,
    /// Its secrets, in the order of the file.
    pub secrets: Vec<SecretSpec>,
    /// Its configs, in the order of the file.
    pub configs: Vec<ConfigSpec>,
    /// Its services, in the order of the file.
    pub services: Vec<Service>,
    /// What a swarm does not do of it.
    pub notes: Vec<Note>,
}

/// A service, with the places of what others must know of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Its key in the compose file.
    pub key: String,
    /// Where it begins.
    pub place: Place,
    /// Where its image is named.
    pub image_place: Place,
    /// What it is to be; its image is not pinned yet.
    pub spec: ServiceSpec,
}

/// An image that services name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageUse {
    /// The reference as Docker's client completes it: `nginx:latest` for `nginx`. It may have a
    /// digest already.
    pub reference: String,
    /// The keys of the services that use it.
    pub services: Vec<String>,
    /// Where it is named first.
    pub place: Place,
}

/// The objects of a stack, ready to be written into a swarm's state.
#[derive(Clone, Debug, PartialEq)]
pub struct Objects {
    /// The networks.
    pub networks: Vec<NetworkSpec>,
    /// The secrets.
    pub secrets: Vec<SecretSpec>,
    /// The configs.
    pub configs: Vec<ConfigSpec>,
    /// The services, with their images pinned.
    pub services: Vec<ServiceSpec>,
}

impl Stack {
    /// Returns the images of its services, each once, in the order of the file.
    pub fn images(&self) -> Vec<ImageUse> {
        let mut images: Vec<ImageUse> = Vec::new();
        for service in &self.services {
            let reference = &service.spec.task_template.container_spec.image;
            match images.iter_mut().find(|image| image.reference == *reference) {
                Some(image) => image.services.push(service.key.clone()),
                None => images.push(ImageUse {
                    reference: reference.clone(),
                    services: vec![service.key.clone()],
                    place: service.image_place,
                }),
            }
        }
        images
    }

    /// Returns the objects, with each image replaced by what `pin` returns for its reference:
    /// `name:tag@sha256:…`. The label `com.docker.stack.image` keeps what the compose file says, so
    /// that a later `docker stack deploy --resolve-image never` leaves the image alone.
    ///
    /// # Errors
    /// When `pin` returns nothing for an image, or something that is not pinned by a digest.
    pub fn pinned(self, pin: &mut dyn FnMut(&str) -> Option<String>) -> Result<Objects> {
        let mut services = Vec::with_capacity(self.services.len());
        for Service { key, mut spec, .. } in self.services {
            let image = &mut spec.task_template.container_spec.image;
            let what = || format!("pinning the image `{}` of the service {}", line(image), line(&key));
            match pin(image) {
                Some(pinned) if is_pinned(&pinned) => *image = pinned,
                Some(_) => {
                    let error = Error::new(Kind::Internal, "the reference has no digest `@sha256:…`");
                    return Err(error.context(what()));
                }
                None => {
                    let error = Error::new(Kind::NotFound, "the image is not known");
                    return Err(error.context(what()).with_help("run `kraken-flash fetch`"));
                }
            }
            services.push(spec);
        }
        Ok(Objects {
            networks: self.networks,
            secrets: self.secrets,
            configs: self.configs,
            services,
        })
    }
}
