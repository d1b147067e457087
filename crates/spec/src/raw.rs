//! `kraken.toml` as it is written: the one declaration of each key. The reader, the JSON schema,
//! the commented file of `kraken-flash init` and the reference page follow from it (`declare`,
//! `keys`).
//!
//! A declaration of a key consists of:
//! - its doc comment: what the key is, in text that fits all four. When the default is not one
//!   value, the last paragraph describes it, and begins with `Default:`.
//! - `default`: the value that it has in a cluster without a kraken.toml. The commented file shows
//!   it.
//! - `example`: what the commented file shows when there is no `default`.
//! - what its values must be, as far as a schema can say it. `resolve` checks everything else.

use schemars::transform::{RecursiveTransform, Transform};
use schemars::{Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::cluster::{Apt, Docker, DockerSource, InterfaceChoice, Keyboard, Sudo, SwarmMode, UsedImage};
use super::declare::section;
use super::defaults;
use super::field::{At, Field, Moment, Pairs};
use super::node::{Availability, Board, Role};
use super::options::Options;

section! {
    /// A cluster of Raspberry Pis, for kraken-flash. Every key has a default; without any it is
    /// seven nodes, kraken-1 to kraken-7, 192.168.3.11 to .17, node 1 the manager.
    #[schemars(title = "kraken.toml")]
    pub struct RawConfig {
        /// The cluster as a whole.
        pub cluster: RawCluster,
        /// Addresses and interfaces.
        pub network: RawNetwork,
        /// The operating-system image to start from.
        pub image: RawImage,
        /// The account made on every node.
        pub user: RawUser,
        /// What all nodes have in common.
        pub system: RawSystem,
        /// Docker, inside every image before its first boot.
        pub docker: RawDocker,
        /// How kraken-flash gets the packages that it bakes into the images.
        pub apt: RawApt,
        /// The Docker swarm that the nodes are from their first boot on.
        pub swarm: RawSwarm,
        /// What is different on single nodes: one `[[node]]` for each.
        pub node: Vec<At<RawNode>>,
    }
}

section! {
    /// `[cluster]`
    pub struct RawCluster {
        /// Name of the cluster: lower-case letters, digits and hyphens. Nodes are called NAME-1,
        /// NAME-2, …
        #[schemars(extend("default" = defaults::NAME))]
        pub name: Field<String>,
        /// How many nodes there are.
        ///
        /// Default: seven, or as many as the highest number of a `[[node]]` when that is more.
        #[schemars(range(min = 1, max = defaults::MOST_NODES), extend("default" = defaults::NODES))]
        pub nodes: Field<u32>,
    }
}

section! {
    /// `[network]`
    pub struct RawNetwork {
        /// The cluster's IPv4 subnet.
        #[schemars(extend("default" = defaults::SUBNET))]
        pub subnet: Field<String>,
        /// Address of node 1; node 2 has the next one, and so on.
        ///
        /// Default: the subnet's eleventh address.
        #[schemars(extend("default" = "192.168.3.11"))]
        pub first_address: Field<String>,
        /// Address of the router.
        ///
        /// Default: the subnet's first address.
        #[schemars(extend("default" = "192.168.3.1"))]
        pub gateway: Field<String>,
        /// Name servers, IPv4 or IPv6.
        ///
        /// Default: the gateway.
        #[schemars(extend("default" = ["192.168.3.1"]))]
        pub dns: Field<Vec<At<String>>>,
        /// Search domains.
        #[schemars(extend("default" = []))]
        pub search: Field<Vec<At<String>>>,
        /// Which network interface has a node's address.
        #[schemars(extend("default" = InterfaceChoice::default()))]
        pub interface: Field<InterfaceChoice>,
    }
}

section! {
    /// `[image]`
    pub struct RawImage {
        /// The operating system: a name of Raspberry Pi's catalogue (`raspios-lite-arm64`,
        /// `raspios-lite-armhf`), a file (with a `/` in it, or ending in .img, .raw, .iso, .xz,
        /// .zst, .gz or .zip), an http(s) address, or `debian`.
        #[schemars(extend("default" = defaults::BASE))]
        pub base: Field<String>,
        /// SHA-256 that the base must have, as downloaded or unpacked: 64 hexadecimal digits.
        ///
        /// Default: none.
        #[schemars(example = &"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
        pub sha256: Field<String>,
        /// Address of another catalogue of images.
        ///
        /// Default: Raspberry Pi's own.
        #[schemars(example = &"https://example.org/os_list.json")]
        pub catalogue: Field<String>,
        /// Address of a mirror of the images that the catalogue names.
        ///
        /// Default: none.
        #[schemars(example = &"https://mirror.example.org")]
        pub mirror: Field<String>,
        /// Whether to take a base that was in use before: a copy of a card that ran, or an image
        /// that was set up by hand. What belongs to one machine, such as host keys, is removed from
        /// it in any case.
        #[schemars(extend("default" = UsedImage::default()))]
        pub used: Field<UsedImage>,
    }
}

section! {
    /// `[user]`
    pub struct RawUser {
        /// Name of the account.
        #[schemars(regex(pattern = r"^[a-z][a-z0-9-]{0,31}$"), extend("default" = defaults::NAME))]
        pub name: Field<String>,
        /// Groups that the account is in, besides its own. Groups that an image does not have are
        /// left out.
        #[schemars(extend("default" = defaults::GROUPS))]
        pub groups: Field<Vec<At<String>>>,
        /// Who may log in: files with public SSH keys, or the keys themselves.
        ///
        /// Default: the keys of `~/.ssh`; when there are none, a pair is made beside kraken.toml
        /// (`kraken_ed25519`, `kraken_ed25519.pub`).
        #[schemars(example = ["~/.ssh/id_ed25519.pub"])]
        pub ssh_keys: Field<Vec<At<String>>>,
        /// A password for the console: a file with its hash (`mkpasswd > kraken.passwd; chmod 600
        /// kraken.passwd`). Others must not be able to read it.
        ///
        /// Default: no password, SSH keys only.
        #[schemars(example = &"kraken.passwd")]
        pub password_hash_file: Field<String>,
        /// What the account may do as root.
        #[schemars(extend("default" = Sudo::default()))]
        pub sudo: Field<Sudo>,
    }
}

section! {
    /// `[system]`
    pub struct RawSystem {
        /// Name of the time zone (`Europe/Berlin`).
        #[schemars(extend("default" = defaults::TIMEZONE))]
        pub timezone: Field<String>,
        /// A UTF-8 locale (`en_GB.UTF-8`).
        #[schemars(extend("default" = defaults::LOCALE))]
        pub locale: Field<String>,
        /// The keyboard of the console, in the words of keyboard(5).
        pub keyboard: RawKeyboard,
        /// Packages to bake into the images, so that no node needs a network for them. They come
        /// from the archives that the base image itself names; `NAME=VERSION` asks for one version.
        #[schemars(extend("default" = []))]
        pub packages: Field<Vec<At<String>>>,
        /// Package files (`.deb`) to bake into the images.
        #[schemars(extend("default" = []))]
        pub debs: Field<Vec<At<String>>>,
        /// Packages that each node installs by itself, over the network, on its first boot.
        #[schemars(extend("default" = []))]
        pub packages_on_first_boot: Field<Vec<At<String>>>,
        /// A folder with `boot/` and `root/`, whose files are laid over every node.
        ///
        /// Default: none.
        #[schemars(example = &"extra")]
        pub overlay: Field<String>,
        /// No node's clock starts before this date (2026-11-23) or RFC 3339 time. A Raspberry Pi
        /// has no clock that runs while it is off: a node without a network would believe that it
        /// is the day on which its image was made, and certificates made since would not be valid
        /// yet. `kraken-flash init` sets it to the day on which it runs; so the same kraken.toml
        /// gives the same images on any day.
        ///
        /// Default: the age of the base image.
        #[schemars(example = &"2026-11-23")]
        pub clock_floor: Field<Moment>,
        /// Whether each node shows how far it is: a line for each stage on its screen and its
        /// serial line, a pattern on its green LED.
        #[schemars(extend("default" = defaults::STATUS))]
        pub status: Field<bool>,
    }
}

section! {
    /// `[system.keyboard]`
    pub struct RawKeyboard {
        /// Its model (XKBMODEL).
        #[schemars(extend("default" = Keyboard::default().model))]
        pub model: Field<String>,
        /// Its layout (XKBLAYOUT): one, or several with commas between them.
        #[schemars(extend("default" = Keyboard::default().layout))]
        pub layout: Field<String>,
        /// The layout's variant (XKBVARIANT).
        #[schemars(extend("default" = Keyboard::default().variant))]
        pub variant: Field<String>,
    }
}

section! {
    /// `[docker]`
    pub struct RawDocker {
        /// Where Docker comes from.
        #[schemars(extend("default" = DockerSource::default()))]
        pub source: Field<DockerSource>,
        /// The packages to bake in.
        ///
        /// Default: docker.io and docker-cli; with `docker-ce` docker-ce, docker-ce-cli and
        /// containerd.io.
        #[schemars(example = ["docker.io", "docker-cli", "docker-compose"])]
        pub packages: Field<Vec<At<String>>>,
        /// Docker's own archive, without the distribution at its end.
        #[schemars(extend("default" = Docker::default().archive))]
        pub archive: Field<String>,
        /// A file with the OpenPGP key that signs Docker's own archive.
        ///
        /// Default: fetched from that archive, and taken only with the fingerprint below.
        #[schemars(example = &"docker.asc")]
        pub key_file: Field<String>,
        /// The fingerprint that the key of Docker's own archive must have: 40 hexadecimal digits.
        #[schemars(extend("default" = hex::encode_upper(Docker::default().key_fingerprint)))]
        pub key_fingerprint: Field<String>,
        /// Whether the user may use docker without sudo; it gives the account the powers of root.
        #[schemars(extend("default" = Docker::default().user_in_group))]
        pub user_in_group: Field<bool>,
        /// Options of dockerd, laid over those of the template `daemon.json` (log rotation,
        /// overlay2). They are checked: dockerd does not start with one that it does not know. With
        /// `data-root` the node's place in the swarm moves along.
        ///
        /// Default: none.
        #[schemars(schema_with = "daemon_schema", example = json!({"dns": ["192.168.3.1"]}))]
        pub daemon: Field<Options>,
    }
}

section! {
    /// `[apt]`
    pub struct RawApt {
        /// Mirrors to fetch packages from: the address of an archive as the base image names it,
        /// and the address to use in its place. Signatures are checked all the same.
        ///
        /// Default: none.
        #[schemars(example = json!({"http://archive.example.org/debian": "http://mirror.example.org/debian"}))]
        pub mirrors: Field<Pairs>,
        /// An HTTP proxy for packages.
        ///
        /// Default: the environment's `http_proxy` and its like.
        #[schemars(example = &"http://192.168.3.2:3142")]
        pub proxy: Field<String>,
        /// Whether packages that others recommend are baked in, too.
        #[schemars(extend("default" = Apt::default().recommends))]
        pub recommends: Field<bool>,
    }
}

section! {
    /// `[swarm]`
    pub struct RawSwarm {
        /// How the nodes become one swarm.
        ///
        /// Default: `baked`; `none` when there is no Docker.
        #[schemars(extend("default" = SwarmMode::default()))]
        pub mode: Field<SwarmMode>,
        /// How many managers there are: the first nodes, unless a `[[node]]` says otherwise. Best
        /// 1, 3, 5 or 7: with 3 the swarm outlives the loss of one, with 5 of two.
        #[schemars(range(min = 1, max = defaults::MOST_MANAGERS), extend("default" = defaults::MANAGERS))]
        pub managers: Field<u32>,
        /// Whether managers leave the tasks to the workers.
        #[schemars(extend("default" = defaults::DRAIN_MANAGERS))]
        pub drain_managers: Field<bool>,
        /// Pools from which overlay networks get their subnets.
        ///
        /// Default: Docker's, 10.0.0.0/8, or another one where the LAN or a DNS server is in that.
        #[schemars(example = ["10.0.0.0/8"])]
        pub address_pools: Field<Vec<At<String>>>,
        /// Prefix length of those subnets.
        ///
        /// Default: 24, or less where so many nodes need it.
        #[schemars(range(min = defaults::LARGEST_SUBNET, max = defaults::SMALLEST_SUBNET), extend("default" = defaults::SUBNET_SIZE))]
        pub subnet_size: Field<u32>,
        /// UDP port of the overlay networks' traffic (VXLAN).
        #[schemars(range(min = defaults::FIRST_DATA_PORT, max = defaults::LAST_DATA_PORT), extend("default" = defaults::DATA_PORT))]
        pub data_port: Field<u32>,
        /// The file with the cluster's keys, made when it is missing. It gives power over every
        /// node, and without it no card of this cluster can be made again. Others must not be able
        /// to read it.
        #[schemars(extend("default" = defaults::KEYS_FILE))]
        pub keys_file: Field<String>,
    }
}

section! {
    /// `[[node]]`: what is different on one node.
    #[schemars(extend("required" = ["number"]))]
    pub struct RawNode {
        /// Which node, from 1.
        #[schemars(range(min = 1, max = defaults::MOST_NODES), example = 3)]
        pub number: Field<u32>,
        /// Host name.
        ///
        /// Default: the cluster's name, a hyphen, the number.
        #[schemars(example = &"storage")]
        pub hostname: Field<String>,
        /// IPv4 address.
        ///
        /// Default: counted up from `first-address`.
        #[schemars(example = &"192.168.3.50")]
        pub address: Field<String>,
        /// What the node is in the swarm.
        ///
        /// Default: the first nodes are managers, as many as `managers` in `[swarm]` says; the
        /// others are workers.
        #[schemars(example = Role::Manager)]
        pub role: Field<Role>,
        /// Which board it is.
        #[schemars(example = Board::Pi4, extend("default" = Board::default()))]
        pub board: Field<Board>,
        /// MAC address of its network interface.
        ///
        /// Default: none.
        #[schemars(example = &"b8:27:eb:12:34:56")]
        pub mac: Field<String>,
        /// Labels for the swarm's placement constraints.
        ///
        /// Default: none.
        #[schemars(example = json!({"disk": "ssd"}))]
        pub labels: Field<Pairs>,
        /// Whether it takes the swarm's tasks.
        ///
        /// Default: `active`; `drain` for managers with `drain-managers` in `[swarm]`.
        #[schemars(example = Availability::Drain, extend("default" = Availability::default()))]
        pub availability: Field<Availability>,
    }
}

fn daemon_schema(_: &mut SchemaGenerator) -> Schema {
    Schema::try_from(super::daemon::schema()).unwrap_or_default()
}

/// The JSON schema of `kraken.toml` (JSON Schema 2020-12), as text with a newline at its end.
pub fn schema() -> String {
    let mut text = serde_json::to_string_pretty(&declared()).unwrap_or_default();
    text.push('\n');
    text
}

/// The JSON schema of `kraken.toml`, as it is declared here.
pub(super) fn declared() -> Schema {
    let mut schema = schemars::schema_for!(RawConfig);
    RecursiveTransform(join_lines).transform(&mut schema);
    schema
}

/// Makes each paragraph of a description one line: where the source wraps it means nothing.
fn join_lines(schema: &mut Schema) {
    if let Some(Value::String(description)) = schema.get_mut("description") {
        let paragraphs: Vec<String> = description.split("\n\n").map(|text| text.replace('\n', " ")).collect();
        *description = paragraphs.join("\n\n");
    }
}
