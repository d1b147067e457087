//! Limits the growth of the cache's folders. A removed image can be made again: the download, or
//! the file that it came from, stays.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The number of raw images that stay, however long they were unused.
const KEEP: usize = 3;
/// Images that were used within this time stay, too: another run may be using them.
const FRESH: Duration = Duration::from_hours(14 * 24);
/// No run writes to a file so seldom.
const ABANDONED: Duration = Duration::from_hours(24);

/// Removes raw images (`<sha256>.img`) from their folder: those that were not read for two weeks,
/// except the three that were read last. On file systems without access times (`noatime`) the time
/// of creation counts. Images that cannot be removed stay.
pub fn raw(folder: &Path, now: SystemTime) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut images: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "img"))
        .filter_map(|path| {
            let metadata = fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_file)?;
            Some((metadata.atime().max(metadata.mtime()), path))
        })
        .collect();
    images.sort_unstable();
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let fresh = i64::try_from(now.saturating_sub(FRESH).as_secs()).unwrap_or_default();
    for (_, path) in images.into_iter().rev().skip(KEEP).filter(|(used, _)| *used < fresh) {
        let _ = fs::remove_file(path);
    }
}

/// Removes the files that a run left unfinished when it was killed: those of the form of their
/// names, which were not written to for a day. What cannot be removed stays.
pub(crate) fn unfinished(folder: &Path, form: &UnfinishedName, now: SystemTime) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let written = entry.metadata().and_then(|metadata| metadata.modified());
        let is_old = written.is_ok_and(|written| now.duration_since(written).is_ok_and(|age| age > ABANDONED));
        if is_old && name.starts_with(form.prefix) && name.ends_with(form.suffix) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// What the names of unfinished files begin and end with.
pub(crate) struct UnfinishedName {
    pub prefix: &'static str,
    pub suffix: &'static str,
}

#[cfg(test)]
mod tests {
    use std::fs::{File, FileTimes};

    use super::*;

    #[test]
    fn raw_images_that_were_not_used_for_long_go_but_for_the_last_three() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let day = |days: u64| now - Duration::from_hours(days * 24);
        for (name, read, made) in [
            ("a.img", 1, 300),
            ("b.img", 3, 300),
            ("c.img", 5, 400),
            ("d.img", 10, 500),
            ("e.img", 20, 500),
            ("f.img", 30, 20),
            ("g.img", 400, 500),
            ("key.tmp", 400, 400),
        ] {
            let file = File::create(folder.path().join(name)).unwrap();
            let times = FileTimes::new().set_accessed(day(read)).set_modified(day(made));
            file.set_times(times).unwrap();
        }
        raw(folder.path(), now);
        let entries = fs::read_dir(folder.path()).unwrap();
        let mut left: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["a.img", "b.img", "c.img", "d.img", "key.tmp"]);
        // However old they are, three stay.
        for name in ["a.img", "d.img", "key.tmp"] {
            fs::remove_file(folder.path().join(name)).unwrap();
        }
        raw(folder.path(), now + Duration::from_hours(24 * 1000));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_a_killed_run_left_goes_after_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        for (name, hours) in [
            (".x-new.part", 1),
            (".x-old.part", 30),
            ("y-old.part", 30),
            (".x-old.img", 30),
        ] {
            let file = File::create(folder.path().join(name)).unwrap();
            let times = FileTimes::new().set_modified(now - Duration::from_hours(hours));
            file.set_times(times).unwrap();
        }
        let form = UnfinishedName {
            prefix: ".x-",
            suffix: ".part",
        };
        unfinished(folder.path(), &form, now);
        let entries = fs::read_dir(folder.path()).unwrap();
        let mut left: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".x-new.part", ".x-old.img", "y-old.part"]);
    }
}
