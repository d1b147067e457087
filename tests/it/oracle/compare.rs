//! Compares two mounted trees, entry by entry: type, mode, owner, time, bytes, link targets, second
//! names, extended attributes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// The parts of an entry that one check compares.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    kind: Kind,
    mode: u32,
    uid: u32,
    gid: u32,
    mtime: (i64, i64),
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    inode: u64,
    /// When the kernel or a writer last changed anything in the inode.
    ctime: (i64, i64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    File { size: u64 },
    Directory,
    Symlink(Vec<u8>),
    Other { device: u64 },
}

type Tree = BTreeMap<Vec<u8>, Node>;

fn read(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut todo = vec![root.to_owned()];
    while let Some(folder) = todo.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let stat = fs::symlink_metadata(&path).unwrap();
            let kind = if stat.is_file() {
                Kind::File { size: stat.len() }
            } else if stat.is_dir() {
                todo.push(path.clone());
                Kind::Directory
            } else if stat.is_symlink() {
                Kind::Symlink(fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec())
            } else {
                Kind::Other { device: stat.rdev() }
            };
            let node = Node {
                kind,
                mode: stat.mode(),
                uid: stat.uid(),
                gid: stat.gid(),
                mtime: (stat.mtime(), stat.mtime_nsec()),
                xattrs: xattrs(&path),
                inode: stat.ino(),
                ctime: (stat.ctime(), stat.ctime_nsec()),
            };
            let name = path.strip_prefix(root).unwrap().as_os_str().as_bytes();
            tree.insert([b"/", name].concat(), node);
        }
    }
    tree
}

fn xattrs(path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut names = vec![0; 64 << 10];
    let count = rustix::fs::llistxattr(path, &mut names[..]).unwrap();
    names[..count]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| {
            let mut value = vec![0; 64 << 10];
            let count = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
            (name.to_vec(), value[..count].to_vec())
        })
        .collect()
}

/// Names of one file: all paths for each inode that has more than one.
fn second_names(tree: &Tree) -> BTreeMap<&[u8], Vec<&[u8]>> {
    let mut by_inode: BTreeMap<u64, Vec<&[u8]>> = BTreeMap::new();
    for (path, node) in tree.iter().filter(|(_, node)| node.kind != Kind::Directory) {
        by_inode.entry(node.inode).or_default().push(path);
    }
    let several = by_inode.into_values().filter(|names| names.len() > 1);
    several
        .flat_map(|names| names.clone().into_iter().map(move |name| (name, names.clone())))
        .collect()
}

fn same_bytes(one: &Path, two: &Path) -> bool {
    let (mut one, mut two) = (File::open(one).unwrap(), File::open(two).unwrap());
    let (mut a, mut b) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let count = one.read(&mut a).unwrap();
        if two.read_exact(&mut b[..count]).is_err() || a[..count] != b[..count] {
            return false;
        }
        if count == 0 {
            return two.read(&mut b).unwrap() == 0;
        }
    }
}

/// When dpkg ran, and the time that the crate was given to write.
pub(crate) struct Times {
    pub start: SystemTime,
    pub given: i64,
}

/// The result of a comparison.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub entries: usize,
    pub files: usize,
    pub bytes: u64,
    pub second_names: usize,
    pub xattrs: usize,
    /// Entries that changed.
    pub changed: usize,
    /// Allowed differences, by their reason.
    pub allowed: BTreeMap<&'static str, usize>,
}

/// Everything that may differ, and why. `None`: it must not differ.
fn allowed(path: &str, what: What) -> Option<&'static str> {
    match (path, what) {
        ("/var/lib/dpkg/status-old", _) => Some("a copy of the status before the last change"),
        (
            "/var/lib/dpkg/lock" | "/var/lib/dpkg/lock-frontend" | "/var/lib/dpkg/triggers/Lock",
            What::Mtime | What::Presence,
        ) => Some("a lock of the run, always empty"),
        ("/var/log/dpkg.log", _) => Some("the log of the run, full of its times"),
        _ => None,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Presence,
    Mtime,
    Else,
}

/// Compares dpkg's tree with the crate's; `before` is the state of both before. Returns every
/// difference that is not allowed, in words.
///
/// Files that neither of the two has changed (inode and ctime are as before) are read only with
/// `thorough`: all images are copies of one.
pub(crate) fn compare(
    before: &Path,
    dpkgs: &Path,
    ours: &Path,
    times: &Times,
    thorough: bool,
) -> (Counts, Vec<String>) {
    let trees = [read(before), read(dpkgs), read(ours)];
    let [old, want, have] = &trees;
    let mut counts = Counts::default();
    let mut found = Vec::new();
    let mut differs = |counts: &mut Counts, path: &[u8], what: What, words: String| {
        let path = String::from_utf8_lossy(path);
        match allowed(&path, what) {
            Some(reason) => *counts.allowed.entry(reason).or_default() += 1,
            None => found.push(format!("{path}: {words}")),
        }
    };
    for (path, node) in have.iter().filter(|(path, _)| !want.contains_key(*path)) {
        differs(
            &mut counts,
            path,
            What::Presence,
            format!("ours alone has it: {:?}", node.kind),
        );
    }
    for (path, want_node) in want {
        let Some(have_node) = have.get(path) else {
            differs(
                &mut counts,
                path,
                What::Presence,
                format!("dpkg alone has it: {:?}", want_node.kind),
            );
            continue;
        };
        counts.entries += 1;
        counts.changed += usize::from(old.get(path) != Some(want_node));
        let relative = Path::new(std::ffi::OsStr::from_bytes(&path[1..]));
        for (what, words) in node_differences(want_node, have_node) {
            differs(&mut counts, path, what, words);
        }
        if let Some(words) = time_differs(old.get(path), want_node, have_node, times) {
            differs(&mut counts, path, What::Mtime, words);
        } else if want_node.mtime != have_node.mtime {
            *counts
                .allowed
                .entry("the time of the run, where dpkg writes the database or into a folder")
                .or_default() += 1;
        }
        counts.xattrs += want_node.xattrs.len();
        if let (Kind::File { size }, Kind::File { .. }) = (&want_node.kind, &have_node.kind) {
            counts.files += 1;
            let touched = |node: &Node| {
                let state = |node: &Node| (node.inode, node.ctime);
                old.get(path).is_none_or(|old| state(old) != state(node))
            };
            if !thorough && !touched(want_node) && !touched(have_node) {
                continue;
            }
            counts.bytes += size;
            if !same_bytes(&dpkgs.join(relative), &ours.join(relative)) {
                let words = show_difference(&dpkgs.join(relative), &ours.join(relative));
                differs(&mut counts, path, What::Else, words);
            }
        }
    }
    let (want_names, have_names) = (second_names(want), second_names(have));
    counts.second_names = want_names.len();
    for path in want.keys() {
        let (one, two) = (want_names.get(&path[..]), have_names.get(&path[..]));
        if one != two {
            let show = |names: Option<&Vec<&[u8]>>| {
                names.map(|names| {
                    names
                        .iter()
                        .map(|name| String::from_utf8_lossy(name).into_owned())
                        .collect::<Vec<_>>()
                })
            };
            differs(
                &mut counts,
                path,
                What::Else,
                format!("dpkg's names of the file are {:?}, ours {:?}", show(one), show(two)),
            );
        }
    }
    (counts, found)
}

/// Returns some of the lines that differ.
fn show_difference(want: &Path, have: &Path) -> String {
    let output = std::process::Command::new("diff")
        .arg("-a")
        .arg(want)
        .arg(have)
        .output()
        .unwrap();
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<String> = lines
        .lines()
        .take(20)
        .map(|line| line.chars().take(200).collect())
        .collect();
    format!("other bytes (< dpkg's, > ours):\n    {}", lines.join("\n    "))
}

fn node_differences(want: &Node, have: &Node) -> Vec<(What, String)> {
    let mut found = Vec::new();
    let mut check = |same: bool, words: String| {
        if !same {
            found.push((What::Else, words));
        }
    };
    // The sizes of files are compared together with their bytes.
    let kinds = (&want.kind, &have.kind);
    check(
        want.kind == have.kind || matches!(kinds, (Kind::File { .. }, Kind::File { .. })),
        format!("dpkg's is {:?}, ours {:?}", want.kind, have.kind),
    );
    check(
        want.mode == have.mode,
        format!("dpkg's mode is {:o}, ours {:o}", want.mode, have.mode),
    );
    check(
        (want.uid, want.gid) == (have.uid, have.gid),
        format!(
            "dpkg's owner is {}:{}, ours {}:{}",
            want.uid, want.gid, have.uid, have.gid
        ),
    );
    check(
        want.xattrs == have.xattrs,
        format!("dpkg's attributes are {:?}, ours {:?}", want.xattrs, have.xattrs),
    );
    found
}

/// A time of dpkg's run differs from ours: folders into which it wrote, and new files of its
/// database. All others must be equal.
fn time_differs(old: Option<&Node>, want: &Node, have: &Node, times: &Times) -> Option<String> {
    let start = times.start.duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    let words = || Some(format!("dpkg's time is {:?}, ours {:?}", want.mtime, have.mtime));
    if want.mtime.0 > i64::from(i32::MAX) && have.mtime == (i64::from(i32::MAX), 0) {
        // As for `Attributes`: a time that every reader of ext4 understands.
        return None;
    }
    if want.mtime.0 < start {
        return if want.mtime == have.mtime { None } else { words() };
    }
    let untouched = old.is_some_and(|old| old.mtime == have.mtime);
    match want.kind {
        // A folder into which dpkg wrote only temporarily (a `.dpkg-new` that it renamed) need not
        // change in the crate's tree.
        Kind::Directory if untouched || have.mtime.0 <= times.given => None,
        Kind::File { .. } if have.mtime == (times.given, 0) => None,
        _ => words(),
    }
}
