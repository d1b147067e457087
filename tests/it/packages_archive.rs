//! Archives are verified before anything in them is used: signatures by the real gpg, dates,
//! hashes, and every way to cheat.

mod trust;

use std::collections::BTreeMap;
use std::path::Path;

use kraken_debian::openpgp::{self, Keyring};
use kraken_debian::{
    Architectures, Archive, Fetch, ImageState, LocalDeb, PickFrom, Request, Resolution, ResolveError, Source, load,
    load_available, resolve,
};
use kraken_disk::MemoryTree;
use kraken_fetch::{Downloads, Options};
use kraken_flash::packages::{Single, singles};
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::progress::Silent;
use kraken_foundation::{Error, Job, Kind};
use testkit::archive::{Builder, DAY, Damage, TestArchive, make_deb, now};
use testkit::web::Web;

use kraken_foundation::Sha256Hash;

const KEY: &str = "/usr/share/keyrings/test.asc";

/// Returns an image with this archive only.
fn image(archive: &TestArchive, status: &str) -> ImageState {
    let mut tree = MemoryTree::new();
    let dpkg = "Package: dpkg\nStatus: install ok installed\nArchitecture: arm64\nVersion: 1\nEssential: yes\n\n";
    tree.file("/var/lib/dpkg/status", format!("{dpkg}{status}").into_bytes())
        .file(KEY, archive.key())
        .file("/etc/apt/sources.list", archive.source_line(KEY).into_bytes());
    ImageState::read(&tree).unwrap()
}

/// Loads the archives of an image; the folder must outlive the result.
fn load_for(image: &ImageState, folder: &Path, now: i64) -> Result<Vec<Archive>, String> {
    let web = Web::new(folder.join("web"));
    let now = u64::try_from(now).unwrap();
    load(&image.sources, &web, now, &image.architectures()).map_err(|error| error.to_string())
}

fn load_built(builder: Builder) -> Result<Vec<Archive>, String> {
    let archive = builder.build().serve();
    let folder = tempfile::tempdir().unwrap();
    load_for(&image(&archive, ""), folder.path(), now())
}

fn request(names: &[&str]) -> Request {
    Request {
        packages: names.iter().map(|name| name.parse().unwrap()).collect(),
        ..Request::default()
    }
}

fn names(resolution: &Resolution) -> Vec<&str> {
    resolution.picks.iter().map(|pick| pick.name.as_str()).collect()
}

/// An image with packages that wait for its first boot has archives all the same.
#[test]
fn single_packages_come_without_what_they_need_and_the_second_time_without_asking() {
    let folder = tempfile::tempdir().unwrap();
    let deb =
        |name: &str, version: &str, control: &str| make_deb(folder.path(), name, version, control, &[("/f", "x")]);
    let mut archive = TestArchive::builder()
        .deb(deb("kernel-9-plain", "9-1", "Depends: tools\n"))
        .deb(deb("shell", "1.0", ""))
        .deb(deb("shell", "1.10", "Depends: missing\n"))
        .package("kernel", "8", "Depends: tools, kernel-8-plain (= 8-1)\n")
        .package("kernel", "9", "Depends: tools, kernel-9-plain (= 9-1)\n")
        .build()
        .serve();
    let mut tree = MemoryTree::new();
    let dpkg = "Package: dpkg\nStatus: install ok installed\nArchitecture: arm64\nVersion: 1\n\n\
                Package: docker\nStatus: install ok unpacked\nArchitecture: arm64\nVersion: 1\n";
    tree.file("/var/lib/dpkg/status", dpkg.as_bytes())
        .file(KEY, archive.key())
        .file("/etc/apt/sources.list", archive.source_line(KEY).into_bytes());
    let options = Options {
        cache: Some(folder.path().join("cache")),
        attempts: 1,
        ..Options::default()
    };
    let interrupt = Interrupt::new();
    let downloads = Downloads::open(&options, None, Job::new(&Silent, &interrupt)).unwrap();
    let mirrors = BTreeMap::new();
    let time = u64::try_from(now()).unwrap();
    let kernel = Single::Behind {
        meta: "kernel",
        begins: "kernel-",
    };
    let fetch = |wanted: &[Single<'_>], refresh| singles(&tree, wanted, &mirrors, refresh, time, &downloads);
    let wanted = [kernel, Single::Named("shell")];
    let fetched = fetch(&wanted, false).unwrap();
    let named: Vec<&str> = fetched.iter().map(|package| package.named.as_str()).collect();
    assert_eq!(named, ["kernel-9-plain 9-1", "shell 1.10"]);
    for package in &fetched {
        assert!(
            std::fs::read(&package.path).unwrap().starts_with(b"!<arch>"),
            "{package:?}"
        );
    }
    let error = fetch(&[Single::Named("gone")], false).unwrap_err().to_string();
    assert!(
        error.contains("none of the image's archives has gone for arm64"),
        "{error}"
    );
    // The server is gone, and no request is sent.
    archive.stop();
    assert_eq!(fetch(&wanted, false).unwrap(), fetched);
    assert!(fetch(&wanted, true).is_err(), "no archive was asked for changes");
}

#[test]
fn a_signed_archive_is_read_and_its_packages_are_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let deb = make_deb(
        folder.path(),
        "hello",
        "1:2.0-1",
        "Depends: libhello (>= 2)\n",
        &[("/usr/bin/hello", "x")],
    );
    let lib = make_deb(folder.path(), "libhello", "2.0-1", "", &[("/usr/lib/libhello", "x")]);
    for (builder, asked) in [
        (TestArchive::builder(), "by-hash/SHA256/"),
        (TestArchive::builder().no_by_hash(), "binary-arm64/Packages.xz"),
        (TestArchive::builder().plain_only(), "by-hash/SHA256/"),
        (
            TestArchive::builder().no_by_hash().plain_only(),
            "binary-arm64/Packages",
        ),
    ] {
        let archive = builder.deb(&deb).deb(&lib).valid_until(now() + DAY).build().serve();
        let image = image(&archive, "");
        let here = tempfile::tempdir().unwrap();
        let archives = load_for(&image, here.path(), now()).unwrap();
        assert_eq!(archives[0].signed_by, archive.fingerprint());
        assert!(
            archive.log().iter().any(|path| path.contains(asked)),
            "{:?}",
            archive.log()
        );
        let resolution = resolve(&image, &archives, &request(&["hello"])).unwrap();
        assert_eq!(names(&resolution), ["hello", "libhello"]);
        let pick = &resolution.picks[0];
        assert_eq!(pick.size, std::fs::metadata(&deb).unwrap().len());
        let PickFrom::Archive { url, .. } = &pick.from else {
            panic!("{pick:?}")
        };
        assert!(url.as_str().starts_with(&archive.uri()), "{url}");
        assert_eq!(resolution.picks[1].needed_by.as_deref(), Some("hello"));
    }
}

#[test]
fn nothing_but_the_signed_text_is_read() {
    let archive = TestArchive::builder().fields("-Dashed: yes\n").build();
    let path = archive.folder().join("debian/dists/trixie/InRelease");
    let signed = std::fs::read_to_string(path).unwrap();
    let mut keys = Keyring::default();
    keys.add(archive.key()).unwrap();
    let now = u64::try_from(now()).unwrap();
    let check = |text: &str| openpgp::verify(text.as_bytes(), &keys, &[], now);
    let good = check(&signed).unwrap();
    assert!(
        good.text.starts_with("Origin: Test\n") && !good.text.contains("PGP"),
        "{}",
        good.text
    );
    assert!(signed.contains("\n- -Dashed: yes\n") && good.text.contains("\n-Dashed: yes\n"));
    assert!(check(&signed.replace('\n', "\r\n")).is_ok());
    for bad in [
        format!("Origin: Evil\n\n{signed}"),
        format!("{signed}\nOrigin: Evil\n"),
        signed.replacen("\n\n", "\nOrigin: Evil\n\n", 1),
        signed.replacen("\n\n", "\n\nOrigin: Evil\n", 1),
        signed.replacen("Origin: Test\n", "", 1),
        signed
            .replacen(
                "-----BEGIN PGP SIGNATURE-----",
                "-----BEGIN PGP SIGNATURE-----\nX: y",
                1,
            )
            .replacen("Suite", "Suit", 1),
        signed[..signed.len() / 2].to_owned(),
        String::new(),
    ] {
        assert!(check(&bad).is_err(), "accepted:\n{bad}");
    }
    assert!(openpgp::verify(&[0xff, 0xfe], &keys, &[], now).is_err());
}

#[test]
fn packages_that_are_broken_by_their_index_do_no_harm() {
    for (text, want) in [
        ("no field\n", "neither a field"),
        ("Package: a\nVersion: 1\nArchitecture: arm64\n", "Filename is missing"),
    ] {
        let error = load_built(TestArchive::builder().packages_text(text)).unwrap_err();
        assert!(error.contains(want), "{error}");
    }
    let archive = TestArchive::builder()
        .package("broken", "1", "Depends: a (= 1\n")
        .package("cycle-a", "1", "Depends: cycle-b\n")
        .package("cycle-b", "1", "Pre-Depends: cycle-a\n")
        .package(
            "many",
            "1",
            &format!("Depends: {}cycle-a\n", "no-such-one | ".repeat(100_000)),
        )
        .package("odd", "1", "Depends: cycle-a\nProvides: (((\n")
        .build()
        .serve();
    let image = image(&archive, "");
    let folder = tempfile::tempdir().unwrap();
    let archives = load_for(&image, folder.path(), now()).unwrap();
    assert_eq!(
        names(&resolve(&image, &archives, &request(&["cycle-a"])).unwrap()),
        ["cycle-a", "cycle-b"]
    );
    assert_eq!(
        names(&resolve(&image, &archives, &request(&["many"])).unwrap()),
        ["cycle-a", "cycle-b", "many"]
    );
    assert_eq!(names(&resolve(&image, &archives, &request(&["odd"])).unwrap()).len(), 3);
    let error = resolve(&image, &archives, &request(&["broken"])).unwrap_err();
    assert!(matches!(error, ResolveError::Unsatisfiable { .. }), "{error}");
}

#[test]
fn a_deb_at_hand_is_taken_whatever_the_archive_has() {
    let folder = tempfile::tempdir().unwrap();
    let archive = TestArchive::builder()
        .package("mine", "9", "")
        .package("lib", "1", "")
        .build()
        .serve();
    let image = image(
        &archive,
        "Package: other\nStatus: install ok installed\nArchitecture: arm64\nVersion: 1\n\n",
    );
    let archives = load_for(&image, folder.path(), now()).unwrap();
    let local = |control: &str| Request {
        debs: vec![LocalDeb {
            named: "./mine.deb".into(),
            control: control.into(),
            size: 7,
            sha256: Sha256Hash([7; 32]),
        }],
        ..request(&[])
    };
    let resolution = resolve(
        &image,
        &archives,
        &local("Package: mine\nVersion: 1\nArchitecture: arm64\nDepends: lib, other\n"),
    )
    .unwrap();
    assert_eq!(names(&resolution), ["lib", "mine"]);
    let mine = &resolution.picks[1];
    assert_eq!(
        (mine.version.as_str(), &mine.from, mine.size, mine.asked),
        ("1", &PickFrom::Local(0), 7, true)
    );
    for (control, want) in [
        (
            "Package: mine\nVersion: 1\nArchitecture: amd64\n",
            "./mine.deb: the image is of the architecture arm64",
        ),
        (
            "Package: mine\nVersion: 1\n",
            "./mine.deb: paragraph 1: the field Architecture is missing",
        ),
        (
            "Package: mine\nVersion: 1\nArchitecture: all\nDepends: none\n",
            "no archive has none",
        ),
        (
            "Package: other\nVersion: 0.9\nArchitecture: arm64\n",
            "downgrades are not done",
        ),
    ] {
        let error = resolve(&image, &archives, &local(control)).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }
}

/// A network on which no path with a given word can be downloaded.
struct Without<'a>(&'a Web, &'a str);

impl Fetch for Without<'_> {
    fn text(&self, url: &url::Url, most: u64) -> kraken_foundation::Result<Option<Vec<u8>>> {
        match url.path().contains(self.1) {
            true => Err(Error::new(Kind::Network, format!("fetching {url}: gone"))),
            false => self.0.text(url, most),
        }
    }

    fn file(&self, url: &url::Url, size: u64, sha256: &Sha256Hash) -> kraken_foundation::Result<std::path::PathBuf> {
        match url.path().contains(self.1) {
            true => Err(Error::new(
                Kind::Damaged,
                format!("fetching {url}: it has 1 bytes, 2 were announced"),
            )),
            false => self.0.file(url, size, sha256),
        }
    }
}

#[test]
fn an_archive_that_cannot_be_had_leaves_the_others_usable() {
    let archive = TestArchive::builder().package("htop", "1", "").build().serve();
    let folder = tempfile::tempdir().unwrap();
    let web = Web::new(folder.path().join("web"));
    let time = u64::try_from(now()).unwrap();
    let mut state = image(&archive, "");
    let mut dead = state.sources[0].clone();
    dead.url = "http://127.0.0.1:9/debian/".parse().unwrap();
    dead.named_in = "/etc/apt/sources.list.d/x.list".to_owned();
    let mut other = dead.clone();
    other.suite = "updates".to_owned();
    state.sources.splice(0..0, [dead, other]);
    let arm64 = Architectures {
        needed: &["arm64"],
        welcome: &[],
    };
    let loaded = load_available(&state.sources, &web, time, arm64);
    assert_eq!(loaded.failed.len(), 2);
    for failed in &loaded.failed {
        assert_eq!(failed.named_in, "/etc/apt/sources.list.d/x.list");
        assert!(
            failed.shown.starts_with("http://127.0.0.1:9/debian/"),
            "{}",
            failed.shown
        );
    }
    let second = loaded.failed[1].error.to_string();
    assert!(second.contains("did not answer before"), "{second}");
    assert_eq!(
        names(&resolve(&state, &loaded.archives, &request(&["htop"])).unwrap()),
        ["htop"]
    );
    assert!(load(&state.sources, &web, time, &["arm64"]).is_err());
}

#[test]
fn indexes_that_nothing_needs_may_be_missing_and_stale() {
    let archive = TestArchive::builder().package("htop", "1", "").build().serve();
    let folder = tempfile::tempdir().unwrap();
    let web = Web::new(folder.path().join("web"));
    let time = u64::try_from(now()).unwrap();
    let state = image(&archive, "");
    let stale = Without(&web, "binary-arm64");
    let (needed, welcome): (&[&str], &[&str]) = (&["arm64"], &["arm64"]);
    for (architectures, usable) in [
        (Architectures { needed, welcome: &[] }, false),
        (Architectures { needed: &[], welcome }, true),
    ] {
        // With by-hash, both names of an index have another end; here the plain name is missing.
        let loaded = load_available(&state.sources, &stale, time, architectures);
        assert_eq!(loaded.archives.len(), usize::from(usable), "{:?}", loaded.failed);
        assert_eq!(loaded.failed.is_empty(), usable);
        if usable {
            let notes = loaded.archives[0].notes.join("\n");
            assert!(notes.contains("arm64 were passed over"), "{notes}");
        }
    }
}

#[test]
fn a_file_among_the_keys_for_all_that_is_no_key_is_ignored_with_a_warning() {
    let archive = TestArchive::builder().build().serve();
    let folder = tempfile::tempdir().unwrap();
    let web = Web::new(folder.path().join("web"));
    let time = u64::try_from(now()).unwrap();
    let state = |files: &[(&str, Vec<u8>)], line: String| {
        let mut tree = MemoryTree::new();
        let dpkg = "Package: dpkg\nStatus: install ok installed\nArchitecture: arm64\nVersion: 1\n\n";
        tree.file("/var/lib/dpkg/status", dpkg.as_bytes())
            .file("/etc/apt/sources.list", line.into_bytes());
        for (path, bytes) in files {
            tree.file(path, bytes.clone());
        }
        ImageState::read(&tree).unwrap()
    };
    let (good, bad) = ("/etc/apt/trusted.gpg.d/good.asc", "/etc/apt/trusted.gpg.d/bad.gpg");
    let plain = archive.source_line(KEY).replace(&format!("[signed-by={KEY}] "), "");
    assert!(!plain.contains('['), "{plain}");
    let key = archive.key().to_vec();
    let ask = |state: &ImageState| load(&state.sources, &web, time, &["arm64"]).map_err(|error| error.to_string());
    let both = state(&[(good, key.clone()), (bad, b"rubbish".to_vec())], plain.clone());
    let loaded = ask(&both).unwrap();
    let warnings = loaded[0].warnings.join("\n");
    assert!(warnings.contains(bad), "{warnings}");
    // The only one, and one that the source names, are not ignored.
    let error = ask(&state(&[(bad, b"rubbish".to_vec())], plain)).unwrap_err();
    assert!(error.contains(bad), "{error}");
    let error = ask(&state(
        &[(good, key), (KEY, b"rubbish".to_vec())],
        archive.source_line(KEY),
    ))
    .unwrap_err();
    assert!(error.contains(KEY), "{error}");
}
