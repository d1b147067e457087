//! Opens a card, directly or through UDisks2 when this user may not, and releases it afterwards.

use std::fmt::Write as _;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use kraken_flash::card::{
    self, BlockTarget, Device, Host, HostPath, Receipts, STATE_VARIABLE, Target, Udisks, UdisksError,
};
use rustix::fs::Access;

use super::card_chosen::Chosen;
use super::{Failure, Session};

/// Allows one request to UDisks2 at a time, also when several cards are written.
static REQUEST: Mutex<()> = Mutex::new(());

/// A card that is open for this program alone.
pub(super) struct Opened {
    target: BlockTarget,
    /// Whether UDisks2 opened it.
    is_from_udisks: bool,
    device: Device,
}

impl Opened {
    pub(super) fn target(&self) -> &dyn Target {
        &self.target
    }

    /// Has the kernel read the new partition table, closes the card, and ejects it. A card that
    /// cannot be ejected is safe to remove all the same: all data is on the medium.
    pub(super) fn release(self, eject: bool) {
        // When this user may not do it, udev does it when the device is closed.
        let _ = self.target.reread_table();
        // Before the device is closed: a desktop would mount what it sees then.
        if !eject || self.target.eject().unwrap_or(false) || !self.is_from_udisks {
            return;
        }
        drop(self.target);
        let _ = Udisks::connect().and_then(|udisks| udisks.eject(&self.device.path));
    }
}

/// Checks that this user may write the devices, or that UDisks2 can be asked to open them; the
/// error names the command to run otherwise.
pub(super) fn may_write(chosen: &[Chosen]) -> Result<(), Failure> {
    for card in chosen {
        let path = &card.device.path;
        let Err(error) = rustix::fs::access(path, Access::WRITE_OK | Access::READ_OK) else {
            continue;
        };
        if let Err(no) = Udisks::connect().and_then(|udisks| udisks.knows(path)) {
            return Err(not_by_you(path, &io::Error::from(error).to_string(), &no.to_string()));
        }
    }
    Ok(())
}

/// Unmounts what the guard listed.
pub(super) fn unmount(session: &Session, card: &Chosen) -> Result<(), Failure> {
    for mounted in &card.unmount {
        let failed = |why: String| {
            Failure::message(format!(
                "unmounting {mounted}: {why}; close what uses it, nothing was written to {}",
                card.device.path.display()
            ))
        };
        if !is_on_top(&card.device, mounted) {
            return Err(failed("something else is mounted over it".into()));
        }
        match rustix::mount::unmount(mounted.path(), rustix::mount::UnmountFlags::empty()) {
            Ok(()) => {}
            Err(rustix::io::Errno::PERM) => {
                let from = holder_of(&card.device, mounted).to_owned();
                let done = ask(session, move |udisks| udisks.unmount(&from))?;
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

/// Opens a card, if it is still the device that was shown.
pub(super) fn open(session: &Session, card: &Chosen) -> Result<Opened, Failure> {
    let path = &card.device.path;
    let (target, is_from_udisks) = match BlockTarget::open(path) {
        Ok(target) => (target, false),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => (open_by_udisks(session, path, &error)?, true),
        Err(error) => return Err(not_opened(path, &error)),
    };
    let now = card::find(&Host::system(), path)?;
    card.identity.check(&now)?;
    let number = target
        .number()
        .map_err(|error| Failure::message(format!("looking at {}: {error}", path.display())))?;
    if number != now.number || target.size() != now.size {
        return Err(Failure::message(format!(
            "{} changed while it was opened; nothing was written - start again",
            path.display()
        )));
    }
    Ok(Opened {
        target,
        is_from_udisks,
        device: now,
    })
}

/// Has UDisks2 open a card that this user may not open.
fn open_by_udisks(session: &Session, path: &Path, refused: &io::Error) -> Result<BlockTarget, Failure> {
    session.progress.note(&format!(
        "asking UDisks2 to open {}; it may ask for your password",
        path.display()
    ));
    let which = path.to_owned();
    let file = ask(session, move |udisks| udisks.open(&which))?.map_err(|no| match no {
        UdisksError::Busy => not_opened(path, &io::ErrorKind::ResourceBusy.into()),
        no => not_by_you(path, &refused.to_string(), &no.to_string()),
    })?;
    BlockTarget::from_file(file).map_err(|error| not_opened(path, &error))
}

/// Sends a request to UDisks2. Ctrl-C ends the wait for its answer.
fn ask<T: Send + 'static>(
    session: &Session,
    what: impl FnOnce(&Udisks) -> Result<T, UdisksError> + Send + 'static,
) -> Result<Result<T, UdisksError>, Failure> {
    session.wait_for(|| {
        let _alone = REQUEST.lock().unwrap_or_else(PoisonError::into_inner);
        Udisks::connect().and_then(|udisks| what(&udisks))
    })
}

fn not_opened(path: &Path, error: &io::Error) -> Failure {
    let what = match error.kind() {
        io::ErrorKind::ResourceBusy => {
            "it is in use: something has it mounted or opened since it was looked at; close it and start again".into()
        }
        _ => format!("{error}; look at `kraken-flash devices` and start again"),
    };
    Failure::message(format!("opening {}: {what}", path.display()))
}

/// The error when neither this user nor UDisks2 for this user may write a card: why, and the
/// command to run.
fn not_by_you(path: &Path, refused: &str, no: &str) -> Failure {
    Failure::message(format!(
        "{} cannot be written by you: {refused}; {no}. As root it can:\n  {}",
        path.display(),
        as_root()
    ))
}

/// Returns this very command for root, with this user's folders.
pub(super) fn as_root() -> String {
    let mut line = "sudo env".to_owned();
    let cache = kraken_fetch::Cache::open(None).map(|cache| cache.root().to_owned());
    if let Ok(cache) = cache {
        let _ = write!(
            line,
            " {}={}",
            kraken_fetch::CACHE_VARIABLE,
            quoted(&cache.to_string_lossy())
        );
    }
    if let Some(state) = Receipts::state() {
        let _ = write!(line, " {STATE_VARIABLE}={}", quoted(&state.to_string_lossy()));
    }
    let program = std::env::current_exe().unwrap_or_else(|_| "kraken-flash".into());
    let _ = write!(line, " {}", quoted(&program.to_string_lossy()));
    for argument in std::env::args().skip(1) {
        let _ = write!(line, " {}", quoted(&argument));
    }
    line
}

/// Returns an argument quoted for a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-=:,+@".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kraken_flash::card::Identity;
    use std::process::Command;

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
            let device = card::find(&Host::system(), path).unwrap();
            let chosen = Chosen {
                identity: Identity::of(&device),
                unmount: device.volume.mounts.clone(),
                device,
                warnings: Vec::new(),
                reasons: Vec::new(),
                held: Vec::new(),
            };
            assert_eq!(chosen.unmount.len(), 1);
            run("mount", &[word("-t"), word("tmpfs"), word("over"), &point]);
            std::fs::write(point.join("file"), "of somebody else").unwrap();
            let Err(Failure::Failed(error)) = unmount(&Session::silent(), &chosen) else {
                panic!("it was unmounted");
            };
            let message = error.to_string();
            assert!(
                message.contains("something else is mounted over it") && message.contains("nothing was written"),
                "{message}"
            );
            assert!(point.join("file").exists(), "the other mount is gone");
            run("umount", &[&point]);
            assert!(unmount(&Session::silent(), &chosen).is_ok());
            assert!(card::find(&Host::system(), path).unwrap().volume.mounts.is_empty());
        });
        // Unmounts whatever is still mounted there, from the top.
        while Command::new("umount").arg(&point).output().unwrap().status.success() {}
        run("losetup", &[word("--detach"), path]);
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    }
}
