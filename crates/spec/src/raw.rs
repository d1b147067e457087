//! `kraken.toml` as it is written: the sections and their keys, with their places in the text. The JSON schema is made from it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::cluster::{Availability, Board, DockerSource, InterfaceChoice, Role, Sudo, SwarmMode, UsedImage};
use super::options::Options;

/// A value and its place in the text, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub span: Range<usize>,
}

/// The value of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Field<T> {
    /// The key is not there: its default holds.
    #[default]
    Absent,
    /// It is there with a value that cannot be it; that was reported. What depends on it is not checked.
    Wrong,
    /// It is there.
    Given(At<T>),
}

impl<T> Field<T> {
    /// The place of the value, when there is a usable one.
    pub fn span(&self) -> Option<Range<usize>> {
        match self {
            Field::Given(at) => Some(at.span.clone()),
            Field::Absent | Field::Wrong => None,
        }
    }

    /// Whether the key is there, with a usable value or not.
    pub fn is_set(&self) -> bool {
        !matches!(self, Field::Absent)
    }
}

/// In the schema a field is what it holds: places are no part of the format.
macro_rules! schema_of_content {
    ($wrapper:ident) => {
        impl<T: JsonSchema> JsonSchema for $wrapper<T> {
            fn inline_schema() -> bool {
                T::inline_schema()
            }
            fn schema_name() -> Cow<'static, str> {
                T::schema_name()
            }
            fn schema_id() -> Cow<'static, str> {
                T::schema_id()
            }
            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                T::json_schema(generator)
            }
        }
    };
}
schema_of_content!(At);
schema_of_content!(Field);

/// A cluster of Raspberry Pis, for kraken-flash. Every key has a default; without any it is seven nodes,
/// kraken-1 to kraken-7, 192.168.3.11 to .17, node 1 the manager.
#[derive(Clone, Debug, Default, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields, default, title = "kraken.toml")]
pub struct RawConfig {
    /// The cluster as a whole.
    pub cluster: RawCluster,
    /// Addresses and interfaces.
    pub network: RawNetwork,
    /// The operating-system image to start from.
    pub image: RawImage,
    /// The account made on every node.
    pub user: RawUser,
    /// What all nodes have set alike.
    pub system: RawSystem,
    /// Docker, inside every image before its first boot.
    pub docker: RawDocker,
    /// How packages are got that are baked into the images.
    pub apt: RawApt,
    /// The swarm that the nodes are from their first boot on.
    pub swarm: RawSwarm,
    /// What is different on single nodes: one `[[node]]` for each.
    pub node: Vec<RawNode>,
}

/// `[cluster]`
#[derive(Clone, Debug, Default, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RawCluster {
    /// Name of the cluster: lower-case letters, digits and hyphens. Host names start with it.
    #[schemars(extend("default" = "kraken"))]
    pub name: Field<String>,
    /// How many nodes there are. Without it: seven, or as many as the highest number of a `[[node]]` when that is more.
    #[schemars(range(min = 1, max = 10000), extend("default" = 7))]
    pub nodes: Field<u32>,
}

/// `[network]`
#[derive(Clone, Debug, Default, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RawNetwork {
    /// The cluster's IPv4 subnet.
    #[schemars(extend("default" = "192.168.3.0/24"))]
    pub subnet: Field<String>,
    /// Address of node 1; node 2 has the next one, and so on. Default: the subnet's eleventh address (192.168.3.11).
    pub first_address: Field<String>,
    /// The default route. Default: the subnet's first address (192.168.3.1).
    pub gateway: Field<String>,
    /// Name servers, IPv4 or IPv6. Default: the gateway.
    pub dns: Field<Vec<At<String>>>,
    /// Search domains.
    pub search: Field<Vec<At<String>>>,
    /// Which network interface carries a node's address.
    #[schemars(extend("default" = "auto"))]
    pub interface: Field<InterfaceChoice>,
}

/// `[image]`
#[derive(Clone, Debug, Default, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RawImage {
    /// The base image: a name of Raspberry Pi's catalogue (`raspios-lite-arm64`, `raspios-lite-armhf`), a file (with a `/`
    /// in it, or ending in .img, .raw, .iso, .xz, .zst, .gz or .zip), an http(s) address, or `debian`.
    #[schemars(extend("default" = "raspios-lite-arm64"))]
    pub base: Field<String>,
    /// SHA-256 of the base, as downloaded or unpacked: 64 hexadecimal digits.
    pub sha256: Field<String>,
    /// Address of the catalogue of images. Default: Raspberry Pi's own.
    pub catalogue: Field<String>,
    /// Address of a mirror of the images that the catalogue names.
    pub mirror: Field<String>,
    /// What becomes of a base that was in use before (a copy of a card that ran, an image that somebody set up): host keys and whatever else
    /// belongs to one machine is taken out of it in any case; where accounts of others, containers and the like would be on every node, it is
    /// refused, unless this says `accept`.
    #[schemars(extend("default" = "refuse"))]
    pub used: Field<UsedImage>,
}

/// `[user]`
#[derive(Clone, Debug, Default, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RawUser {
    /// Name of the account.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9-]{0,31}$"), extend("default" = "kraken"))]
    pub name: Field<String>,
    /// Groups that the account is in, besides its own. Those that an image does not have are left out.
    pub groups: Field<Vec<At<String>>>,
    /// Public SSH keys that may log in: files (`~/.ssh/id_ed25519.pub`) or the keys themselves. Default: the keys of
    /// `~/.ssh`; when there is none, a pair is made beside kraken.toml.
    pub ssh_keys: Field<Vec<At<String>>>,
    /// A file with the hash of the account's password, as `mkpasswd` prints it. Others must not be able to read it.
    /// Default: no password, SSH keys only.
    pub password_hash_file: Field<String>,
    /// What the account may do as root.
    #[schemars(extend("default" = "nopasswd"))]
    pub sudo: Field<Sudo>,
}

/// `[system]`
#[derive(Clone, Debug, Default, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RawSystem {
    /// Name of the time zone (`Europe/Berlin`).
    #[schemars(extend("default" = "Etc/UTC"))]
    pub timezone: Field<String>,
    /// A UTF-8 locale (`en_GB.UTF-8`).
    #[schemars(extend("default" = "C.UTF-8"))]
    pub locale: Field<String>,
    /// Console keyboard, in the words of keyboard(5).
    pub keyboard: RawKeyboard,
    /// Packages that are baked into the images, from the archives that the base image itself names. `NAME=VERSION` asks for
    /// one version.
    pub packages: Field<Vec<At<String>>>,
    /// Package files (`.deb`) that are baked into the images.
    pub debs: Field<Vec<At<String>>>,
    /// Packages that a node installs itself, over the network, on its first boot.
    pub packages_on_first_boot: Field<Vec<At<String>>>,
    /// A folder with `boot/` and `root/` whose files are laid over every node.
    pub overlay: Field<String>,
    /// No node's clock starts earlier than this: a Raspberry Pi has no clock that runs while it is off. A date
    /// (2026-11-23) or an RFC 3339 time. Default: the age of the base image.
    pub clock_floor: Field<String>,
    /// Whether each node tells how far it is, on its consoles and by its green LED.
    #[schemars(extend("default" = true))]
    pub tell: Field<bool>,
}

/// `[docker]`
#[derive(Clone, Debug, Default, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RawDocker {
    /// Where Docker comes from: `debian` (the archives that the base image names), `docker-ce` (Docker's own archive), or
    /// `none`.
    #[schemars(extend("default" = "debian"))]
    pub source: Field<DockerSource>,
    /// The packages to bake in. Default: docker.io and docker-cli, or docker-ce, docker-ce-cli and containerd.io.
    pub packages: Field<Vec<At<String>>>,
    /// Docker's own archive, without the distribution at its end.
    #[schemars(extend("default" = "https://download.docker.com/linux"))]
    pub archive: Field<String>,
    /// A file with the OpenPGP key that signs Docker's own archive. Default: fetched from that archive, and taken only with
    /// the fingerprint below.
    pub key_file: Field<String>,
    /// The fingerprint that the key of Docker's own archive must have: 40 hexadecimal digits.
    #[schemars(extend("default" = "9DC858229FC7DD38854AE2D88D81803C0EBFCD88"))]
    pub key_fingerprint: Field<String>,
    /// Whether the user is in the group `docker`, and so as mighty as root.
    #[schemars(extend("default" = false))]
    pub user_in_group: Field<bool>,
    /// Options of dockerd, laid over those of the template `daemon.json`.
    #[schemars(schema_with = "daemon_schema")]
    pub daemon: Field<Options>,
}

/// `[apt]`
#[derive(Clone, Debug, Default, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RawApt {
    /// Mirrors to fetch packages from: the address of an archive as the base image names it, and the address to use in its
    /// place. Signatures are checked all the same.
    #[schemars(default, with = "BTreeMap<String, String>")]
    pub mirrors: Field<Vec<(At<String>, At<String>)>>,
    /// An HTTP proxy for packages. Default: `http_proxy` and its like.
    pub proxy: Field<String>,
    /// Whether packages that others recommend are baked in, too.
    #[schemars(extend("default" = false))]
    pub recommends: Field<bool>,
}

/// `[swarm]`
#[derive(Clone, Debug, Default, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RawSwarm {
    /// How the nodes become one swarm: `baked` (each node's membership is in its image), `join` (that of the first manager is; the
    /// others join with a token that is in their images), or `none`. Default: baked; none when there is no Docker.
    #[schemars(extend("default" = "baked"))]
    pub mode: Field<SwarmMode>,
    /// How many managers there are: the first nodes, unless a `[[node]]` says otherwise. Best 1, 3, 5 or 7.
    #[schemars(range(min = 1, max = 7), extend("default" = 1))]
    pub managers: Field<u32>,
    /// Whether managers take no tasks.
    #[schemars(extend("default" = false))]
    pub drain_managers: Field<bool>,
    /// Pools from which overlay networks get their subnets. Default: Docker's, 10.0.0.0/8, or one beside what overlaps with it.
    pub address_pools: Field<Vec<At<String>>>,
    /// Prefix length of those subnets. Default: 24, or less where so many nodes need it.
    #[schemars(range(min = 8, max = 29), extend("default" = 24))]
    pub subnet_size: Field<u32>,
    /// UDP port of the overlay networks' traffic (VXLAN).
    #[schemars(range(min = 1024, max = 49151), extend("default" = 4789))]
    pub data_port: Field<u32>,
    /// The file with the cluster's keys, made when it is missing. It must not be readable for others.
    #[schemars(extend("default" = "kraken.keys"))]
    pub keys_file: Field<String>,
}

/// `[system.keyboard]`
#[derive(Clone, Debug, Default, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RawKeyboard {
    /// XKBMODEL.
    #[schemars(extend("default" = "pc105"))]
    pub model: Field<String>,
    /// XKBLAYOUT.
    #[schemars(extend("default" = "us"))]
    pub layout: Field<String>,
    /// XKBVARIANT.
    #[schemars(extend("default" = ""))]
    pub variant: Field<String>,
}

/// `[[node]]`: what is different on one node.
#[derive(Clone, Debug, Default, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RawNode {
    /// Which node, from 1.
    #[schemars(range(min = 1, max = 10000))]
    pub number: Field<u32>,
    /// Host name. Default: the cluster's name, a hyphen, the number.
    #[schemars(default)]
    pub hostname: Field<String>,
    /// IPv4 address. Default: counted up from `first-address`.
    #[schemars(default)]
    pub address: Field<String>,
    /// What it is in the swarm. Default: node 1 is the manager, the others are workers.
    #[schemars(default)]
    pub role: Field<Role>,
    /// Which board it is.
    #[schemars(default, extend("default" = "pi3"))]
    pub board: Field<Board>,
    /// MAC address of its network interface.
    #[schemars(default)]
    pub mac: Field<String>,
    /// Labels for the swarm's placement constraints.
    #[schemars(default, with = "BTreeMap<String, String>")]
    pub labels: Field<Vec<(At<String>, At<String>)>>,
    /// Whether it takes the swarm's tasks. Default: active; drain for managers with `[swarm] drain-managers`.
    #[schemars(default, extend("default" = "active"))]
    pub availability: Field<Availability>,
    /// Where the section stands.
    #[schemars(skip)]
    pub span: Range<usize>,
}

fn daemon_schema(_: &mut SchemaGenerator) -> Schema {
    Schema::try_from(super::daemon::schema()).unwrap_or_default()
}

/// The JSON schema of `kraken.toml` (JSON Schema 2020-12), as text with a newline at its end.
pub fn schema() -> String {
    let schema = schemars::schema_for!(RawConfig);
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}
