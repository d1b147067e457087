//! The folder of receipts, which is in the user's state folder: stores a receipt, and finds those
//! of a node, a card, or a swarm.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kraken_foundation::{Context as _, Error, Kind, Result, atomic};
use kraken_image::bake::HashedExtent;
use serde::de::IgnoredAny;

use super::Device;
use super::receipt::{LARGEST, Receipt, STATE_VARIABLE, Written};

/// Stands in a receipt's file name when no node was written.
const NO_NODE: &str = "image";

/// Returns a name as it stands in a receipt's file name.
fn plain(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    text.chars().filter(|c| fits(*c)).take(64).collect()
}

/// A receipt in its folder.
#[derive(Clone, Debug)]
pub struct StoredReceipt {
    /// The path of its file.
    pub path: PathBuf,
    /// What it says.
    pub receipt: Receipt,
}

/// A card that is looked for among the receipts.
#[derive(Clone, Copy, Debug)]
pub struct WantedCard<'a> {
    /// The cluster's name.
    pub cluster: &'a str,
    /// The node's host name.
    pub hostname: &'a str,
    /// How many times a new cluster was begun with the present keys: a card of a swarm from before
    /// does not count. A card without a swarm always does.
    pub life: u32,
    /// The ranges of the image with their hashes.
    pub extents: &'a [HashedExtent],
    /// Whether only a card counts that was read back and compared.
    pub read_back: bool,
}

/// What the receipts say about the cards of all swarms.
#[derive(Debug, Default)]
pub struct SwarmReceipts {
    /// The receipts of cards of swarms, the newest first.
    pub written: Vec<Written>,
    /// Why files cannot be read that may be receipts of further cards.
    pub unreadable: Vec<Error>,
}

/// The folder of receipts.
#[derive(Clone, Debug)]
pub struct Receipts {
    folder: PathBuf,
}

impl Receipts {
    /// Opens the folder in `$KRAKEN_FLASH_STATE`, else in the XDG state folder
    /// (`~/.local/state/kraken-flash`). The folder is made when the first receipt is stored.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when the user has no home folder.
    pub fn open() -> Result<Self> {
        let none = || format!("there is no home folder to keep receipts in; name a folder in ${STATE_VARIABLE}");
        let state = Self::state().ok_or_else(|| Error::new(Kind::NotFound, none()))?;
        Ok(Self::at(state.join("receipts")))
    }

    /// Returns the receipts in a folder, which is made when the first receipt is stored.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Returns the state folder, which contains the folder of receipts; `None` without a home
    /// folder.
    pub fn state() -> Option<PathBuf> {
        match std::env::var_os(STATE_VARIABLE).filter(|value| !value.is_empty()) {
            Some(value) => std::path::absolute(value).ok(),
            None => directories::ProjectDirs::from("", "", "kraken-flash")?
                .state_dir()
                .map(Path::to_owned),
        }
    }

    /// Stores a receipt, readable by its owner only; returns its path.
    ///
    /// # Errors
    /// When the folder or the file cannot be made.
    pub fn keep(&self, receipt: &Receipt) -> Result<PathBuf> {
        let folder = &self.folder;
        fs::create_dir_all(folder).doing("making the folder", folder)?;
        let when: String = receipt.written.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
        let what = receipt.what.hostname.as_deref().unwrap_or(NO_NODE);
        let device = receipt.device.path.file_name().unwrap_or_default().to_string_lossy();
        let path = folder.join(format!("{when}-{}-{}.json", plain(what), plain(&device)));
        let text = serde_json::to_vec(receipt).map_err(io::Error::from);
        text.and_then(|text| atomic::write(&path, 0o600, &text))
            .doing("writing", &path)?;
        Ok(path)
    }

    /// Returns the newest receipt of a node of a cluster that can be of this card. Files that are
    /// not receipts are skipped.
    pub fn newest(&self, cluster: &str, hostname: Option<&str>, device: &Device) -> Option<StoredReceipt> {
        self.files(hostname).find_map(|path| {
            let receipt = Receipt::read(&path).ok()?;
            let same = receipt.what.is_of(cluster, hostname) && receipt.device.may_be(device);
            same.then_some(StoredReceipt { path, receipt })
        })
    }

    /// Returns all receipts of a node of a cluster, the newest first. Each is read only when the
    /// iterator reaches it.
    pub fn of_node<'a>(&self, cluster: &'a str, hostname: &'a str) -> impl Iterator<Item = Receipt> + use<'a> {
        let receipts = self.files(Some(hostname)).filter_map(|path| Receipt::read(&path).ok());
        receipts.filter(move |receipt| receipt.what.is_of(cluster, Some(hostname)))
    }

    /// Returns whether a card of a node was written with these very bytes since its cluster began.
    pub fn has_card(&self, wanted: &WantedCard<'_>) -> bool {
        let is_wanted = |receipt: &Receipt| {
            let swarm = receipt.what.swarm.as_ref();
            (receipt.verified || !wanted.read_back)
                && swarm.is_none_or(|swarm| swarm.life == wanted.life)
                && receipt.extents == wanted.extents
        };
        self.of_node(wanted.cluster, wanted.hostname)
            .any(|receipt| is_wanted(&receipt))
    }

    /// Returns what all receipts contain about cards of swarms. Receipts of other cards, and files
    /// that are too large for a receipt, are skipped.
    pub fn of_swarms(&self) -> SwarmReceipts {
        let mut all = SwarmReceipts::default();
        let folder = fs::read_dir(&self.folder).doing("reading the folder of receipts", &self.folder);
        if let Err(error) = folder
            && error.kind() != Kind::NotFound
        {
            all.unreadable.push(error);
        }
        for path in self.all() {
            match of_swarm(&path) {
                Ok(written) => all.written.extend(written),
                Err(error) => all.unreadable.push(error),
            }
        }
        all
    }

    /// Returns the files that can be receipts of a node, by their names, the newest first. Names
    /// begin with the time and continue with the host name. A receipt has about a quarter of a
    /// megabyte, so others are not read.
    fn files(&self, hostname: Option<&str>) -> impl Iterator<Item = PathBuf> + use<> {
        let of = format!("-{}-", plain(hostname.unwrap_or(NO_NODE)));
        self.all().filter(move |path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().contains(&of))
        })
    }

    /// Returns all receipts, the newest first.
    fn all(&self) -> impl Iterator<Item = PathBuf> + use<> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten();
        let mut files: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|end| end == "json"))
            .collect();
        files.sort_unstable();
        files.into_iter().rev()
    }
}

/// Returns what a file in the folder says about a card of a swarm; `None` if it is something else.
fn of_swarm(path: &Path) -> Result<Option<Written>> {
    let bytes = match fs::metadata(path) {
        Ok(metadata) if metadata.len() > LARGEST => return Ok(None),
        Ok(_) => fs::read(path),
        Err(error) => Err(error),
    };
    let bytes = match bytes {
        // Another run has removed it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes.doing("reading the receipt", path)?,
    };
    // Only a file that was damaged is not JSON; other cards' receipts have other fields.
    serde_json::from_slice::<IgnoredAny>(&bytes)
        .map_err(io::Error::from)
        .doing("reading the receipt", path)?;
    Ok(serde_json::from_slice(&bytes).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CardFacts, Contents, MemberFacts, SwarmFacts};
    use kraken_foundation::Sha256Hash;
    use kraken_image::provision::Membership;
    use kraken_spec::Role;

    fn receipt(cluster: Option<&str>, hostname: &str, written: &str) -> Receipt {
        Receipt {
            receipt_version: 1,
            tool: "test".into(),
            written: written.into(),
            what: Contents {
                cluster: cluster.map(str::to_owned),
                hostname: Some(hostname.into()),
                ..Contents::default()
            },
            device: CardFacts {
                path: "/dev/sdb".into(),
                size: 1 << 30,
                model: None,
                vendor: None,
                serial: None,
                cid: None,
                wwn: None,
            },
            image_size: 4096,
            bytes: 4096,
            verified: true,
            discarded: false,
            seconds_writing: 1.0,
            seconds_reading: None,
            extents: Vec::new(),
        }
    }

    fn receipts(folder: &tempfile::TempDir) -> Receipts {
        Receipts::at(folder.path().join("receipts"))
    }

    #[test]
    fn receipts_are_of_a_node_of_one_cluster_and_of_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let receipts = receipts(&folder);
        for (cluster, hostname, written) in [
            (Some("home"), "kraken-1", "2026-11-01T10:00:00Z"),
            (Some("work"), "kraken-1", "2026-11-02T10:00:00Z"),
            (None, "kraken-1", "2026-10-01T10:00:00Z"),
            (Some("home"), "kraken-11", "2026-11-03T10:00:00Z"),
        ] {
            receipts.keep(&receipt(cluster, hostname, written)).unwrap();
        }
        let of = |cluster, hostname| -> Vec<String> {
            let found = receipts.of_node(cluster, hostname);
            found
                .map(|receipt| receipt.written[5..7].to_owned() + &receipt.written[8..10])
                .collect()
        };
        assert_eq!(of("home", "kraken-1"), ["1101", "1001"]);
        assert_eq!(of("work", "kraken-1"), ["1102", "1001"]);
        assert_eq!(of("home", "kraken-11"), ["1103"]);
        // A file whose name belongs to another node is not even read.
        assert_eq!(receipts.files(Some("kraken-11")).count(), 1);
    }

    #[test]
    fn a_receipt_with_a_hash_that_cannot_be_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let receipts = receipts(&folder);
        let mut receipt = receipt(Some("home"), "kraken-1", "2026-11-01T10:00:00Z");
        receipt.what.base_sha256 = Some(Sha256Hash::of("base"));
        receipt.extents.push(HashedExtent {
            start: 0,
            end: 4096,
            sha256: Sha256Hash::of("extent"),
        });
        let path = receipts.keep(&receipt).unwrap();
        let good = fs::read_to_string(&path).unwrap();
        for (of, field) in [("extent", "sha256: "), ("base", "")] {
            let bad = good.replace(&Sha256Hash::of(of).to_string(), "12");
            fs::write(&path, bad).unwrap();
            let said = Receipt::read(&path).unwrap_err().to_string();
            let wanted = format!("reading {}: {field}\"12\" is not a SHA-256", path.display());
            assert!(said.starts_with(&wanted), "{said}");
            assert_eq!(receipts.of_node("home", "kraken-1").count(), 0);
        }
    }

    fn in_life(life: u32) -> SwarmFacts {
        SwarmFacts {
            id: Some("an id".into()),
            keys: "/desk/kraken.keys".into(),
            life,
            membership: Membership::Baked,
            begins: true,
            members: vec![MemberFacts {
                number: 1,
                role: Role::Manager,
            }],
        }
    }

    #[test]
    fn a_card_counts_only_with_the_same_bytes_in_this_life_and_read_back_if_asked() {
        let folder = tempfile::tempdir().unwrap();
        let receipts = receipts(&folder);
        let extents = |text: &str| {
            vec![HashedExtent {
                start: 0,
                end: 4096,
                sha256: Sha256Hash::of(text),
            }]
        };
        let (same, other) = (extents("same"), extents("other"));
        let wanted = WantedCard {
            cluster: "home",
            hostname: "kraken-1",
            life: 1,
            extents: &same,
            read_back: true,
        };
        assert!(!receipts.has_card(&wanted), "nothing was written");
        let mut receipt = receipt(Some("home"), "kraken-1", "2026-11-29T20:00:00Z");
        receipt.verified = false;
        receipt.extents = same.clone();
        receipt.what.swarm = Some(in_life(1));
        // One file: the name is made of the time, the node and the device.
        let keep = |receipt: &Receipt| drop(receipts.keep(receipt).unwrap());
        keep(&receipt);
        let not_read = WantedCard {
            read_back: false,
            ..wanted
        };
        assert!(!receipts.has_card(&wanted) && receipts.has_card(&not_read));
        receipt.verified = true;
        keep(&receipt);
        assert!(receipts.has_card(&wanted));
        for not_it in [
            WantedCard {
                cluster: "work",
                ..wanted
            },
            WantedCard {
                hostname: "kraken-2",
                ..wanted
            },
            WantedCard { life: 2, ..wanted },
            WantedCard {
                extents: &other,
                ..wanted
            },
        ] {
            assert!(!receipts.has_card(&not_it), "{not_it:?}");
        }
        receipt.what.swarm = None;
        keep(&receipt);
        assert!(receipts.has_card(&WantedCard { life: 2, ..wanted }), "it has no swarm");
    }

    #[test]
    fn what_receipts_say_of_swarms_is_found_again_and_the_rest_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let receipts = receipts(&folder);
        assert!(receipts.of_swarms().written.is_empty());
        let swarm = in_life(1);
        let mut receipt = receipt(Some("home"), "kraken-1", "2026-11-29T20:00:00Z");
        receipt.what.node = Some(1);
        receipt.what.swarm = Some(swarm.clone());
        let path = receipts.keep(&receipt).unwrap();
        assert_eq!(Receipt::read(&path).unwrap(), receipt);
        // Another image, and a receipt of an older version of the program.
        receipt.what = Contents::default();
        receipt.written = "2026-11-29T20:00:01Z".into();
        receipts.keep(&receipt).unwrap();
        fs::write(receipts.folder.join("20261129T200002Z-x.json"), "[]").unwrap();
        let found = receipts.of_swarms();
        assert!(found.unreadable.is_empty(), "{:?}", found.unreadable);
        let [written] = &found.written[..] else {
            panic!("{found:?}")
        };
        assert_eq!((written.node, &written.swarm), (1, &swarm));
    }

    #[test]
    fn a_receipt_that_is_cut_off_is_not_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let receipts = receipts(&folder);
        let mut receipt = receipt(Some("home"), "kraken-1", "2026-11-29T20:00:00Z");
        receipt.what.node = Some(1);
        receipt.what.swarm = Some(in_life(1));
        let path = receipts.keep(&receipt).unwrap();
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        fs::create_dir(receipts.folder.join("20261129T200002Z-folder.json")).unwrap();
        let found = receipts.of_swarms();
        assert!(found.written.is_empty());
        let said: Vec<String> = found.unreadable.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(
            said[1].contains(&format!("reading the receipt {}", path.display())),
            "{said:?}"
        );
    }

    #[test]
    fn what_is_no_folder_in_the_place_of_the_receipts_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("receipts");
        fs::write(&place, "").unwrap();
        let said = Receipts::at(&place).of_swarms().unreadable[0].to_string();
        assert!(said.starts_with("reading the folder of receipts"), "{said}");
    }
}
