//! The node's static address, in the format of cloud-init, NetworkManager or systemd-networkd.
//!
//! The udev `.link` files of `overlays/common` name the gigabit adapter `gigabit0`, the onboard
//! port `onboard0`, and a slower adapter `adapter0`, whatever the order in which the kernel finds
//! them. With `interface = "auto"` they are ports of the active-backup bond `kraken0`, which
//! carries the address: it stays when an adapter is plugged in, pulled out, or was never there, and
//! it is never on two interfaces. The bond has the MAC address of the port that is in use. A fixed
//! one would still be in use here after its port is pulled out and serves another node, and an
//! adapter that speaks NCM can have no other address than its own. Raspberry Pi kernels have the
//! bonding driver as a module (`CONFIG_BONDING=m` in bcm2711_defconfig).

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::base::NetworkStack;
use kraken_foundation::Result;
use kraken_spec::{InterfaceChoice, Node};

use super::Assets;
use super::error;
use super::image::{BEGIN, Draft, END, exists, text, without_block};

/// The ports of the bond; the first is preferred while it has a link.
const PORTS: [&str; 3] = ["gigabit0", "onboard0", "adapter0"];
/// Interfaces of containers: dhcpcd would give them addresses, and fails when there are many.
const OF_DOCKER: [&str; 3] = ["veth*", "docker*", "br-*"];

/// Returns the interface that has the address.
fn interface(choice: InterfaceChoice) -> &'static str {
    match choice {
        InterfaceChoice::Auto => "kraken0",
        InterfaceChoice::Onboard => "onboard0",
        InterfaceChoice::Gigabit => "gigabit0",
        InterfaceChoice::Mac => "lan0",
    }
}

/// On images with NetworkManager, a further port gets an address by DHCP, which is a way in when
/// all else fails. With NetworkManager's own metrics (100 for Ethernet, 300 for a bond) the node
/// would send through that port, with that address.
pub(super) fn preferred(draft: &mut Draft<'_>, assets: &Assets) -> Result<()> {
    match draft.ctx.os.network {
        NetworkStack::NetplanNetworkManager | NetworkStack::NetworkManager => {
            let values = json!({"interface": interface(draft.ctx.cluster.network.interface)});
            let file = assets.renderer.text("50-kraken-metric.conf", &values)?;
            draft.file("/etc/NetworkManager/conf.d/50-kraken-metric.conf", file, 0o644)
        }
        // There a static address has metric 0, before all metrics of dhcpcd.
        NetworkStack::Networkd | NetworkStack::Dhcpcd => Ok(()),
    }
}

/// Returns the values for the network templates.
pub(super) fn values(draft: &Draft<'_>, node: &Node) -> Value {
    let network = &draft.ctx.cluster.network;
    let bond = network.interface == InterfaceChoice::Auto;
    json!({
        "interface": interface(network.interface),
        "bond": bond,
        "ports": if bond { &PORTS[..] } else { &[] },
        "address": node.address,
        "prefix": network.subnet.prefix_len(),
        "gateway": network.gateway,
        "dns": network.dns,
        "dns4": network.dns.iter().filter(|server| server.is_ipv4()).collect::<Vec<_>>(),
        "dns6": network.dns.iter().filter(|server| server.is_ipv6()).collect::<Vec<_>>(),
        "search": network.search,
        "renderer": renderer(draft.ctx.os.network),
    })
}

/// Returns netplan's name of the network service; `None` leaves the choice to the image.
fn renderer(stack: NetworkStack) -> Option<&'static str> {
    match stack {
        NetworkStack::NetplanNetworkManager | NetworkStack::NetworkManager => Some("NetworkManager"),
        NetworkStack::Networkd | NetworkStack::Dhcpcd => None,
    }
}

/// Writes the `.link` file that names the interface with the node's MAC address `lan0`, when the
/// spec chooses by MAC.
pub(super) fn link_by_mac(draft: &mut Draft<'_>, assets: &Assets, node: &Node) -> Result<()> {
    if draft.ctx.cluster.network.interface != InterfaceChoice::Mac {
        return Ok(());
    }
    let mac = node.mac.ok_or_else(|| {
        error::missing(
            &format!("MAC address for node {}", node.number),
            "give every [[node]] its mac, or choose another [network] interface",
        )
    })?;
    let file = assets.renderer.text("05-kraken-lan.link", &json!({"mac": mac}))?;
    draft.file("/etc/systemd/network/05-kraken-lan.link", file, 0o644)
}

/// Configures the network of an image without cloud-init, with files of its own network service.
pub(super) fn without_cloud_init(draft: &mut Draft<'_>, assets: &Assets, node: &Node) -> Result<()> {
    let values = values(draft, node);
    match draft.ctx.os.network {
        NetworkStack::NetplanNetworkManager | NetworkStack::NetworkManager => {
            network_manager(draft, assets, node, &values)
        }
        NetworkStack::Networkd | NetworkStack::Dhcpcd => networkd(draft, assets, &values),
    }
}

fn with(values: &Value, more: Value) -> Value {
    let mut all = values.clone();
    if let (Value::Object(all), Value::Object(more)) = (&mut all, more) {
        all.extend(more);
    }
    all
}

fn ports(values: &Value) -> Vec<String> {
    let ports = values["ports"].as_array();
    ports
        .into_iter()
        .flatten()
        .filter_map(|port| port.as_str().map(str::to_owned))
        .collect()
}

/// Writes keyfiles (nm-settings-keyfile(5)); NetworkManager reads them only when they belong to
/// root and have mode 0600.
fn network_manager(draft: &mut Draft<'_>, assets: &Assets, node: &Node, values: &Value) -> Result<()> {
    const FOLDER: &str = "/etc/NetworkManager/system-connections";
    let cluster = &draft.ctx.cluster.name;
    let uuid = |name: &str| json!({"uuid": uuid(&format!("{cluster}/{}/{name}", node.number))});
    let main = with(values, uuid("address"));
    let mut files = vec![(
        "kraken-address".to_owned(),
        assets.renderer.text("kraken-address.nmconnection", &main)?,
    )];
    for port in ports(values) {
        let values = with(&with(values, uuid(&port)), json!({"port": port}));
        let file = assets.renderer.text("kraken-port.nmconnection", &values)?;
        files.push((format!("kraken-port-{port}"), file));
    }
    for (name, file) in files {
        draft.file(&format!("{FOLDER}/{name}.nmconnection"), file, 0o600)?;
    }
    Ok(())
}

/// A name-based UUID of version 8 (RFC 9562, §5.8): the first 16 bytes of a SHA-256.
fn uuid(name: &str) -> String {
    let mut bytes: [u8; 16] = [0; 16];
    bytes.copy_from_slice(&Sha256::digest(name)[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex::encode(bytes);
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// Writes files of systemd.network(5), enables networkd, and keeps dhcpcd off these interfaces.
fn networkd(draft: &mut Draft<'_>, assets: &Assets, values: &Value) -> Result<()> {
    const FOLDER: &str = "/etc/systemd/network";
    let interface = values["interface"].as_str().unwrap_or_default().to_owned();
    let mut taken = ports(values);
    if !taken.is_empty() {
        let netdev = assets.renderer.text("10-kraken-bond.netdev", values)?;
        draft.file(&format!("{FOLDER}/10-kraken-bond.netdev"), netdev, 0o644)?;
    }
    for (index, port) in taken.iter().enumerate() {
        let values = with(values, json!({"port": port, "primary": index == 0}));
        let file = assets.renderer.text("11-kraken-port.network", &values)?;
        draft.file(&format!("{FOLDER}/11-kraken-port-{port}.network"), file, 0o644)?;
    }
    let address = assets.renderer.text("12-kraken-address.network", values)?;
    draft.file(&format!("{FOLDER}/12-kraken-address.network"), address, 0o644)?;
    enable(draft, "systemd-networkd.service", "multi-user.target")?;
    if draft.ctx.os.network == NetworkStack::Dhcpcd {
        taken.push(interface);
        taken.extend(OF_DOCKER.map(str::to_owned));
        dhcpcd_keeps_off(draft, &taken)?;
        // systemd-resolved is not there, so name servers in a .network file would have no effect.
        let resolv = assets.renderer.text("resolv.conf", values)?;
        draft.file("/etc/resolv.conf", resolv, 0o644)?;
    }
    Ok(())
}

/// Puts a block at the top of dhcpcd.conf(5): further down, an `interface` line would apply it to
/// that interface alone.
fn dhcpcd_keeps_off(draft: &mut Draft<'_>, interfaces: &[String]) -> Result<()> {
    const PATH: &str = "/etc/dhcpcd.conf";
    let old = text(draft.ctx.root, PATH)?.unwrap_or_default();
    let block = format!(
        "{BEGIN}: systemd-networkd and Docker have these\ndenyinterfaces {}\nnohook resolv.conf\n{END}\n",
        interfaces.join(" ")
    );
    draft.edited(PATH, block + &without_block(&old), 0o644)
}

/// Enables a unit as `systemctl enable` would: a link in the target's `.wants`.
pub(super) fn enable(draft: &mut Draft<'_>, unit: &str, target: &str) -> Result<()> {
    let mut place = format!("/usr/lib/systemd/system/{unit}");
    let old_place = format!("/lib/systemd/system/{unit}");
    let own_place = format!("/etc/systemd/system/{unit}");
    if unit.starts_with("kraken-") {
        place = own_place;
    } else if !exists(draft.ctx.root, &place)? && exists(draft.ctx.root, &old_place)? {
        place = old_place;
    }
    draft.link(&format!("/etc/systemd/system/{target}.wants/{unit}"), &place)
}
