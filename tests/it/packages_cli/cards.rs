//! Earlier cards and images of a swarm. No card is written here: a dry run of `cards` lists which
//! ones are left, and receipts are made from the results of `build`.

use std::fs;
use std::process::Command;

use kraken_flash::output::{BMAP_BLOCK, Bmap};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::base_of;
use testkit::archive::{TestArchive, make_deb};
use testkit::said;
use testkit::world::{World, names};

struct Desk {
    _debs: TempDir,
    _archive: TestArchive,
    world: World,
}

impl Desk {
    /// Makes three nodes with this many managers, and their images.
    fn new(managers: u32) -> Self {
        let debs = tempfile::tempdir().unwrap();
        let docker = make_deb(debs.path(), "docker.io", "27.5-1", "", &[("/usr/sbin/dockerd", "d")]);
        let archive = TestArchive::builder().deb(docker).build().serve();
        let world = World::new(3, base_of(&archive).file("usr/bin/python3", "#!\n"));
        let desk = Self {
            _debs: debs,
            _archive: archive,
            world,
        };
        desk.managers(managers);
        desk.world.does(&["build", "--no-sums"]);
        desk
    }

    /// Sets the number of managers in kraken.toml.
    fn managers(&self, managers: u32) {
        self.world
            .spec(3, &format!("[docker]\n[swarm]\nmanagers = {managers}\n"));
    }

    /// Builds all images with a limit on the size of files that every image exceeds. `signal`:
    /// whether the limit's signal kills the program during the write, or is ignored and becomes an
    /// error.
    fn build_is_cut(&self, signal: &str) -> String {
        let program = self.world.program();
        let script = format!(
            "trap {signal} XFSZ; ulimit -c 0; ulimit -f 8192; exec '{}' build --no-sums",
            program.get_program().display()
        );
        let mut shell = Command::new("sh");
        shell.current_dir(self.world.path()).args(["-c", &script]);
        for (name, value) in program.get_envs() {
            shell.env(name, value.unwrap_or_default());
        }
        let output = shell.output().unwrap();
        assert!(!output.status.success(), "{}", said(&output));
        said(&output)
    }

    fn manifest(&self) -> Value {
        serde_json::from_slice(&fs::read(self.world.at("images/manifest.json")).unwrap()).unwrap()
    }

    /// Writes receipts as after writing these nodes' cards in this life of the cluster; there are
    /// no others.
    fn receipts(&self, nodes: &[u32], life: u32) {
        let folder = self.world.at("state/receipts");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let manifest = self.manifest();
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

    /// Changes the receipt: this node's card was written with other bytes than it would have now.
    fn outdate(&self, node: u32) {
        let path = self
            .world
            .at(&format!("state/receipts/20261129T20000{node}Z-kraken-{node}-sdb.json"));
        let mut receipt: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        receipt["pieces"][0]["sha256"] = "0".repeat(64).into();
        fs::write(path, receipt.to_string()).unwrap();
    }

    /// Checks that `cards` asks for the cards of these nodes, in this order, and for no other;
    /// returns its output.
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
    // One of them is out of date: it is not written alone, beside cards of the old cluster.
    desk.outdate(2);
    let said = desk.world.ends(&["cards", "--dry-run"], 1);
    assert!(
        said.contains("kraken-2's card was made on 2026-11-29 already"),
        "{said}"
    );
    let said = desk.asks_for(NEW, &[1, 2, 3]);
    assert!(said.contains(BEGINS) && !said.contains("have their cards"), "{said}");
    // Interrupted after the first card, with the same words again or without them.
    desk.receipts(&[1], 1);
    for options in [&[], NEW] {
        let said = desk.asks_for(options, &[2, 3]);
        assert!(!said.contains(BEGINS), "{said}");
    }
    // And later the next one.
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
    // The cards of its workers alone do no harm, and start nothing.
    let said = desk.asks_for(&["--new-cluster", "--node", "2"], &[]);
    assert!(said.contains("--new-cluster changes nothing"), "{said}");
    // The manager's card does not prevent others.
    desk.outdate(1);
    let said = desk.asks_for(&[], &[1]);
    assert!(said.contains("the swarm begins from scratch"), "{said}");
    desk.receipts(&[1], 1);
    desk.asks_for(&[], &[2, 3]);
}

#[test]
fn what_images_were_made_for_is_known_after_a_build_that_made_none() {
    let desk = Desk::new(1);
    let before = desk.manifest()["swarm"].clone();
    assert!(before["roles"]["2"] == "worker" && before["id"].is_string(), "{before}");
    desk.managers(3);
    // The cache then has what all nodes share, so that the limit hits the writing of images.
    desk.world.does(&["build", "--no-sums", "-o", "elsewhere"]);
    for (signal, words) in [("''", "File too large"), ("-", "writing kraken-")] {
        let said = desk.build_is_cut(signal);
        assert!(said.contains(words) && said.contains("kraken-2 was a worker"), "{said}");
        assert!(
            names(&desk.world.at("images")).contains(&"kraken-2.img".to_owned()),
            "{said}"
        );
        let manifest = desk.manifest();
        assert_eq!(manifest["swarm"], before, "{words}");
        assert_eq!(manifest["nodes"], json!([]), "{words}");
        let said = desk.world.ends(&["build", "--node", "2"], 1);
        assert!(
            said.contains("kraken-2 was a worker when the cluster's images were built"),
            "{said}"
        );
        let said = desk.world.ends(&["verify"], 3);
        assert!(said.contains("lists no image: the build did not finish"), "{said}");
    }
    // Only what was made since then counts.
    desk.world.does(&["build", "--no-sums"]);
    assert_eq!(desk.manifest()["swarm"]["roles"]["2"], "manager");
    desk.world.does(&["build", "--no-sums", "--node", "2"]);
}

#[test]
fn cards_are_refused_beside_a_manifest_that_cannot_be_read() {
    let desk = Desk::new(1);
    desk.receipts(&[1], 0);
    let path = desk.world.at("images/manifest.json");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    // The receipt of the manager's card says more than the manifest could.
    let reading = "reading images/manifest.json: it is damaged";
    let said = desk.asks_for(&[], &[2, 3]);
    assert!(said.contains(&format!("note: {reading}")), "{said}");
    fs::remove_dir_all(desk.world.at("state/receipts")).unwrap();
    let said = desk.world.ends(&["cards", "--dry-run"], 1);
    for words in [
        "no card was written",
        reading,
        "say --new-cluster",
        "help: restore the file",
    ] {
        assert!(said.contains(words), "{words:?} is not in:\n{said}");
    }
    // The ways on.
    assert!(desk.asks_for(NEW, &[1, 2, 3]).contains(BEGINS));
    let said = desk.asks_for(&["--node", "2", "--rejoin"], &[2]);
    assert!(said.contains(&format!("note: {reading}")), "{said}");
    fs::write(&path, &whole).unwrap();
    assert!(!desk.asks_for(&[], &[1, 2, 3]).contains("manifest.json"));
}
