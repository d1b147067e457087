//! Finds the boot volume and the root volume among the partitions of a disk, by their contents.

use std::sync::Arc;

use super::ext4::{Ext4Info, Ext4Tree, MAGIC_AT};
use super::fat::{FatTree, Geometry};
use super::io::{FileTree, NodeType, ReadAt};
use super::slice::Slice;
use super::table::{Partition, PartitionTable};
use kraken_foundation::{Error, Kind, Result};

/// A disk with its table, its boot partition (FAT) and its root partition (ext4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The whole table.
    pub table: PartitionTable,
    /// The FAT partition that the firmware reads.
    pub boot: Partition,
    /// The ext4 partition that is mounted on `/`.
    pub root: Partition,
}

impl Layout {
    /// Reads the table and the contents of the partitions. Of several FAT partitions the first with
    /// `config.txt` or `cmdline.txt` is the boot volume; of several ext4 partitions the first with
    /// a directory `/etc` is the root volume.
    ///
    /// # Errors
    /// When the table is unreadable, or there is no such pair.
    pub fn detect(disk: Arc<dyn ReadAt>) -> Result<Self> {
        let table = PartitionTable::read(&*disk)?;
        let mut seen = Vec::new();
        let (mut boot, mut root, mut unsupported) = (None, None, None);
        for partition in &table.partitions {
            let what = Content::of(&disk, partition);
            seen.push(format!("{} ({})", partition.number, what.describe()));
            match what {
                Content::Fat { firmware: true } if boot.is_none() => boot = Some(partition.clone()),
                Content::Ext4 { etc: true } if root.is_none() => root = Some(partition.clone()),
                Content::Unsupported(why) if unsupported.is_none() => unsupported = Some((partition.number, why)),
                _ => (),
            }
        }
        if let (Some((number, why)), None, Some(_)) = (unsupported, &root, &boot) {
            let text = format!("reading the root file system (partition {number}): {why}");
            return Err(Error::new(Kind::Unsupported, text));
        }
        let missing = |wanted: &str| missing(wanted, &seen);
        Ok(Self {
            boot: boot.ok_or_else(|| missing("FAT partition with a config.txt or cmdline.txt"))?,
            root: root.ok_or_else(|| missing("ext4 partition with an /etc"))?,
            table,
        })
    }

    /// Opens the boot volume for reading.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn boot_tree(&self, disk: Arc<dyn ReadAt>) -> Result<FatTree> {
        FatTree::open(disk, &self.boot)
    }

    /// Opens the root volume for reading.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn root_tree(&self, disk: Arc<dyn ReadAt>) -> Result<Ext4Tree> {
        Ext4Tree::open(disk, &self.root)
    }
}

/// The volume that is `wanted` is not among the partitions, which are described in `seen`.
fn missing(wanted: &str, seen: &[String]) -> Error {
    let seen = match seen {
        [] => "no partitions".to_owned(),
        seen => seen.join(", "),
    };
    let text = format!(
        "looking for the boot and root partitions: there is no {wanted} among: {seen}; the image is not one for a Raspberry Pi, or it is damaged"
    );
    Error::new(Kind::NotFound, text)
}

/// What a partition holds.
enum Content {
    Fat { firmware: bool },
    Ext4 { etc: bool },
    Unsupported(&'static str),
    Faulty(String),
    Other,
}

impl Content {
    fn of(disk: &Arc<dyn ReadAt>, partition: &Partition) -> Self {
        let Ok(slice) = Slice::new(disk.clone(), partition.start, partition.len) else {
            return Self::Other;
        };
        let mut magic = [0; 2];
        if slice.read_at(MAGIC_AT, &mut magic).is_ok() && magic == [0x53, 0xef] {
            return Self::ext4(disk, partition, &slice);
        }
        if Geometry::read(&slice).is_ok() {
            return Self::fat(disk, partition);
        }
        Self::Other
    }

    fn ext4(disk: &Arc<dyn ReadAt>, partition: &Partition, slice: &dyn ReadAt) -> Self {
        match Ext4Info::read(slice) {
            Err(error) => return Self::Faulty(error.to_string()),
            Ok(info) => {
                if let Some(why) = info.unsupported() {
                    return Self::Unsupported(why);
                }
            }
        }
        let etc = Ext4Tree::open(disk.clone(), partition).and_then(|tree| tree.metadata("/etc"));
        match etc {
            Ok(etc) => Self::Ext4 {
                etc: etc.is_some_and(|m| m.node == NodeType::Directory),
            },
            Err(error) => Self::Faulty(error.to_string()),
        }
    }

    fn fat(disk: &Arc<dyn ReadAt>, partition: &Partition) -> Self {
        let tree = match FatTree::open(disk.clone(), partition) {
            Ok(tree) => tree,
            Err(error) => return Self::Faulty(error.to_string()),
        };
        let has = |name: &str| matches!(tree.metadata(name), Ok(Some(m)) if m.node == NodeType::File);
        Self::Fat {
            firmware: has("/config.txt") || has("/cmdline.txt"),
        }
    }

    fn describe(&self) -> &str {
        match self {
            Self::Fat { firmware: true } => "FAT with firmware",
            Self::Fat { firmware: false } => "FAT",
            Self::Ext4 { etc: true } => "ext4 root",
            Self::Ext4 { etc: false } => "ext4",
            Self::Unsupported(why) => why,
            Self::Faulty(why) => why,
            Self::Other => "something else",
        }
    }
}
