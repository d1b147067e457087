//! dpkg's database in an image (`/var/lib/dpkg`), as it is read before packages are unpacked.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::error::database as wrong;
use crate::control::{Paragraph, paragraphs};
use kraken_disk::FileTree;
use kraken_foundation::Result;

/// The folder of dpkg's database.
pub(super) const ADMIN: &str = "/var/lib/dpkg";
/// The maximum size of its files, in bytes.
const LIMIT: u64 = 256 << 20;

/// A package in dpkg's status.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) version: String,
    /// The third word of `Status`.
    pub(super) state: String,
    /// `Multi-Arch: same`: its files in `info` carry its architecture.
    pub(super) same: bool,
    pub(super) config_version: Option<String>,
    pub(super) conffiles: Vec<Conffile>,
    pub(super) replaces: String,
    /// Pending triggers.
    pub(super) pending: Vec<String>,
    /// Its paragraph.
    pub(super) text: String,
}

impl Known {
    /// Reads a paragraph of dpkg's status.
    fn of(paragraph: &Paragraph<'_>) -> Self {
        let field = |name: &str| paragraph.get(name).unwrap_or_default().to_owned();
        Self {
            version: field("Version"),
            state: field("Status").rsplit(' ').next().unwrap_or_default().to_owned(),
            same: paragraph.get("Multi-Arch") == Some("same"),
            config_version: paragraph.get("Config-Version").map(str::to_owned),
            conffiles: conffiles(&field("Conffiles")),
            replaces: field("Replaces"),
            pending: field("Triggers-Pending")
                .split_ascii_whitespace()
                .map(str::to_owned)
                .collect(),
            text: paragraph.text().to_owned(),
        }
    }

    /// Whether its files are in the image.
    pub(super) fn is_unpacked(&self) -> bool {
        !matches!(self.state.as_str(), "not-installed" | "config-files")
    }
}

/// What tells packages apart. Their order is dpkg's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) architecture: String,
}

impl Key {
    /// Returns the key of a package of dpkg's status; `None` without a name.
    fn of(paragraph: &Paragraph<'_>) -> Option<Self> {
        Some(Self {
            name: paragraph.get("Package")?.to_owned(),
            architecture: paragraph.get("Architecture").unwrap_or_default().to_owned(),
        })
    }
}

/// A line of the field `Conffiles`.
#[derive(Clone, Debug)]
pub(super) struct Conffile {
    pub(super) path: String,
    /// Hash and flags.
    rest: String,
}

impl Conffile {
    /// Returns its hash when it was last configured: hex, or a word of dpkg's.
    pub(super) fn hash(&self) -> &str {
        self.rest.split(' ').next().unwrap_or_default()
    }

    /// Whether its package does not have it any longer.
    pub(super) fn is_obsolete(&self) -> bool {
        self.rest.split(' ').any(|word| word == "obsolete")
    }
}

pub(super) struct Database {
    pub(super) architecture: String,
    pub(super) foreign: BTreeSet<String>,
    pub(super) packages: BTreeMap<Key, Known>,
    /// The order of the status file.
    pub(super) order: Vec<Key>,
    /// The owners of a path: more than one package only for folders and for files that
    /// `Multi-Arch: same` packages share.
    pub(super) owners: HashMap<String, Vec<Key>>,
    /// Present file lists of the packages whose lists change.
    pub(super) lists: BTreeMap<Key, Vec<String>>,
    /// Path → (other path, package that diverts it; `:` for the administrator).
    pub(super) diversions: BTreeMap<String, (String, String)>,
    /// Path → user, group, mode.
    pub(super) overrides: BTreeMap<String, (String, String, String)>,
    pub(super) users: HashMap<String, u32>,
    pub(super) groups: HashMap<String, u32>,
    /// Files of `triggers`, by name.
    pub(super) triggers: BTreeMap<String, Vec<String>>,
}

/// Returns a text of the image; empty when there is none.
pub(super) fn text(root: &dyn FileTree, path: &str) -> Result<String> {
    let bytes = root.read(path, LIMIT)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns the name that dpkg gives the files of a package in `info`.
pub(super) fn info_name(key: &Key, same: bool) -> String {
    match same {
        true => format!("{}:{}", key.name, key.architecture),
        false => key.name.clone(),
    }
}

impl Database {
    pub(super) fn read(root: &dyn FileTree) -> Result<Self> {
        let path = format!("{ADMIN}/status");
        let status = text(root, &path)?;
        let mut packages = BTreeMap::new();
        let mut order = Vec::new();
        for paragraph in paragraphs(&status) {
            let paragraph = paragraph.map_err(|error| wrong(&path, error))?;
            if let Some(key) = Key::of(&paragraph) {
                order.push(key.clone());
                packages.insert(key, Known::of(&paragraph));
            }
        }
        let architecture = packages
            .keys()
            .find(|key| key.name == "dpkg")
            .map(|key| key.architecture.clone())
            .ok_or_else(|| wrong(&path, "it does not have dpkg itself, so it is not a Debian system"))?;
        // An interrupted dpkg left updates that it has not merged into its status yet; they would
        // overwrite ours.
        if let Some(update) = root.list(&format!("{ADMIN}/updates"))?.first() {
            let path = format!("{ADMIN}/updates/{update}");
            return Err(wrong(&path, "dpkg was interrupted in this image"));
        }
        let mut database = Self {
            architecture,
            foreign: text(root, &format!("{ADMIN}/arch"))?
                .lines()
                .map(str::to_owned)
                .collect(),
            packages,
            order,
            owners: HashMap::new(),
            lists: BTreeMap::new(),
            diversions: BTreeMap::new(),
            overrides: BTreeMap::new(),
            users: ids(&text(root, "/etc/passwd")?),
            groups: ids(&text(root, "/etc/group")?),
            triggers: BTreeMap::new(),
        };
        database.read_lists(root)?;
        let diversions = text(root, &format!("{ADMIN}/diversions"))?;
        let lines: Vec<&str> = diversions.lines().collect();
        for entry in lines.chunks_exact(3) {
            let other = (entry[1].to_owned(), entry[2].to_owned());
            database.diversions.insert(entry[0].to_owned(), other);
        }
        for line in text(root, &format!("{ADMIN}/statoverride"))?.lines() {
            let mut fields = line.splitn(4, ' ');
            if let (Some(user), Some(group), Some(mode), Some(path)) =
                (fields.next(), fields.next(), fields.next(), fields.next())
            {
                let given = (user.to_owned(), group.to_owned(), mode.to_owned());
                database.overrides.insert(path.to_owned(), given);
            }
        }
        for name in root.list(&format!("{ADMIN}/triggers"))? {
            if !matches!(name.as_str(), "Lock" | "Unincorp") {
                let lines = text(root, &format!("{ADMIN}/triggers/{name}"))?;
                let lines = lines.lines().map(str::to_owned).collect();
                database.triggers.insert(name, lines);
            }
        }
        Ok(database)
    }

    fn read_lists(&mut self, root: &dyn FileTree) -> Result<()> {
        for (key, known) in &self.packages {
            // The rest of a package that was removed has a list, too: of its conffiles.
            if known.state == "not-installed" {
                continue;
            }
            let path = format!("{ADMIN}/info/{}.list", info_name(key, known.same));
            let list: Vec<String> = text(root, &path)?.lines().map(str::to_owned).collect();
            for path in &list {
                self.owners.entry(path.clone()).or_default().push(key.clone());
            }
            self.lists.insert(key.clone(), list);
        }
        Ok(())
    }
}

/// Parses names and numbers of passwd(5) and group(5).
fn ids(table: &str) -> HashMap<String, u32> {
    table
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            Some((name.to_owned(), fields.nth(1)?.parse().ok()?))
        })
        .collect()
}

/// Parses the field `Conffiles`.
pub(super) fn conffiles(field: &str) -> Vec<Conffile> {
    let lines = field.lines().filter_map(|line| line.trim().split_once(' '));
    lines
        .map(|(path, rest)| Conffile {
            path: path.to_owned(),
            rest: rest.to_owned(),
        })
        .collect()
}
