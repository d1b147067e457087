//! STAND-IN until the Debian base is merged: it is written elsewhere, and this file is replaced by it.

use std::path::{Path, PathBuf};

use crate::interrupt::Interrupt;
use crate::progress::Progress;

/// Why there is no Debian base.
#[derive(Debug, thiserror::Error)]
#[error("the Debian base is not part of this build")]
pub struct DebianError;

/// Always fails.
///
/// # Errors
/// [`DebianError`].
pub fn obtain(_cache: &Path, _progress: &dyn Progress, _interrupt: &Interrupt) -> Result<PathBuf, DebianError> {
    Err(DebianError)
}
