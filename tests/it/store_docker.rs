//! Docker's own store as we write it, beside that of real dockerds of every release of Debian, and
//! in their hands.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
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

/// An entry of a store, without what dockerd draws at random.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    kind: String,
    mode: u32,
    owner: (u32, u32),
    links: u64,
    mtime: (i64, i64),
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    content: Vec<u8>,
}

/// Names that are drawn at random, each with one that follows from the layer.
struct Names(Vec<(String, String)>);

impl Names {
    fn of(root: &Path) -> Self {
        let mut names = Vec::new();
        for layer in fs::read_dir(root.join("image/overlay2/layerdb/sha256")).unwrap() {
            let layer = layer.unwrap();
            let chain = layer.file_name().into_string().unwrap();
            let cache = fs::read_to_string(layer.path().join("cache-id")).unwrap();
            let link = fs::read_to_string(root.join("overlay2").join(&cache).join("link")).unwrap();
            names.push((cache, format!("CACHE-{chain}")));
            names.push((link, format!("LINK-{chain}")));
        }
        Self(names)
    }

    fn apply(&self, bytes: &[u8]) -> Vec<u8> {
        let replace = |text: Vec<u8>, random: &[u8], name: &[u8]| {
            let mut replaced = Vec::new();
            let mut rest = &text[..];
            while let Some(at) = rest.windows(random.len()).position(|window| window == random) {
                replaced.extend_from_slice(&rest[..at]);
                replaced.extend_from_slice(name);
                rest = &rest[at + random.len()..];
            }
            [&replaced, rest].concat()
        };
        self.0.iter().fold(bytes.to_vec(), |text, (random, name)| {
            replace(text, random.as_bytes(), name.as_bytes())
        })
    }
}

/// Reads `image` and `overlay2` of a data root.
fn store(root: &Path) -> BTreeMap<Vec<u8>, Seen> {
    let names = Names::of(root);
    let mut seen = BTreeMap::new();
    let mut todo = vec![root.join("image"), root.join("overlay2")];
    while let Some(path) = todo.pop() {
        let stat = fs::symlink_metadata(&path).unwrap();
        let file_type = stat.file_type();
        let mut content = Vec::new();
        let kind = if stat.is_dir() {
            todo.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            "folder".to_owned()
        } else if stat.is_symlink() {
            content = names.apply(fs::read_link(&path).unwrap().as_os_str().as_bytes());
            "link".to_owned()
        } else if stat.is_file() {
            content = fs::read(&path).unwrap();
            if path.ends_with("tar-split.json.gz") {
                let packed = std::mem::take(&mut content);
                flate2::read::MultiGzDecoder::new(&packed[..])
                    .read_to_end(&mut content)
                    .unwrap();
            }
            // Files of a layer hold none of the names.
            if !path.to_string_lossy().contains("/diff/") {
                content = names.apply(&content);
            }
            "file".to_owned()
        } else {
            format!("device {} {}", file_type.is_char_device(), stat.rdev())
        };
        let name = names.apply(path.strip_prefix(root).unwrap().as_os_str().as_bytes());
        let entry = Seen {
            kind,
            mode: stat.mode() & 0o7777,
            owner: (stat.uid(), stat.gid()),
            links: if stat.is_dir() { 0 } else { stat.nlink() },
            mtime: (stat.mtime(), stat.mtime_nsec()),
            xattrs: xattrs(&path),
            content,
        };
        seen.insert(name, entry);
    }
    seen
}

fn xattrs(path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut names = vec![0; 64 << 10];
    let count = rustix::fs::llistxattr(path, &mut names[..]).unwrap();
    let names = names[..count].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names
        .map(|name| {
            let mut value = vec![0; 64 << 10];
            let count = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
            (name.to_vec(), value[..count].to_vec())
        })
        .collect()
}

/// Why an entry may differ.
fn allowed(path: &[u8], docker: Option<&Seen>, own: Option<&Seen>) -> Option<&'static str> {
    let text = String::from_utf8_lossy(path);
    match (docker, own) {
        (Some(_), None) if text.starts_with("image/overlay2/imagedb/metadata/sha256/") => {
            Some("which of the loaded images was made from which; a pull does not know it either")
        }
        (None, Some(_)) if text.ends_with("/committed") => {
            Some("on the top layer, too: without it, `docker save` mounts the layer to be written")
        }
        (Some(docker), Some(own)) if text.ends_with("/tar-split.json.gz") => {
            // Docker 20.10 ends with a segment of no bytes.
            let lines = |seen: &Seen| -> Vec<String> {
                let text = String::from_utf8_lossy(&seen.content).into_owned();
                let lines = text.lines().map(str::to_owned);
                lines.filter(|line| !line.contains("\"payload\":\"\"")).collect()
            };
            (lines(docker) == lines(own)).then_some("a segment without bytes")
        }
        (Some(docker), Some(own)) if text == "image/overlay2/repositories.json" => {
            // `docker load` knows no digests, by which services name an image.
            let names = |seen: &Seen| -> BTreeMap<String, BTreeMap<String, String>> {
                let value: serde_json::Value = serde_json::from_slice(&seen.content).unwrap();
                serde_json::from_value(value["Repositories"].clone()).unwrap()
            };
            let mut own = names(own);
            own.values_mut()
                .for_each(|names| names.retain(|name, _| !name.contains('@')));
            (own == names(docker)).then_some("names by digest")
        }
        _ => None,
    }
}

/// Returns the differences that are not allowed, in words.
fn differences(dockers: &BTreeMap<Vec<u8>, Seen>, ours: &BTreeMap<Vec<u8>, Seen>) -> Vec<String> {
    let mut found = Vec::new();
    let own_alone = ours.keys().filter(|path| !dockers.contains_key(*path));
    for path in dockers.keys().chain(own_alone) {
        let (docker, mut own) = (dockers.get(path), ours.get(path).cloned());
        if let (Some(docker), Some(own)) = (docker, &mut own) {
            let in_layer = path.windows(6).any(|window| window == b"/diff/");
            if !in_layer || own.kind.starts_with("device") || own.mtime == (TIME, 0) {
                // Docker takes the time of its own clock.
                own.mtime = docker.mtime;
            }
        }
        if own.as_ref() != docker && allowed(path, docker, own.as_ref()).is_none() {
            let shown = |seen: Option<&Seen>| match seen {
                None => "nothing".to_owned(),
                Some(seen) => format!(
                    "{} {:04o} {:?} {} {:?} {:?} {}",
                    seen.kind,
                    seen.mode,
                    seen.owner,
                    seen.links,
                    seen.mtime,
                    seen.xattrs,
                    seen.content[..seen.content.len().min(300)].escape_ascii()
                ),
            };
            found.push(format!(
                "{}\n   docker: {}\n   ours:   {}",
                path.escape_ascii(),
                shown(docker),
                shown(own.as_ref())
            ));
        }
    }
    found
}

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

/// Ways to damage a store; dockerd itself names hardly any of them.
fn each_tampering_is_named(root: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("store");
    let web = "overlay2/CACHE/diff/new";
    let layer = "image/overlay2/layerdb/sha256/CHAIN";
    for (command, wanted) in [
        ("true".to_owned(), ""),
        (format!("printf x >> {web}/deep/file"), "has 7 bytes and should have 6"),
        (
            format!("printf HELLO | dd of={web}/deep/file conv=notrunc status=none"),
            "is damaged",
        ),
        (format!("rm {web}/soft"), "/new/soft is missing"),
        (format!("ln -sfn ../etc {web}/soft"), "/new/soft"),
        (format!("chmod 644 {web}/hard"), "has mode 0644 and should have 4711"),
        (
            format!("chown 0:0 {web}/hard"),
            "belongs to 0:0 and should belong to 4000000:5",
        ),
        (format!("touch {web}/soft -h -d 1999-01-01"), "has another time"),
        (
            format!("cp -a {web}/hard {web}/x; mv {web}/x {web}/hard"),
            "another name",
        ),
        (format!("touch {web}/more"), "/new/more is not in the layer's archive"),
        ("rm overlay2/CACHE/diff/bin/cat".to_owned(), "/bin/cat is missing"),
        (
            "rm overlay2/CACHE/diff/bin/cat; touch overlay2/CACHE/diff/bin/cat".to_owned(),
            "is of the kind File",
        ),
        (
            format!("setfattr -n user.a -v b {web}/soft 2>/dev/null || setfattr -n user.a -v b {web}/hard"),
            "extended attributes",
        ),
        (
            format!("setfattr -n trusted.overlay.opaque -v y {web}"),
            "hides what lower layers have",
        ),
        (format!("rm {layer}/tar-split.json.gz"), "cannot be made again"),
        (format!("printf x >> {layer}/tar-split.json.gz"), "cannot be made again"),
        (format!("printf 1 > {layer}/size"), "its record says 1"),
        (format!("rm {layer}/diff"), "diff: it is missing"),
        (format!("printf sha256:0 > {layer}/parent"), "and should say"),
        (format!("rm -r {layer}"), "is missing"),
        ("rm overlay2/CACHE/link".to_owned(), "is not a short name"),
        ("rm overlay2/l/LINK".to_owned(), "the short name of"),
        ("printf l/x > overlay2/CACHE/lower".to_owned(), "lower: it says"),
        ("rm -r overlay2/CACHE".to_owned(), "the files of the layer"),
        (
            "for f in image/overlay2/imagedb/content/sha256/*; do printf ' ' >> $f; done".to_owned(),
            "its SHA-256 is not its name",
        ),
        ("rm image/overlay2/repositories.json".to_owned(), "no image has a name"),
        (
            "rm image/overlay2/imagedb/content/sha256/*".to_owned(),
            "which is not there",
        ),
    ] {
        let _ = fs::remove_dir_all(&copy);
        fs::create_dir(&copy).unwrap();
        let sources = [root.join("image"), root.join("overlay2")];
        run(Command::new("cp").arg("-a").args(&sources).arg(&copy));
        let (chain, cache, link) = of_second_layer(&copy);
        let command = command
            .replace("CHAIN", &chain)
            .replace("CACHE", &cache)
            .replace("LINK", &link);
        run(Command::new("bash").args(["-c", &command]).current_dir(&copy));
        let found: Vec<String> = checked(&copy)
            .findings
            .iter()
            .map(|found| found.message.clone())
            .collect();
        match wanted {
            "" => assert!(found.is_empty(), "{found:?}"),
            wanted => assert!(
                found.iter().any(|found| found.contains(wanted)),
                "{command}: {wanted:?} is not in {found:?}"
            ),
        }
    }
}

/// Returns chain id, folder and short name of the layer that has `/new/deep/file`.
fn of_second_layer(root: &Path) -> (String, String, String) {
    let layers = fs::read_dir(root.join("image/overlay2/layerdb/sha256")).unwrap();
    let found = layers.map(|layer| layer.unwrap().path()).find_map(|layer| {
        let cache = fs::read_to_string(layer.join("cache-id")).unwrap();
        let folder = root.join("overlay2").join(&cache);
        let link = fs::read_to_string(folder.join("link")).unwrap();
        let chain = layer.file_name()?.to_str()?.to_owned();
        folder
            .join("diff/new/deep/file")
            .exists()
            .then_some((chain, cache, link))
    });
    found.unwrap()
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
