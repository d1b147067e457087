//! How the crates report progress, without knowing what shows it.

/// Shows progress: bars on a terminal, plain lines elsewhere, nothing in tests.
pub trait Progress: Send + Sync {
    /// Begins a task. `what` is a short phrase ("decompressing base"); `total` is in bytes, when
    /// known. The task ends when the returned value is dropped.
    fn task(&self, what: &str, total: Option<u64>) -> Box<dyn Task>;

    /// Shows a sentence that the user should read (a key pair was made, a cache is used). One line,
    /// no trailing newline.
    fn note(&self, line: &str);

    /// Shows a sentence for users who pass `--verbose`: where something was taken from, how
    /// something was done.
    fn detail(&self, _line: &str) {}
}

/// One running task.
pub trait Task: Send + Sync {
    /// Sets the total, in bytes, when it becomes known or changes.
    fn set_total(&self, bytes: u64);
    /// Adds to the bytes that are done.
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
