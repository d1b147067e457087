//! `cards` and what it knows of the cards of a swarm that were written before. No card is written here: a dry run says which ones are left,
//! and receipts are made of what `build` made.

use std::fs;

use kraken_flash::output::{BMAP_BLOCK, Bmap};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::base_of;
use super::common::archive::{TestArchive, make_deb};
use super::common::world::World;

struct Desk {
    _debs: TempDir,
    _archive: TestArchive,
    world: World,
}

impl Desk {
    /// Three nodes with so many managers, and their images.
    fn new(managers: u32) -> Self {
        let debs = tempfile::tempdir().unwrap();
        let docker = make_deb(debs.path(), "docker.io", "27.5-1", "", &[("/usr/sbin/dockerd", "d")]);
        let archive = TestArchive::builder().deb(docker).build().serve();
        let world = World::new(3, base_of(&archive).file("usr/bin/python3", "#!\n"));
        world.spec(3, &format!("[docker]\n[swarm]\nmanagers = {managers}\n"));
        world.does(&["build", "--no-sums"]);
        Self {
            _debs: debs,
            _archive: archive,
            world,
        }
    }

    /// Leaves receipts as the writing of these nodes' cards would, in this life of the cluster, the only ones that there are.
    fn receipts(&self, nodes: &[u32], life: u32) {
        let folder = self.world.at("state/receipts");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let manifest: Value =
            serde_json::from_slice(&fs::read(self.world.at("images/manifest.json")).unwrap()).unwrap();
        let roles = manifest["swarm"]["roles"].as_object().unwrap();
        let member = |number: &String| json!({"number": number.parse::<u32>().unwrap(), "role": roles[number]});
        for node in nodes {
            let map = fs::read_to_string(self.world.at(&format!("images/kraken-{node}.img.bmap"))).unwrap();
            let map = Bmap::parse(&map).unwrap();
            let pieces = map.ranges.iter().map(|range| {
                let end = ((range.last + 1) * BMAP_BLOCK).min(map.image_size);
                json!({"start": range.first * BMAP_BLOCK, "end": end, "sha256": range.sha256})
            });
            let swarm = json!({
                "id": manifest["swarm"]["id"],
                "keys": self.world.path().canonicalize().unwrap().join("kraken.keys"),
                "life": life,
                "membership": "baked",
                "begins": *node == 1,
                "members": roles.keys().map(member).collect::<Value>(),
            });
            let receipt = json!({
                "receipt-version": 1,
                "tool": "kraken-flash",
                "written": format!("2026-11-29T20:00:0{node}Z"),
                "cluster": "kraken",
                "node": node,
                "hostname": format!("kraken-{node}"),
                "swarm": swarm,
                "device": {"path": "/dev/sdb", "size": map.image_size},
                "image-size": map.image_size,
                "bytes": 1,
                "verified": true,
                "discarded": false,
                "seconds-writing": 1.0,
                "pieces": pieces.collect::<Value>(),
            });
            let name = format!("20261129T20000{node}Z-kraken-{node}-sdb.json");
            fs::write(folder.join(name), receipt.to_string()).unwrap();
        }
    }

    /// This node's card was written with other bytes than it would have now.
    fn outdate(&self, node: u32) {
        let path = self
            .world
            .at(&format!("state/receipts/20261129T20000{node}Z-kraken-{node}-sdb.json"));
        let mut receipt: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        receipt["pieces"][0]["sha256"] = "0".repeat(64).into();
        fs::write(path, receipt.to_string()).unwrap();
    }

    /// `cards` asks for the cards of these nodes, in this order, and for no other; gives what it said.
    fn asks_for(&self, options: &[&str], nodes: &[u32]) -> String {
        let said = self.world.does(&[&["cards", "--dry-run"], options].concat());
        let asked: Vec<&str> = said
            .lines()
            .filter(|line| line.contains("insert the card for"))
            .collect();
        assert_eq!(asked.len(), nodes.len(), "{options:?}: {said}");
        for (line, node) in asked.iter().zip(nodes) {
            assert!(
                line.contains(&format!("the card for kraken-{node} ")),
                "{options:?}: {said}"
            );
        }
        said
    }
}

const NEW: &[&str] = &["--new-cluster"];
const BEGINS: &str = "A new cluster begins (--new-cluster)";

#[test]
fn a_new_cluster_of_several_managers_writes_all_cards_and_goes_on_where_it_stopped() {
    let desk = Desk::new(3);
    desk.receipts(&[1, 2, 3], 0);
    let said = desk.asks_for(&[], &[]);
    assert!(said.contains("kraken-1, kraken-2, kraken-3 have their cards"), "{said}");
    let said = desk.asks_for(NEW, &[1, 2, 3]);
    assert!(said.contains(BEGINS), "{said}");
    // One of them is out of date: not it alone is written, beside cards of the old cluster.
    desk.outdate(2);
    let said = desk.world.ends(&["cards", "--dry-run"], 1);
    assert!(
        said.contains("kraken-2's card was made on 2026-11-29 already"),
        "{said}"
    );
    let said = desk.asks_for(NEW, &[1, 2, 3]);
    assert!(said.contains(BEGINS) && !said.contains("have their cards"), "{said}");
    // Interrupted after the first card, with the same words again or without.
    desk.receipts(&[1], 1);
    for options in [&[], NEW] {
        let said = desk.asks_for(options, &[2, 3]);
        assert!(!said.contains(BEGINS), "{said}");
    }
    // And one day the next one.
    desk.receipts(&[1, 2, 3], 1);
    desk.asks_for(&[], &[]);
    assert!(desk.asks_for(NEW, &[1, 2, 3]).contains(BEGINS));
}

#[test]
fn a_new_cluster_of_one_manager_writes_all_cards_too() {
    let desk = Desk::new(1);
    desk.receipts(&[1, 2, 3], 0);
    desk.asks_for(&[], &[]);
    assert!(desk.asks_for(NEW, &[1, 2, 3]).contains(BEGINS));
    // Its workers' cards alone harm nothing, and begin nothing.
    let said = desk.asks_for(&["--new-cluster", "--node", "2"], &[]);
    assert!(said.contains("--new-cluster changes nothing"), "{said}");
    // The manager's card is in the way of no other.
    desk.outdate(1);
    let said = desk.asks_for(&[], &[1]);
    assert!(said.contains("the swarm begins anew"), "{said}");
    desk.receipts(&[1], 1);
    desk.asks_for(&[], &[2, 3]);
}
