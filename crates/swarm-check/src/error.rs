//! What is said of a node's swarm state that cannot be used: what was read, what is wrong with it,
//! and what to do. Paths are those below `/var/lib/docker/swarm`. No sentence holds a secret.

use std::io;

use kraken_foundation::{Error, Kind};

/// What to do about a part that is damaged in a manager's log or store.
const OTHER: &str = "take the state of another manager, or write this one's again";

/// A file cannot be read.
pub(super) fn io(path: &str) -> impl FnOnce(io::Error) -> Error {
    move |source| {
        let text = format!("reading {path} of the swarm state: {source}; look after the disk or image that it is on");
        Error::of(source).context(text)
    }
}

/// A required file is missing.
pub(super) fn missing(path: &str) -> Error {
    let text = format!("reading {path} of the swarm state: there is none; write the node's state again");
    Error::new(Kind::NotFound, text)
}

/// A file or folder that others may read, or that is not root's.
pub(super) fn access(path: &str, why: &str) -> Error {
    damaged(format!(
        "looking at {path} of the swarm state: {why}; set owner and mode right, or write the node's state again"
    ))
}

/// A file that is not the JSON that Docker writes.
pub(super) fn json(path: &str, why: &str) -> Error {
    let why = shown(why);
    damaged(format!(
        "reading {path} of the swarm state: {why}; write the node's state again"
    ))
}

/// A file that is not the PEM text it should be.
pub(super) fn pem(path: &str, why: &str) -> Error {
    damaged(format!(
        "reading {path} of the swarm state: {why}; write the node's certificate and key again"
    ))
}

/// A certificate that cannot be read, or that Docker would not accept.
pub(super) fn certificate(path: &str, why: impl AsRef<str>) -> Error {
    damaged(format!(
        "checking the certificate in {path} of the swarm state: {}; make the node's certificate again",
        why.as_ref()
    ))
}

/// A private key that cannot be read, or belongs to another certificate.
pub(super) fn key(path: &str, why: &str) -> Error {
    damaged(format!(
        "checking the key in {path} of the swarm state: {why}; make the node's certificate and key again"
    ))
}

/// The key is locked (`docker swarm update --autolock`).
pub(super) fn locked(path: &str) -> Error {
    let text = format!(
        "reading {path} of the swarm state: the manager is locked; run `docker swarm update --autolock=false` on it first, then take its state"
    );
    Error::new(Kind::Unsupported, text)
}

/// The raft log's frames or their order are broken, so many bytes from the segment's beginning.
pub(super) fn log(path: &str, offset: u64, why: impl AsRef<str>) -> Error {
    let why = why.as_ref();
    damaged(format!("reading the raft log {path}, byte {offset}: {why}; {OTHER}"))
}

/// A record, so many bytes from the file's beginning, has a checksum that is not that of its bytes.
pub(super) fn checksum(path: &str, offset: u64, found: u32, wanted: u32) -> Error {
    damaged(format!(
        "checking {path}, byte {offset}: the checksum is {found:08x}, but its bytes give {wanted:08x}; the file is damaged: {OTHER}"
    ))
}

/// A protobuf message that cannot be read.
pub(super) fn message(path: &str, what: impl Into<String>) -> impl FnOnce(Error) -> Error {
    let what = what.into();
    move |source| {
        let text = format!("reading {what} in {path}: {source}; {OTHER}");
        source.context(text)
    }
}

/// Something sealed that the node's key does not open.
pub(super) fn sealed(path: &str, what: &str, why: &str) -> Error {
    damaged(format!(
        "unsealing {what} in {path}: {why}; the raft log and certificates/swarm-node.key belong to different states: take both from the same one"
    ))
}

/// A join token that Docker would not accept.
pub(super) fn token(path: &str, role: &str, source: Error) -> Error {
    let text = format!("checking the {role} join token in {path}: {source}; write the state of all nodes again");
    source.context(text)
}

/// Two parts of the state, each valid, that contradict each other.
pub(super) fn disagree(one: &str, other: &str, why: impl AsRef<str>) -> Error {
    let why = why.as_ref();
    damaged(format!(
        "comparing {one} with {other}: {why}; write the node's state again, all of it"
    ))
}

fn damaged(text: String) -> Error {
    Error::new(Kind::Damaged, text)
}

/// Shortens text from a file and removes control characters, for an error.
pub(super) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}
