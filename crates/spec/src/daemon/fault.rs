//! A fault of an option.

/// A fault because of which dockerd would not start, or would not do what is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The path of the value: keys and numbers of list items, with `/` between them.
    pub path: String,
    /// Whether the key is wrong, and not its value.
    pub on_key: bool,
    /// What is wrong, as a sentence without its full stop.
    pub why: String,
    /// What to do about it.
    pub help: String,
}

/// Makes a fault from its parts.
pub(super) fn fault(path: impl Into<String>, on_key: bool, why: impl Into<String>, help: impl Into<String>) -> Fault {
    Fault {
        path: path.into(),
        on_key,
        why: why.into(),
        help: help.into(),
    }
}
