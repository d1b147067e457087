//! Cards of users who may not open them: UDisks2 opens them where the machine's rules allow it;
//! otherwise the program prints the reason and the command to type.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use testkit::desktop::{Desktop, USER, as_user};
use testkit::loops::{LOOP, LoopDevice};
use testkit::world::{World, names, trixie};
use testkit::{run, said};

const CARD: u64 = 480 << 20;

/// A world whose images are built, and a used card.
fn built() -> (World, LoopDevice) {
    for (program, package) in [
        ("dbus-daemon", "dbus-daemon"),
        ("dbus-send", "dbus-bin"),
        ("/usr/lib/polkit-1/polkitd", "polkitd"),
        ("/usr/libexec/udisks2/udisksd", "udisks2"),
    ] {
        let there = Path::new(program).exists() || Path::new("/usr/bin").join(program).exists();
        assert!(there, "{program} is missing: install {package}");
    }
    let world = World::new(3, trixie());
    world.does(&["build", "--node", "2"]);
    // Users may read it.
    run(Command::new("chmod").arg("755").arg(world.path()));
    let card = LoopDevice::used(&world.at("card"), CARD);
    (world, card)
}

/// Runs a command that must end with this code; returns its output.
fn ends(command: &mut Command, arguments: &[&str], code: i32) -> String {
    let output = command.args(arguments).output().unwrap();
    let said = said(&output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

fn arguments(card: &LoopDevice) -> Vec<&str> {
    let mut all = vec!["--node", "2", card.path.to_str().unwrap()];
    all.extend(LOOP);
    all
}

/// Restores the card as it was before.
fn is_untouched(card: &LoopDevice) {
    assert!(card.is_bootable(), "the card was touched");
}

#[test]
fn root_a_user_whom_polkit_allows_it_writes_a_card() {
    let (world, card) = built();
    let desktop = Desktop::start(&world, &card, "YES");
    let said = ends(&mut desktop.program(&world), &arguments(&card), 0);
    for words in [
        &format!("asking UDisks2 to open {}", card.path.display()),
        "read back and found right",
        "safe to remove",
    ] {
        assert!(said.contains(words), "{words:?} is not in:\n{said}");
    }
    // Every block is as root would have written it, and the receipt belongs to the user.
    card.holds(&world.at("images/kraken-2.img"));
    let receipts = world.at("state/receipts");
    let kept = names(&receipts);
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(fs::metadata(receipts.join(&kept[0])).unwrap().uid(), USER);

    // A process that has opened the device has it exclusively.
    let holder = File::open(&card.path).unwrap();
    let held = kraken_flash::card::BlockTarget::open(&card.path).unwrap();
    let said = ends(&mut desktop.program(&world), &arguments(&card), 1);
    assert!(
        said.contains("it is in use: something has it mounted or opened"),
        "{said}"
    );
    drop((held, holder));
}

#[test]
fn root_a_refusal_by_polkit_names_the_action_and_the_sudo_line() {
    let (world, card) = built();
    let desktop = Desktop::start(&world, &card, "AUTH_ADMIN");
    let said = ends(&mut desktop.program(&world), &arguments(&card), 1);
    for words in [
        "cannot be written by you: Permission denied (os error 13); UDisks2 may not open it for you \
         (polkit: org.freedesktop.udisks2.open-device). As root it can:\n  sudo env ",
        &format!("kraken-flash --node 2 {}", card.path.display()),
    ] {
        assert!(said.contains(words), "{words:?} is not in:\n{said}");
    }
    is_untouched(&card);

    // UDisks2 does not open a device, either, that it does not know.
    let other = LoopDevice::used(&world.at("other"), CARD);
    let said = ends(&mut desktop.program(&world), &arguments(&other), 1);
    assert!(
        said.contains(&format!("UDisks2 does not know {}", other.path.display())),
        "{said}"
    );
    is_untouched(&other);
}

#[test]
fn root_without_a_desktop_the_sudo_line_is_said_before_anything_is_baked() {
    let (world, card) = built();
    let program = world.at("kraken-flash");
    fs::copy(assert_cmd::cargo::cargo_bin("kraken-flash"), &program).unwrap();
    run(Command::new("chown").args(["-R", "nobody:nogroup"]).arg(world.path()));
    fs::remove_dir_all(world.at("cache")).unwrap();
    let mut command = Command::new("env");
    as_user(&mut command, &program, &world);
    command.env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus");
    let said = ends(&mut command, &arguments(&card), 1);
    for words in [
        "no system bus can be reached (",
        "As root it can:\n  sudo env KRAKEN_FLASH_CACHE=",
        &format!(" KRAKEN_FLASH_STATE={} ", world.at("state").display()),
    ] {
        assert!(said.contains(words), "{words:?} is not in:\n{said}");
    }
    let mut command = Command::new("env");
    as_user(&mut command, &program, &world);
    let said = ends(&mut command, &["verify", card.path.to_str().unwrap()], 1);
    assert!(
        said.contains("cannot be read by you: Permission denied (os error 13). As root it can:\n  sudo env "),
        "{said}"
    );
    assert!(
        names(&world.at("cache/golden")).is_empty(),
        "it baked before it looked whether it may write"
    );
    is_untouched(&card);
}

/// Returns everything in a folder and below.
fn all_in(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all_in(&path, found);
        }
        found.push(path);
    }
}

#[test]
fn root_what_root_makes_in_a_users_folders_is_the_users() {
    let world = World::new(3, trixie());
    let program = world.at("kraken-flash");
    fs::copy(assert_cmd::cargo::cargo_bin("kraken-flash"), &program).unwrap();
    // There is no key, so a pair is made.
    let text = fs::read_to_string(world.at("kraken.toml")).unwrap();
    let text: Vec<&str> = text.lines().filter(|line| !line.starts_with("ssh-keys")).collect();
    fs::write(world.at("kraken.toml"), text.join("\n")).unwrap();
    run(Command::new("chmod").arg("755").arg(world.path()));
    run(Command::new("chown")
        .args(["-R", &format!("{USER}:{USER}")])
        .arg(world.path()));
    // A file of root's with a second name must not be given to another user.
    fs::create_dir_all(world.at("cache/index")).unwrap();
    fs::write(world.at("home/secret"), "root's").unwrap();
    fs::hard_link(world.at("home/secret"), world.at("cache/index/second-name")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", world.at("cache/index/link")).unwrap();
    let card = LoopDevice::used(&world.at("card"), CARD);
    world.does(&arguments(&card));
    for made in [
        "kraken_ed25519",
        "kraken_ed25519.pub",
        "cache",
        "cache/golden",
        "cache/locks",
        "state/receipts",
    ] {
        let owner = fs::symlink_metadata(world.at(made)).unwrap().uid();
        assert_eq!(owner, USER, "{made}");
    }
    let mut found = Vec::new();
    for folder in ["cache", "state"] {
        all_in(&world.at(folder), &mut found);
    }
    assert!(found.len() > 10, "{found:?}");
    for path in found {
        let is_ours = !path.ends_with("second-name") && !path.ends_with("link");
        let owner = fs::symlink_metadata(&path).unwrap().uid();
        assert_eq!(owner == USER, is_ours, "{}", path.display());
    }
    assert_eq!(fs::metadata("/etc/passwd").unwrap().uid(), 0);
    // The user continues: builds with the same cache, and finds the card's receipt.
    let mut command = Command::new("env");
    as_user(&mut command, &program, &world);
    ends(&mut command, &["build"], 0);
    let mut command = Command::new("env");
    as_user(&mut command, &program, &world);
    let said = ends(&mut command, &["cards", "--dry-run"], 0);
    assert!(said.contains("kraken-2 have their cards already"), "{said}");
    // And root's images in a folder of the user's.
    world.does(&["build", "--node", "1", "-o", "more"]);
    let mut found = Vec::new();
    all_in(&world.at("more"), &mut found);
    assert!(
        found.iter().all(|path| fs::metadata(path).unwrap().uid() == USER),
        "{found:?}"
    );
}
