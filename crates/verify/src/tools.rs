//! Runs e2fsck(8), which knows ext4 better than any library.

use std::path::{Path, PathBuf};

use super::CheckError;
use kraken_disk::tool;

/// How many of its lines are repeated.
const LINES: usize = 12;

/// Runs `e2fsck -fn` on the file system that begins at `offset` bytes of `image`. The image is only
/// read. Returns the complaints of e2fsck; none if the file system is good.
///
/// # Errors
/// [`CheckError::Tool`] if e2fsck is not installed, [`CheckError::ToolFailed`] if it fails by
/// itself.
pub fn e2fsck(image: &Path, offset: u64) -> Result<Vec<String>, CheckError> {
    // libext2fs (unix_io.c) cuts the name of a file that contains a file system at its first `?`.
    // If the path itself contains one, a link without it is needed.
    let link = needs_link(image).map_err(|source| CheckError::Io {
        doing: "linking to",
        path: image.into(),
        source,
    })?;
    let mut target = link
        .as_ref()
        .map_or(image.as_os_str(), |folder| folder.1.as_os_str())
        .to_owned();
    target.push(format!("?offset={offset}"));
    let output = tool("e2fsck")
        .arg("-fn")
        .arg(&target)
        .output()
        .map_err(|source| CheckError::Tool {
            tool: "e2fsck",
            package: "e2fsprogs",
            source,
        })?;
    match output.status.code() {
        Some(0) => return Ok(Vec::new()),
        // e2fsck(8): 4 means "errors left uncorrected". With 8 and more the program itself has
        // failed, which does not say anything about the image.
        Some(code) if code & !7 == 0 => {}
        _ => {
            return Err(CheckError::ToolFailed {
                tool: "e2fsck",
                status: output.status.to_string(),
                said: last_line(&output.stderr),
            });
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

/// Returns a temporary folder with a link to the image, if the image's own path contains a `?`.
fn needs_link(image: &Path) -> std::io::Result<Option<(tempfile::TempDir, PathBuf)>> {
    if !image.as_os_str().as_encoded_bytes().contains(&b'?') {
        return Ok(None);
    }
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("image");
    std::os::unix::fs::symlink(image.canonicalize()?, &link)?;
    Ok(Some((folder, link)))
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
