//! What is wrong with an option.

/// One thing with which dockerd would not start, or not do what is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The path of the value: keys and numbers of list items, with `/` between them.
    pub path: String,
    /// Whether it is the key that is wrong, and not its value.
    pub on_key: bool,
    /// What is wrong, as a sentence without its end.
    pub why: String,
    /// What to do about it.
    pub mend: String,
}

/// A fault, from its parts.
pub(super) fn fault(path: impl Into<String>, on_key: bool, why: impl Into<String>, mend: impl Into<String>) -> Fault {
    Fault {
        path: path.into(),
        on_key,
        why: why.into(),
        mend: mend.into(),
    }
}
