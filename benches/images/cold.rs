//! From a compressed base to seven images with nothing cached, compared with decompressing it; and
//! peak memory.

use std::path::Path;
use std::process::Command;

use super::Result;
use super::memory::peak;
use super::rounds::{Contestant, medians};
use super::setting::{Setting, build, fresh, run, warm};
use super::table::{Table, seconds};

/// The most peak memory that is allowed, in MiB.
const MEMORY: u64 = 256;

/// Measures the cold run, and memory cold and warm.
///
/// # Errors
/// When a program fails.
pub(crate) fn measure(setting: &Setting, table: &mut Table) -> Result<()> {
    let folder = setting.cluster("cold", 7)?;
    let (cache, out, packed) = (folder.join("cache"), folder.join("out"), folder.join("base.img.xz"));
    let compress = format!(
        "xz -T2 -1 --block-size=16MiB -c {} > {}",
        quoted(&setting.base),
        quoted(&packed)
    );
    run(Command::new("sh").args(["-c", &compress]))?;
    let (mut cold, mut one, mut hot) = (0, 0, 0);
    let unpack = format!("xz -T0 -dc {} > {}", quoted(&packed), quoted(&out.join("base.img")));
    let times = {
        let mut contestants: [Contestant<'_>; 3] = [
            Box::new(|_| peak(build(&folder, &cache, &packed, &out).arg("--no-sums"), &mut cold)),
            Box::new(|_| {
                peak(
                    build(&folder, &cache, &packed, &out).args(["--no-sums", "--node", "1"]),
                    &mut one,
                )
            }),
            Box::new(|_| run(Command::new("sh").args(["-c", &unpack]))),
        ];
        medians(setting.rounds, &mut contestants, || {
            fresh(&cache)?;
            fresh(&out)?;
            warm(&packed)
        })?
    };
    run(build(&folder, &cache, &packed, &out).arg("--no-sums"))?;
    peak(&mut build(&folder, &cache, &packed, &out), &mut hot)?;
    let share = times[2].as_secs_f64() / times[1].as_secs_f64();
    for (what, ours) in [
        ("golden image and one image from .img.xz, nothing cached", times[1]),
        ("golden image and seven images from .img.xz, nothing cached", times[0]),
    ] {
        table.row(
            what,
            seconds(ours),
            format!("xz -T0 -dc to a file: {}", seconds(times[2])),
            format!("{:.2} ×", ours.as_secs_f64() / times[2].as_secs_f64()),
            (ours == times[1]).then_some(("mostly decompression (≥ 50 %)", share >= 0.5)),
        );
    }
    for (what, kilobytes) in [("from .img.xz", cold.max(one)), ("with all cached", hot)] {
        let mebibytes = kilobytes / 1024;
        table.row(
            &format!("peak memory, seven images {what}"),
            format!("{mebibytes} MiB"),
            String::new(),
            String::new(),
            Some(("< 256 MiB", mebibytes < MEMORY)),
        );
    }
    fresh(&folder)
}

/// Returns a path for sh(1).
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}
