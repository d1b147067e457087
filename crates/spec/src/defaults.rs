//! Defaults and bounds that are one value: the declaration of the keys (`raw`) names them, `resolve`
//! keeps to them. Those of whole structs and of enumerations are in `cluster`.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// The cluster's name, without a number; also that of the account.
pub(super) const NAME: &str = "kraken";
/// How many nodes there are: the seed's cluster.
pub(super) const NODES: u32 = 7;
/// More nodes than this no swarm has been made with; a bound for memory.
pub(super) const MOST_NODES: u32 = 10_000;
/// The seed's subnet.
pub(super) const SUBNET: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 3, 0), 24);
/// Raspberry Pi OS Lite, 64 bit.
pub(super) const BASE: &str = "raspios-lite-arm64";
/// The groups of Raspberry Pi OS's first user (pi-gen, stage1/01-sys-tweaks), with `sudo` for those
/// who may.
pub(super) const GROUPS: &[&str] = &[
    "adm", "dialout", "cdrom", "sudo", "audio", "video", "plugdev", "games", "users", "input", "render", "netdev",
    "gpio", "i2c", "spi",
];
/// The time zone.
pub(super) const TIMEZONE: &str = "Etc/UTC";
/// The locale that needs no generation.
pub(super) const LOCALE: &str = "C.UTF-8";
/// Whether each node shows how far it is.
pub(super) const TELL: bool = true;
/// How many managers there are.
pub(super) const MANAGERS: u32 = 1;
/// More managers than this only make a swarm slower (Docker's documentation, "Administer and
/// maintain a swarm").
pub(super) const MOST_MANAGERS: u32 = 7;
/// Whether managers take no tasks.
pub(super) const DRAIN_MANAGERS: bool = false;
/// Prefix length of an overlay network: Docker's default (moby, `daemon/cluster/swarm.go`).
pub(super) const SUBNET_SIZE: u8 = 24;
/// The largest subnets of overlay networks.
pub(super) const LARGEST_SUBNET: u8 = 8;
/// The smallest subnets that Docker takes.
pub(super) const SMALLEST_SUBNET: u8 = 29;
/// Docker's port for VXLAN.
pub(super) const DATA_PORT: u16 = 4789;
/// The first port that Docker takes for it (moby, `daemon/cluster/swarm.go`).
pub(super) const FIRST_DATA_PORT: u16 = 1024;
/// The last one.
pub(super) const LAST_DATA_PORT: u16 = 49151;
/// Where the keys of the swarm are.
pub(super) const KEYS_FILE: &str = "kraken.keys";
