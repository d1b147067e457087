//! Checks that an image contains nothing that belongs to one machine or one person and would be the
//! same on every node. These rules are independent of `base`: what `base` finds in a used image and
//! removes from it is under test here.

use super::report::ImageReport;
use super::volumes::Trees;
use kraken_disk::{FileTree, NodeType};
use kraken_foundation::Result;
use kraken_image::provision::{Membership, NodeRecord};
use kraken_overlay::{EntryPath, Kind, Overlay, Volume};
use kraken_spec::{Cluster, Role, UsedImage};

/// The name of the check. It does not apply to a card that has already been booted.
pub const PRISTINE: &str = "pristine";
/// The largest text file that is read here, in bytes.
const LIMIT: u64 = 4 << 20;
/// How deep a tree is searched for a file.
const DEPTH: usize = 8;

/// The state of the check.
struct PristineCheck<'a> {
    boot: &'a dyn FileTree,
    root: &'a dyn FileTree,
    /// The intended content of the image. The user's own overlay may contain any of these files.
    wanted: &'a Overlay,
    report: &'a mut ImageReport,
}

/// Checks that nothing of another machine or another person is in the image.
pub(crate) fn verify(
    trees: Trees<'_>,
    cluster: &Cluster,
    record: &NodeRecord,
    wanted: &Overlay,
    report: &mut ImageReport,
) {
    report.begin(PRISTINE);
    let mut check = PristineCheck {
        boot: trees.boot,
        root: trees.root,
        wanted,
        report,
    };
    let checks = [
        check.machine(),
        check.network(),
        check.first_boot(),
        check.docker(cluster, record),
        check.logins(cluster),
    ];
    for error in checks.into_iter().filter_map(Result::err) {
        check.report.find(PRISTINE, "", error.to_string());
    }
}

impl PristineCheck<'_> {
    fn find(&mut self, volume: Volume, path: &str, message: &str) {
        let brought = EntryPath::new(path)
            .ok()
            .and_then(|path| self.wanted.get(volume, &path))
            .is_some_and(|entry| entry.kind != Kind::Absent);
        if !brought {
            self.report.find(PRISTINE, format!("{volume}:{path}"), message);
        }
    }

    /// Reports a file that should not exist.
    fn file(&mut self, path: &str, message: &str) -> Result<()> {
        let there = self
            .root
            .metadata(path)?
            .is_some_and(|meta| meta.node == NodeType::File);
        if there {
            self.find(Volume::Root, path, message);
        }
        Ok(())
    }

    /// Reports files of a folder whose names are `wrong`.
    fn named(&mut self, folder: &str, message: &str, wrong: impl Fn(&str) -> bool) -> Result<()> {
        for name in self.root.list(folder)? {
            if wrong(&name) {
                self.file(&format!("{folder}/{name}"), message)?;
            }
        }
        Ok(())
    }

    /// Reports the first file in a folder or below it, if there is any.
    fn tree(&mut self, folder: &str, message: &str) -> Result<()> {
        if let Some(path) = first_file(self.root, folder, DEPTH)? {
            self.find(Volume::Root, &path, message);
        }
        Ok(())
    }

    /// Checks for keys and seeds of a machine.
    fn machine(&mut self) -> Result<()> {
        self.named("/etc/ssh", "is a host key: all nodes would have the same one", |name| {
            name.starts_with("ssh_host_")
        })?;
        let seed = "is the seed of random numbers: all nodes would begin with the same ones";
        self.file("/var/lib/systemd/random-seed", seed)?;
        self.file("/var/lib/urandom/random-seed", seed)?;
        self.file(
            "/var/lib/systemd/credential.secret",
            "is a machine's key: all nodes would have the same one",
        )?;
        self.file(
            "/var/lib/dbus/machine-id",
            "is a machine-id of its own: all nodes would have the same one",
        )?;
        let id = self.root.read("/etc/machine-id", LIMIT)?.unwrap_or_default();
        let id = String::from_utf8_lossy(&id).trim().to_owned();
        if !id.is_empty() && id != "uninitialized" {
            self.report.find(
                PRISTINE,
                "root:/etc/machine-id",
                "is set: all nodes would have the same one",
            );
        }
        self.tree("/var/log/journal", "is the journal of another machine")?;
        self.tree(
            "/var/lib/cloud/instances",
            "is an instance of cloud-init on another machine",
        )?;
        self.file("/var/swap", "is a swap file of another machine")
    }

    fn network(&mut self) -> Result<()> {
        self.file(
            "/var/lib/NetworkManager/secret_key",
            "is NetworkManager's key: all nodes would have the same one",
        )?;
        let lease = "is a lease of another machine";
        for folder in [
            "/var/lib/NetworkManager",
            "/var/lib/dhcp",
            "/var/lib/dhcpcd",
            "/var/lib/dhcpcd5",
        ] {
            self.named(folder, lease, |name| name.contains(".lease"))?;
        }
        let connection = "is a network connection that is not the cluster's";
        self.named("/etc/NetworkManager/system-connections", connection, |name| {
            !name.starts_with("kraken-")
        })?;
        self.named("/etc/netplan", connection, |name| name.starts_with("90-NM-"))
    }

    /// Checks for files that another person prepared for the first boot.
    fn first_boot(&mut self) -> Result<()> {
        const FILES: [&str; 7] = [
            "firstrun.sh",
            "custom.toml",
            "userconf",
            "userconf.txt",
            "ssh",
            "ssh.txt",
            "wpa_supplicant.conf",
        ];
        for name in self.boot.list("/")? {
            if FILES.contains(&name.to_ascii_lowercase().as_str()) {
                self.find(
                    Volume::Boot,
                    &format!("/{name}"),
                    "would set the node up for another person on its first boot",
                );
            }
        }
        let cmdline = self.boot.read("/cmdline.txt", LIMIT)?.unwrap_or_default();
        let cmdline = String::from_utf8_lossy(&cmdline).into_owned();
        for word in cmdline.split_ascii_whitespace() {
            let runs = word.starts_with("systemd.run") || word == "systemd.unit=kernel-command-line.target";
            if runs || word.starts_with("systemd.machine_id=") {
                let what = if runs {
                    "would run a script of another person"
                } else {
                    "would give all nodes one machine-id"
                };
                self.report.find(
                    PRISTINE,
                    "boot:/cmdline.txt",
                    format!("{word} {what} on the first boot"),
                );
            }
        }
        Ok(())
    }

    /// Checks for the state of another engine, or of a swarm that the node is not in.
    fn docker(&mut self, cluster: &Cluster, record: &NodeRecord) -> Result<()> {
        self.file(
            "/var/lib/docker/engine-id",
            "names an engine: all nodes would have the same one",
        )?;
        self.file(
            "/etc/docker/key.json",
            "names an engine: all nodes would have the same one",
        )?;
        let foreign = "is the state of a swarm that this node is not in";
        if record.swarm != Membership::Baked {
            return self.tree("/var/lib/docker/swarm", foreign);
        }
        let first = cluster.first_manager().map(|node| node.number);
        // Only the first manager starts with a log.
        if record.id.role == Role::Worker || first != Some(record.id.number) {
            self.tree("/var/lib/docker/swarm/raft", foreign)?;
        }
        Ok(())
    }

    /// Checks that no other person can log in.
    fn logins(&mut self, cluster: &Cluster) -> Result<()> {
        if cluster.image.used == UsedImage::Accept {
            return Ok(());
        }
        let text = |path: &str| -> Result<String> {
            Ok(String::from_utf8_lossy(&self.root.read(path, LIMIT)?.unwrap_or_default()).into_owned())
        };
        let (passwd, shadow) = (text("/etc/passwd")?, text("/etc/shadow")?);
        for line in passwd.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            let &[name, _, _, _, _, home, shell] = fields.as_slice() else {
                continue;
            };
            if name == cluster.user.name || shell.ends_with("/nologin") || shell.ends_with("/false") {
                continue;
            }
            let hash = shadow
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.split(':').next());
            if hash.is_some_and(|hash| !hash.starts_with(['!', '*'])) {
                let message = format!(
                    "the account {name:?} is not the user's, and has a password; where that is wanted, set used = \"accept\" in [image]"
                );
                self.report.find(PRISTINE, "root:/etc/shadow", message);
            }
            self.file(
                &format!("{home}/.ssh/authorized_keys"),
                &format!("lets another person log in as {name:?}, which is not the user's account"),
            )?;
        }
        Ok(())
    }
}

fn first_file(tree: &dyn FileTree, folder: &str, depth: usize) -> Result<Option<String>> {
    for name in tree.list(folder)? {
        let path = format!("{folder}/{name}");
        match tree.metadata(&path)? {
            Some(meta) if meta.node == NodeType::Directory && depth > 0 => {
                if let Some(found) = first_file(tree, &path, depth - 1)? {
                    return Ok(Some(found));
                }
            }
            _ => return Ok(Some(path)),
        }
    }
    Ok(None)
}
