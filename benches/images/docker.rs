//! Building Docker into the base, compared with doing it as root with a loop mount and dpkg.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use kraken_disk::{ImageFile, Layout};
use kraken_flash::bake;

use super::Result;
use super::debs::{self, Debs};
use super::memory::peak;
use super::rounds::{Contestant, medians};
use super::setting::{Setting, build, fresh, run, warm, write_cluster};
use super::table::{Table, seconds};

/// The steps of the other side: a copy of the base, its root partition in a loop mount, and dpkg,
/// which unpacks into it. The mount is in a namespace of its own, so that it ends with the script.
/// The arguments: base, image, the root partition's number, its start and its length (bytes), the
/// number of bytes by which to enlarge it, an option for dpkg, and the packages.
///
/// One of Docker's packages has a preinst, and dpkg runs it in the mounted tree, with the kernel's
/// arm64 emulator, which this way needs in any case. (kraken-flash runs the preinst on the first
/// boot.) Triggers wait for the first boot on both sides.
const PEER: &str = r#"
set -eu
base=$1 image=$2 number=$3 start=$4 length=$5 more=$6 option=$7
shift 7
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
binfmt=/proc/sys/fs/binfmt_misc
if [ "$(uname -m)" != aarch64 ]; then
  [ -e "$binfmt/register" ] || mount -t binfmt_misc binfmt_misc "$binfmt"
  [ -e "$binfmt/qemu-aarch64" ] || cat /usr/lib/binfmt.d/qemu-aarch64.conf > "$binfmt/register"
fi
cp --sparse=always "$base" "$image"
if [ "$more" -gt 0 ]; then
  truncate -s "+$more" "$image"
  echo ', +' | sfdisk -q --no-reread --no-tell-kernel -N "$number" "$image"
  loop=$(losetup --find --show --offset "$start" --sizelimit "$((length + more))" "$image")
  resize2fs -f "$loop" >/dev/null 2>&1 || { losetup --detach "$loop"; echo 'resize2fs failed' >&2; exit 1; }
  losetup --detach "$loop"
fi
root=$image.root
mkdir -p "$root"
mount -t ext4 -o "loop,offset=$start,sizelimit=$((length + more))" "$image" "$root"
dpkg --root="$root" --force-architecture "$option" --path-include='/*' --no-triggers --unpack "$@" </dev/null >/dev/null
test -x "$root/usr/sbin/dockerd"
umount "$root"
sync "$image"
"#;

/// Measures time and memory.
///
/// # Errors
/// When a program fails.
pub(crate) fn measure(setting: &Setting, table: &mut Table) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        table.not_measured("Docker into the base", "needs root, for the peer's loop mount");
        return Ok(());
    }
    let folder = write_cluster(&setting.folder().join("docker"), 1, "")?;
    let plain = setting.cluster("plain", 1)?;
    let (cache, out, image) = (folder.join("cache"), folder.join("out"), folder.join("peer.img"));
    let debs = debs::fetch(setting, &folder, &cache)?;
    // This run hashes the base and the packages, so that no measured run does: the hashes are
    // cached from then on.
    ours(&folder, &cache, setting, &out, run)?;
    let (mut with, mut with_peer) = (0, 0);
    let times = {
        let mut contestants: [Contestant<'_>; 4] = [
            Box::new(|_| ours(&folder, &cache, setting, &out, |command| peak(command, &mut with))),
            Box::new(|_| ours(&plain, &cache, setting, &out, run)),
            Box::new(|_| {
                peer(setting, &image, &debs, "--force-unsafe-io", |command| {
                    peak(command, &mut with_peer)
                })
            }),
            Box::new(|_| peer(setting, &image, &debs, "--refuse-unsafe-io", run)),
        ];
        medians(setting.rounds, &mut contestants, || {
            fresh(&cache.join("golden"))?;
            fresh(&out)?;
            if image.exists() {
                fs::remove_file(&image)?;
            }
            debs.files.iter().try_for_each(|file| warm(file))?;
            warm(&setting.base)
        })?
    };
    let added = times[0].saturating_sub(times[1]);
    let without = format!(
        "what Docker adds to golden image and one image ({} without it)",
        seconds(times[1])
    );
    for (what, time) in [
        ("golden image with Docker and one image, packages cached", times[0]),
        (without.as_str(), added),
    ] {
        for (how, peer) in [("", times[2]), (", its fsyncs on", times[3])] {
            table.row(
                what,
                seconds(time),
                format!("cp, loop mount, dpkg --unpack{how}: {}", seconds(peer)),
                format!("{:.2} ×", time.as_secs_f64() / peer.as_secs_f64()),
                None,
            );
        }
    }
    table.row(
        "peak memory, Docker into the base",
        format!("{} MiB", with / 1024),
        format!("largest process of the peer: {} MiB", with_peer / 1024),
        format!("{:.2} ×", with as f64 / with_peer.max(1) as f64),
        Some(("< 256 MiB", with / 1024 < 256)),
    );
    fresh(&folder)
}

fn ours(
    folder: &Path,
    cache: &Path,
    setting: &Setting,
    out: &Path,
    how: impl FnOnce(&mut Command) -> Result<()>,
) -> Result<()> {
    how(build(folder, cache, &setting.base, out).args(["--no-sums", "--node", "1"]))
}

fn peer(
    setting: &Setting,
    image: &Path,
    debs: &Debs,
    option: &str,
    how: impl FnOnce(&mut Command) -> Result<()>,
) -> Result<()> {
    let file = Arc::new(ImageFile::open_read(&setting.base)?);
    let layout = Layout::detect(file.clone())?;
    // The same space for both.
    let more = bake::growth_for_packages(&file, &layout, debs.bake.need())?.unwrap_or(0);
    let root = &layout.root;
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", PEER, "peer"]);
    command.arg(&setting.base).arg(image);
    command.args([root.number.into(), root.start, root.len, more].map(|number: u64| number.to_string()));
    how(command.arg(option).args(&debs.files))
}
