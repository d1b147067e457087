//! Archives and packages that cheat or do not fit: each is an error that names the cause, and
//! leaves nothing behind.

use std::fs;
use std::path::Path;

use tar::EntryType;

use super::raw::{Data, raw_deb};
use super::{archive_of_tools, base_of, no_image, nothing_half_made};
use testkit::archive::{Builder, DAY, Damage, TestArchive, make_deb, now};
use testkit::world::{World, with_package};

/// What is wrong, what is published, and the words that an error must have.
struct Cheat<'a>(&'a str, Builder, &'a [&'a str]);

/// A world with a package in its base, the archive that it trusts, and the lock file of an honest
/// archive.
struct Bench {
    world: World,
    archive: TestArchive,
    lock: Vec<u8>,
}

impl Bench {
    fn new(folder: &Path) -> Self {
        let archive = archive_of_tools(folder).build().serve();
        let base = with_package(
            base_of(&archive),
            "old",
            "Architecture: arm64\nVersion: 1.0-1\n",
            &["/usr/bin/theirs"],
        );
        let world = World::new(1, base);
        world.spec(1, "[system]\npackages = [\"tool\"]\n");
        world.does(&["fetch"]);
        let lock = fs::read(world.at("kraken.lock")).unwrap();
        fs::remove_dir_all(world.at("cache/downloads")).unwrap();
        Self { world, archive, lock }
    }

    /// Checks that neither a first build nor an update accepts what is published.
    fn refuses(&self, Cheat(name, builder, words): Cheat<'_>) {
        let (world, path) = (&self.world, self.world.at("kraken.lock"));
        builder.build_over(&self.archive);
        let fails = |arguments: &[&str]| {
            let output = world.kraken(arguments);
            let said = testkit::said(&output);
            assert_eq!(output.status.code(), Some(1), "{name}, {arguments:?}: {said}");
            for words in words {
                assert!(said.contains(words), "{name}: {words:?} is not in:\n{said}");
            }
            no_image(world, "images");
            nothing_half_made(world);
        };
        let _ = fs::remove_file(&path);
        fails(&["build"]);
        assert!(!path.exists(), "{name}: there is a lock file");
        fs::write(&path, &self.lock).unwrap();
        fails(&["fetch", "--update"]);
        assert!(fs::read(&path).unwrap() == self.lock, "{name}: the lock file changed");
    }
}

#[test]
fn archives_that_cannot_be_proven() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new(folder.path());
    let tools = || archive_of_tools(folder.path());
    for cheat in [
        Cheat(
            "a changed text",
            tools().damage(Damage::SignedText),
            &["dists/trixie/InRelease is not used", "check the mirror"],
        ),
        Cheat(
            "another key",
            tools().damage(Damage::OtherKey),
            &[
                "dists/trixie/InRelease is not used",
                "the key that /etc/apt/sources.list names",
            ],
        ),
        Cheat(
            "no signature",
            tools().damage(Damage::Unsigned),
            &["dists/trixie/InRelease is not used"],
        ),
        Cheat(
            "no longer valid",
            tools().date(now() - 9 * DAY).valid_until(now() - 2 * DAY),
            &["dists/trixie/InRelease is not used", "valid"],
        ),
        Cheat(
            "not yet made",
            tools().date(now() + 3 * DAY),
            &["dists/trixie/InRelease is not used", "clock"],
        ),
        Cheat(
            "another list of packages",
            tools().damage(Damage::PackagesByte),
            &["binary-arm64/", "its SHA-256 is", "or from elsewhere"],
        ),
        Cheat(
            "a longer list of packages",
            tools().damage(Damage::PackagesSize),
            &["binary-arm64/", "bytes"],
        ),
        Cheat(
            "another package",
            tools().damage(Damage::DebByte),
            &["tool_1.0-1_arm64.deb", "SHA-256"],
        ),
        Cheat(
            "half a package",
            tools().damage(Damage::DebTruncated),
            &["tool_1.0-1_arm64.deb", "bytes"],
        ),
    ] {
        bench.refuses(cheat);
    }
}

#[test]
fn packages_that_no_image_takes() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new(folder.path());
    type Fill = for<'a> fn(&'a mut Data) -> &'a mut Data;
    let cases: [(&str, Fill, &[&str]); 10] = [
        (
            "a path that leads out",
            |data| data.file("./../../evil", 0o644, b"x"),
            &["tool 1.0-1 cannot be used", "../../evil", "take another version"],
        ),
        (
            "an absolute path",
            |data| data.file("/etc/evil", 0o644, b"x"),
            &["/etc/evil", "absolute path"],
        ),
        (
            "a device",
            |data| data.entry("./dev/null", EntryType::Char, ""),
            &["dev/null", "is a device node"],
        ),
        (
            "a disk",
            |data| data.entry("./dev/sda", EntryType::Block, ""),
            &["dev/sda", "is a device node"],
        ),
        (
            "a pipe",
            |data| data.entry("./run/pipe", EntryType::Fifo, ""),
            &["run/pipe", "is a pipe"],
        ),
        (
            "a link that leads out",
            |data| data.link("./usr/evil", "../../../etc"),
            &["usr/evil", "leads out of the root"],
        ),
        (
            "a file behind a link",
            |data| {
                data.link("./usr/evil", "/etc")
                    .file("./usr/evil/passwd", 0o644, b"root::0:0")
            },
            &["/usr/evil/passwd", "lies below a symbolic link"],
        ),
        (
            "a name of a file elsewhere",
            |data| data.entry("./usr/evil", EntryType::Link, "/etc/shadow"),
            &["usr/evil", "is a link to what has an absolute path"],
        ),
        (
            "a name of a file of the image",
            |data| data.entry("./usr/evil", EntryType::Link, "etc/shadow"),
            &[
                "usr/evil",
                "is a hard link to something that is not a file of the package",
            ],
        ),
        (
            "a file in the place of a folder",
            |data| data.file("./etc", 0o644, b"x"),
            &["unpacking tool: /etc should be a file, and is a folder"],
        ),
    ];
    for (name, fill, words) in cases {
        let deb = raw_deb(folder.path(), "tool", |data| _ = fill(data));
        let words = [&["tool"][..], words].concat();
        bench.refuses(Cheat(name, TestArchive::builder().deb(deb), &words));
    }
    let mut bytes = fs::read(raw_deb(folder.path(), "tool", |data| _ = data.folder("./usr/"))).unwrap();
    // dpkg-deb still reads its control file.
    bytes.truncate(bytes.len() - 1000);
    let cut = folder.path().join("cut_1.0-1_arm64.deb");
    fs::write(&cut, bytes).unwrap();
    bench.refuses(Cheat(
        "a package that was published cut off",
        TestArchive::builder().deb(cut),
        &["reading the package", "cut off"],
    ));
}

#[test]
fn packages_that_do_not_go_together() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new(folder.path());
    // Each is in a folder of its own: they all have the same name.
    let deb = |name: &str, more: &str, files: &[(&str, &str)]| {
        let own = tempfile::tempdir_in(folder.path()).unwrap().keep();
        make_deb(&own, name, "1.0-1", more, files)
    };
    let tool = |more: &str, files: &[(&str, &str)]| TestArchive::builder().deb(deb("tool", more, files));
    let other = |file: &str| deb("other", "", &[(file, "other\n")]);
    for cheat in [
        Cheat(
            "a package that no archive has",
            TestArchive::builder().deb(other("/usr/bin/other")),
            &["there is no package tool", "check the name"],
        ),
        Cheat(
            "a dependency that no archive has",
            tool("Depends: nowhere (>= 2)\n", &[]),
            &["tool cannot be installed", "nowhere"],
        ),
        Cheat(
            "a dependency in another version",
            tool("Depends: other (>= 2)\n", &[]).deb(other("/usr/bin/other")),
            &["tool cannot be installed", "other (>= 2)"],
        ),
        Cheat(
            "a conflict with what the base has",
            tool("Conflicts: old\n", &[]),
            &["tool cannot be installed beside old 1.0-1", "leave out tool"],
        ),
        Cheat(
            "a file of a package of the base",
            tool("", &[("/usr/bin/theirs", "mine now\n")]),
            &[
                "unpacking tool",
                "/usr/bin/theirs, which belongs to old",
                "leave one of the two out",
            ],
        ),
        Cheat(
            "a file of another package",
            tool("Depends: other\n", &[("/usr/bin/both", "tool\n")]).deb(other("/usr/bin/both")),
            &["/usr/bin/both, which belongs to", "leave one of the two out"],
        ),
    ] {
        bench.refuses(cheat);
    }
}
