//! The objects of a stack in the shape of Docker's Engine API: what serde writes of them is the
//! `Spec` that `docker service inspect` and its likes show, with names where Docker has ids.
//!
//! Field names, and which empty fields are left out, are those of the API's Go types
//! (moby, `api/types/swarm`, `api/types/mount`, `api/types/container`).

mod container;
mod driver;
mod empty;
mod file;
mod network;
mod service;

pub use container::{
    BindOptions, ConfigReference, ContainerSpec, DnsConfig, FileTarget, HealthConfig, Mount, Privileges,
    SecretReference, TmpfsOptions, Ulimit, VolumeOptions,
};
pub use driver::Driver;
pub use file::{ConfigSpec, SecretData, SecretSpec};
pub use network::{Ipam, IpamConfig, NetworkSpec};
pub use service::{
    DiscreteResource, Empty, EndpointSpec, GenericResource, Job, Limit, NetworkAttachment, Placement, PortConfig,
    Preference, Replicated, Reservation, Resources, RestartPolicy, ServiceMode, ServiceSpec, Spread, TaskSpec,
    UpdateConfig,
};
