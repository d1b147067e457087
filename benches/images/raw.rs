//! Seven images of a cached golden image, compared with seven copies of it by cp(1).

use std::path::Path;
use std::process::Command;

use super::Result;
use super::rounds::{Contestant, medians};
use super::setting::{Setting, build, fresh, golden_of, run, warm};
use super::table::{Table, seconds};

/// How many images the default cluster has.
const NODES: usize = 7;

/// Measures with and without checksums.
///
/// # Errors
/// When a program fails.
pub(crate) fn measure(setting: &Setting, table: &mut Table) -> Result<()> {
    let folder = setting.cluster("raw", NODES)?;
    let (cache, out) = (folder.join("cache"), folder.join("out"));
    run(build(&folder, &cache, &setting.base, &out).arg("--no-sums"))?;
    let golden = golden_of(&cache)?;
    let mut contestants: [Contestant<'_>; 4] = [
        Box::new(|_| run(build(&folder, &cache, &setting.base, &out).arg("--no-sums"))),
        Box::new(|_| run(&mut build(&folder, &cache, &setting.base, &out))),
        Box::new(|_| copies(&golden, &out, &["--sparse=always", "--reflink=never"])),
        Box::new(|_| copies_and_sums(&golden, &out)),
    ];
    let times = medians(setting.rounds, &mut contestants, || {
        fresh(&out)?;
        warm(&golden)
    })?;
    for (what, ours, peer, peer_name) in [
        ("seven images, no sums", times[0], times[2], "7 × cp --sparse=always"),
        (
            "seven images with SHA256SUMS",
            times[1],
            times[2],
            "7 × cp --sparse=always",
        ),
        (
            "seven images with SHA256SUMS",
            times[1],
            times[3],
            "the same, then sha256sum",
        ),
    ] {
        let ratio = ours.as_secs_f64() / peer.as_secs_f64();
        table.row(
            what,
            seconds(ours),
            format!("{peer_name}: {}", seconds(peer)),
            format!("{ratio:.2} ×"),
            Some(("≤ 1.2 ×", ratio <= 1.2)),
        );
    }
    drop(contestants);
    fresh(&folder)
}

/// Makes seven copies, one after the other, like a loop in a shell.
///
/// # Errors
/// When cp(1) fails.
pub(crate) fn copies(golden: &Path, out: &Path, options: &[&str]) -> Result<()> {
    for number in 1..=NODES {
        run(Command::new("cp")
            .args(options)
            .arg(golden)
            .arg(out.join(format!("{number}.img"))))?;
    }
    Ok(())
}

fn copies_and_sums(golden: &Path, out: &Path) -> Result<()> {
    copies(golden, out, &["--sparse=always", "--reflink=never"])?;
    run(Command::new("sha256sum").args((1..=NODES).map(|number| out.join(format!("{number}.img")))))
}
