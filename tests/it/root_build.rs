//! `build` in conditions that need root: a full disk, and an ordinary user without any rights.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::run;
use testkit::tools::require;
use testkit::world::{Image, World, mode, names, trixie};

/// A small file system in memory, unmounted when dropped.
struct Mount(PathBuf);

impl Mount {
    fn small(at: PathBuf, size: &str) -> Self {
        fs::create_dir_all(&at).unwrap();
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size},mode=0777"), "tmpfs"])
            .arg(&at));
        Self(at)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // The folder is deleted with the test's own; only the mount must not stay.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn finished(folder: &Path) -> Vec<String> {
    names(folder)
        .into_iter()
        .filter(|name| name.ends_with(".img"))
        .collect()
}

#[test]
fn root_a_full_disk_is_said_and_leaves_whole_images_only() {
    let world = World::new(4, trixie().file("var/ballast", vec![0xa5; 40 << 20]));
    world.does(&["build", "-o", "elsewhere"]);
    let small = Mount::small(world.at("small"), "110M");
    let said = world.ends(&["build", "-o", "small/images"], 1);
    assert!(said.contains("No space left") && said.contains("--node"), "{said}");
    let folder = small.0.join("images");
    let left = names(&folder);
    assert!(!left.iter().any(|name| name.ends_with(".part")), "{left:?}");
    // An image may have been complete before the disk was full; the manifest lists the complete
    // ones, or does not exist.
    let listed = left.iter().any(|name| name == "manifest.json");
    assert_eq!(listed, !finished(&folder).is_empty(), "{left:?}");
    for name in finished(&folder) {
        Image::open(&folder.join(&name)).is_clean();
        run(Command::new("cmp")
            .arg(folder.join(&name))
            .arg(world.at("elsewhere").join(&name)));
    }
    fs::remove_dir_all(&folder).unwrap();
    // As the error advises.
    world.does(&["build", "-o", "small/images", "--node", "2"]);
    world.does(&["verify", "small/images"]);
}

#[test]
fn root_a_full_cache_is_said_and_leaves_nothing() {
    let world = World::new(1, trixie().file("var/ballast", vec![0xa5; 40 << 20]));
    let small = Mount::small(world.at("small"), "20M");
    let output = world
        .program()
        .env("KRAKEN_FLASH_CACHE", small.0.join("cache"))
        .arg("build")
        .output()
        .unwrap();
    let said = testkit::said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("No space left") && !said.contains("panicked"), "{said}");
    assert_eq!(names(&small.0.join("cache/golden")), Vec::<String>::new());
    assert_eq!(names(&world.at("images")), Vec::<String>::new());
}

#[test]
fn root_an_ordinary_user_builds_and_verifies() {
    require(&[("setpriv", "util-linux")]);
    let world = World::new(2, trixie());
    let give = |path: &Path| chown(path, Some(65534), Some(65534)).unwrap();
    fs::set_permissions(world.path(), fs::Permissions::from_mode(0o755)).unwrap();
    give(world.path());
    give(&world.at("home"));
    give(&world.at("kraken.toml"));
    // Others may not be able to read the build folder, but they can read a copy of the program.
    let program = world.at("kraken-flash");
    fs::copy(world.program().get_program(), &program).unwrap();
    let work = |arguments: &[&str]| {
        let mut command = Command::new("setpriv");
        command
            .args([
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                "--no-new-privs",
                "--inh-caps=-all",
                "--bounding-set=-all",
            ])
            .args(["env", "-i", "PATH=/usr/bin:/bin"])
            .arg(format!("HOME={}", world.at("home").display()))
            .arg(&program)
            .args(arguments)
            .current_dir(world.path());
        run(&mut command)
    };
    work(&["build"]);
    assert!(work(&["verify"]).contains("2 images are right"));
    assert!(world.at("home/.cache/kraken-flash/golden").is_dir());
    let image = world.at("images/kraken-2.img");
    assert_eq!(mode(&image), 0o600);
    let image = Image::open(&image);
    image.is_clean();
    // Not the user's: owners in an image are those that the node needs.
    let stat = image.debugfs("stat /etc/hostname");
    assert!(stat.contains("User:     0") && stat.contains("Group:     0"), "{stat}");
}

#[test]
fn root_a_folder_that_is_closed_to_the_user_is_said() {
    require(&[("setpriv", "util-linux")]);
    let world = World::new(1, trixie());
    fs::set_permissions(world.path(), fs::Permissions::from_mode(0o755)).unwrap();
    chown(world.at("home"), Some(65534), Some(65534)).unwrap();
    let program = world.at("kraken-flash");
    fs::copy(world.program().get_program(), &program).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program)
        .arg("build")
        .current_dir(world.path())
        .env("HOME", world.at("home"))
        .env_remove("KRAKEN_FLASH_CACHE")
        .output()
        .unwrap();
    let said = testkit::said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("making the folder images") && said.contains("ermission denied"),
        "{said}"
    );
}

#[test]
fn root_what_build_makes_in_a_users_folders_is_the_users_and_what_was_there_is_not_given_away() {
    const USER: u32 = 65534;
    let world = World::new(1, trixie());
    run(Command::new("chown")
        .args(["-R", &format!("{USER}:{USER}")])
        .arg(world.path()));
    let owner = |name: &str| fs::symlink_metadata(world.at(name)).unwrap().uid();
    let all_in = |folder: &str, owners: &[u32]| {
        let found = names(&world.at(folder));
        assert!(found.len() >= 3, "{folder}: {found:?}");
        for name in found {
            let name = format!("{folder}/{name}");
            assert!(owners.contains(&owner(&name)), "{name} belongs to {}", owner(&name));
        }
    };
    let build = |output: &str| {
        let output = world
            .program()
            .env("KRAKEN_FLASH_CACHE", world.at("far/away/cache"))
            .args(["build", "-o", output])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", testkit::said(&output));
    };
    // Every folder that it made.
    build("new/../newer/deep/images");
    for made in [
        "new",
        "newer",
        "newer/deep",
        "newer/deep/images",
        "far",
        "far/away",
        "far/away/cache",
    ] {
        assert_eq!(owner(made), USER, "{made}");
    }
    all_in("newer/deep/images", &[USER]);
    all_in("far/away/cache", &[USER]);

    // Files that root has put into a folder of the user's before.
    fs::create_dir_all(world.at("there/roots/deeper")).unwrap();
    chown(world.at("there"), Some(USER), Some(USER)).unwrap();
    let before = [
        "there/roots",
        "there/roots/deeper",
        "there/roots/secret",
        "there/secret",
    ];
    for file in &before[2..] {
        fs::write(world.at(file), "root's").unwrap();
    }
    build("there");
    assert_eq!(owner("there/kraken-1.img"), USER);
    assert_eq!(owner("there/manifest.json"), USER);
    // A folder of root's in a folder of the user's, by its name and by a link of the user's.
    fs::create_dir(world.at("roots")).unwrap();
    fs::write(world.at("roots/secret"), "root's").unwrap();
    symlink("roots", world.at("link")).unwrap();
    for output in ["roots", "link"] {
        build(output);
        all_in("roots", &[0]);
    }
    for there in before.into_iter().chain(["roots", "roots/secret"]) {
        assert_eq!(owner(there), 0, "{there} was given away");
    }
}
