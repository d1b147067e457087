//! The seed, checked by other programs: cloud-init's own schema and netplan's own generator, for
//! every option.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use kraken_flash::provision::{self, Assets};
use kraken_overlay::{Kind, Volume};
use kraken_spec::Cluster;
use testkit::images::{OptionCase, every_option, kraken, trixie};

/// Writes the boot volume's files of node 3 to `folder`.
fn seed(cluster: &Cluster, assets: &Assets, folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let overlay = trixie().with(cluster, |ctx| provision::node(ctx, assets, &cluster.nodes[2]).unwrap());
    for (volume, path, entry) in overlay.iter() {
        if let (Volume::Boot, Kind::File(bytes)) = (volume, &entry.kind) {
            fs::write(folder.join(path.name()), bytes.read().unwrap()).unwrap();
        }
    }
}

fn schema(folder: &Path) -> Output {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/cloud-init-schema.sh"))
        .arg(folder)
        .output()
        .expect("tools/cloud-init-schema.sh can be run")
}

fn shown(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn cloud_inits_own_schema_takes_every_option() {
    let folder = tempfile::tempdir().unwrap();
    let assets = Assets::embedded().unwrap();
    let mut options = every_option();
    let mut hostile = kraken();
    hostile.user.ssh_keys = vec!["ssh-ed25519 AAAA it's: \"me\"\nroot: #\u{1f419}\u{2028}".to_owned()];
    options.push(OptionCase {
        name: "hostile".to_owned(),
        cluster: hostile,
    });
    for OptionCase { name, cluster } in &options {
        seed(cluster, &assets, &folder.path().join(name));
    }
    let output = schema(folder.path());
    assert!(output.status.success(), "{}", shown(&output));
    let want = format!("{} files checked, 0 wrong", 2 * options.len());
    assert!(shown(&output).contains(&want), "{}", shown(&output));
}

#[test]
fn the_schema_check_finds_faults() {
    for (file, text, want) in [
        ("user-data", "#cloud-config\nhostnam: x\n", "hostnam"),
        ("user-data", "#cloud-config\nuser: [1]\n", "user"),
        ("user-data", "hostname: x\n", "#cloud-config"),
        (
            "network-config",
            "network:\n  version: 2\n  bonds:\n    a: {interfaces: 7}\n",
            "interfaces",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("case")).unwrap();
        fs::write(folder.path().join("case").join(file), text).unwrap();
        let output = schema(folder.path());
        assert_eq!(output.status.code(), Some(1), "{text:?}: {}", shown(&output));
        assert!(shown(&output).contains(want), "{}", shown(&output));
    }
}

#[test]
fn netplan_makes_network_manager_profiles_of_every_interface_choice() {
    let assets = Assets::embedded().unwrap();
    for OptionCase { name, cluster } in every_option() {
        if !name.contains("-none-0000") && !name.contains("-none-1000") {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        seed(&cluster, &assets, &folder.path().join("seed"));
        let netplan = folder.path().join("etc/netplan");
        fs::create_dir_all(&netplan).unwrap();
        fs::copy(
            folder.path().join("seed/network-config"),
            netplan.join("50-cloud-init.yaml"),
        )
        .unwrap();
        let output = Command::new("netplan")
            .args(["generate", "--root-dir"])
            .arg(folder.path())
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .output()
            .expect("netplan can be run: apt-get install netplan.io");
        assert!(output.status.success(), "{name}: {}", shown(&output));
        let mut profiles = String::new();
        for file in fs::read_dir(folder.path().join("run/NetworkManager/system-connections")).unwrap() {
            profiles += &fs::read_to_string(file.unwrap().path()).unwrap();
        }
        assert_eq!(profiles.matches("192.168.3.13/24").count(), 1, "{name}: {profiles}");
        let bond = name.starts_with("auto");
        assert_eq!(
            profiles.matches("interface-name=").count(),
            if bond { 4 } else { 1 },
            "{profiles}"
        );
        assert_eq!(
            profiles.contains("mode=active-backup")
                && profiles.contains("primary=gigabit0")
                && profiles.contains("fail_over_mac=active"),
            bond,
            "{profiles}"
        );
        assert_eq!(
            profiles.matches("slave-type=bond").count(),
            if bond { 3 } else { 0 },
            "{profiles}"
        );
        if bond && name.ends_with("0000") {
            println!("{profiles}");
        }
    }
}
