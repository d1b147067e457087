//! Packages that take over files of others, and triggers, unpacked by the image's own dpkg and by
//! this crate: equal, as in `packages_unpack.rs`.

use crate::oracle::Bench;
use tar::EntryType;
use testkit::deb::{Item, Package};

/// Files that move from one package to another: of the image, and within one run, in both orders.
#[test]
fn root_files_that_packages_take_over() {
    let bench = Bench::new();
    let owner = Package::new("kraken-owner", "1")
        .control("conffiles", "/etc/kraken-shared.conf\n/etc/kraken-plain.conf\n")
        .file("/etc/kraken-shared.conf", "of the owner")
        .file("/etc/kraken-plain.conf", "of the owner")
        .file("/usr/share/kraken/shared", "of the owner")
        .file("/usr/share/kraken/stays", "of the owner")
        .symlink("/usr/share/kraken/link", "stays");
    bench.install(&[owner]);
    let replaces = |name: &str, relation: &str| Package::new(name, "1").fields(&format!("Replaces: {relation}\n"));
    let taker = replaces("kraken-taker", "kraken-owner (<< 2)")
        .control("conffiles", "/etc/kraken-shared.conf\n")
        .file("/etc/kraken-shared.conf", "of the taker")
        .file("/etc/kraken-plain.conf", "of the taker")
        .file("/usr/share/kraken/shared", "of the taker")
        .file("/usr/share/kraken/link", "of the taker");
    let first = Package::new("kraken-first", "1")
        .file("/usr/share/kraken/ab", "of the first")
        .file("/usr/share/kraken/first", "x");
    let second = replaces("kraken-second", "kraken-first").file("/usr/share/kraken/ab", "of the second");
    // The former owner comes after the new one: the file stays with the new one.
    let early = replaces("kraken-early", "kraken-late").file("/usr/share/kraken/ba", "of the early");
    let late = Package::new("kraken-late", "1")
        .file("/usr/share/kraken/ba", "of the late")
        .file("/usr/share/kraken/late", "x");
    // Multi-Arch: same, two architectures, a file that both have.
    bench.run(&["dpkg", "--add-architecture", "armhf"]);
    let both = ["arm64", "armhf"].map(|architecture| {
        Package::new("kraken-both", "1")
            .architecture(architecture)
            .fields("Multi-Arch: same\n")
            .file("/usr/share/kraken/both", "the same in both")
            .file(&format!("/usr/lib/kraken-{architecture}/lib"), architecture)
    });
    let mut debs = bench.write(&[taker, first, second, early, late]);
    debs.extend(bench.write(&both));
    bench.compare(&debs);
}

/// Triggers that are declared in the image and in the run, activated by name and by file, before
/// and after.
#[test]
fn root_triggers() {
    let bench = Bench::new();
    let interested = Package::new("kraken-interested", "1")
        .control("triggers", "interest kraken-named\ninterest-noawait kraken-noawait\ninterest /usr/share/kraken-watched\ninterest-noawait /usr/lib/kraken-watched\n")
        .file("/usr/lib/kraken-interested", "1");
    let changes = Package::new("kraken-changes", "1")
        .control("triggers", "interest /usr/share/kraken-old\ninterest kraken-old\n")
        .file("/usr/lib/kraken-changes", "1");
    let vanishing = Package::new("kraken-vanishing", "1").file("/usr/share/kraken-vanishing/watched", "x");
    let watcher = Package::new("kraken-watcher", "1")
        .fields("Multi-Arch: same\n")
        .control("triggers", "interest /usr/share/kraken-vanishing\n")
        .file("/usr/lib/kraken-watcher", "1");
    bench.install(&[interested, changes, vanishing, watcher]);
    let activator = |name: &str, triggers: &str| {
        Package::new(name, "1")
            .control("triggers", triggers)
            .file(&format!("/usr/lib/{name}"), name)
    };
    let packages = [
        activator("kraken-both-ways", "activate kraken-noawait\n").file("/usr/lib/kraken-watched/both", "x"),
        activator("kraken-by-name", "activate kraken-named\n"),
        activator(
            "kraken-by-noawait",
            "activate-noawait kraken-named\nactivate kraken-noawait\n",
        ),
        activator("kraken-unknown", "activate kraken-none\n"),
        Package::new("kraken-by-file", "1").file("/usr/share/kraken-watched/a", "a"),
        Package::new("kraken-by-deep", "1").file("/usr/lib/kraken-watched/deep/b", "b"),
        activator(
            "kraken-two",
            "# a comment\n\n  interest   kraken-two  \ninterest-await /usr/share/kraken-two\nactivate-await kraken-named\n",
        ),
        Package::new("kraken-after", "1").file("/usr/share/kraken-two/a", "a"),
        activator("kraken-wakes-old", "activate kraken-old\n").file("/usr/share/kraken-old/early", "x"),
        Package::new("kraken-vanishing", "2")
            .control("triggers", "activate kraken-named\n")
            .file("/usr/lib/kraken-vanishing", "x"),
        Package::new("kraken-changes", "2")
            .control(
                "triggers",
                "interest-noawait kraken-new\ninterest /usr/share/kraken-new\n",
            )
            .file("/usr/lib/kraken-changes", "2"),
        Package::new("kraken-old-watched", "1").file("/usr/share/kraken-old/a", "a"),
        Package::new("kraken-new-watched", "1").file("/usr/share/kraken-new/a", "a"),
        Package::new("kraken-folder-only", "1").item(Item::new(
            "/usr/share/kraken-watched",
            EntryType::Directory,
            0o755,
        )),
    ];
    bench.compare(&bench.write(&packages));
}
