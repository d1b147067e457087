//! Docker's own store as we write it, beside that of real dockerds of every release of Debian, and
//! in their hands.

mod seen;
mod tampering;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use kraken_disk::Layout;
use kraken_docker_store::{StoredImage, lay};
use kraken_foundation::Job;
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::progress::Silent;
use kraken_oci::{Processor, Source, resolve};
use kraken_overlay::{EntryPath, Overlay};
use kraken_store_check::{Folder, StoreReport};
use testkit::lay::{TIME, bake, check, open, patched};
use testkit::swarm::{Bench, Engine, IMAGE, Node};
use testkit::{TestImage, run};

use crate::oci_support::Desk;
use seen::{differences, store};
use tampering::each_tampering_is_named;

/// What a container changes, for a layer with all that layers have: files that come, change, go and
/// move, links, pipes, owners, modes, times, attributes, names that are not UTF-8, a folder that is
/// replaced by another of its name.
const CHANGES: &str = "b=/bin/busybox; $b mkdir -p /new/deep && echo hello > /new/deep/file && $b ln /new/deep/file /new/hard \
    && $b ln -s ../bin /new/soft && $b ln -s \"$($b printf '\\376')\" /new/odd && $b mkfifo /new/pipe \
    && $b chown 4000000:5 /new/hard && $b chmod 4711 /new/hard && $b chmod 1777 /new/deep \
    && $b rm /bin/cat && $b touch -d '1975-12-31 23:00:00' /new/deep && $b touch \"/new/$($b printf '\\377')\" \
    && $b mkdir '/new/<&>' && echo x > '/new/<&>/\u{e9}'";
const MORE: &str = "b=/bin/busybox; $b rm -r /new/deep && $b mkdir /new/deep && echo other > /new/deep/other \
    && $b rm /new/pipe && echo changed > /new/hard && $b chown 7:8 /new";

/// Writes an overlay into an ext4 file system, and copies from there what is below Docker's folder.
fn write(overlay: &Overlay, to: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let image = TestImage::builder().root_mib(128).build(folder.path());
    let out = patched(&image, &bake(&image, overlay));
    let layout = Layout::detect(open(&out)).unwrap();
    check(&out, &layout);
    let root = folder.path().join("root");
    testkit::extract(&out, layout.root.start, layout.root.len, &root);
    let mount = folder.path().join("mount");
    fs::create_dir(&mount).unwrap();
    run(Command::new("mount").args(["-o", "loop"]).arg(&root).arg(&mount));
    fs::create_dir_all(to).unwrap();
    let copied = Command::new("cp")
        .args(["-a", "--sparse=never"])
        .arg(mount.join("var/lib/docker/."))
        .arg(to)
        .output();
    run(Command::new("umount").arg(&mount));
    let copied = copied.unwrap();
    assert!(copied.status.success(), "{copied:?}");
}

/// Returns the store with all images of an archive.
fn forged(archive: &Path, names: &[&str]) -> Overlay {
    let processor = match std::env::consts::ARCH {
        "x86_64" => Processor::Amd64,
        _ => Processor::Arm64,
    };
    Desk::new().with(true, |registries| {
        let images: Vec<StoredImage> = names
            .iter()
            .map(|name| {
                let source: Source = format!("{}#{name}", archive.display()).parse().unwrap();
                let image = resolve(&source, None, processor, registries).unwrap();
                let layers = image.layers.iter().map(|layer| layer.unpacked(registries).unwrap());
                StoredImage {
                    layers: layers.collect(),
                    image,
                }
            })
            .collect();
        let (progress, interrupt) = (Silent, Interrupt::new());
        let job = Job {
            progress: &progress,
            interrupt: &interrupt,
        };
        let root = EntryPath::new("/var/lib/docker").unwrap();
        let overlay = lay(&root, &images, TIME, job).unwrap();
        assert_eq!(
            overlay.digest(),
            lay(&root, &images, TIME, job).unwrap().digest(),
            "the same images give another store"
        );
        overlay
    })
}

const NAMES: [&str; 3] = [IMAGE, "team/web:1", "team/web:2"];

/// Makes three images that share layers, and returns the archive that holds them.
fn archive(node: &Node) -> std::path::PathBuf {
    node.start();
    node.wait_api(Duration::from_secs(60));
    node.load_image();
    for (from, changes, to) in [(IMAGE, CHANGES, "team/web:1"), ("team/web:1", MORE, "team/web:2")] {
        node.docker(&["run", "--name=one", "--network=none", from, "sh", "-c", changes]);
        node.docker(&["commit", "one", to]);
        node.docker(&["rm", "one"]);
    }
    let save = [&["save", "--output=/var/lib/docker/saved.tar"][..], &NAMES].concat();
    node.docker(&save);
    node.data_root().join("saved.tar")
}

#[test]
fn swarm_a_store_is_that_of_docker_load_and_every_release_runs_it() {
    for suite in ["bookworm", "trixie", "sid"] {
        let engine = Engine::suite(suite);
        let bench = Bench::new(&engine);
        let source = bench.node("kraken-1", "192.168.3.11", None);
        let archive = archive(&source);

        let loading = bench.node("kraken-2", "192.168.3.12", None);
        loading.start();
        loading.wait_api(Duration::from_secs(60));
        fs::copy(&archive, loading.data_root().join("saved.tar")).unwrap();
        loading.docker(&["load", "--input=/var/lib/docker/saved.tar"]);
        loading.stop();

        let baked = bench.node("kraken-3", "192.168.3.13", None);
        let overlay = forged(&archive, &NAMES);
        write(&overlay, &baked.data_root());
        let found = differences(&store(&loading.data_root()), &store(&baked.data_root()));
        assert!(
            found.is_empty(),
            "{suite}: {} differences:\n{}",
            found.len(),
            found.join("\n")
        );

        for node in [&loading, &baked] {
            let report = checked(&node.data_root());
            assert_eq!(report.findings, [], "{suite}: {}", node.name());
            assert_eq!((report.images.len(), report.layers), (3, 3), "{suite}: {}", node.name());
        }
        if suite == "sid" {
            each_tampering_is_named(&baked.data_root());
        }
        runs(suite, &baked);
        println!("{suite}: dockerd {}, {} entries", engine.version(), overlay.len());
    }
}

fn job(run: impl FnOnce(Job<'_>)) {
    let (progress, interrupt) = (Silent, Interrupt::new());
    run(Job {
        progress: &progress,
        interrupt: &interrupt,
    });
}

fn checked(root: &Path) -> StoreReport {
    let mut report = None;
    job(|job| report = Some(kraken_store_check::check(&Folder(root.to_owned()), job).unwrap()));
    report.unwrap()
}

/// What a user does with images.
fn runs(suite: &str, node: &Node) {
    node.start();
    node.wait_api(Duration::from_secs(60));
    let listed = node.docker(&["images", "--format={{.Repository}}:{{.Tag}}"]);
    for name in NAMES {
        assert!(listed.lines().any(|line| line == name), "{suite}: {listed}");
    }
    let show = "cat() { /bin/busybox cat \"$@\"; }; cat /new/deep/other /new/hard; /bin/busybox ls /bin/cat /new/pipe /new/deep 2>&1";
    let output = node.try_docker(&["run", "--rm", "--network=none", "team/web:2", "sh", "-c", show]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    for words in ["other", "changed", "/bin/cat: No such file", "/new/pipe: No such file"] {
        assert!(said.contains(words), "{suite}: {words:?} is not in {said}");
    }
    assert!(
        !said.contains("file\n"),
        "{suite}: an opaque folder shows what is below it: {said}"
    );
    // Each layer comes out as the archive that went in.
    node.docker(&["save", "--output=/var/lib/docker/again.tar", "team/web:2"]);
    // Their digests are compared while they are read.
    forged(&node.data_root().join("again.tar"), &["team/web:2"]);
    let id = |name: &str| node.docker(&["image", "inspect", "--format={{.Id}} {{json .RootFS.Layers}}", name]);
    let before = id("team/web:2");
    // A new image above the baked ones, a restart, and everything taken away again.
    node.docker(&[
        "run",
        "--name=two",
        "--network=none",
        "team/web:2",
        "sh",
        "-c",
        "echo 3 > /three",
    ]);
    node.docker(&["commit", "two", "team/web:3"]);
    node.docker(&["rm", "two"]);
    node.restart();
    node.wait_api(Duration::from_secs(60));
    assert_eq!(id("team/web:2"), before);
    let three = node.docker(&[
        "run",
        "--rm",
        "--network=none",
        "team/web:3",
        "/bin/busybox",
        "cat",
        "/three",
    ]);
    assert_eq!(three, "3", "{suite}");
    node.docker(&["rmi", "team/web:3", "team/web:2"]);
    node.docker(&[
        "run",
        "--rm",
        "--network=none",
        "team/web:1",
        "/bin/busybox",
        "ls",
        "/new/pipe",
    ]);
    node.docker(&["system", "prune", "--all", "--force"]);
    for folder in [
        "overlay2",
        "image/overlay2/layerdb/sha256",
        "image/overlay2/imagedb/content/sha256",
    ] {
        let left: Vec<_> = fs::read_dir(node.data_root().join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        let left: Vec<_> = left.iter().filter(|name| *name != "l").collect();
        assert!(left.is_empty(), "{suite}: {folder} still has {left:?}");
    }
}
