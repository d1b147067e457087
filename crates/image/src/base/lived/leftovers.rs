//! Finds what belongs to one machine or one person and can be removed from an image: keys, seeds,
//! leases, logs, the state of one node's Docker.

use kraken_disk::{FileTree, NodeType, real_path};
use kraken_foundation::Result;

use super::docker::{docker_folders, docker_holds};
use super::facts::{Leftover, Place};

/// Files of the boot volume that set up a first boot, in lower case: Raspberry Pi's documentation,
/// userconf-pi, Imager 1.
pub(super) const BOOT_FILES: [&str; 8] = [
    "firstrun.sh",
    "custom.toml",
    "userconf",
    "userconf.txt",
    "failed_userconf.txt",
    "ssh",
    "ssh.txt",
    "wpa_supplicant.conf",
];

/// The most files and folders of a tree that are examined to find out whether it contains a file.
const MAX_NODES: usize = 2000;

/// Returns everything that was found, by kind.
pub(super) fn find(boot: &dyn FileTree, root: &dyn FileTree, cmdline: &str, booted: bool) -> Result<Vec<Leftover>> {
    let search = Search { root };
    let mut first_boot = boot_files(boot)?;
    first_boot.extend(words(cmdline));
    let mut connections = search.named("/etc/NetworkManager/system-connections", |name| {
        !name.starts_with("kraken-")
    })?;
    connections.extend(search.named("/etc/netplan", |name| {
        name.starts_with("90-NM-") || name == "50-cloud-init.yaml"
    })?);
    // NetworkManager.state and -intern.conf are settings: Raspberry Pi OS ships Wi-Fi switched off
    // in the first.
    let manager = search.named("/var/lib/NetworkManager", |name| {
        !matches!(name, "NetworkManager.state" | "NetworkManager-intern.conf")
    })?;
    let mut leases = search.named("/var/lib/dhcp", |name| name.contains(".lease"))?;
    for folder in ["/var/lib/dhcpcd", "/var/lib/dhcpcd5"] {
        leases.extend(search.named(folder, |_| true)?);
    }
    leases.extend(search.files(&["/etc/dhcpcd.duid", "/etc/dhcpcd.secret"])?);
    let mut logs = search.tree("/var/log/journal")?;
    if booted {
        logs.extend(
            search
                .tree("/var/log")?
                .into_iter()
                .map(|_| Place::Files("/var/log".into())),
        );
        logs.extend(search.files(&["/var/lib/wtmpdb/wtmp.db", "/var/lib/lastlog/lastlog2.db"])?);
    }
    let kinds = [
        ("files and words that set up a first boot", first_boot),
        (
            "SSH host keys",
            search.named("/etc/ssh", |name| name.starts_with("ssh_host_"))?,
        ),
        (
            "the random seed",
            search.files(&["/var/lib/systemd/random-seed", "/var/lib/urandom/random-seed"])?,
        ),
        ("the machine-id", search.machine_id()?),
        (
            "the key of systemd's credentials",
            search.files(&["/var/lib/systemd/credential.secret"])?,
        ),
        ("network connections", connections),
        ("NetworkManager's secret key and leases", manager),
        ("DHCP leases", leases),
        ("cloud-init's instance", search.cloud_init()?),
        ("logs", logs),
        ("the swap file", search.files(&["/var/swap"])?),
        ("the state of one node's Docker", search.docker()?),
        ("a node's place in a swarm", search.node()?),
        ("the identity in a virtual network", search.virtual_networks()?),
    ];
    Ok(kinds
        .into_iter()
        .filter(|(_, places)| !places.is_empty())
        .map(|(what, places)| Leftover { what, places })
        .collect())
}

fn boot_files(boot: &dyn FileTree) -> Result<Vec<Place>> {
    let mut found = Vec::new();
    for name in boot.list("/")? {
        let path = format!("/{name}");
        let is_file = boot.metadata(&path)?.is_some_and(|meta| meta.node == NodeType::File);
        if is_file && BOOT_FILES.contains(&name.to_ascii_lowercase().as_str()) {
            found.push(Place::BootFile(path));
        }
    }
    Ok(found)
}

/// Returns words of the command line that run a script on the first boot
/// (systemd-run-generator(8)), give all nodes one identity, or keep them from writing anything (the
/// overlay file system of raspi-config).
fn words(cmdline: &str) -> Vec<Place> {
    cmdline
        .split_ascii_whitespace()
        .filter(|word| is_leftover(word))
        .map(|word| Place::Word(word.to_owned()))
        .collect()
}

/// Returns whether a word of the command line is one of those.
fn is_leftover(word: &str) -> bool {
    ["systemd.run", "systemd.machine_id=", "systemd.hostname=", "overlayroot"]
        .iter()
        .any(|start| word.starts_with(start))
        || matches!(word, "systemd.unit=kernel-command-line.target" | "boot=overlay")
}

/// Searches the root volume.
struct Search<'t> {
    root: &'t dyn FileTree,
}

impl Search<'_> {
    /// Returns those of some files that exist. A folder of that name does not count.
    fn files(&self, paths: &[&str]) -> Result<Vec<Place>> {
        let mut found = Vec::new();
        for path in paths {
            if self
                .root
                .metadata(path)?
                .is_some_and(|meta| meta.node != NodeType::Directory)
            {
                found.push(Place::File((*path).to_owned()));
            }
        }
        Ok(found)
    }

    /// Returns what is in a folder under the wanted names.
    fn named(&self, folder: &str, wanted: impl Fn(&str) -> bool) -> Result<Vec<Place>> {
        let mut found = Vec::new();
        for name in self.root.list(folder)? {
            let path = format!("{folder}/{name}");
            if !wanted(&name) {
                continue;
            }
            match self.root.metadata(&path)? {
                Some(meta) if meta.node == NodeType::Directory => found.extend(self.tree(&path)?),
                _ => found.push(Place::File(path)),
            }
        }
        Ok(found)
    }

    /// Returns the folder when it contains a file at any depth. A symbolic link in its place counts
    /// as a file; its target is left alone, because it may be anything.
    fn tree(&self, path: &str) -> Result<Vec<Place>> {
        match self.root.metadata(path)? {
            None => Ok(Vec::new()),
            Some(meta) if meta.node != NodeType::Directory => Ok(vec![Place::File(path.to_owned())]),
            Some(_) if real_path(self.root, path)? != path => Ok(Vec::new()),
            Some(_) => Ok(match self.holds_files(path)? {
                true => vec![Place::Tree(path.to_owned())],
                false => Vec::new(),
            }),
        }
    }

    fn holds_files(&self, path: &str) -> Result<bool> {
        let mut todo = vec![path.to_owned()];
        let mut left = MAX_NODES;
        while let Some(folder) = todo.pop() {
            for name in self.root.list(&folder)? {
                let inside = format!("{folder}/{name}");
                let is_folder = self
                    .root
                    .metadata(&inside)?
                    .is_some_and(|meta| meta.node == NodeType::Directory);
                left = left.saturating_sub(1);
                if !is_folder || left == 0 {
                    return Ok(true);
                }
                todo.push(inside);
            }
        }
        Ok(false)
    }

    /// D-Bus has its own copy where the file is not a link. `/etc/machine-id` itself is reset in
    /// another place.
    fn machine_id(&self) -> Result<Vec<Place>> {
        let path = "/var/lib/dbus/machine-id";
        let is_file = self
            .root
            .metadata(path)?
            .is_some_and(|meta| meta.node == NodeType::File);
        Ok(if is_file {
            vec![Place::File(path.into())]
        } else {
            Vec::new()
        })
    }

    fn cloud_init(&self) -> Result<Vec<Place>> {
        let mut found = self.files(&["/var/lib/cloud/instance"])?;
        for folder in ["/var/lib/cloud/instances", "/var/lib/cloud/data", "/var/lib/cloud/sem"] {
            found.extend(self.tree(folder)?);
        }
        if !found.is_empty() {
            // The same run made it, and the next one makes it again.
            found.extend(self.files(&["/etc/ssh/sshd_config.d/50-cloud-init.conf"])?);
        }
        Ok(found)
    }

    /// Returns the whole state when it contains nothing that a user may want; else only what
    /// identifies this one engine.
    fn docker(&self) -> Result<Vec<Place>> {
        let mut found = self.files(&["/etc/docker/key.json"])?;
        for folder in docker_folders(self.root)? {
            let holds = docker_holds(self.root, &folder)?;
            if !holds.anything() {
                found.extend(self.tree(&folder)?);
                continue;
            }
            found.extend(self.files(&[&format!("{folder}/engine-id")])?);
            found.extend(self.tree(&format!("{folder}/swarm"))?);
            if holds.containers == 0 {
                found.extend(self.tree(&format!("{folder}/network"))?);
            }
        }
        Ok(found)
    }

    /// Returns what makes an image of kraken-flash one node, and the progress of that node. The
    /// record of its packages and the list of packages to configure stay.
    fn node(&self) -> Result<Vec<Place>> {
        let mut found = self.files(&[
            "/etc/kraken-flash/node.json",
            "/etc/kraken-flash/swarm.json",
            "/etc/kraken-flash/swarm-node-id",
        ])?;
        found.extend(self.named("/var/lib/kraken-flash", |name| {
            !matches!(name, "packages.json" | "preinst" | "configure")
        })?);
        Ok(found)
    }

    fn virtual_networks(&self) -> Result<Vec<Place>> {
        let mut found = self.tree("/var/lib/tailscale")?;
        found.extend(self.files(&[
            "/var/lib/zerotier-one/identity.secret",
            "/var/lib/zerotier-one/identity.public",
        ])?);
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::is_leftover;

    #[test]
    fn the_words_of_a_pristine_command_line_stay() {
        let pristine = "console=serial0,115200 console=tty1 root=PARTUUID=1-02 rootfstype=ext4 fsck.repair=yes rootwait quiet resize \
                        init=/usr/lib/raspberrypi-sys-mods/firstboot cfg80211.ieee80211_regdom=DE systemd.unit=rescue.target \
                        ds=nocloud;i=rpi-imager-1 systemd.show_status=1";
        assert!(!pristine.split(' ').any(is_leftover));
        for word in [
            "systemd.run=/boot/firstrun.sh",
            "systemd.run_success_action=reboot",
            "systemd.unit=kernel-command-line.target",
            "systemd.machine_id=0123456789abcdef0123456789abcdef",
            "boot=overlay",
        ] {
            assert!(is_leftover(word), "{word}");
        }
    }
}
