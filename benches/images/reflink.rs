//! The same measurements on file systems that share blocks, in a loop mount.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Result;
use super::raw::copies;
use super::rounds::{Contestant, medians};
use super::setting::{NO_DOCKER, Setting, build, fresh, golden_of, run, warm, write_cluster};
use super::table::{Table, seconds};

/// Space for the golden image, seven full copies of it, and the file system's own data: in bytes, a
/// sparse file.
const SIZE: u64 = 24 << 30;

/// Measures on btrfs and on XFS.
///
/// # Errors
/// When a program fails.
pub(crate) fn measure(setting: &Setting, table: &mut Table) -> Result<()> {
    for (name, mkfs) in [("btrfs", "mkfs.btrfs"), ("XFS", "mkfs.xfs")] {
        if !rustix::process::geteuid().is_root() {
            table.not_measured(&format!("seven images on {name}"), "needs root, for a loop mount");
            continue;
        }
        let mount = Mount::new(setting.folder(), mkfs)?;
        on(&mount.at, name, setting, table)?;
    }
    Ok(())
}

fn on(mount: &Path, name: &str, setting: &Setting, table: &mut Table) -> Result<()> {
    let folder = write_cluster(&mount.join("work"), 7, NO_DOCKER)?;
    let (cache, out) = (folder.join("cache"), folder.join("out"));
    run(build(&folder, &cache, &setting.base, &out).arg("--no-sums"))?;
    let golden = golden_of(&cache)?;
    let mut contestants: [Contestant<'_>; 4] = [
        Box::new(|_| run(build(&folder, &cache, &setting.base, &out).arg("--no-sums"))),
        Box::new(|_| copies(&golden, &out, &["--sparse=always", "--reflink=never"])),
        Box::new(|_| copies(&golden, &out, &["--reflink=always"])),
        Box::new(|_| run(&mut build(&folder, &cache, &setting.base, &out))),
    ];
    let times = medians(setting.rounds, &mut contestants, || {
        fresh(&out)?;
        warm(&golden)
    })?;
    for (sums, ours) in [(", no sums", times[0]), (" with SHA256SUMS", times[3])] {
        let faster = times[1].as_secs_f64() / ours.as_secs_f64();
        table.row(
            &format!("seven images on {name}{sums}"),
            seconds(ours),
            format!("7 × cp --reflink=never --sparse=always: {}", seconds(times[1])),
            format!("{faster:.1} × faster"),
            Some(("≥ 20 × faster", faster >= 20.0)),
        );
    }
    table.row(
        &format!("seven images on {name}, no sums"),
        seconds(times[0]),
        format!("7 × cp --reflink=always (identical copies): {}", seconds(times[2])),
        format!("{:.1} ×", times[0].as_secs_f64() / times[2].as_secs_f64()),
        None,
    );
    Ok(())
}

/// A file system in a file, mounted until it is dropped.
struct Mount {
    at: PathBuf,
    file: PathBuf,
}

impl Mount {
    fn new(folder: &Path, mkfs: &str) -> Result<Self> {
        let (file, at) = (folder.join("loop.fs"), folder.join("mount"));
        File::create(&file)?.set_len(SIZE)?;
        fs::create_dir_all(&at)?;
        run(Command::new(mkfs).arg(&file))?;
        run(Command::new("mount").args(["-o", "loop"]).arg(&file).arg(&at))?;
        Ok(Self { at, file })
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if let Err(error) = run(Command::new("umount").arg(&self.at)) {
            eprintln!("bench: {error}");
        }
        let _ = fs::remove_file(&self.file);
    }
}
