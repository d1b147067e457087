//! Why a node's swarm state cannot be used.

use std::io;

use super::proto::MessageError;
use super::token::TokenError;

/// Why a node's swarm state cannot be used. Paths are those below `/var/lib/docker/swarm`. No
/// variant holds a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// A file cannot be read.
    #[error("reading {path} of the swarm state: {source}; look after the disk or image that it is on")]
    Io {
        /// The file.
        path: String,
        /// What the system reported.
        source: io::Error,
    },
    /// A required file is missing.
    #[error("reading {path} of the swarm state: there is none; write the node's state again")]
    Missing {
        /// The file.
        path: String,
    },
    /// A file or folder that others may read, or that is not root's.
    #[error("looking at {path} of the swarm state: {why}; set owner and mode right, or write the node's state again")]
    Access {
        /// The file or folder.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file that is not the JSON that Docker writes.
    #[error("reading {path} of the swarm state: {why}; write the node's state again")]
    Json {
        /// The file.
        path: String,
        /// What is wrong, and where.
        why: String,
    },
    /// A file that is not the PEM text it should be.
    #[error("reading {path} of the swarm state: {why}; write the node's certificate and key again")]
    Pem {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A certificate that cannot be read, or that Docker would not accept.
    #[error("checking the certificate in {path} of the swarm state: {why}; make the node's certificate again")]
    Certificate {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// A private key that cannot be read, or belongs to another certificate.
    #[error("checking the key in {path} of the swarm state: {why}; make the node's certificate and key again")]
    Key {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The key is locked (`docker swarm update --autolock`).
    #[error(
        "reading {path} of the swarm state: the manager is locked; run `docker swarm update --autolock=false` on it first, then take its state"
    )]
    Locked {
        /// The file.
        path: String,
    },
    /// The raft log's frames or their order are broken.
    #[error(
        "reading the raft log {path}, byte {offset}: {why}; take the state of another manager, or write this one's again"
    )]
    Log {
        /// The segment.
        path: String,
        /// Bytes from its beginning.
        offset: u64,
        /// What is wrong there.
        why: String,
    },
    /// A checksum is wrong.
    #[error(
        "checking {path}, byte {offset}: the checksum is {found:08x}, but its bytes give {wanted:08x}; the file is damaged: take the state of another manager, or write this one's again"
    )]
    Checksum {
        /// The file.
        path: String,
        /// Where the record begins, in bytes.
        offset: u64,
        /// The checksum in the file.
        found: u32,
        /// The checksum of its bytes.
        wanted: u32,
    },
    /// A protobuf message that cannot be read.
    #[error("reading {what} in {path}: {source}; take the state of another manager, or write this one's again")]
    Message {
        /// The file.
        path: String,
        /// Which message.
        what: String,
        /// What is wrong with it.
        source: MessageError,
    },
    /// Something sealed that the node's key does not open.
    #[error(
        "unsealing {what} in {path}: {why}; the raft log and certificates/swarm-node.key belong to different states: take both from the same one"
    )]
    Sealed {
        /// The file.
        path: String,
        /// What is sealed.
        what: String,
        /// Why it does not open.
        why: &'static str,
    },
    /// A join token that Docker would not accept.
    #[error("checking the {role} join token in {path}: {source}; write the state of all nodes again")]
    Token {
        /// The file.
        path: String,
        /// The role that the token is for.
        role: &'static str,
        /// What is wrong with it.
        source: TokenError,
    },
    /// Two parts of the state, each valid, that contradict each other.
    #[error("comparing {one} with {other}: {why}; write the node's state again, all of it")]
    Disagree {
        /// One of them.
        one: String,
        /// The other.
        other: String,
        /// What differs.
        why: String,
    },
}

impl ReadError {
    pub(super) fn io(path: &str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn missing(path: &str) -> Self {
        Self::Missing { path: path.to_owned() }
    }

    pub(super) fn pem(path: &str, why: &'static str) -> Self {
        Self::Pem {
            path: path.to_owned(),
            why,
        }
    }

    pub(super) fn certificate(path: &str, why: impl Into<String>) -> Self {
        Self::Certificate {
            path: path.to_owned(),
            why: why.into(),
        }
    }

    pub(super) fn key(path: &str, why: &'static str) -> Self {
        Self::Key {
            path: path.to_owned(),
            why,
        }
    }

    pub(super) fn log(path: &str, offset: u64, why: impl Into<String>) -> Self {
        Self::Log {
            path: path.to_owned(),
            offset,
            why: why.into(),
        }
    }

    pub(super) fn message(path: &str, what: impl Into<String>) -> impl FnOnce(MessageError) -> Self {
        let (path, what) = (path.to_owned(), what.into());
        move |source| Self::Message { path, what, source }
    }

    pub(super) fn disagree(one: impl Into<String>, other: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Disagree {
            one: one.into(),
            other: other.into(),
            why: why.into(),
        }
    }
}

/// Shortens text from a file and removes control characters, for an error.
pub(super) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}
