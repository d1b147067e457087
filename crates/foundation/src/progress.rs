//! How the rooms tell how far they are, without knowing who listens.

/// Somebody who shows progress: bars on a terminal, plain lines elsewhere, nothing in tests.
pub trait Progress: Send + Sync {
    /// A piece of work begins. `what` is a short phrase ("decompressing base"); `total` is in bytes, when known.
    /// The task ends when the returned value is dropped.
    fn task(&self, what: &str, total: Option<u64>) -> Box<dyn Task>;

    /// A sentence the user should read (a key pair was made, a cache is used). One line, no trailing newline.
    fn note(&self, line: &str);

    /// A sentence for who wants to know more (`--verbose`): where something was taken from, how something was done.
    fn detail(&self, _line: &str) {}
}

/// One running piece of work.
pub trait Task: Send + Sync {
    /// The total became known or changed, in bytes.
    fn set_total(&self, bytes: u64);
    /// So many more bytes are done.
    fn advance(&self, bytes: u64);
}

/// Shows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn task(&self, _what: &str, _total: Option<u64>) -> Box<dyn Task> {
        Box::new(Silent)
    }
    fn note(&self, _line: &str) {}
}

impl Task for Silent {
    fn set_total(&self, _bytes: u64) {}
    fn advance(&self, _bytes: u64) {}
}
