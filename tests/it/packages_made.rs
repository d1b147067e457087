//! Packages made for the difficult cases, unpacked by the image's own dpkg and by this crate:
//! equal, as in `packages_unpack.rs`.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use crate::oracle::Bench;
use testkit::deb::{Item, MADE, Package};

/// Changes a file as a user would, at a time that every tree can store: a whole second.
fn change(path: &Path) {
    fs::write(path, "changed by the user").unwrap();
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(MADE + 7)).unwrap();
}

fn long(letter: char) -> String {
    String::from(letter).repeat(120)
}

/// Types, modes, owners by name, names of all lengths, folders and links that exist already.
#[test]
fn root_files_of_all_kinds() {
    let bench = Bench::new();
    bench.prepare(|mount| {
        let at = |path: &str| mount.path().join(path);
        fs::create_dir_all(at("srv/real")).unwrap();
        symlink("real", at("srv/link")).unwrap();
        symlink("/nowhere", at("srv/dangling")).unwrap();
        fs::create_dir(at("srv/owned")).unwrap();
        chown(at("srv/owned"), Some(33), Some(50)).unwrap();
        fs::set_permissions(at("srv/owned"), fs::Permissions::from_mode(0o2771)).unwrap();
        fs::write(at("srv/unowned"), "of no package\n").unwrap();
        fs::hard_link(at("srv/unowned"), at("srv/unowned-too")).unwrap();
        symlink("unowned-too", at("srv/replaced-link")).unwrap();
        fs::create_dir(at("srv/stays-folder")).unwrap();
        fs::write(at("srv/stays-folder/x"), "x").unwrap();
        change(&at("etc/kraken-of-none.conf"));
        fs::write(at("etc/kraken-there.conf"), "of the user\n").unwrap();
        fs::write(at("srv/linked.conf"), "of the user\n").unwrap();
        symlink("../srv/linked.conf", at("etc/kraken-link.conf")).unwrap();
    });
    let removes = Package::new("kraken-removes", "1").control(
        "conffiles",
        "remove-on-upgrade /etc/kraken-of-none.conf\nremove-on-upgrade /etc/kraken-never.conf\n",
    );
    let files = Package::new("kraken-files", "1")
        .item(Item::file("/lib/kraken/in-lib", "lib"))
        .item(Item::file("/bin/kraken-tool", "tool").mode(0o755))
        .item(Item::file("/sbin/kraken-setuid", "setuid").mode(0o4755))
        .item(
            Item::file("/usr/bin/kraken-setgid", "setgid")
                .mode(0o2755)
                .owned(("root", 0), ("mail", 12345)),
        )
        .item(Item::file("/usr/share/kraken/without-owner", "x").owned(("no-such-user", 1234), ("no-such-group", 4321)))
        .item(Item::file("/usr/share/kraken/numbers", "x").owned(("", 7), ("", 70000)))
        .item(
            Item::folder("/usr/share/kraken/shared")
                .mode(0o3775)
                .owned(("games", 0), ("staff", 0)),
        )
        .item(Item::folder("/usr/share/kraken/private").mode(0o700))
        .item(Item::file("/usr/share/kraken/private/empty", "").mode(0o400))
        .item(Item::folder("/usr/share/kraken/empty").mtime(MADE - 1000))
        .item(
            Item::file("/usr/share/kraken/one", "one file, three names")
                .mode(0o4711)
                .owned(("games", 5), ("games", 60)),
        )
        .item(Item::hard_link("/usr/share/kraken/two", "/usr/share/kraken/one"))
        .item(Item::hard_link("/usr/lib/kraken-three", "/usr/share/kraken/one"))
        .item(Item::file(format!("/usr/share/kraken/{}", long('n')), "long name"))
        .item(Item::file(
            format!("/usr/share/kraken/{0}/{0}/f", long('d')),
            "long path",
        ))
        .item(Item::symlink(
            "/usr/share/kraken/long-link",
            format!("{0}/{0}/f", long('d')),
        ))
        .item(Item::symlink("/usr/share/kraken/short-link", "one").mtime(MADE + 77))
        .item(Item::symlink("/usr/share/kraken/absolute-link", "/etc/../etc/passwd"))
        .item(Item::file("/usr/share/kraken/with blank and ünï", "x"))
        .item(Item::file("/usr/share/kraken/at-zero", "x").mtime(0))
        .item(Item::file("/usr/share/kraken/after-2038", "x").mtime(4_000_000_000))
        .item(Item::file(
            "/usr/share/kraken/large",
            "0123456789abcdef".repeat(200_000),
        ))
        .item(Item::file("/srv/link/through", "through a link"))
        .item(Item::folder("/srv/owned"))
        .item(Item::file("/srv/owned/inside", "inside"))
        .item(Item::file("/srv/unowned", "of the package\n"))
        .item(Item::file("/srv/replaced-link", "of the package\n"))
        .item(Item::symlink("/srv/dangling", "unowned"))
        .item(Item::symlink("/srv/stays-folder", "real"))
        .item(Item::file("/etc/kraken-there.conf", "of the package\n"))
        .item(Item::file("/etc/kraken-link.conf", "of the package\n"))
        .item(
            Item::file("/etc/kraken.d/new.conf", "new\n")
                .mode(0o640)
                .owned(("root", 0), ("adm", 4)),
        )
        .control(
            "conffiles",
            "/etc/kraken-there.conf\n/etc/kraken-link.conf\n/etc/kraken.d/new.conf\n",
        );
    let packed = [("none", ""), ("gz", ".gz"), ("zst", ".zst")].map(|(name, ending)| {
        Package::new(&format!("kraken-packed-{name}"), "1")
            .file(&format!("/usr/lib/kraken-packed/{name}"), name)
            .without_md5sums()
            .packed(ending)
    });
    let excluded = Package::new("kraken-excluded", "1")
        .file("/usr/lib/kraken-two-names", "x")
        .item(Item::hard_link(
            "/usr/lib/kraken-two-names-too",
            "/usr/lib/kraken-two-names",
        ))
        .file("/usr/share/man/man1/kraken.1.gz", "manual")
        .file("/usr/share/doc/kraken-excluded/README", "read me")
        .file("/usr/share/doc/kraken-excluded/copyright", "copyright")
        .file("/usr/share/locale/de/LC_MESSAGES/kraken.mo", "translated")
        .item(Item::folder("/usr/share/info/kraken"))
        .without_md5sums();
    let mut debs = bench.write(&[files, excluded, removes]);
    debs.extend(bench.write(&packed));
    bench.compare(&debs);
}

/// The fields of control files in the status; scripts and other files of the control tar.
#[test]
fn root_control_files_of_all_kinds() {
    let bench = Bench::new();
    let fields = "Section:  net/odd  \nPriority: eXtra\nmulti-arch: same\nInstalled-Size: 12\n\
        X-Kraken: of our own\nHomepage: https://example.org/\nTag: a::b,\n c::d\nBugs: mailto:x@example.org\nOrigin: Kraken\n\
        Source: kraken (1-1)\nEssential: no\nTask: one\nRecommends: a|b (>=1),c:any\n\
        Depends: libc6(>=2.1),  a (= 0:1) |b(<<2)|\n c ( >> 3 ) , d:any (<= 4)\nPre-Depends: libc6 ( >= 2.0 ), dpkg\n\
        Suggests: x\nEnhances: y\nConflicts: kraken-none (<< 1)\nBreaks: kraken-none2\nReplaces: kraken-none, kraken-none2 (<< 3~)\n\
        Provides: kraken-virtual (= 1), other-virtual\nBuilt-Using: z (= 1)\nStatic-Built-Using: q (= 2)\nx-lower-case: v\n";
    let control = Package::new("kraken-control", "0:1.2-3")
        .fields(fields)
        .control("preinst", "#!/bin/sh\nexit 0\n")
        .control("postinst", "#!/bin/sh\nexit 0\n")
        .control("prerm", "#!/bin/sh\nexit 0\n")
        .control("postrm", "#!/bin/sh\nexit 0\n")
        .control("config", "#!/bin/sh\nexit 0\n")
        .control("templates", "Template: kraken/x\nType: string\n")
        .control("shlibs", "libkraken 1 kraken-control\n")
        .control("symbols", "libkraken.so.1 kraken-control\n")
        .control("triggers", "activate-noawait ldconfig\n")
        .control("kraken-own", "anything\n")
        .file("/usr/lib/kraken-control", "x");
    let long = Package::new("kraken-long", "1:2~rc1-1")
        .architecture("all")
        .fields("Multi-Arch: foreign\nProtected: no\nEssential: no\nSource: kraken-source\n")
        .control("conffiles", "/etc/kraken-a\n/etc/kraken-b\n")
        .file("/etc/kraken-b", "b")
        .file("/etc/kraken-a", "a")
        .without_md5sums();
    let none = Package::new("kraken-none-at-all", "1")
        .architecture("all")
        .without_md5sums();
    let outcome = bench.compare(&bench.write(&[control, long, none]));
    let preinst = &outcome.preinsts[0];
    assert_eq!(
        [
            &*preinst.script,
            &*preinst.package,
            &*preinst.architecture,
            &*preinst.arguments
        ],
        ["kraken-control:arm64.preinst", "kraken-control", "arm64", "install"]
    );
}

/// Diversions by other packages, by the package itself and by no package; overrides of owners and
/// modes.
#[test]
fn root_diversions_and_overrides() {
    let bench = Bench::new();
    bench.install(&[Package::new("kraken-diverter", "1").file("/usr/bin/kraken-tool", "the diverter's")]);
    for (who, path) in [
        ("--local", "/usr/share/kraken/local"),
        ("--package=kraken-diverter", "/usr/bin/kraken-tool"),
        ("--package=kraken-diverted", "/usr/share/kraken/own"),
        ("--package=kraken-diverter", "/usr/share/kraken/linked"),
        ("--local", "/etc/kraken-diverted.conf"),
    ] {
        let to = format!("{path}.diverted");
        bench.run(&["dpkg-divert", who, "--no-rename", "--divert", &to, "--add", path]);
    }
    for (user, group, mode, path) in [
        ("games", "staff", "6711", "/usr/bin/kraken-overridden"),
        ("root", "mail", "2750", "/usr/lib/kraken-folder"),
        ("man", "root", "600", "/etc/kraken-overridden.conf"),
        ("root", "staff", "4700", "/usr/share/kraken/local"),
    ] {
        bench.run(&["dpkg-statoverride", "--add", user, group, mode, path]);
    }
    let diverted = Package::new("kraken-diverted", "1")
        .file("/usr/share/kraken/local", "to the local place")
        .file("/usr/bin/kraken-tool", "to the diverter's place")
        .file("/usr/share/kraken/own", "in its own place")
        .file("/usr/share/kraken/linked", "two names, one diverted")
        .item(Item::hard_link(
            "/usr/share/kraken/linked-too",
            "/usr/share/kraken/linked",
        ))
        .file("/etc/kraken-diverted.conf", "a conffile")
        .file("/etc/kraken-overridden.conf", "a conffile")
        .control("conffiles", "/etc/kraken-diverted.conf\n/etc/kraken-overridden.conf\n")
        .item(Item::file("/usr/bin/kraken-overridden", "x").mode(0o755))
        .item(Item::folder("/usr/lib/kraken-folder"))
        .file("/usr/lib/kraken-folder/x", "x");
    bench.compare(&bench.write(&[diverted]));
}

/// Upgrades, reinstallations, and packages of which only the conffiles are left.
#[test]
fn root_upgrades_and_what_is_left_of_packages() {
    let bench = Bench::new();
    let old = Package::new("kraken-up", "1")
        .control("preinst", "#!/bin/sh\n")
        .control("prerm", "#!/bin/sh\n")
        .control("templates", "Template: x\n")
        .control(
            "conffiles",
            "/etc/kraken/kept\n/etc/kraken/changed\n/etc/kraken/gone\n/etc/kraken/obsolete\n/etc/kraken/becomes-file\n/etc/kraken/obsolete-gone\n/etc/kraken/obsolete-changed\n/etc/kraken/to-remove\n/etc/kraken/to-remove-changed\n/etc/kraken/linked\n",
        )
        .file("/etc/kraken/kept", "kept 1")
        .file("/etc/kraken/changed", "changed 1")
        .file("/etc/kraken/gone", "gone 1")
        .file("/etc/kraken/obsolete", "obsolete 1")
        .file("/etc/kraken/becomes-file", "1")
        .file("/etc/kraken/obsolete-gone", "1")
        .file("/etc/kraken/obsolete-changed", "1")
        .file("/etc/kraken/to-remove", "1")
        .file("/etc/kraken/to-remove-changed", "1")
        .file("/etc/kraken/linked", "1")
        .file("/etc/kraken-becomes-conffile", "1")
        .file("/usr/lib/kraken-up/same", "same")
        .file("/usr/lib/kraken-up/new-bytes", "1")
        .file("/usr/lib/kraken-up/vanishes", "1")
        .file("/usr/lib/kraken-up/deep/er/vanishes", "1")
        .file("/usr/lib/kraken-up/not-empty/vanishes", "1")
        .file("/lib/kraken-up/moves-to-usr", "1")
        .file("/usr/lib/kraken-up/becomes-link", "1")
        .symlink("/usr/lib/kraken-up/becomes-real", "same")
        .file("/usr/lib/kraken-up/linked", "linked 1")
        .item(Item::hard_link(
            "/usr/lib/kraken-up/linked-too",
            "/usr/lib/kraken-up/linked",
        ))
        .folder("/usr/lib/kraken-up/empty-vanishes")
        .file("/usr/share/doc/kraken-up/copyright", "1");
    let again = Package::new("kraken-again", "1")
        .control("preinst", "#!/bin/sh\n")
        .control("conffiles", "/etc/kraken-again/a\n/etc/kraken-again/b\n")
        .file("/etc/kraken-again/a", "a 1")
        .file("/etc/kraken-again/b", "b 1")
        .file("/usr/lib/kraken-again", "1");
    let left = Package::new("kraken-left", "1")
        .control("postrm", "#!/bin/sh\n")
        .control(
            "conffiles",
            "/etc/kraken-left/a\n/etc/kraken-left/b\n/etc/kraken-left/c\n",
        )
        .file("/etc/kraken-left/a", "a 1")
        .file("/etc/kraken-left/b", "b 1")
        .file("/etc/kraken-left/c", "c 1")
        .file("/usr/lib/kraken-left", "1");
    let all = Package::new("kraken-all", "1")
        .architecture("all")
        .file("/usr/lib/kraken-all", "1");
    let multi = Package::new("kraken-multi", "1")
        .control("shlibs", "x\n")
        .file("/usr/lib/kraken-multi", "1");
    bench.install(&[old, again.clone(), left, all, multi]);
    bench.run(&["dpkg", "--remove", "kraken-left"]);
    bench.prepare(|mount| {
        let at = |path: &str| mount.path().join(path);
        fs::write(at("etc/kraken/changed"), "changed by the user").unwrap();
        fs::remove_file(at("etc/kraken/gone")).unwrap();
        fs::remove_file(at("etc/kraken/obsolete-gone")).unwrap();
        change(&at("etc/kraken/to-remove-changed"));
        fs::rename(at("etc/kraken/linked"), at("srv/linked")).unwrap();
        symlink("../../srv/linked", at("etc/kraken/linked")).unwrap();
        fs::write(at("etc/kraken/obsolete-changed"), "changed by the user").unwrap();
        fs::write(at("usr/lib/kraken-up/not-empty/of-the-user"), "x").unwrap();
        fs::write(at("etc/kraken-again/a"), "a of the user").unwrap();
        fs::write(at("etc/kraken-left/b"), "b of the user").unwrap();
        fs::remove_file(at("etc/kraken-left/c")).unwrap();
    });
    let new = Package::new("kraken-up", "1.1")
        .control("preinst", "#!/bin/sh\n# new\n")
        .control(
            "conffiles",
            "/etc/kraken/kept\n/etc/kraken/changed\n/etc/kraken/gone\n/etc/kraken/new\n/etc/kraken-becomes-conffile\nremove-on-upgrade /etc/kraken/to-remove\nremove-on-upgrade /etc/kraken/to-remove-changed\nremove-on-upgrade /etc/kraken/never-there\n/etc/kraken/linked\n",
        )
        .file("/etc/kraken/kept", "kept 2")
        .file("/etc/kraken/changed", "changed 2")
        .file("/etc/kraken/gone", "gone 2")
        .file("/etc/kraken/new", "new 2")
        .file("/etc/kraken/linked", "2")
        .file("/etc/kraken/becomes-file", "2")
        .file("/etc/kraken-becomes-conffile", "2")
        .file("/usr/lib/kraken-up/same", "same")
        .file("/usr/lib/kraken-up/new-bytes", "2")
        .file("/usr/lib/kraken-up/moves-to-usr", "2")
        .file("/usr/lib/kraken-up/appears", "2")
        .symlink("/usr/lib/kraken-up/becomes-link", "same")
        .file("/usr/lib/kraken-up/becomes-real", "2")
        .file("/usr/lib/kraken-up/linked", "linked 2")
        .file("/usr/lib/kraken-up/linked-too", "not linked any more")
        .item(Item::hard_link(
            "/usr/lib/kraken-up/linked-three",
            "/usr/lib/kraken-up/linked",
        ));
    let left = Package::new("kraken-left", "2")
        .control("preinst", "#!/bin/sh\n")
        .control(
            "conffiles",
            "/etc/kraken-left/a\n/etc/kraken-left/b\n/etc/kraken-left/c\n/etc/kraken-left/d\n",
        )
        .file("/etc/kraken-left/a", "a 2")
        .file("/etc/kraken-left/b", "b 2")
        .file("/etc/kraken-left/c", "c 2")
        .file("/etc/kraken-left/d", "d 2")
        .file("/usr/lib/kraken-left", "2");
    let all = Package::new("kraken-all", "2").file("/usr/lib/kraken-all", "2");
    let multi = Package::new("kraken-multi", "2")
        .fields("Multi-Arch: same\n")
        .control("symbols", "y\n")
        .file("/usr/lib/kraken-multi", "2");
    let outcome = bench.compare(&bench.write(&[new, again, left, all, multi]));
    let of = |package: &str| {
        let preinst = outcome.preinsts.iter().find(|preinst| preinst.package == package);
        preinst.map(|preinst| preinst.arguments.clone()).unwrap_or_default()
    };
    assert_eq!(of("kraken-up"), "upgrade 1 1.1");
    assert_eq!(of("kraken-again"), "upgrade 1 1");
    assert_eq!(of("kraken-left"), "install 1 2");
}
