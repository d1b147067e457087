//! The resolved cluster, which all other crates work from. All defaults are filled in, and all
//! values are checked.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::nets::{LocalPool, addresses_in};
use super::node::{Node, Role};
use kraken_foundation::Sha256Hash;

/// A whole cluster, valid by construction.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Cluster {
    /// The cluster's name, an RFC 1123 label; also the stem of the default host names (`kraken` →
    /// `kraken-1`).
    pub name: String,
    /// Addresses and interfaces.
    pub network: Network,
    /// The OS image to start from.
    pub image: Image,
    /// The account made on every node.
    pub user: User,
    /// Settings that are the same on all nodes.
    pub system: System,
    /// Docker inside the images.
    pub docker: Docker,
    /// Where packages come from.
    pub apt: Apt,
    /// The swarm that the nodes form.
    pub swarm: Swarm,
    /// The nodes, numbered 1, 2, 3, … without a gap.
    pub nodes: Vec<Node>,
}

impl Cluster {
    /// The cluster's managers, by number.
    pub fn managers(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.role == Role::Manager)
    }

    /// The manager that the swarm starts with.
    pub fn first_manager(&self) -> Option<&Node> {
        self.managers().next()
    }
}

/// `[network]`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Network {
    /// The cluster's subnet, host bits cleared (`192.168.3.0/24`).
    pub subnet: Ipv4Net,
    /// The default route.
    pub gateway: Ipv4Addr,
    /// Name servers, in order; the gateway when the spec names none.
    pub dns: Vec<IpAddr>,
    /// Search domains, in order; may be empty.
    pub search: Vec<String>,
    /// Which network interface carries the node's address.
    pub interface: InterfaceChoice,
}

/// Which network interface carries the node's address (`[network] interface`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InterfaceChoice {
    /// The USB gigabit adapter if there is one with a link, else the onboard port; the address is
    /// the same.
    #[default]
    Auto,
    /// The onboard Ethernet port.
    Onboard,
    /// The USB gigabit adapter (ASIX AX88179, Realtek RTL8153).
    Gigabit,
    /// The interface whose MAC address is the node's `mac`; every node must have one.
    Mac,
}

/// `[image]`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Image {
    /// Where the base image comes from.
    pub base: BaseRef,
    /// SHA-256 that the base must have, of the file as downloaded or of the raw image in it: one
    /// match is enough.
    pub sha256: Option<Sha256Hash>,
    /// Address of the catalogue of OS images; `None` for Raspberry Pi's own.
    pub catalogue: Option<String>,
    /// A mirror: its scheme and host replace those of the addresses that a catalogue names, and its
    /// path is put before theirs.
    pub mirror: Option<String>,
    /// What happens to a base that was in use before.
    pub used: UsedImage,
}

/// `[image] used`: what becomes of a base that was in use before, where not all of it can be taken
/// back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UsedImage {
    /// It is refused when it has what cannot be taken back: accounts of others, containers.
    #[default]
    Refuse,
    /// It is taken all the same, and that goes onto all nodes.
    Accept,
}

/// Where a base image comes from (`[image] base`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BaseRef {
    /// A file; absolute, or relative to the folder of `kraken.toml` and already joined with it.
    Path(PathBuf),
    /// An `http://` or `https://` address.
    Url(String),
    /// A name of the catalogue (`raspios-lite-arm64`).
    Catalogue(String),
    /// A Pi-bootable Debian, composed on this machine from Debian packages.
    Debian,
}

/// `[user]`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct User {
    /// Account name, `[a-z][a-z0-9-]*`, at most 32 characters, not `root`.
    pub name: String,
    /// Supplementary groups; `provision` leaves out those that the image does not have.
    pub groups: Vec<String>,
    /// Public keys in OpenSSH's one-line format, comment included. Never empty, except in a plan
    /// made before there is a key.
    pub ssh_keys: Vec<String>,
    /// The hash for `/etc/shadow` (crypt(5) format), from `password-hash-file`. Without one the
    /// password is locked.
    pub password_hash: Option<SecretText>,
    /// What the user may do as root.
    pub sudo: Sudo,
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// Wraps a secret.
    pub fn new(text: String) -> Self {
        Self(text)
    }
    /// Returns the secret itself, for the one place that must write it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Serialize for SecretText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("(secret)")
    }
}

/// `[user] sudo`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sudo {
    /// Everything, without a password: with SSH keys only, there is no password to ask for.
    #[default]
    Nopasswd,
    /// Everything, after the user's password (needs `password-hash-file`).
    Password,
    /// Nothing.
    None,
}

/// `[system]`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct System {
    /// A name of the time-zone database (`Europe/Berlin`); `Etc/UTC` by default.
    pub timezone: String,
    /// A locale (`en_GB.UTF-8`); `C.UTF-8` by default, which needs no generation.
    pub locale: String,
    /// The console keyboard.
    pub keyboard: Keyboard,
    /// Packages that are baked into the images: `NAME` or `NAME=VERSION`.
    pub packages: Vec<String>,
    /// Package files that are baked into the images.
    pub debs: Vec<DebRef>,
    /// Packages that the node itself installs over the network on its first boot.
    pub packages_on_first_boot: Vec<String>,
    /// A folder with `boot/` and `root/` whose files are laid over every node, joined with the
    /// folder of `kraken.toml`.
    pub overlay: Option<PathBuf>,
    /// The clock of a node never shows an earlier time than this (seconds since 1970-01-01 UTC).
    /// `None`: the base's own age.
    pub clock_floor: Option<i64>,
    /// Whether each node reports its progress, on its consoles and by its green LED.
    pub status: bool,
}

/// A package file of `[system] debs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DebRef {
    /// As the spec writes it. This goes into the lock file, and no path of this machine does.
    pub written: String,
    /// Where it is: absolute, or relative to the folder of `kraken.toml` and already joined with
    /// it.
    #[serde(skip)]
    pub path: PathBuf,
}

/// `[docker]`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Docker {
    /// Where Docker comes from.
    pub source: DockerSource,
    /// The packages to bake in; `None`: those that the source is known to need.
    pub packages: Option<Vec<String>>,
    /// The address of Docker's own archive, without the distribution at its end and without a slash
    /// there.
    pub archive: String,
    /// A file with the key of Docker's own archive; `None`: the key is fetched from the archive.
    pub key_file: Option<PathBuf>,
    /// The fingerprint that this key must have.
    #[serde(serialize_with = "hex_text")]
    pub key_fingerprint: [u8; 20],
    /// Whether the user is in the group `docker`.
    pub user_in_group: bool,
    /// Options of dockerd that are laid over those of the template.
    pub daemon: serde_json::Map<String, serde_json::Value>,
    /// Pools for the networks that each node has for itself, where Docker's own would overlap with
    /// what the nodes need or with `[swarm] address-pools`; empty: Docker's own.
    pub local_pools: Vec<LocalPool>,
}

impl Default for Docker {
    fn default() -> Self {
        Self {
            source: DockerSource::default(),
            packages: None,
            archive: "https://download.docker.com/linux".to_owned(),
            key_file: None,
            // As Docker's installation guide for Debian shows it.
            key_fingerprint: [
                0x9d, 0xc8, 0x58, 0x22, 0x9f, 0xc7, 0xdd, 0x38, 0x85, 0x4a, 0xe2, 0xd8, 0x8d, 0x81, 0x80, 0x3c, 0x0e,
                0xbf, 0xcd, 0x88,
            ],
            user_in_group: false,
            daemon: serde_json::Map::new(),
            local_pools: Vec::new(),
        }
    }
}

fn hex_text<S: serde::Serializer>(bytes: &[u8; 20], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex::encode_upper(bytes))
}

/// `[docker] source`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DockerSource {
    /// The archives that the base image itself names: Debian's package `docker.io`.
    #[default]
    Debian,
    /// Docker's own archive: `docker-ce`.
    DockerCe,
    /// No Docker is baked in.
    None,
}

/// `[swarm]`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Swarm {
    /// How the nodes become one swarm.
    pub mode: SwarmMode,
    /// The file with the cluster's keys.
    pub keys_file: PathBuf,
    /// Pools from which overlay networks get their subnets; empty: Docker's default, 10.0.0.0/8.
    pub address_pools: Vec<Ipv4Net>,
    /// What already uses a part of Docker's default, when `address-pools` was chosen for that
    /// reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool_avoids: Option<String>,
    /// Prefix length of the overlay networks' subnets.
    pub subnet_size: u8,
    /// UDP port of the overlay networks' VXLAN.
    pub data_port: u16,
}

impl Swarm {
    /// Returns how many containers can have an address in an overlay network, with one for each
    /// node's own end of it.
    pub fn addresses_in_subnet(&self) -> u32 {
        addresses_in(self.subnet_size)
    }
}

/// `[swarm] mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SwarmMode {
    /// Each node's membership is in its image.
    #[default]
    Baked,
    /// That of the first manager is; the others join through Docker's own interface, with a token
    /// that is in their images.
    Join,
    /// No swarm.
    None,
}

/// `[apt]`.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Apt {
    /// Maps the address of an archive as the base image names it to the address to use in its
    /// place.
    pub mirrors: std::collections::BTreeMap<String, String>,
    /// A proxy for packages; `None`: the one that the environment names.
    pub proxy: Option<String>,
    /// Whether recommended packages are baked in, too.
    pub recommends: bool,
}

/// `[system.keyboard]`, in the words of keyboard(5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Keyboard {
    /// XKBMODEL.
    pub model: String,
    /// XKBLAYOUT.
    pub layout: String,
    /// XKBVARIANT, may be empty.
    pub variant: String,
}

impl Default for Keyboard {
    fn default() -> Self {
        Self {
            model: "pc105".into(),
            layout: "us".into(),
            variant: String::new(),
        }
    }
}
