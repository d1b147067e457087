//! Machines as text: a short description becomes a tree of sysfs, procfs, udev's database and
//! device nodes.
//!
//! `tests/fixtures/devices/README.md` describes the format.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use kraken_flash::card::{Host, Policy};
use tempfile::TempDir;

/// A request to the guard: a path, and what the user allows.
pub(super) struct Ask {
    pub path: PathBuf,
    /// The options as they are in the text.
    pub options: String,
    pub policy: Policy,
}

/// One situation, unpacked.
pub(super) struct Machine {
    pub title: String,
    pub asks: Vec<Ask>,
    tree: TempDir,
}

struct Builder {
    root: PathBuf,
    title: Option<String>,
    asks: Vec<Ask>,
    mounts: String,
    swaps: String,
    udev: bool,
    records: BTreeMap<String, String>,
    /// Folders of devices by name, below the root.
    folders: BTreeMap<String, PathBuf>,
    holders: Vec<(String, String)>,
    /// The device, and its partition, to which indented lines belong.
    disk: Option<(String, String)>,
    part: Option<(String, String)>,
}

pub(super) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/devices")
}

/// Names of all situations.
pub(super) fn all() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(fixtures())
        .unwrap()
        .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_suffix(".txt")?.to_owned()))
        .filter(|name| !name.starts_with('_'))
        .collect();
    names.sort();
    names
}

impl Machine {
    pub(super) fn load(name: &str) -> Self {
        let text = fs::read_to_string(fixtures().join(format!("{name}.txt"))).unwrap();
        Self::from_text(name, &text)
    }

    pub(super) fn from_text(name: &str, text: &str) -> Self {
        let tree = tempfile::tempdir().unwrap();
        let mut builder = Builder {
            root: tree.path().into(),
            title: None,
            asks: Vec::new(),
            mounts: String::new(),
            swaps: "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n".into(),
            udev: true,
            records: BTreeMap::new(),
            folders: BTreeMap::new(),
            holders: Vec::new(),
            disk: None,
            part: None,
        };
        builder.folder("sys/block");
        builder.text(name, text);
        builder.finish();
        Self {
            title: builder.title.expect("a title"),
            asks: builder.asks,
            tree,
        }
    }

    pub(super) fn host(&self) -> Host {
        Host::at(self.tree.path())
    }

    pub(super) fn root(&self) -> &Path {
        self.tree.path()
    }
}

impl Builder {
    fn text(&mut self, name: &str, text: &str) {
        for (index, line) in text.lines().enumerate() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let known = match words.first() {
                None => true,
                Some(word) if word.starts_with('#') => {
                    let title = line.trim_start_matches(['#', ' ']);
                    // The first line of the situation itself, not of the one that it includes.
                    if index == 0 && self.title.is_none() {
                        self.title = Some(title.into());
                    }
                    true
                }
                Some(_) if line.starts_with(' ') => self.detail(&words, line),
                Some(_) => self.entry(&words, line),
            };
            assert!(known, "{name}.txt, line {}: {line}", index + 1);
        }
    }

    /// Reads a line that is not indented.
    fn entry(&mut self, words: &[&str], line: &str) -> bool {
        match *words {
            ["with", other] => {
                let text = fs::read_to_string(fixtures().join(format!("_{other}.txt"))).unwrap();
                self.text(other, &text);
            }
            ["without", "udev"] => self.udev = false,
            ["disk", name, number, place] => self.disk(name, number, place),
            ["mount", number, point, kind, source, ref options @ ..] => {
                let id = 30 + self.mounts.lines().count();
                let options = options.first().unwrap_or(&"rw");
                let point = unescaped(point);
                self.mounts.push_str(&format!(
                    "{id} 1 {number} / {point} rw,relatime shared:{id} - {kind} {source} {options}\n"
                ));
            }
            ["swap", path, kind] => self.swaps.push_str(&format!("{path} {kind} 1048572 0 -2\n")),
            ["link", path, "->", target] => {
                let link = self.place(path);
                symlink(target, link).unwrap();
            }
            ["file", path, ..] => {
                let value = line.split_once(path).unwrap().1.trim();
                self.write(path, &format!("{}\n", unescaped(value)));
            }
            ["folder", path] => self.folder(path),
            ["char", path, number] => self.write(path, &format!("char {number}\n")),
            ["ask", path, ref options @ ..] => {
                let mut policy = Policy::default();
                for option in options {
                    match option.split_once('=').unwrap_or((option, "")) {
                        ("needed", bytes) => policy.needed = Some(bytes.parse().unwrap()),
                        ("allow-fixed", _) => policy.allow_fixed = true,
                        ("allow-large", _) => policy.allow_large = true,
                        ("unmount", _) => policy.unmount = true,
                        _ => return false,
                    }
                }
                self.asks.push(Ask {
                    path: path.into(),
                    options: options.join(" "),
                    policy,
                });
            }
            _ => return false,
        }
        true
    }

    /// Reads an indented line, about the disk or the partition above it.
    fn detail(&mut self, words: &[&str], line: &str) -> bool {
        let Some((disk, _)) = self.disk.clone() else {
            return false;
        };
        let (name, number) = self.part.clone().or_else(|| self.disk.clone()).unwrap();
        match *words {
            ["part", index, number, start, size] => {
                let digit = disk.ends_with(|c: char| c.is_ascii_digit());
                let part = if digit {
                    format!("{disk}p{index}")
                } else {
                    format!("{disk}{index}")
                };
                let folder = self.folders[&disk].join(&part);
                self.block(&part, number, &folder, "partition");
                for (file, value) in [("partition", index), ("start", start), ("size", size), ("ro", "0")] {
                    self.write(folder.join(file), &format!("{value}\n"));
                }
                self.part = Some((part, number.into()));
            }
            ["udev", ..] => {
                let pair = line.trim_start().strip_prefix("udev").unwrap().trim();
                self.records
                    .get_mut(&number)
                    .unwrap()
                    .push_str(&format!("E:{}\n", unescaped(pair)));
            }
            ["holder", holder] => self.holders.push((name, holder.into())),
            [key, ..] => {
                let value = line.trim_start().strip_prefix(key).unwrap().trim();
                let folder = self.folders[&name].clone();
                self.write(folder.join(key), &format!("{}\n", unescaped(value)));
            }
            [] => return false,
        }
        true
    }

    fn disk(&mut self, name: &str, number: &str, place: &str) {
        let parent = Path::new("sys/devices").join(place);
        let folder = parent.join(name);
        let minor = number.split(':').nth(1).unwrap();
        self.part = None;
        self.block(name, number, &folder, "disk");
        for (file, value) in [
            ("size", "0"),
            ("ro", "0"),
            ("removable", "0"),
            ("hidden", "0"),
            ("queue/logical_block_size", "512"),
            ("queue/physical_block_size", "512"),
            ("diskseq", minor),
        ] {
            self.write(folder.join(file), &format!("{value}\n"));
        }
        symlink(
            Path::new("../").join(folder.strip_prefix("sys").unwrap()),
            self.place(format!("sys/block/{name}")),
        )
        .unwrap();
        // As in the kernel: `device` leads to the device that the disk belongs to.
        if !place.starts_with("virtual/block") {
            let device = if place.ends_with("/block") { "../.." } else { ".." };
            symlink(device, self.place(folder.join("device"))).unwrap();
        }
        let mut above = PathBuf::from("sys/devices");
        for part in place.split('/') {
            above.push(part);
            let link = self.root.join(&above).join("subsystem");
            if let Some(subsystem) = subsystem(part)
                && !link.is_symlink()
            {
                symlink(format!("/sys/bus/{subsystem}"), link).unwrap();
            }
        }
        self.disk = Some((name.into(), number.into()));
    }

    fn block(&mut self, name: &str, number: &str, folder: &Path, kind: &str) {
        let (major, minor) = number.split_once(':').unwrap();
        self.write(folder.join("dev"), &format!("{number}\n"));
        self.write(
            folder.join("uevent"),
            &format!("MAJOR={major}\nMINOR={minor}\nDEVNAME={name}\nDEVTYPE={kind}\n"),
        );
        for empty in ["holders", "slaves"] {
            self.folder(folder.join(empty));
        }
        self.write(format!("dev/{name}"), &format!("block {number}\n"));
        self.records.insert(number.into(), "I:7654321\n".into());
        self.folders.insert(name.into(), folder.into());
    }

    fn finish(&mut self) {
        for (lower, upper) in std::mem::take(&mut self.holders) {
            for (at, folder, name) in [(&lower, "holders", &upper), (&upper, "slaves", &lower)] {
                let link = self.place(self.folders[at].join(folder).join(name));
                symlink(format!("/{}", self.folders[name].display()), link).unwrap();
            }
        }
        self.write("proc/self/mountinfo", &self.mounts.clone());
        self.write("proc/swaps", &self.swaps.clone());
        if self.udev {
            for (number, record) in std::mem::take(&mut self.records) {
                self.write(format!("run/udev/data/b{number}"), &record);
            }
        }
    }

    /// Returns where a path is in the tree, and makes its folder.
    fn place(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        let place = self.root.join(path.strip_prefix("/").unwrap_or(path));
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        place
    }

    fn folder(&self, path: impl AsRef<Path>) {
        fs::create_dir_all(self.place(path)).unwrap();
    }

    fn write(&self, path: impl AsRef<Path>, text: &str) {
        fs::write(self.place(path), text).unwrap();
    }
}

/// Returns the subsystem of a part of a path in sysfs, by its form.
fn subsystem(part: &str) -> Option<&'static str> {
    let numbered = |prefix: &str| {
        part.strip_prefix(prefix)
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let first = part.chars().next()?;
    match part {
        _ if numbered("usb") => Some("usb"),
        _ if numbered("host") || numbered("target") => Some("scsi"),
        _ if numbered("virtio") => Some("virtio"),
        _ if numbered("nvme") => Some("nvme"),
        "nvme-subsys0" => Some("nvme-subsystem"),
        _ if numbered("mmc") => Some(if part.contains(':') { "mmc" } else { "mmc_host" }),
        _ if part.starts_with("0000:") => Some("pci"),
        // `1-2` and `1-2:1.0` are USB, `6:0:0:0` is SCSI.
        _ if first.is_ascii_digit() && part.contains('-') => Some("usb"),
        _ if first.is_ascii_digit() && part.matches(':').count() == 3 => Some("scsi"),
        _ => None,
    }
}

/// Replaces `\u{202e}` by that invisible character, and `\n` by a line feed.
fn unescaped(value: &str) -> String {
    let mut plain = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("\\u{") {
        let (code, after) = after.split_once('}').unwrap();
        plain.push_str(before);
        plain.push(char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap());
        rest = after;
    }
    plain.push_str(rest);
    plain.replace("\\n", "\n")
}
