//! `RaftMember` (swarmkit, `api/raft.proto`): a manager in the raft.

use kraken_foundation::Result;

use super::proto::{fields, without};

/// A manager in the raft.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// Its number in the raft, not 0.
    pub raft_id: u64,
    /// Its node ID.
    pub node_id: String,
    /// Where the others reach it, `address:port`.
    pub addr: String,
}

impl Member {
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        let mut member = Self {
            raft_id: 0,
            node_id: String::new(),
            addr: String::new(),
        };
        for field in fields(bytes) {
            let field = field?;
            match field.number {
                1 => member.raft_id = field.uint()?,
                2 => member.node_id = field.text()?,
                3 => member.addr = field.text()?,
                _ => {}
            }
        }
        match member.raft_id {
            0 => Err(without("raft ID")),
            _ => Ok(member),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member() {
        let member = Member::read(b"\x08\x07\x12\x01a\x1a\x0b10.0.0.1:23\x22\x00").unwrap();
        assert_eq!(
            (member.raft_id, member.node_id.as_str(), member.addr.as_str()),
            (7, "a", "10.0.0.1:23")
        );
        assert_eq!(Member::read(b"\x12\x01a").unwrap_err().to_string(), "it has no raft ID");
        assert!(Member::read(b"\x08").is_err());
    }
}
