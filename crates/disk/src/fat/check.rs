//! Our own consistency check of a FAT volume: chains, lost and shared clusters, both copies of the
//! table, FSInfo, the dirty bit.

use std::collections::VecDeque;
use std::io;

use super::error::{damaged, on_fat};
use super::geometry::{Fat, Geometry, Link};
use crate::io::{ReadAt, in_memory};
use crate::slice::Slice;
use crate::table::Partition;
use kraken_foundation::{Context, Result};

/// Findings that are listed; the rest is only counted.
const MAX_FINDINGS: usize = 50;
/// Bytes of a directory at most: 65536 entries (Microsoft's specification, section 6).
const MAX_DIRECTORY: u64 = 65536 * 32;
/// Bytes of all directories that one survey reads at most: more than any boot volume has, and a
/// limit for hostile ones.
const MAX_DIRECTORIES: u64 = 256 << 20;

/// Checks a FAT volume and returns its faults as sentences; an empty list means that it is
/// consistent.
///
/// # Errors
/// When it is not a FAT volume at all or the disk cannot be read.
pub fn check_fat(volume: &dyn ReadAt) -> Result<Vec<String>> {
    let survey = Survey::take(volume)?;
    let mut findings = survey.unsafe_findings;
    findings.extend(survey.findings);
    Ok(findings)
}

/// A FAT volume that was checked and has no fault at all. A caller that opens the same bytes again,
/// as for every node's view of a golden image, need not check them again; the check takes longer
/// than all the rest.
#[derive(Clone, Debug)]
pub struct CleanFat(Geometry);

impl CleanFat {
    /// Checks the volume in a partition of a disk.
    ///
    /// # Errors
    /// When it cannot be read, or has any fault.
    pub fn of(disk: &dyn ReadAt, partition: &Partition) -> Result<Self> {
        let slice = Slice::new(disk, partition.start, partition.len).quoted(|| on_fat("opening the partition"))?;
        let survey = Survey::take(&slice)?;
        survey.sound()?;
        match survey.findings.first() {
            Some(first) => Err(damaged(first)),
            None if survey.info_stale => Err(damaged("FSInfo has no count of free clusters")),
            None => Ok(Self(survey.geometry)),
        }
    }

    pub(super) fn geometry(&self) -> &Geometry {
        &self.0
    }
}

/// The result of one pass over a volume.
pub(crate) struct Survey {
    pub geometry: Geometry,
    /// Faults that make the volume unsafe to walk.
    pub unsafe_findings: Vec<String>,
    /// Faults that are harmless to a reader.
    pub findings: Vec<String>,
    /// Clusters not in use.
    pub free: u32,
    /// Whether a dirty bit is set; also among the findings.
    pub dirty: bool,
    /// Whether the count of free clusters in FSInfo is wrong or absent; also among the findings
    /// when wrong.
    pub info_stale: bool,
    /// Clusters that are in use by no file.
    pub lost: Vec<u32>,
    /// Whether the second copy of the table differs from the first.
    pub copies_differ: bool,
    /// Whether FSInfo has no signature.
    pub info_lost: bool,
    /// The first fault that can only be repaired by losing bytes of a file.
    pub beyond_repair: Option<String>,
}

impl Survey {
    /// Surveys a volume.
    pub(crate) fn take(volume: &dyn ReadAt) -> Result<Self> {
        let geometry = Geometry::read(volume)?;
        let fat = geometry
            .read_fat(volume, 0)
            .quoted(|| on_fat("reading the allocation table"))?;
        let mut walk = Walk::new(volume, &geometry, &fat);
        walk.run()?;
        let used = fat.in_use(geometry.clusters);
        let beyond_repair = walk.findings.first().cloned();
        let lost = walk.lost(&used);
        if !lost.is_empty() {
            walk.note(format!("{} clusters are in use by no file", lost.len()));
        }
        let mut copies_differ = false;
        if geometry.fats == 2 {
            let second = geometry
                .read_fat(volume, 1)
                .quoted(|| on_fat("reading the second allocation table"))?;
            copies_differ = second != fat;
            if copies_differ {
                walk.note("the two copies of the allocation table differ".into());
            }
        }
        let free = geometry
            .clusters
            .saturating_sub(u32::try_from(used.len()).unwrap_or(u32::MAX));
        let (unsafe_findings, findings) = (walk.unsafe_findings, walk.findings);
        let mut survey = Self {
            unsafe_findings,
            findings,
            free,
            dirty: false,
            info_stale: false,
            lost,
            copies_differ,
            info_lost: false,
            beyond_repair,
            geometry,
        };
        survey.check_flags(volume, &fat)?;
        survey.check_info(volume)?;
        Ok(survey)
    }

    fn check_flags(&mut self, volume: &dyn ReadAt, fat: &Fat) -> Result<()> {
        let mut flags = [0];
        volume
            .read_at(self.geometry.flags_at, &mut flags)
            .quoted(|| on_fat("reading the boot sector"))?;
        self.dirty = flags[0] & 3 != 0 || fat.dirty();
        if self.dirty {
            self.findings
                .push("it is marked dirty: it was not unmounted, or errors were met".into());
        }
        Ok(())
    }

    fn check_info(&mut self, volume: &dyn ReadAt) -> Result<()> {
        let Some(at) = self.geometry.fs_info else {
            return Ok(());
        };
        let mut info = [0; 512];
        volume.read_at(at, &mut info).quoted(|| on_fat("reading FSInfo"))?;
        if info[..4] != *b"RRaA" || info[484..488] != *b"rrAa" {
            self.findings.push("FSInfo has no signature".into());
            self.info_lost = true;
            return Ok(());
        }
        let free = u32::from_le_bytes([info[488], info[489], info[490], info[491]]);
        self.info_stale = free != self.free;
        // All ones means "unknown", which is allowed.
        if self.info_stale && free != u32::MAX {
            self.findings.push(format!(
                "FSInfo says {free} clusters are free, the table says {}",
                self.free
            ));
        }
        Ok(())
    }

    /// Whether a writer must repair something before it writes.
    pub(super) fn has_faults(&self) -> bool {
        self.dirty || self.info_stale || self.info_lost || self.copies_differ || !self.lost.is_empty()
    }

    /// Returns the geometry of a volume that is safe to walk.
    pub(crate) fn sound(&self) -> Result<()> {
        match self.unsafe_findings.first() {
            None => Ok(()),
            Some(first) => Err(damaged(first)),
        }
    }
}

/// A walk over all directories, breadth first, that visits no cluster twice.
struct Walk<'a> {
    volume: &'a dyn ReadAt,
    geometry: &'a Geometry,
    fat: &'a Fat,
    seen: Vec<u64>,
    queue: VecDeque<(String, u32)>,
    read: u64,
    unsafe_findings: Vec<String>,
    findings: Vec<String>,
}

impl<'a> Walk<'a> {
    fn new(volume: &'a dyn ReadAt, geometry: &'a Geometry, fat: &'a Fat) -> Self {
        Self {
            volume,
            geometry,
            fat,
            seen: vec![0; geometry.clusters as usize / 64 + 1],
            queue: VecDeque::new(),
            read: 0,
            unsafe_findings: Vec::new(),
            findings: Vec::new(),
        }
    }

    fn note(&mut self, finding: String) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        }
    }

    fn alarm(&mut self, finding: String) {
        if self.unsafe_findings.len() < MAX_FINDINGS {
            self.unsafe_findings.push(finding);
        }
    }

    /// Marks a data cluster as seen; returns false when it was seen before.
    fn mark(&mut self, n: u32) -> bool {
        let (word, bit) = ((n - 2) as usize / 64, 1 << ((n - 2) % 64));
        let new = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        new
    }

    /// Returns the clusters in use that no walk has seen.
    fn lost(&self, used: &[u32]) -> Vec<u32> {
        let seen = |n: u32| self.seen[(n - 2) as usize / 64] & (1 << ((n - 2) % 64)) != 0;
        used.iter()
            .copied()
            .filter(|n| !seen(*n) && self.fat.link(*n) != Link::Bad)
            .collect()
    }

    fn run(&mut self) -> Result<()> {
        if self.geometry.fs_info.is_some() {
            self.queue.push_back((String::new(), self.geometry.root_cluster));
        } else {
            let root = self.bytes(self.geometry.root_start, self.geometry.root_len)?;
            self.entries("", &root);
        }
        while let Some((path, first)) = self.queue.pop_front() {
            let Some(chain) = self.chain(&path, first) else {
                continue;
            };
            let len = chain.len() as u64 * self.geometry.cluster;
            self.read += len;
            if len > MAX_DIRECTORY || self.read > MAX_DIRECTORIES {
                self.alarm(format!("the directory {path}/ is larger than a FAT directory can be"));
                continue;
            }
            let mut bytes = Vec::new();
            for n in chain {
                bytes.extend(self.bytes(self.geometry.cluster_at(n), self.geometry.cluster)?);
            }
            self.entries(&path, &bytes);
        }
        Ok(())
    }

    fn bytes(&self, at: u64, len: u64) -> Result<Vec<u8>> {
        let read = || {
            let mut bytes = vec![0; in_memory(len)?];
            self.volume.read_at(at, &mut bytes)?;
            Ok::<_, io::Error>(bytes)
        };
        read().quoted(|| on_fat("reading a directory"))
    }

    /// Follows a chain and marks its clusters; `None` (and a finding) when it is broken.
    fn chain(&mut self, path: &str, first: u32) -> Option<Vec<u32>> {
        let mut chain = Vec::new();
        let mut n = first;
        loop {
            if !self.geometry.holds(n) {
                self.alarm(format!("the cluster chain of {path:?} leaves the volume (cluster {n})"));
                return None;
            }
            if !self.mark(n) {
                self.alarm(format!(
                    "the cluster chain of {path:?} meets another one or itself (cluster {n})"
                ));
                return None;
            }
            chain.push(n);
            match self.fat.link(n) {
                Link::Next(next) => n = next,
                Link::End => return Some(chain),
                Link::Free | Link::Bad => {
                    self.alarm(format!(
                        "the cluster chain of {path:?} runs into a free or bad cluster ({n})"
                    ));
                    return None;
                }
            }
        }
    }

    fn entries(&mut self, parent: &str, bytes: &[u8]) {
        for entry in bytes.chunks_exact(32) {
            let attributes = entry[11];
            match entry[0] {
                0 => break,
                0xe5 => continue,
                // A label, or a part of a long name (which has the label's bit set, too).
                _ if attributes & 0x08 != 0 => continue,
                b'.' => continue,
                _ => (),
            }
            let path = format!("{parent}/{}", short_name(entry));
            let word = |at: usize| u32::from(u16::from_le_bytes([entry[at], entry[at + 1]]));
            let high = if self.geometry.fs_info.is_some() { word(20) } else { 0 };
            let first = high << 16 | word(26);
            let size = word(28) | word(30) << 16;
            if attributes & 0x10 != 0 {
                self.queue.push_back((path, first));
            } else {
                self.file(&path, first, size);
            }
        }
    }

    fn file(&mut self, path: &str, first: u32, size: u32) {
        let want = u64::from(size).div_ceil(self.geometry.cluster);
        let have = match first {
            0 => 0,
            _ => match self.chain(path, first) {
                Some(chain) => chain.len() as u64,
                None => return,
            },
        };
        if want != have {
            self.note(format!(
                "{path} has {size} bytes, which need {want} clusters, and has {have}"
            ));
        }
    }
}

/// Returns the 8.3 name of an entry, for messages.
fn short_name(entry: &[u8]) -> String {
    let part = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    let (base, extension) = (part(&entry[..8]), part(&entry[8..11]));
    if extension.is_empty() {
        base
    } else {
        format!("{base}.{extension}")
    }
}
