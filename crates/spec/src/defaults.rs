//! Defaults and bounds that are one value. The declaration of the keys (`raw`) names them, and
//! `resolve` uses them. Those of whole structs and of enumerations are in `cluster`.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// The cluster's name, without a number; also the default name of the account.
pub(super) const NAME: &str = "kraken";
/// The default number of nodes.
pub(super) const NODES: u32 = 7;
/// The largest number of nodes. No larger swarm has been made; the bound protects memory.
pub(super) const MOST_NODES: u32 = 10_000;
/// The default subnet.
pub(super) const SUBNET: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 3, 0), 24);
/// The default base: Raspberry Pi OS Lite, 64 bit.
pub(super) const BASE: &str = "raspios-lite-arm64";
/// The groups of Raspberry Pi OS's first user (pi-gen, stage1/01-sys-tweaks); `sudo` only for a
/// user who may use it.
pub(super) const GROUPS: &[&str] = &[
    "adm", "dialout", "cdrom", "sudo", "audio", "video", "plugdev", "games", "users", "input", "render", "netdev",
    "gpio", "i2c", "spi",
];
/// The default time zone.
pub(super) const TIMEZONE: &str = "Etc/UTC";
/// The default locale, which needs no generation.
pub(super) const LOCALE: &str = "C.UTF-8";
/// Whether each node reports its progress by default.
pub(super) const STATUS: bool = true;
/// The default number of managers.
pub(super) const MANAGERS: u32 = 1;
/// The largest number of managers: more only make a swarm slower (Docker's documentation,
/// "Administer and maintain a swarm").
pub(super) const MOST_MANAGERS: u32 = 7;
/// Whether managers take no tasks by default.
pub(super) const DRAIN_MANAGERS: bool = false;
/// Prefix length of an overlay network: Docker's default (moby, `daemon/cluster/swarm.go`).
pub(super) const SUBNET_SIZE: u8 = 24;
/// The prefix length of the largest subnets of overlay networks.
pub(super) const LARGEST_SUBNET: u8 = 8;
/// The prefix length of the smallest subnets that Docker accepts.
pub(super) const SMALLEST_SUBNET: u8 = 29;
/// Docker's port for VXLAN.
pub(super) const DATA_PORT: u16 = 4789;
/// The first port that Docker accepts for VXLAN (moby, `daemon/cluster/swarm.go`).
pub(super) const FIRST_DATA_PORT: u16 = 1024;
/// The last port that Docker accepts for VXLAN.
pub(super) const LAST_DATA_PORT: u16 = 49151;
/// The default file for the keys of the swarm.
pub(super) const KEYS_FILE: &str = "kraken.keys";
