//! Chooses kernel modules: which are wanted, which modules each one needs, and in which order they
//! are loaded.

use std::collections::{BTreeMap, BTreeSet};

/// Folders below `kernel/` with modules that a system with Docker and a swarm may load.
const FOLDERS: &[&str] = &[
    "drivers/virtio/",
    "drivers/net/bonding/",
    "drivers/net/vxlan/",
    "drivers/net/macvlan",
    "drivers/net/dummy",
    "drivers/net/veth",
    "drivers/net/tun",
    "drivers/block/loop",
    "fs/fat/",
    "fs/nls/",
    "fs/overlayfs/",
    "fs/fuse/",
    "fs/autofs/",
    "net/802/",
    "net/8021q/",
    "net/llc/",
    "net/bridge/",
    "net/netfilter/",
    "net/ipv4/netfilter/",
    "net/ipv6/netfilter/",
    "net/xfrm/",
    "net/ipv4/esp4",
    "net/packet/",
];
/// Wanted modules outside of these folders.
const NAMES: &[&str] = &[
    "virtio_blk",
    "virtio_net",
    "virtio_rng",
    "ext4",
    "crc32c_generic",
    "crct10dif_ce",
    "ghash_ce",
    "gcm",
    "seqiv",
    "zram",
    "configfs",
    "binfmt_misc",
    "dm_mod",
];
/// Modules that the root file system needs, which are loaded before it is mounted. Those that are
/// built into the kernel are skipped.
const FIRST: &[&str] = &[
    "virtio_pci",
    "virtio_mmio",
    "virtio_blk",
    "virtio_rng",
    "crc32c_generic",
    "ext4",
];

/// Returns the name that the kernel gives to a module: it has underscores where the file name has
/// hyphens.
pub(super) fn name_of(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    let stem = file
        .strip_suffix(".ko")
        .or_else(|| file.strip_suffix(".ko.xz"))
        .or_else(|| file.strip_suffix(".ko.zst"))
        .or_else(|| file.strip_suffix(".ko.gz"))?;
    Some(stem.replace('-', "_"))
}

/// Returns whether a module is wanted for itself. `path` is relative to `kernel/`.
pub(super) fn is_wanted(path: &str) -> bool {
    let named = name_of(path).is_some_and(|name| NAMES.contains(&name.as_str()));
    named || FOLDERS.iter().any(|folder| path.starts_with(folder))
}

/// Returns the modules that a module needs, from its `.modinfo` (NUL-terminated strings: `depends=`
/// and `softdep=pre:`).
pub(super) fn needs(module: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let text = |rest: &[u8]| -> String { String::from_utf8_lossy(rest).into_owned() };
    for word in module.split(|byte| *byte == 0) {
        if let Some(rest) = word.strip_prefix(b"depends=") {
            names.extend(text(rest).split(',').filter(|name| !name.is_empty()).map(str::to_owned));
        } else if let Some(rest) = word.strip_prefix(b"softdep=pre: ") {
            let rest = text(rest);
            let before = rest.split(" post:").next().unwrap_or_default();
            // `crypto-crc32c` is an alias. The generic implementation has this name.
            names.extend(
                before
                    .split_whitespace()
                    .map(|name| match name.strip_prefix("crypto-") {
                        Some(algorithm) => format!("{algorithm}_generic"),
                        None => name.to_owned(),
                    }),
            );
        }
    }
    for name in &mut names {
        *name = name.replace('-', "_");
    }
    names
}

/// Returns these modules and all modules that they need, each one after those that it needs. A name
/// without a module is built into the kernel.
pub(super) fn in_order<'a>(
    wanted: impl Iterator<Item = &'a str>,
    needs: &BTreeMap<String, Vec<String>>,
) -> Vec<String> {
    fn visit(name: &str, needs: &BTreeMap<String, Vec<String>>, seen: &mut BTreeSet<String>, order: &mut Vec<String>) {
        let Some(before) = needs.get(name) else { return };
        // The module is marked before its needs are visited, so that a circle ends here.
        if !seen.insert(name.to_owned()) {
            return;
        }
        for other in before {
            visit(other, needs, seen, order);
        }
        order.push(name.to_owned());
    }
    let (mut seen, mut order) = (BTreeSet::new(), Vec::new());
    for name in wanted {
        visit(name, needs, &mut seen, &mut order);
    }
    order
}

/// Returns the modules that the root file system needs, in the order in which the initramfs loads
/// them.
pub(super) fn first(needs: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    in_order(FIRST.iter().copied(), needs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_say_what_they_need() {
        let module = b"\x7fELF\0license=GPL\0softdep=pre: crypto-crc32c lib-x post: later\0depends=jbd2,mbcache,crc-16\0name=ext4\0";
        assert_eq!(needs(module), ["crc32c_generic", "lib_x", "jbd2", "mbcache", "crc_16"]);
        assert!(needs(b"\0depends=\0").is_empty());
    }

    #[test]
    fn what_is_needed_comes_first_and_circles_end() {
        let of = |list: &[(&str, &[&str])]| -> BTreeMap<String, Vec<String>> {
            list.iter()
                .map(|(name, needs)| {
                    (
                        (*name).to_owned(),
                        needs.iter().map(|need| (*need).to_owned()).collect(),
                    )
                })
                .collect()
        };
        let all = of(&[
            ("ext4", &["jbd2", "crc16", "built_in"]),
            ("jbd2", &["crc16"]),
            ("crc16", &["ext4"]),
            ("other", &[]),
        ]);
        assert_eq!(in_order(["ext4"].into_iter(), &all), ["crc16", "jbd2", "ext4"]);
        assert_eq!(first(&all), ["crc16", "jbd2", "ext4"]);
    }

    #[test]
    fn modules_are_chosen_by_their_paths() {
        assert_eq!(
            name_of("kernel/drivers/char/hw_random/virtio-rng.ko.xz").unwrap(),
            "virtio_rng"
        );
        assert_eq!(name_of("modules.order"), None);
        for (path, wanted) in [
            ("drivers/char/hw_random/virtio-rng.ko.xz", true),
            ("net/netfilter/xt_addrtype.ko", true),
            ("drivers/net/veth.ko.xz", true),
            ("drivers/gpu/drm/vc4/vc4.ko.xz", false),
        ] {
            assert_eq!(is_wanted(path), wanted, "{path}");
        }
    }
}
