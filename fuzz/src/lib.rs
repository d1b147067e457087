//! Disks that fuzz inputs change: random bytes are hardly ever a disk, but a sound disk with some
//! bytes changed is a hostile one.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

const SECTOR: usize = 512;
const MIB: usize = 1 << 20;
/// Bytes at which changes begin: only near data of the sound disk, since most of a disk is empty.
const GRAIN: usize = 32;

/// What a target's program does when it was built without the fuzzer.
pub fn without_fuzzer() -> ! {
    eprintln!("this program does something only with the fuzzer in it; `make fuzz` builds and runs it so");
    std::process::exit(2)
}

/// A sound disk and the places in it that hold something.
struct Template {
    bytes: Vec<u8>,
    places: Vec<usize>,
    is_gpt: bool,
}

static TEMPLATES: LazyLock<Vec<Template>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    [("dos", "12"), ("gpt", "12"), ("dos", "16"), ("gpt", "32")]
        .map(|(table, fat)| make(folder.path(), table, fat))
        .into()
});

/// The disk that `input` describes: its first byte chooses a sound one, the rest are changes of a
/// place (two bytes), a length (one byte) and the new bytes.
pub fn disk(input: &[u8]) -> Vec<u8> {
    let (choice, mut changes) = input.split_first().unwrap_or((&0, &[]));
    // The last one is large, so it is taken less often.
    let template = &TEMPLATES[(usize::from(*choice % 16) / 5).min(TEMPLATES.len() - 1)];
    let mut disk = template.bytes.clone();
    while let [low, high, shape, rest @ ..] = changes {
        let place = usize::from(u16::from_le_bytes([*low, *high])) * 31 % template.places.len();
        let at = template.places[place] + usize::from(shape >> 3);
        let len = (1 + usize::from(shape & 7))
            .min(rest.len())
            .min(disk.len().saturating_sub(at));
        disk[at..at + len].copy_from_slice(&rest[..len]);
        changes = &rest[len..];
    }
    if template.is_gpt && choice & 0x80 == 0 {
        fix_checksums(&mut disk);
    }
    disk
}

/// The FAT volume inside such a disk, where the sound one has it.
pub fn fat_volume(input: &[u8]) -> Vec<u8> {
    let disk = disk(input);
    disk[MIB..disk.len() - 3 * MIB].to_vec()
}

/// Without this, hardly any change of a GPT would get past its checksums (UEFI 2.10, 5.3.2).
fn fix_checksums(disk: &mut [u8]) {
    let entries = crc32(&disk[2 * SECTOR..2 * SECTOR + 128 * 128]);
    disk[SECTOR + 88..SECTOR + 92].copy_from_slice(&entries.to_le_bytes());
    disk[SECTOR + 16..SECTOR + 20].fill(0);
    let header = crc32(&disk[SECTOR..SECTOR + 92]);
    disk[SECTOR + 16..SECTOR + 20].copy_from_slice(&header.to_le_bytes());
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

/// A table, FAT from 1 MiB on, then 2 MiB of ext4, then 1 MiB for the backup table.
fn make(folder: &Path, table: &str, fat: &str) -> Template {
    let fat_mib = match fat {
        "12" => 1,
        "16" => 3,
        _ => 34,
    };
    let (boot, root, image) = (folder.join("boot"), folder.join("root"), folder.join("disk"));
    let tree = folder.join("tree");
    for name in ["etc", "usr/lib", "usr/bin", "var/lib/dpkg"] {
        fs::create_dir_all(tree.join(name)).expect("a folder");
    }
    for (name, text) in [
        ("etc/hostname", "raspberrypi\n"),
        ("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n"),
        ("usr/lib/os-release", "ID=debian\nVERSION_CODENAME=trixie\n"),
        (
            "var/lib/dpkg/status",
            "Package: cloud-init\nStatus: install ok installed\n",
        ),
    ] {
        fs::write(tree.join(name), text).expect("a file");
    }
    let firmware = folder.join("cmdline.txt");
    fs::write(&firmware, "console=tty1 root=PARTUUID=a1b2c3d4-02 rootwait\n").expect("a file");
    let _ = (fs::remove_file(&boot), fs::remove_file(&root));
    sized(&boot, fat_mib * MIB);
    run(Command::new("mkfs.vfat")
        .args(["-F", fat, "-s", "1", "-i", "a1b2c3d4"])
        .arg(&boot));
    run(Command::new("mcopy")
        .arg("-i")
        .arg(&boot)
        .arg(&firmware)
        .arg("::cmdline.txt"));
    run(Command::new("mkfs.ext4")
        .args([
            "-q",
            "-b",
            "1024",
            "-O",
            "^has_journal",
            "-N",
            "64",
            "-U",
            "01234567-89ab-cdef-0123-456789abcdef",
            "-d",
        ])
        .arg(&tree)
        .arg(&root)
        .arg("2M"));
    sized(&image, (fat_mib + 4) * MIB);
    let script = format!(
        "echo 'label: {table}\nstart=1MiB, size={fat_mib}MiB\nstart={}MiB, size=2MiB' | sfdisk --quiet {}",
        fat_mib + 1,
        image.display()
    );
    run(Command::new("sh").args(["-c", &script]));
    let mut bytes = fs::read(&image).expect("the disk");
    for (at, volume) in [(MIB, &boot), ((fat_mib + 1) * MIB, &root)] {
        let volume = fs::read(volume).expect("a volume");
        bytes[at..at + volume.len()].copy_from_slice(&volume);
    }
    let places = (0..bytes.len() / GRAIN)
        .map(|grain| grain * GRAIN)
        .filter(|at| bytes[*at..*at + GRAIN].iter().any(|byte| *byte != 0))
        .collect();
    Template {
        bytes,
        places,
        is_gpt: table == "gpt",
    }
}

fn sized(path: &Path, size: usize) {
    fs::File::create(path)
        .and_then(|file| file.set_len(size as u64))
        .expect("a file");
}

fn run(command: &mut Command) {
    let output = command
        .env(
            "PATH",
            format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()),
        )
        .output();
    let output =
        output.unwrap_or_else(|error| panic!("{command:?}: {error}; install dosfstools, mtools, e2fsprogs and fdisk"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
