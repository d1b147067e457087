//! What is reported and refused where cards or images of the cluster were made before: a swarm may
//! run. Nothing is built here: there is no base, and an accepted command ends with that.

use std::fs;
use std::path::Path;

use kraken_swarm_state::ClusterKeys;
use serde_json::json;

use super::{Desk, KEYS};

const ONE: &str = "[cluster]\nnodes = 3\n[image]\nbase = \"./none.img\"\n";
const THREE: &str = "[cluster]\nnodes = 3\n[image]\nbase = \"./none.img\"\n[swarm]\nmanagers = 3\n";
const FOUR: &str = "[cluster]\nnodes = 4\n[image]\nbase = \"./none.img\"\n";

/// A workspace with the keys of a seed, and a home without receipts.
fn desk(config: &str) -> Desk {
    let desk = Desk::with(config, 7);
    desk.write(
        "id.pub",
        b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ me@desk",
        0o644,
    );
    let config = format!("[user]\nssh-keys = [\"id.pub\"]\n{config}");
    desk.write("kraken.toml", config.as_bytes(), 0o644);
    desk
}

fn id() -> String {
    kraken_swarm_state::cluster_id(&ClusterKeys::from_seed([7; 32]))
}

/// Writes a receipt as the writing of a card does.
fn receipt(desk: &Desk, node: u32, roles: &[&str], more: serde_json::Value) {
    let folder = desk.path().join("home/.local/state/kraken-flash/receipts");
    std::fs::create_dir_all(&folder).unwrap();
    let members: Vec<_> = (1..)
        .zip(roles)
        .map(|(number, role)| json!({"number": number, "role": role}))
        .collect();
    let first = (1..)
        .zip(roles)
        .find(|(_, role)| **role == "manager")
        .map(|(number, _)| number);
    let keys = desk.path().canonicalize().unwrap().join(KEYS);
    let mut place = json!({"id": id(), "keys": keys, "life": 0, "membership": "baked", "begins": first == Some(node), "members": members});
    place.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let written = format!("2026-11-29T20:00:0{node}Z");
    let receipt = json!({"receipt-version": 1, "written": written, "node": node, "pieces": [], "swarm": place});
    let life = place["life"].as_u64().unwrap();
    std::fs::write(
        folder.join(format!("2026112{life}T20000{node}Z-x.json")),
        receipt.to_string(),
    )
    .unwrap();
}

/// Writes a manifest as `build` does.
fn manifest(desk: &Desk, id: &str, roles: &[&str]) {
    let roles: serde_json::Map<_, _> = (1..)
        .zip(roles)
        .map(|(number, role): (u32, _)| (number.to_string(), json!(role)))
        .collect();
    let hash = "0".repeat(64);
    let inputs = json!({"base": "x", "base-sha256": hash, "system": "x", "architecture": "arm64", "assets-sha256": hash, "golden": hash, "clock-floor": ""});
    let manifest = json!({"manifest-version": 1, "tool": "kraken-flash", "cluster": "kraken", "inputs": inputs, "nodes": [], "swarm": {"id": id, "roles": roles}});
    std::fs::create_dir_all(desk.path().join("images")).unwrap();
    desk.write("images/manifest.json", manifest.to_string().as_bytes(), 0o644);
}

/// Checks that it is refused, with these words; with --new-cluster it is not.
fn refused(desk: &Desk, arguments: &[&str], words: &[&str]) {
    let ended = desk.run(arguments);
    assert_eq!(ended.code, Some(1), "{arguments:?}: {}", ended.err);
    for want in words.iter().chain(&["--new-cluster", "docs/operations.md"]) {
        assert!(ended.err.contains(want), "{arguments:?}: no {want:?} in {}", ended.err);
    }
    let mut new = arguments.to_vec();
    new.push("--new-cluster");
    let ended = desk.run(&new);
    assert!(
        ended.err.contains("A new cluster begins") && ended.err.contains("none.img"),
        "{new:?}: {}",
        ended.err
    );
}

/// Checks that it continues until it needs the base; with these words before that.
fn let_through(desk: &Desk, arguments: &[&str], words: &str) {
    let ended = desk.run(arguments);
    assert!(
        ended.err.contains("none.img") && ended.err.contains(words) && !ended.err.contains("--new-cluster"),
        "{arguments:?}: {}",
        ended.err
    );
}

#[test]
fn a_first_build_and_a_first_evening_are_not_asked_anything() {
    let desk = desk(THREE);
    for arguments in [&["build"][..], &["build", "--node", "2"], &["cards", "--dry-run"]] {
        let_through(&desk, arguments, "");
    }
    receipt(&desk, 1, &["manager", "manager", "manager"], json!({}));
    for arguments in [&["build", "--node", "2"][..], &["cards", "--dry-run"]] {
        let_through(&desk, arguments, "");
    }
    assert!(!desk.does(&["plan"]).contains("Warning"), "{}", desk.does(&["plan"]));
}

#[test]
fn a_role_that_changed_and_a_node_that_is_new_are_said_and_refused() {
    let roles = ["manager", "worker", "worker"];
    let desk = desk(THREE);
    receipt(&desk, 1, &roles, json!({}));
    let role = "kraken-2 was a worker when the cluster's cards were written, and is a manager now";
    refused(&desk, &["build", "--node", "2"], &[role, "--node 2 --rejoin"]);
    refused(&desk, &["build"], &[role, "kraken-3 was a worker"]);
    let plan = desk.does(&["plan"]);
    assert!(plan.contains(role) && plan.contains("--rejoin"), "{plan}");
    let json: serde_json::Value = serde_json::from_str(&desk.does(&["plan", "--json"])).unwrap();
    assert_eq!(json["swarm-warnings"].as_array().unwrap().len(), 2, "{json}");
    let_through(&desk, &["build", "--node", "2", "--rejoin"], "");

    desk.write(
        "kraken.toml",
        format!("[user]\nssh-keys = [\"id.pub\"]\n{FOUR}").as_bytes(),
        0o644,
    );
    refused(
        &desk,
        &["build", "--node", "4"],
        &["kraken-4 is new", "--node 4 --rejoin"],
    );
    assert!(desk.does(&["plan"]).contains("kraken-4 is new"));
    let_through(&desk, &["build", "--node", "2"], "");

    // Images only: a complete new set replaces the old one.
    let built = self::desk(THREE);
    manifest(&built, &id(), &roles);
    let_through(&built, &["build"], "note: kraken-2 was a worker");
    refused(
        &built,
        &["build", "--node", "2"],
        &["kraken-2 was a worker when the cluster's images were built"],
    );
}

#[test]
fn a_managers_card_again_is_refused_but_for_the_only_one() {
    let desk = desk(THREE);
    for node in [1, 2, 3] {
        receipt(&desk, node, &["manager", "manager", "manager"], json!({}));
    }
    refused(
        &desk,
        &["build", "--node", "2"],
        &["kraken-2's card was made on 2026-11-29 already"],
    );
    refused(
        &desk,
        &["build", "--node", "1"],
        &["kraken-1's card was written on 2026-11-29 already"],
    );
    let_through(&desk, &["build"], "note: kraken-2's card was made");
    assert!(!desk.does(&["plan"]).contains("Warning"));
    // After a new start, everything is new again, except what was written since.
    receipt(&desk, 1, &["manager", "manager", "manager"], json!({"life": 1}));
    let_through(&desk, &["build", "--node", "2"], "");
    refused(&desk, &["build", "--node", "1"], &["kraken-1's card was written"]);
    // A node that joined by token is another node by now.
    receipt(
        &desk,
        3,
        &["manager", "manager", "manager"],
        json!({"life": 1, "membership": "rejoin"}),
    );
    refused(&desk, &["build", "--node", "3"], &["kraken-3 joined by token"]);

    let only = self::desk(ONE);
    for node in [1, 2] {
        receipt(&only, node, &["manager", "worker", "worker"], json!({}));
    }
    let_through(
        &only,
        &["build", "--node", "1"],
        "the swarm begins from scratch; its nodes come back by themselves",
    );
    let_through(&only, &["build", "--node", "2"], "");
}

#[test]
fn no_second_keys_are_made_for_a_cluster_that_has_some() {
    let roles = ["manager", "worker", "worker"];
    let desk = desk(ONE);
    manifest(&desk, &id(), &roles);
    std::fs::remove_file(desk.path().join(KEYS)).unwrap();
    assert!(
        desk.does(&["plan"])
            .contains("images of this cluster were built with other keys")
    );
    for arguments in [&["build", "--node", "2"][..], &["cards", "--dry-run"]] {
        let ended = desk.run(arguments);
        assert_eq!(ended.code, Some(1), "{}", ended.err);
        assert!(ended.err.contains("put the old key file back"), "{}", ended.err);
        assert!(!desk.names().contains(&KEYS.to_owned()), "{arguments:?} made keys");
    }
    let_through(
        &desk,
        &["build"],
        "note: images of this cluster were built with other keys",
    );

    // Cards: not even all images together are built with other keys.
    let desk = self::desk(ONE);
    receipt(&desk, 1, &roles, json!({"id": "another"}));
    refused(
        &desk,
        &["build"],
        &["cards of this cluster were written with other keys"],
    );
}

fn change(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

/// Checks what is said and refused beside a manifest that this damage makes unreadable, and that
/// the message says why.
fn is_evidence(damage: fn(&Path), why: &str) {
    let desk = desk(ONE);
    manifest(&desk, &id(), &["manager", "worker", "worker"]);
    damage(&desk.path().join("images/manifest.json"));
    let reading = format!("reading images/manifest.json: {why}");
    let plan = desk.does(&["plan"]);
    let restore = "help: restore the file from a copy, or move it away if that cluster is gone";
    for words in [&reading, "Warning: ", restore, "--new-cluster"] {
        assert!(plan.contains(words), "{words:?} is not in:\n{plan}");
    }
    let plan: serde_json::Value = serde_json::from_str(&desk.does(&["plan", "--json"])).unwrap();
    assert!(plan["swarm-warnings"][0].as_str().unwrap().contains(why), "{plan}");
    // Images are not written over it, whatever the user insists on, and nothing is baked before.
    for arguments in [
        &["build"][..],
        &["build", "--node", "2"],
        &["build", "--node", "2", "--rejoin"],
        &["build", "--new-cluster"],
    ] {
        let ended = desk.run(arguments);
        assert_eq!(ended.code, Some(1), "{arguments:?}: {}", ended.err);
        let help = "help: restore the file from a copy; if no card of these images is in use, move it away";
        for words in [&reading, help, "choose another folder with --output"] {
            assert!(
                ended.err.contains(words),
                "{arguments:?}: {words:?} is not in {}",
                ended.err
            );
        }
    }
    let_through(&desk, &["cards", "--node", "2", "--rejoin", "--dry-run"], "");
    // No keys are made in the place of lost ones.
    fs::remove_file(desk.path().join(KEYS)).unwrap();
    for arguments in [&["build"][..], &["cards", "--dry-run"]] {
        let ended = desk.run(arguments);
        assert_eq!(ended.code, Some(1), "{arguments:?}: {}", ended.err);
        assert!(ended.err.contains(&reading), "{arguments:?}: {}", ended.err);
        assert!(!desk.names().contains(&KEYS.to_owned()), "{arguments:?} made keys");
    }
    let ended = desk.run(&["verify", "--boot"]);
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    for words in ["nothing was booted", &reading, "kraken-flash verify --boot images"] {
        assert!(ended.err.contains(words), "{words:?} is not in {}", ended.err);
    }
    assert!(!ended.err.contains("--new-cluster"), "{}", ended.err);
    assert!(!desk.names().contains(&KEYS.to_owned()), "a boot made keys");
    // Last, because the word that it is a new cluster makes new keys.
    refused(
        &desk,
        &["cards", "--dry-run"],
        &["no card was written", &reading, restore],
    );

    // Without a swarm, no card can harm one; images are not written over it all the same.
    let desk = self::desk(&format!("{ONE}[docker]\nsource = \"none\"\n"));
    manifest(&desk, &id(), &["manager", "worker", "worker"]);
    damage(&desk.path().join("images/manifest.json"));
    let ended = desk.run(&["build"]);
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(
        ended.err.contains(&reading) && !ended.err.contains("none.img"),
        "{}",
        ended.err
    );
    let_through(&desk, &["cards", "--dry-run"], "");
}

#[test]
fn what_a_manifest_holds_does_not_reach_the_terminal_as_it_is() {
    let desk = desk(ONE);
    manifest(&desk, &id(), &["manager", "worker", "worker"]);
    change(
        &desk.path().join("images/manifest.json"),
        "\"worker\"",
        "\"\\u001b]0;evil\\u0007\"",
    );
    let plan = desk.does(&["plan"]);
    assert!(plan.contains("evil") && !plan.contains('\u{1b}'), "{plan:?}");
}

#[test]
fn a_receipt_that_is_cut_off_is_said() {
    let desk = desk(ONE);
    receipt(&desk, 1, &["manager", "worker", "worker"], json!({}));
    let folder = desk.path().join("home/.local/state/kraken-flash/receipts");
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    }
    let plan = desk.does(&["plan"]);
    for words in ["Warning: reading the receipt ", "help: make it readable"] {
        assert!(plan.contains(words), "{words:?} is not in:\n{plan}");
    }
    assert!(!plan.contains("--new-cluster"), "nothing is refused:\n{plan}");
}

#[test]
fn a_manifest_that_is_cut_off_is_evidence_of_a_swarm() {
    is_evidence(
        |path| {
            let whole = fs::read(path).unwrap();
            fs::write(path, &whole[..whole.len() / 2]).unwrap();
        },
        "it is damaged, or not a manifest of this program (",
    );
}

#[test]
fn a_manifest_with_a_wrong_hash_is_evidence_of_a_swarm() {
    is_evidence(
        |path| {
            let hash = format!("\"base-sha256\":\"{}\"", "0".repeat(64));
            change(path, &hash, "\"base-sha256\":\"12\"");
        },
        "it is damaged, or not a manifest of this program (base-sha256: \"12\" is not a SHA-256",
    );
}

#[test]
fn a_folder_in_the_place_of_the_manifest_is_evidence_of_a_swarm() {
    is_evidence(
        |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        },
        "it is not a regular file",
    );
}

#[test]
fn a_manifest_of_a_newer_version_is_evidence_of_a_swarm() {
    is_evidence(
        |path| change(path, "\"manifest-version\":1", "\"manifest-version\":2"),
        "its format has version 2, and this kraken-flash reads version 1",
    );
}
