//! Archives that real dockerds saved, of every release of Debian.

use std::collections::BTreeMap;
use std::fs::File;
use std::time::Duration;

use kraken_oci::{Digest, Entry, EntryKind, Processor, Source, resolve};
use testkit::swarm::{Bench, Engine, IMAGE};

use crate::oci_support::Desk;

/// Changes that a layer shows: files that come, change, go and move, links, a device, a folder that
/// is replaced.
const CHANGES: &str = "b=/bin/busybox; $b mkdir -p /new/deep && echo hello > /new/deep/file && $b ln /new/deep/file /new/hard \
    && $b ln -s ../bin /new/soft && $b mkfifo /new/pipe && $b chown 4000000:5 /new/hard && $b chmod 4711 /new/hard \
    && $b rm /bin/cat && $b touch -d '1969-12-31 23:00:00' /new/deep && $b touch \"/new/$($b printf '\\377')\"";

#[test]
fn swarm_what_each_release_of_docker_saves_is_read() {
    let processor = match std::env::consts::ARCH {
        "x86_64" => Processor::Amd64,
        _ => Processor::Arm64,
    };
    for suite in ["bookworm", "trixie", "sid"] {
        let engine = Engine::suite(suite);
        let bench = Bench::new(&engine);
        let node = bench.node("kraken-1", "192.168.3.11", None);
        node.start();
        node.wait_api(Duration::from_secs(60));
        node.load_image();
        node.docker(&["run", "--name=one", "--network=none", IMAGE, "sh", "-c", CHANGES]);
        node.docker(&["commit", "one", "team/web:1"]);
        node.docker(&["save", "--output=/var/lib/docker/saved.tar", IMAGE, "team/web:1"]);
        let id = node.docker(&["image", "inspect", "--format={{.Id}}", "team/web:1"]);
        let layers = node.docker(&["image", "inspect", "--format={{json .RootFS.Layers}}", "team/web:1"]);

        let archive = node.data_root().join("saved.tar");
        let desk = Desk::new();
        let source: Source = format!("{}#team/web:1", archive.display()).parse().unwrap();
        let (image, entries) = desk.with(true, |registries| {
            let image = resolve(&source, None, processor, registries).unwrap();
            let mut entries: Vec<BTreeMap<Vec<u8>, Entry>> = Vec::new();
            for layer in &image.layers {
                let file = File::open(layer.unpacked(registries).unwrap()).unwrap();
                let read = kraken_oci::Entries::new(file).unwrap().map(Result::unwrap);
                entries.push(read.map(|entry| (entry.path.clone(), entry)).collect());
            }
            (image, entries)
        });
        assert_eq!(image.names[0].to_string(), "team/web:1", "{suite}");
        assert_eq!(image.config.to_string(), id, "{suite}");
        let ids: Vec<Digest> = image.layers.iter().map(|layer| layer.diff_id).collect();
        assert_eq!(serde_json::to_string(&ids).unwrap(), layers, "{suite}");
        let kind = |path: &str| entries[1].get(path.as_bytes()).map(|entry| &entry.kind);
        assert_eq!(kind("bin/cat"), Some(&EntryKind::Whiteout), "{suite}");
        assert_eq!(kind("new/pipe"), Some(&EntryKind::Fifo));
        let soft = EntryKind::Symlink {
            target: b"../bin".to_vec(),
        };
        assert_eq!(kind("new/soft"), Some(&soft));
        let names = ["new/deep/file", "new/hard"].map(|path| &entries[1][path.as_bytes()]);
        assert!(
            names
                .iter()
                .any(|entry| matches!(entry.kind, EntryKind::HardLink { .. }))
        );
        assert!(
            names
                .iter()
                .all(|entry| (entry.uid, entry.gid, entry.mode) == (4_000_000, 5, 0o4711))
        );
        assert!(
            entries[1].contains_key(&b"new/\xff"[..]),
            "{suite}: {:?}",
            entries[1].keys()
        );
        println!("{suite}: dockerd {}, {} entries", engine.version(), entries[1].len());
    }
}
