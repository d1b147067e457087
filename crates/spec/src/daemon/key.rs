//! What a key of `daemon.json` consists of: its name, the type of its value, and the versions that
//! know it.

use super::around::Version;

/// A key that at least one version knows.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// The first version that knows it, unless that is the oldest.
    pub(super) since: Option<Version>,
    /// The first version that does not know it any more.
    pub(super) until: Option<Version>,
}

pub(super) const fn key(name: &'static str, kind: Kind) -> Key {
    Key {
        name,
        kind,
        since: None,
        until: None,
    }
}

impl Key {
    pub(super) const fn since(mut self, version: u32) -> Self {
        self.since = Some(Version(version));
        self
    }

    pub(super) const fn until(mut self, version: u32) -> Self {
        self.until = Some(Version(version));
        self
    }
}

/// The type of an option's value.
pub(super) enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number, with the smallest and the largest value.
    Whole(i64, i64),
    /// Any text.
    Text,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// An absolute path.
    Path,
    /// An IP address of either family.
    Address,
    Address4,
    Address6,
    /// A network, `10.20.0.0/16`.
    Net4,
    Net6,
    /// An address with the prefix length of its network, `172.30.0.1/24`.
    HostNet,
    HostNet6,
    /// A number of bytes, `64M`, as text.
    Size,
    /// `name=value`.
    KeyValue,
    /// A search domain.
    Domain,
    /// A registry's mirror: an address without name, query and fragment.
    Mirror,
    /// A registry: `host`, `host:port`, or a network.
    Registry,
    /// A proxy's address.
    Proxy,
    /// `address:port`.
    HostPort,
    /// A firewall mark, `1/2` or `0x10`.
    Mark,
    /// A version of the API, `1.24`.
    ApiVersion,
    /// A list.
    List(&'static Kind),
    /// A table whose keys the user chooses.
    Map(&'static Kind),
    /// A table with these keys; each of them may be absent.
    Fields(&'static [Key]),
    /// Any value.
    Any,
}
