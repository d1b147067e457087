//! Unmounts what is mounted from a card, and nothing that lies over it.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use kraken_foundation::Job;
use rustix::mount::UnmountFlags;

use super::ask::ask;
use super::choose::ChosenCard;
use super::error::AccessError;
use crate::{Device, HostPath};

/// Unmounts what the guard listed ([`ChosenCard::unmount`]), through UDisks2 where this user may
/// not.
///
/// # Errors
/// [`AccessError::NotUnmounted`], also when something else is mounted over it.
pub fn unmount(card: &ChosenCard, job: Job<'_>) -> Result<(), AccessError> {
    for mounted in card.unmount() {
        let failed = |why: String| AccessError::NotUnmounted {
            path: card.path().to_owned(),
            mounted: mounted.clone(),
            why,
        };
        if !is_on_top(card.device(), mounted) {
            return Err(failed("something else is mounted over it".into()));
        }
        match rustix::mount::unmount(mounted.path(), UnmountFlags::empty()) {
            Ok(()) => {}
            Err(rustix::io::Errno::PERM) => {
                let from = holder_of(card.device(), mounted).to_owned();
                let done = ask(job, move |udisks| udisks.unmount(&from))?;
                done.map_err(|no| failed(no.to_string()))?;
            }
            Err(error) => return Err(failed(io::Error::from(error).to_string())),
        }
    }
    Ok(())
}

/// Returns whether the kernel would unmount a file system of this device at this mount point: of
/// several mounts there it takes the last one.
fn is_on_top(device: &Device, mounted: &HostPath) -> bool {
    let holder = holder_of(device, mounted);
    let number = device
        .partitions
        .iter()
        .find(|partition| partition.path == holder)
        .map_or(device.number, |partition| partition.device);
    match std::fs::read("/proc/self/mountinfo") {
        Ok(mounts) => top_is_of(&mounts, mounted.path(), &number.to_string(), holder),
        Err(_) => true,
    }
}

/// Does the same with a text like `/proc/self/mountinfo` (proc(5)), for the device with this number
/// or this name.
fn top_is_of(mounts: &[u8], place: &Path, number: &str, holder: &Path) -> bool {
    let place = escaped(place);
    let fields = |line: &[u8]| -> Vec<Vec<u8>> { line.split(|byte| *byte == b' ').map(<[u8]>::to_vec).collect() };
    let mut at_place = mounts.split(|byte| *byte == b'\n').map(fields);
    let last = at_place.rfind(|fields| fields.get(4) == Some(&place));
    // A btrfs has a device number of its own; its line names the device.
    last.is_none_or(|fields| {
        fields[2] == number.as_bytes() || fields.iter().any(|field| *field == holder.as_os_str().as_bytes())
    })
}

/// Returns a mount point as the kernel writes it: with blanks, tabs, line ends and backslashes in
/// octal (proc(5)).
fn escaped(path: &Path) -> Vec<u8> {
    let bytes = path.as_os_str().as_bytes().iter();
    let escape = |byte: &u8| match byte {
        b' ' | b'\t' | b'\n' | b'\\' => format!("\\{byte:03o}").into_bytes(),
        _ => vec![*byte],
    };
    bytes.flat_map(escape).collect()
}

/// Returns the partition that is mounted there, or the device itself.
fn holder_of<'a>(device: &'a Device, mounted: &HostPath) -> &'a Path {
    let partition = device
        .partitions
        .iter()
        .find(|partition| partition.volume.mounts.contains(mounted));
    partition.map_or(&device.path, |partition| &partition.path)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::{Host, find};

    #[test]
    fn what_is_unmounted_is_the_cards_and_nothing_that_lies_over_it() {
        let card = "36 29 8:17 / /media/a\\040b rw,relatime shared:5 - vfat /dev/sdb1 rw\n";
        let over = "40 36 0:55 / /media/a\\040b rw - tmpfs tmpfs rw\n";
        let beside = "41 29 0:56 / /media/a rw - tmpfs tmpfs rw\n";
        let btrfs = "42 29 0:57 /home /media/a\\040b rw shared:6 - btrfs /dev/sdb1 rw\n";
        let is_top = |mounts: &[&str]| {
            let (place, holder) = (Path::new("/media/a b"), Path::new("/dev/sdb1"));
            top_is_of(mounts.concat().as_bytes(), place, "8:17", holder)
        };
        assert!(is_top(&[card]) && is_top(&[card, beside]) && is_top(&[btrfs, beside]));
        assert!(is_top(&[over, card]), "it is the last one that counts");
        assert!(!is_top(&[card, over]) && !is_top(&[btrfs, over]));
        assert!(is_top(&[beside]), "it was unmounted meanwhile: the kernel says so");
        assert!(!is_top(&[card, "x y\n", over, "\n"]), "lines that are none");
    }

    fn run(program: &str, arguments: &[&Path]) -> String {
        let output = Command::new(program).args(arguments).output().unwrap();
        assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn root_another_mount_over_that_of_a_card_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (file, point) = (folder.path().join("card"), folder.path().join("a point"));
        std::fs::File::create(&file).unwrap().set_len(64 << 20).unwrap();
        std::fs::create_dir(&point).unwrap();
        let word = Path::new;
        let path = run("losetup", &[word("--find"), word("--show"), &file]);
        let path = Path::new(&path);
        let result = std::panic::catch_unwind(|| {
            run("mkfs.ext4", &[word("-q"), path]);
            run("mount", &[path, &point]);
            let device = find(&Host::system(), path).unwrap();
            let mounts = device.volume.mounts.clone();
            let chosen = ChosenCard::unjudged(device, mounts);
            assert_eq!(chosen.unmount().len(), 1);
            run("mount", &[word("-t"), word("tmpfs"), word("over"), &point]);
            std::fs::write(point.join("file"), "of another user").unwrap();
            let message = unmount(&chosen, Job::silent()).unwrap_err().to_string();
            assert!(
                message.contains("something else is mounted over it") && message.contains("nothing was written"),
                "{message}"
            );
            assert!(point.join("file").exists(), "the other mount is gone");
            run("umount", &[&point]);
            assert!(unmount(&chosen, Job::silent()).is_ok());
            assert!(find(&Host::system(), path).unwrap().volume.mounts.is_empty());
        });
        // Unmounts whatever is still mounted there, from the top.
        while Command::new("umount").arg(&point).output().unwrap().status.success() {}
        run("losetup", &[word("--detach"), path]);
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    }
}
