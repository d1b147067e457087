//! Compares extended attributes (such as the capabilities of a program). debugfs(8) reads them,
//! since the ext4 reader does not.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::Stdio;

use super::report::ImageReport;
use super::tools;
use super::volumes::ImageVolume;
use kraken_disk::tool;
use kraken_foundation::{Error, Result};
use kraken_image::packages::PackagesRecord;

const CHECK: &str = "packages";

/// An attribute that a file should have.
struct Wanted<'a> {
    path: &'a str,
    name: &'a str,
    /// The value in hexadecimal.
    value: &'a str,
}

/// Compares the extended attributes of the record with those of the file system `volume`. Adds a
/// finding for each difference.
pub(super) fn compare(volume: ImageVolume<'_>, record: &PackagesRecord, report: &mut ImageReport) -> Result<()> {
    let of_all = record.files.iter().flat_map(|file| {
        file.xattrs.iter().map(|(name, value)| Wanted {
            path: &file.path,
            name,
            value,
        })
    });
    let (wanted, odd): (Vec<_>, Vec<_>) = of_all.partition(Wanted::can_be_asked_for);
    for odd in odd {
        let message = format!(
            "has a name, or an extended attribute {:?}, that debugfs cannot be asked for",
            odd.name
        );
        report.find(CHECK, format!("root:{}", odd.path), message);
    }
    if wanted.is_empty() {
        return Ok(());
    }
    for (wanted, found) in wanted.iter().zip(values(volume, &wanted)?) {
        let what = match found {
            Some(value) if value == wanted.value => continue,
            Some(_) => "has another value of the extended attribute",
            None => "lacks the extended attribute",
        };
        report.find(
            CHECK,
            format!("root:{}", wanted.path),
            format!("{what} {}", wanted.name),
        );
    }
    Ok(())
}

impl Wanted<'_> {
    /// Returns whether a request to debugfs can name the attribute. A quotation mark or a line
    /// break could turn it into another request.
    fn can_be_asked_for(&self) -> bool {
        let plain = |text: &str| !text.contains(|c: char| c == '"' || c.is_control());
        plain(self.path) && plain(self.name) && !self.name.contains(char::is_whitespace)
    }
}

/// Returns the values of these attributes in hexadecimal, in the same order; `None` for an
/// attribute that does not exist.
fn values(volume: ImageVolume<'_>, wanted: &[Wanted<'_>]) -> Result<Vec<Option<String>>> {
    let io = |error: io::Error| {
        let text = format!("reading extended attributes from {}: {error}", volume.image.display());
        Error::of(error).context(text)
    };
    let folder = tempfile::tempdir().map_err(io)?;
    let requests: String = wanted
        .iter()
        .enumerate()
        .map(|(index, Wanted { path, name, .. })| {
            let to = folder.path().join(index.to_string());
            format!("ea_get -f \"{}\" \"{path}\" {name}\n", to.display())
        })
        .collect();
    ask(volume, folder.path(), &requests, io)?;
    (0..wanted.len())
        .map(|index| match fs::read(folder.path().join(index.to_string())) {
            // debugfs creates the file even if the attribute does not exist.
            Ok(bytes) if bytes.is_empty() => Ok(None),
            Ok(bytes) => Ok(Some(hex::encode(bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io(error)),
        })
        .collect()
}

/// Lets debugfs execute `requests`, one on each line. The files that it leaves in `scratch` show
/// what it could do.
fn ask(volume: ImageVolume<'_>, scratch: &Path, requests: &str, io: impl Fn(io::Error) -> Error) -> Result<()> {
    // debugfs cuts a name at its first `?`, so a link without one names the image.
    let link = scratch.join("image");
    std::os::unix::fs::symlink(volume.image.canonicalize().map_err(&io)?, &link).map_err(&io)?;
    // The requests are in a file, not in a pipe: a program that writes to a pipe must at the same
    // time read the output of debugfs.
    let mut asked = tempfile::tempfile_in(scratch).map_err(&io)?;
    asked.write_all(requests.as_bytes()).map_err(&io)?;
    io::Seek::rewind(&mut asked).map_err(&io)?;
    let output = tool("debugfs")
        .args(["-f", "-"])
        .arg(format!("{}?offset={}", link.display(), volume.offset))
        .stdin(Stdio::from(asked))
        .output()
        .map_err(|error| tools::not_run("debugfs", error))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let broken = said
        .lines()
        .find(|line| line.contains("while trying to open") || line.contains("Filesystem not open"));
    match broken {
        None if output.status.success() => Ok(()),
        line => {
            let said = line.or(said.lines().last()).unwrap_or_default();
            Err(tools::failed("debugfs", output.status, said))
        }
    }
}
