//! The checks of the network: address, adapter, gateway.

use serde_json::Value;

use super::verdict::{self, NodeView, Verdict, seen};
use crate::probe::ProbeOutput;

/// The interface that has the node's address.
struct Holder<'a> {
    interface: &'a Value,
    /// The length of the address's prefix.
    prefix: u64,
}

/// Returns the interface that has the node's address, if there is one.
fn holder<'a>(addresses: &'a Value, view: &NodeView<'_>) -> Option<Holder<'a>> {
    let wanted = view.node.address.to_string();
    addresses.as_array()?.iter().find_map(|interface| {
        let infos = interface["addr_info"].as_array()?;
        let info = infos.iter().find(|info| info["local"] == wanted.as_str())?;
        Some(Holder {
            interface,
            prefix: info["prefixlen"].as_u64()?,
        })
    })
}

/// Returns a line for each interface with its addresses.
fn overview(addresses: &Value) -> String {
    let lines = addresses.as_array().into_iter().flatten().map(|interface| {
        let infos = interface["addr_info"].as_array().into_iter().flatten();
        let addresses: Vec<String> = infos
            .filter(|info| info["family"] != "inet6")
            .map(|info| format!("{}/{}", info["local"].as_str().unwrap_or("?"), info["prefixlen"]))
            .collect();
        let state = interface["operstate"].as_str().unwrap_or("?");
        format!(
            "{} ({state}): {}",
            interface["ifname"].as_str().unwrap_or("?"),
            addresses.join(", ")
        )
    });
    verdict::lines(&lines.collect::<Vec<_>>().join("\n"), 8)
}

pub(super) fn address(probe: &ProbeOutput, view: &NodeView<'_>) -> Verdict {
    let expected = format!("{}/{}", view.node.address, view.cluster.network.subnet.prefix_len());
    let Some(addresses) = probe.json("addresses") else {
        return Verdict::not_yet(expected, seen(probe, "addresses"));
    };
    match holder(&addresses, view) {
        Some(Holder { interface, prefix }) if prefix == u64::from(view.cluster.network.subnet.prefix_len()) => {
            Verdict::Good(format!("{expected} on {}", interface["ifname"].as_str().unwrap_or("?")))
        }
        _ => Verdict::not_yet(expected, overview(&addresses)),
    }
}

pub(super) fn nic(probe: &ProbeOutput, view: &NodeView<'_>) -> Verdict {
    let expected = format!("link up, MAC {}", view.mac);
    let Some(addresses) = probe.json("addresses") else {
        return Verdict::not_yet(expected, seen(probe, "addresses"));
    };
    let Some(Holder { interface, .. }) = holder(&addresses, view) else {
        return Verdict::not_yet(expected, overview(&addresses));
    };
    let is_adapter = |known: &&Value| known["address"] == view.mac && known["link_type"] == "ether";
    // The adapter itself, or a bond or bridge that it belongs to.
    let name = &interface["ifname"];
    let mut adapters = addresses.as_array().into_iter().flatten().filter(is_adapter);
    let adapter = adapters.find(|known| known["ifname"] == *name || known["master"] == *name);
    let text = |of: &Value, key: &str| of[key].as_str().unwrap_or("?").to_owned();
    let Some(adapter) = adapter else {
        return Verdict::bad(
            expected,
            format!(
                "the address is on {}, MAC {}",
                text(interface, "ifname"),
                text(interface, "address")
            ),
            Some(
                "the address is on something else than the network adapter: look at `interface` under [network], and at the overlay's network files",
            ),
        );
    };
    let mut shown = format!(
        "{}: link {}, MAC {}",
        text(adapter, "ifname"),
        text(adapter, "operstate"),
        text(adapter, "address")
    );
    if adapter["ifname"] != *name {
        shown = format!("{} over {shown}", text(interface, "ifname"));
    }
    // USB adapters of the emulator do not report whether their link is up (RFC 2863: UNKNOWN).
    match text(adapter, "operstate").as_str() {
        "UP" | "UNKNOWN" => Verdict::Good(shown),
        _ => Verdict::not_yet(expected, shown),
    }
}

pub(super) fn gateway(probe: &ProbeOutput, view: &NodeView<'_>) -> Verdict {
    let gateway = view.cluster.network.gateway.to_string();
    let expected = format!("a default route via {gateway}, which answers");
    let routes = probe.json("routes").unwrap_or_default();
    let mut defaults = routes
        .as_array()
        .into_iter()
        .flatten()
        .filter(|route| route["dst"] == "default");
    let Some(route) = defaults.find(|route| route["gateway"] == gateway.as_str()) else {
        return Verdict::not_yet(expected, format!("no such route: {}", seen(probe, "routes")));
    };
    let device = route["dev"].as_str().unwrap_or("?");
    if probe.text("ping").is_some() {
        return Verdict::Good(format!("default via {gateway} on {device}; it answers ping"));
    }
    // If the system has no ping, a known hardware address is proof enough.
    match probe.text("neighbour") {
        Some(line) if line.contains("lladdr") && !line.contains("FAILED") => Verdict::Good(format!(
            "default via {gateway} on {device}; it answers ARP: {}",
            verdict::lines(line, 1)
        )),
        _ => Verdict::not_yet(expected, format!("the route is there; {}", seen(probe, "ping"))),
    }
}
