//! `[network]`: the subnet, the gateway, where the nodes' addresses start, the name servers.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;

use ipnet::Ipv4Net;

use super::field::{checked_list, parsed, value_or};
use crate::cluster::{InterfaceChoice, Network};
use crate::defaults::SUBNET;
use crate::field::Field;
use crate::names::{self, Check, wrong};
use crate::problem::{Problem, Problems};
use crate::raw::RawNetwork;

/// Node 1 has the subnet's eleventh address unless the spec sets another.
const DEFAULT_FIRST: u32 = 11;
/// The largest number of name servers, more than any network has. glibc's resolver uses three,
/// systemd-resolved any number.
const MOST_SERVERS: usize = 16;
const MOST_DOMAINS: usize = 32;

/// What the nodes' addresses depend on. A part is `None` when it is wrong, which was noted then;
/// what depends on it is not checked.
pub(super) struct Addresses {
    pub(super) subnet: Option<Ipv4Net>,
    pub(super) gateway: Option<Ipv4Addr>,
    pub(super) first: Option<Ipv4Addr>,
    pub(super) gateway_span: Option<Range<usize>>,
    pub(super) first_span: Option<Range<usize>>,
    pub(super) subnet_span: Option<Range<usize>>,
}

impl Addresses {
    /// Reads the three keys, and checks the gateway and the first address against the subnet.
    pub(super) fn new(raw: &RawNetwork, problems: &mut Problems) -> Self {
        let subnet = match &raw.subnet {
            Field::Absent => Some(SUBNET),
            Field::Wrong => None,
            Field::Given(at) => parsed(at, parse_subnet, problems),
        };
        let from_subnet = |number: u32| subnet.and_then(|subnet| nth(subnet, number));
        let address = |field: &Field<String>, default, problems: &mut Problems| match field {
            Field::Absent => default,
            Field::Wrong => None,
            Field::Given(at) => parsed(at, parse_address, problems),
        };
        let gateway = address(&raw.gateway, from_subnet(1), problems);
        let first = address(&raw.first_address, from_subnet(DEFAULT_FIRST), problems);
        let addresses = Self {
            subnet,
            gateway,
            first,
            gateway_span: raw.gateway.span(),
            first_span: raw.first_address.span(),
            subnet_span: raw.subnet.span(),
        };
        addresses.check_gateway(problems);
        addresses.check_first(problems);
        addresses
    }

    /// Returns why an address cannot be a host of the subnet; `None` when it can.
    pub(super) fn why_no_host(&self, address: Ipv4Addr) -> Option<String> {
        let subnet = self.subnet?;
        if !subnet.contains(&address) {
            Some(format!("it is not in the subnet {subnet}"))
        } else if address == subnet.network() {
            Some(format!("it is the address of the subnet {subnet} itself"))
        } else if address == subnet.broadcast() {
            Some(format!("it is the broadcast address of {subnet}"))
        } else {
            None
        }
    }

    /// Returns "write an address from … to …".
    pub(super) fn help(&self) -> String {
        let ends = self
            .subnet
            .and_then(|subnet| Some((subnet, nth(subnet, 1)?, last_host(subnet)?)));
        match ends {
            Some((subnet, from, to)) => format!("write an address from {from} to {to}, or change `subnet` ({subnet})"),
            None => "write an address of the subnet".to_owned(),
        }
    }

    fn check_gateway(&self, problems: &mut Problems) {
        let (Some(gateway), Some(span)) = (self.gateway, self.gateway_span.clone()) else {
            return;
        };
        if let Some(why) = self.why_no_host(gateway) {
            problems.push(
                Problem::new(format!("{gateway} cannot be the gateway: {why}"))
                    .at(span, "no host of the subnet")
                    .help(self.help()),
            );
        }
    }

    fn check_first(&self, problems: &mut Problems) {
        let Some(first) = self.first else {
            self.report_no_default(problems);
            return;
        };
        if let (Some(why), Some(span)) = (self.why_no_host(first), self.first_span.clone()) {
            problems.push(
                Problem::new(format!("{first} cannot be the first node's address: {why}"))
                    .at(span, "no host of the subnet")
                    .help(self.help()),
            );
        }
    }

    /// Reports that the subnet has no eleventh address, and that the spec does not set the first
    /// one.
    fn report_no_default(&self, problems: &mut Problems) {
        let (Some(subnet), None) = (self.subnet, &self.first_span) else {
            return;
        };
        let Some(second) = nth(subnet, 2) else { return };
        problems.push(
            Problem::new(format!("{subnet} has no eleventh address for node 1 to start at"))
                .at_some(self.subnet_span.clone(), "too small for the default")
                .help(format!("set first-address = \"{second}\", or a larger subnet")),
        );
    }
}

/// Returns the `number`th host of a subnet, from 1; `None` when it has fewer.
pub(super) fn nth(subnet: Ipv4Net, number: u32) -> Option<Ipv4Addr> {
    let address = Ipv4Addr::from(u32::from(subnet.network()).checked_add(number)?);
    (subnet.contains(&address) && address != subnet.broadcast()).then_some(address)
}

/// Returns the last host of a subnet.
pub(super) fn last_host(subnet: Ipv4Net) -> Option<Ipv4Addr> {
    u32::from(subnet.broadcast()).checked_sub(1).map(Ipv4Addr::from)
}

/// Reads a subnet that can have hosts: /8 to /30, host bits clear, not loopback, link-local,
/// multicast or reserved.
fn parse_subnet(text: &str) -> Check<Ipv4Net> {
    let Ok(subnet) = text.parse::<Ipv4Net>() else {
        let why = if text.contains(':') {
            "only IPv4 is supported"
        } else {
            "this is not a subnet"
        };
        return wrong(
            why,
            "write an address and the length of the prefix, for example \"192.168.3.0/24\"",
        );
    };
    if !(8..=30).contains(&subnet.prefix_len()) {
        return wrong(
            "the prefix must be from /8 to /30",
            "write for example \"192.168.3.0/24\", which has room for 254 hosts",
        );
    }
    if subnet.addr() != subnet.network() {
        return wrong("bits of the host part are set", format!("write \"{}\"", subnet.trunc()));
    }
    let network = subnet.network();
    if network.is_loopback() || network.is_link_local() || network.octets()[0] == 0 || network.octets()[0] >= 224 {
        return wrong(
            "no hosts can be there (loopback, link-local, multicast or reserved)",
            "choose a private subnet, for example \"192.168.3.0/24\"",
        );
    }
    Ok(subnet)
}

/// Reads an IPv4 address in dotted decimal.
pub(super) fn parse_address(text: &str) -> Check<Ipv4Addr> {
    match text.parse() {
        Ok(address) => Ok(address),
        Err(_) if text.contains('/') => wrong(
            "this is not an IPv4 address",
            "leave out the prefix: it is that of `subnet` in [network]",
        ),
        Err(_) => wrong(
            "this is not an IPv4 address",
            "write four numbers, for example \"192.168.3.11\"",
        ),
    }
}

fn check_server(text: &str) -> Check {
    match text.parse::<IpAddr>() {
        Ok(address) if address.is_unspecified() || address.is_multicast() => {
            wrong("no server can have this address", "write for example \"9.9.9.9\"")
        }
        Ok(_) => Ok(()),
        Err(_) => wrong(
            "this is not an IP address",
            "write an address, not a name, for example \"9.9.9.9\"",
        ),
    }
}

/// Resolves the whole section.
pub(super) fn network(raw: &RawNetwork, addresses: &Addresses, problems: &mut Problems) -> Option<Network> {
    let servers = checked_list(&raw.dns, MOST_SERVERS, &[], check_server, problems);
    let search = checked_list(&raw.search, MOST_DOMAINS, &[], names::domain, problems);
    let interface = value_or(&raw.interface, InterfaceChoice::default());
    let gateway = addresses.gateway?;
    let dns = if raw.dns.is_set() {
        servers?.iter().filter_map(|text| text.parse().ok()).collect()
    } else {
        vec![IpAddr::V4(gateway)]
    };
    Some(Network {
        subnet: addresses.subnet?,
        gateway,
        dns,
        search: search?,
        interface: interface?,
    })
}
