//! Extended attributes (a program's capabilities), as debugfs(8) reads them: no reader of ours has them.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use super::CheckError;
use super::report::ImageReport;
use crate::disk::tool;
use crate::packages::{PackagesRecord, RecordedFile};

const CHECK: &str = "packages";

/// Compares the extended attributes that the record names with those in the file system that begins at `offset` bytes of `image`.
pub(super) fn compare(
    (image, offset): (&Path, u64),
    record: &PackagesRecord,
    report: &mut ImageReport,
) -> Result<(), CheckError> {
    let with: Vec<&RecordedFile> = record.files.iter().filter(|file| !file.xattrs.is_empty()).collect();
    for file in with {
        for (name, wanted) in &file.xattrs {
            let found = value((image, offset), &file.path, name)?;
            if found.as_deref() != Some(wanted) {
                let message = match found {
                    None => format!("lacks the extended attribute {name}"),
                    Some(_) => format!("has another value of the extended attribute {name}"),
                };
                report.find(CHECK, format!("root:{}", file.path), message);
            }
        }
    }
    Ok(())
}

/// The value of an attribute in hexadecimal; `None` when the file has none of that name.
fn value((image, offset): (&Path, u64), path: &str, name: &str) -> Result<Option<String>, CheckError> {
    let io = |source| CheckError::Io {
        doing: "reading extended attributes from",
        path: image.into(),
        source,
    };
    let missing = |source| CheckError::Tool {
        tool: "debugfs",
        package: "e2fsprogs",
        source,
    };
    // A path with a quotation mark or line break could be taken for another request.
    if path.contains(['"', '\n']) || name.contains(['"', '\n', ' ']) {
        return Ok(None);
    }
    let raw = tempfile::NamedTempFile::new().map_err(io)?;
    // debugfs cuts a name at its first `?` itself, so the image is named by a link without one.
    let folder = tempfile::tempdir().map_err(io)?;
    let link = folder.path().join("image");
    std::os::unix::fs::symlink(image.canonicalize().map_err(io)?, &link).map_err(io)?;
    let mut child = tool("debugfs")
        .arg("-f")
        .arg("-")
        .arg(format!("{}?offset={offset}", link.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(missing)?;
    if let Some(mut input) = child.stdin.take() {
        let request = format!("ea_get -f {} \"{path}\" {name}\n", raw.path().display());
        input.write_all(request.as_bytes()).map_err(io)?;
    }
    child.wait().map_err(io)?;
    let bytes = std::fs::read(raw.path()).map_err(io)?;
    Ok((!bytes.is_empty()).then(|| hex::encode(bytes)))
}
