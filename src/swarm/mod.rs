//! The cluster's identity: CA, join tokens, node certificates and the managers' raft state, as Docker keeps them below `/var/lib/docker/swarm`.
//!
//! The room never talks to a Docker daemon, and touches neither a disk nor the network nor a clock. What one half of it writes, [`read`]
//! reads back through other libraries and no line of shared code.

pub mod read;
