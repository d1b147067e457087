//! What belongs to one node: its name, its address, its seed, its record. These few small files
//! become the patch.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use kraken_foundation::Result;
use kraken_overlay::Overlay;
use kraken_spec::Node;

use super::assets::Part;
use super::image::Draft;
use super::membership::Membership;
use super::record::NodeRecord;
use super::{Assets, Context, accounts, firmware, network, sudo, swarm};

/// Returns what belongs to one node; it goes into the patch. It is the same for the same inputs,
/// also over an image that already has it.
///
/// # Errors
/// When the image lacks what the node needs, or a template is broken.
pub fn node(ctx: &Context<'_>, assets: &Assets, node: &Node) -> Result<Overlay> {
    let mut draft = Draft::new(ctx);
    draft.file("/etc/hostname", format!("{}\n", node.hostname), 0o644)?;
    network::link_by_mac(&mut draft, assets, node)?;

    swarm::node(&mut draft, node)?;
    let network = network::values(&draft, node);
    let user_data = assets.renderer.yaml("user-data", &user_data(ctx, node)?)?;
    let network_config = assets.renderer.yaml("network-config", &network)?;
    let instance_id = instance_id(ctx, node, &[&user_data, &network_config]);
    if ctx.os.cloud_init.is_some() {
        let values = json!({"instance_id": instance_id, "hostname": node.hostname});
        let meta_data = assets.renderer.yaml("meta-data", &values)?;
        draft.boot_file("/user-data", user_data)?;
        draft.boot_file("/network-config", network_config)?;
        draft.boot_file("/meta-data", meta_data)?;
    } else {
        network::without_cloud_init(&mut draft, assets, node)?;
    }
    let cmdline = cmdline(
        &ctx.os.cmdline,
        ctx.os.cloud_init.is_some().then_some(instance_id.as_str()),
    );
    draft.boot_file("/cmdline.txt", cmdline + "\n")?;

    let record = NodeRecord {
        cluster: ctx.cluster.name.clone(),
        id: node.id.clone(),
        labels: node.labels.clone(),
        swarm: Membership::of(ctx, node),
        instance_id,
        base_sha256: ctx.base_sha256,
        clock_floor: ctx.clock_floor,
    };
    draft.file(NodeRecord::PATH, record.to_json(), 0o644)?;
    let mut overlay = draft.overlay;
    win(&mut overlay, &assets.part(Part::Common, ctx.clock_floor));
    overlay.merge(assets.part(Part::from(node.role), ctx.clock_floor));
    win(&mut overlay, &assets.part(Part::User, ctx.clock_floor));
    firmware::settings(ctx, assets, &mut overlay)?;
    Ok(overlay)
}

/// Files of an overlay replace a node's own. They are already in the golden image, so only those
/// that the node's own files would hide go into the patch.
fn win(overlay: &mut Overlay, winner: &Overlay) {
    for (volume, path, entry) in winner.iter() {
        if overlay.get(volume, path).is_some() {
            overlay.insert(volume, path.clone(), entry.clone());
        }
    }
}

/// Returns the values for the template `user-data`.
fn user_data(ctx: &Context<'_>, node: &Node) -> Result<Value> {
    let (user, system) = (&ctx.cluster.user, &ctx.cluster.system);
    let domain = ctx.cluster.network.search.first();
    Ok(json!({
        "cluster": ctx.cluster.name,
        "number": node.number,
        "hostname": node.hostname,
        "fqdn": domain.map(|domain| format!("{}.{domain}", node.hostname)),
        "user": user.name,
        "groups": accounts::groups(ctx.root, ctx.cluster)?,
        "sudo": sudo::rule(user.sudo),
        "lock_passwd": user.password_hash.is_none(),
        "ssh_keys": user.ssh_keys,
        // The image itself sets or makes it; see `locale`. The value stays for the user's own
        // templates.
        "locale": false,
        "packages": system.packages_on_first_boot,
    }))
}

/// Returns a name for this content on this node: when it changes, cloud-init runs its first-boot
/// work again.
fn instance_id(ctx: &Context<'_>, node: &Node, seed: &[&str]) -> String {
    let mut hash = Sha256::new();
    // Hashed with their lengths, so that two different lists of texts never give the same bytes.
    let spec = json!(node).to_string();
    for part in [spec.as_str()].iter().chain(seed) {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let short = hex::encode(&hash.finalize()[..6]);
    format!("kraken-flash-{}-{}-{short}", ctx.cluster.name, node.number)
}

/// Returns the kernel's command line with what the node needs; everything else keeps its value and
/// place (`resize`, `root=`, `init=`).
///
/// `ds=nocloud;i=…` gives cloud-init the instance id on every boot: without it, its cache is
/// discarded each time. `cgroup_enable=memory` undoes the firmware's `cgroup_disable=memory`, for
/// Docker's memory limits.
fn cmdline(old: &str, instance_id: Option<&str>) -> String {
    const MEMORY: &str = "cgroup_enable=memory";
    let mut words: Vec<&str> = old
        .split_ascii_whitespace()
        .filter(|word| *word != MEMORY && !(instance_id.is_some() && word.starts_with("ds=nocloud")))
        .collect();
    words.push(MEMORY);
    let seed = instance_id.map(|id| format!("ds=nocloud;i={id}"));
    words.extend(seed.as_deref());
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::cmdline;

    #[test]
    fn the_command_line_keeps_what_it_had_and_is_edited_once() {
        for (old, id, want) in [
            (
                "console=tty1 root=PARTUUID=1-02 rootwait resize",
                Some("a-1"),
                "console=tty1 root=PARTUUID=1-02 rootwait resize cgroup_enable=memory ds=nocloud;i=a-1",
            ),
            (
                "console=tty1 cgroup_enable=memory resize ds=nocloud;i=old quiet",
                Some("a-1"),
                "console=tty1 resize quiet cgroup_enable=memory ds=nocloud;i=a-1",
            ),
            (
                "root=/dev/mmcblk0p2 quiet init=/usr/lib/raspberrypi-sys-mods/firstboot",
                None,
                "root=/dev/mmcblk0p2 quiet init=/usr/lib/raspberrypi-sys-mods/firstboot cgroup_enable=memory",
            ),
        ] {
            let once = cmdline(old, id);
            assert_eq!(once, want);
            assert_eq!(cmdline(&once, id), want, "a second time");
        }
    }
}
