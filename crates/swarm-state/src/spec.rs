//! The description of a swarm: its nodes and its networks.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// A whole swarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Its nodes, in order; the first manager among them carries the raft log.
    pub nodes: Vec<Member>,
    /// Pools from which overlay networks get their subnets; empty means Docker's own default,
    /// 10.0.0.0/8.
    pub address_pools: Vec<Ipv4Net>,
    /// Prefix length of those subnets.
    pub subnet_size: u8,
    /// UDP port of the overlay networks' VXLAN.
    pub data_port: u16,
    /// The creation time of the objects in the store: seconds since 1970-01-01 UTC.
    pub created: i64,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its number, from 1: its keys and its id are derived from it.
    pub number: u32,
    /// Its host name, shown before it first came up.
    pub hostname: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// Its role.
    pub role: Role,
    /// Its labels, for placement constraints.
    pub labels: BTreeMap<String, String>,
    /// Whether it takes tasks.
    pub availability: Availability,
}

/// The role of a node in the swarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Takes part in the raft.
    Manager,
    /// Runs tasks only.
    Worker,
}

impl Role {
    /// Returns the organizational unit of its certificate (swarmkit, `ca/certificates.go`).
    pub(super) fn unit(self) -> &'static str {
        match self {
            Role::Manager => "swarm-manager",
            Role::Worker => "swarm-worker",
        }
    }

    /// `NodeRole` of swarmkit's types.proto.
    pub(super) fn number(self) -> i32 {
        match self {
            Role::Manager => 1,
            Role::Worker => 0,
        }
    }
}

/// Whether a node takes tasks; `NodeSpec.Availability` of swarmkit's specs.proto.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Availability {
    /// It takes tasks.
    #[default]
    Active,
    /// It keeps the tasks it has.
    Pause,
    /// It takes no tasks.
    Drain,
}

impl Availability {
    pub(super) fn number(self) -> i32 {
        match self {
            Availability::Active => 0,
            Availability::Pause => 1,
            Availability::Drain => 2,
        }
    }
}

impl Spec {
    /// The managers, in order.
    pub fn managers(&self) -> impl Iterator<Item = &Member> {
        self.nodes.iter().filter(|node| node.role == Role::Manager)
    }

    /// The manager that carries the raft log.
    pub fn first_manager(&self) -> Option<&Member> {
        self.managers().next()
    }

    /// The node with this number.
    pub fn node(&self, number: u32) -> Option<&Member> {
        self.nodes.iter().find(|node| node.number == number)
    }
}
