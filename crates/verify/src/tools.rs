//! Runs e2fsck(8), which knows ext4 better than any library.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use kraken_disk::tool;
use kraken_foundation::{Context as _, Error, Kind, Result};

/// How many of its lines are repeated.
const LINES: usize = 12;

/// Runs `e2fsck -fn` on the file system that begins at `offset` bytes of `image`. The image is only
/// read. Returns the complaints of e2fsck; none if the file system is good.
///
/// # Errors
/// [`Kind::NotFound`] if e2fsck is not installed, [`Kind::Tool`] if it fails by itself.
pub(crate) fn e2fsck(image: &Path, offset: u64) -> Result<Vec<String>> {
    // libext2fs (unix_io.c) cuts the name of a file that contains a file system at its first `?`.
    // If the path itself contains one, a link without it is needed.
    let link = ImageLink::if_needed(image).doing("linking to", image)?;
    let mut target = link
        .as_ref()
        .map_or(image.as_os_str(), |link| link.path.as_os_str())
        .to_owned();
    target.push(format!("?offset={offset}"));
    let output = tool("e2fsck")
        .arg("-fn")
        .arg(&target)
        .output()
        .map_err(|error| not_run("e2fsck", error))?;
    match output.status.code() {
        Some(0) => return Ok(Vec::new()),
        // e2fsck(8): 4 means "errors left uncorrected". With 8 and more the program itself has
        // failed, which does not say anything about the image.
        Some(code) if code & !7 == 0 => {}
        _ => {
            return Err(failed("e2fsck", output.status, &last_line(&output.stderr)));
        }
    }
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let mut lines: Vec<String> = said
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("e2fsck ") && !line.starts_with("Pass "))
        .map(|line| line.chars().filter(|c| !c.is_control()).collect())
        .collect();
    let more = lines.len().saturating_sub(LINES);
    lines.truncate(LINES);
    if more > 0 {
        lines.push(format!("and {more} more lines"));
    }
    if lines.is_empty() {
        lines.push(format!("e2fsck ended with {}", output.status));
    }
    Ok(lines)
}

/// A link to an image, in a temporary folder.
struct ImageLink {
    path: PathBuf,
    /// Removed together with the link when this is dropped.
    _folder: tempfile::TempDir,
}

impl ImageLink {
    /// Makes a link if the image's own path contains a `?`.
    fn if_needed(image: &Path) -> io::Result<Option<Self>> {
        if !image.as_os_str().as_encoded_bytes().contains(&b'?') {
            return Ok(None);
        }
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("image");
        std::os::unix::fs::symlink(image.canonicalize()?, &path)?;
        Ok(Some(Self { path, _folder: folder }))
    }
}

/// Says that a program could not be run, and how to install it.
pub(super) fn not_run(tool: &str, error: io::Error) -> Error {
    let text = format!("running {tool}: {error}; install it (Debian: apt-get install e2fsprogs)");
    Error::of(error).context(text)
}

/// Says that a program failed by itself, with its last line. This does not say anything about the
/// image.
pub(super) fn failed(tool: &str, status: ExitStatus, said: &str) -> Error {
    let text = format!("running {tool}: it ended with {status}: {said}");
    Error::new(Kind::Tool, text)
}

fn last_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control())
        .collect()
}
