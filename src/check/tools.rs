//! The opinion of e2fsck(8), which knows ext4 better than any library.

use std::path::Path;
use std::process::{Command, Stdio};

use super::CheckError;

/// How many of its lines are worth repeating.
const LINES: usize = 12;

/// Lets `e2fsck -fn` look at the file system that begins at `offset` bytes of `image`; the image is only read.
/// Returns what it complains of, nothing when it is content.
///
/// # Errors
/// [`CheckError::Tool`] when it is not installed.
pub fn e2fsck(image: &Path, offset: u64) -> Result<Vec<String>, CheckError> {
    let mut target = image.as_os_str().to_owned();
    // The syntax of libext2fs for a file system inside a file (unix_io.c); a `?` in the path itself would be cut there.
    target.push(format!("?offset={offset}"));
    let output = Command::new("e2fsck")
        .env("PATH", search_path())
        .env("LC_ALL", "C")
        .arg("-fn")
        .arg(&target)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| CheckError::Tool {
            tool: "e2fsck",
            package: "e2fsprogs",
            source,
        })?;
    if output.status.success() {
        return Ok(Vec::new());
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

/// An ordinary user's PATH often lacks the sbin folders, where Debian keeps e2fsck.
fn search_path() -> std::ffi::OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin:/usr/local/sbin");
    path
}
