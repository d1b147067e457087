//! Changes one thing of an image, each in its own way, and checks that `verify` detects it.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;

use super::run;
use super::world::{Image, World};

/// A folder with one image and its block map, fresh for each tampering.
pub struct Bed<'a> {
    world: &'a World,
    program: &'a str,
}

/// One change, and the words that the output of `verify` must contain.
pub struct Case {
    name: &'static str,
    words: &'static [&'static str],
    tamper: Box<dyn Fn(&Image)>,
}

impl<'a> Bed<'a> {
    /// Uses `single/kraken-2.img` of the world; `program` is a file on its root volume that is far
    /// larger than a block and does not come from the program itself.
    pub fn new(world: &'a World, program: &'a str) -> Self {
        // A folder of its own, so that its manifest lists one image only.
        world.does(&["build", "--node", "2", "-o", "single"]);
        Self { world, program }
    }

    fn fresh(&self) -> PathBuf {
        let folder = self.world.at("tampered");
        fs::create_dir_all(&folder).unwrap();
        for name in ["kraken-2.img", "kraken-2.img.bmap", "manifest.json", "SHA256SUMS"] {
            run(Command::new("cp")
                .args(["--sparse=always", "--reflink=auto"])
                .arg(self.world.at("single").join(name))
                .arg(folder.join(name)));
        }
        folder.join("kraken-2.img")
    }
}

/// Makes a case; the output of `verify` must contain all of `words`.
pub fn case(name: &'static str, words: &'static [&'static str], tamper: impl Fn(&Image) + 'static) -> Case {
    let tamper = Box::new(tamper);
    Case { name, words, tamper }
}

/// Inverts the lowest bit of a byte of the image.
pub fn flip(image: &Image, at: u64) {
    let file = File::options().read(true).write(true).open(&image.path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

/// Replaces text inside a file of the root volume, in place; both have the same length, so nothing
/// else changes.
pub fn replace_in_root(image: &Image, path: &str, from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let text = String::from_utf8(image.root_file(path)).unwrap();
    let at = text
        .find(from)
        .unwrap_or_else(|| panic!("{path} has no {from}: {text}")) as u64;
    let file = File::options().write(true).open(&image.path).unwrap();
    file.write_all_at(to.as_bytes(), image.root_block(path, 0) + at)
        .unwrap();
}

/// Replaces text inside a file of the boot volume and keeps its time.
fn replace_in_boot(image: &Image, path: &str, from: &str, to: &str) {
    let text = String::from_utf8(image.boot_file(path)).unwrap();
    assert!(text.contains(from), "{path} has no {from}: {text}");
    image.put_boot(path, text.replacen(from, to, 1).as_bytes());
}

/// Makes a change with debugfs(8).
pub fn debugfs(requests: &'static [&'static str]) -> impl Fn(&Image) + 'static {
    move |image| image.change(&requests.iter().map(|request| (*request).to_owned()).collect::<Vec<_>>())
}

/// Returns where the second copy of the file allocation table begins (Microsoft's FAT
/// specification: `BPB_RsvdSecCnt`, `BPB_FATSz32`).
fn second_fat(image: &Image) -> u64 {
    let mut sector = [0; 512];
    File::open(&image.path)
        .unwrap()
        .read_exact_at(&mut sector, image.boot.0)
        .unwrap();
    let reserved = u64::from(u16::from_le_bytes([sector[14], sector[15]]));
    let length = u64::from(u32::from_le_bytes([sector[36], sector[37], sector[38], sector[39]]));
    image.boot.0 + (reserved + length) * 512
}

/// Returns the cases for every image.
fn common(program: String) -> Vec<Case> {
    vec![
        case(
            "a mode",
            &["root:/etc/systemd/system/kraken-host-keys.service has mode 0666 and should have 0644"],
            debugfs(&["set_inode_field /etc/systemd/system/kraken-host-keys.service mode 0100666"]),
        ),
        case(
            "a mode with set-uid",
            &["root:/etc/hostname has mode 4644"],
            debugfs(&["set_inode_field /etc/hostname mode 0104644"]),
        ),
        case(
            "an owner",
            &["root:/etc/hostname belongs to 1234:0 and should belong to 0:0"],
            debugfs(&["set_inode_field /etc/hostname uid 1234"]),
        ),
        case(
            "a group",
            &["root:/etc/hostname belongs to 0:1000"],
            debugfs(&["set_inode_field /etc/hostname gid 1000"]),
        ),
        case(
            "a shadow that all may read",
            &["root:/etc/shadow has mode 0644"],
            debugfs(&["set_inode_field /etc/shadow mode 0100644"]),
        ),
        // Edited files keep the owner that the base gave them; only the block map knows it.
        case(
            "the owner of an edited file",
            &["are not those that were written"],
            debugfs(&["set_inode_field /etc/hosts uid 1000"]),
        ),
        case(
            "a missing file",
            &["root:/etc/hostname is missing"],
            debugfs(&["rm /etc/hostname"]),
        ),
        case(
            "a time",
            &["root:/usr/lib/clock-epoch was modified at"],
            debugfs(&["set_inode_field /usr/lib/clock-epoch mtime 20000101000000"]),
        ),
        case("a host name", &["root:/etc/hostname has another content"], |image| {
            replace_in_root(image, "/etc/hostname", "kraken-2", "kraken-9");
        }),
        case(
            "a neighbour's address",
            &["root:/etc/hosts has another content"],
            |image| {
                replace_in_root(image, "/etc/hosts", "192.168.3.11", "192.168.3.99");
            },
        ),
        case(
            "a key that may log in",
            &["root:/home/kraken/.ssh/authorized_keys has another content"],
            |image| {
                replace_in_root(
                    image,
                    "/home/kraken/.ssh/authorized_keys",
                    "AAAAC3NzaC1lZDI1NTE5AAAAIILJtOT2",
                    "AAAAC3NzaC1lZDI1NTE5AAAAIEVIL666",
                );
            },
        ),
        case(
            "where a link points",
            &["root:/etc/systemd/system/sshd.service points to \"/dev/null\""],
            debugfs(&[
                "rm /etc/systemd/system/sshd.service",
                "symlink /etc/systemd/system/sshd.service /dev/null",
            ]),
        ),
        case(
            "a file in a link's place",
            &["root:/etc/systemd/system/sshd.service is a file and should be a symbolic link"],
            debugfs(&[
                "rm /etc/systemd/system/sshd.service",
                "write /dev/null /etc/systemd/system/sshd.service",
            ]),
        ),
        case("the root device", &["boot:/cmdline.txt root=PARTUUID="], |image| {
            replace_in_boot(image, "/cmdline.txt", "root=PARTUUID=", "root=PARTUUID=f");
        }),
        case("a kernel option", &["boot:/cmdline.txt"], |image| {
            replace_in_boot(image, "/cmdline.txt", "cgroup_enable=memory", "cgroup_enable=cpuset");
        }),
        case("the table of mounts", &["root:/etc/fstab mounts PARTUUID="], |image| {
            let text = String::from_utf8(image.root_file("/etc/fstab")).unwrap();
            let id = text
                .split_whitespace()
                .find(|word| word.starts_with("PARTUUID="))
                .unwrap()
                .to_owned();
            replace_in_root(image, "/etc/fstab", &id, &id.replace("-01", "-07"));
        }),
        case(
            "a byte of a file that came with the base",
            &["are not those that were written"],
            move |image| {
                flip(image, image.root_block(&program, 20) + 1000);
            },
        ),
        case("the second FAT", &["fat: "], |image| {
            flip(image, second_fat(image) + 12)
        }),
        case(
            "the free blocks of a group",
            &["ext4: "],
            debugfs(&[
                "set_block_group 0 free_blocks_count 77",
                "set_block_group 0 checksum calc",
            ]),
        ),
        case("a block that is marked free", &["ext4: "], debugfs(&["freeb 700 1"])),
        case("a partition outside the disk", &["partition-table: "], |image| {
            let file = File::options().write(true).open(&image.path).unwrap();
            // The length of the second entry of the table, in sectors.
            file.write_all_at(&0x00ff_ffff_u32.to_le_bytes(), 446 + 16 + 12)
                .unwrap();
        }),
        case(
            "a type that the firmware passes over",
            &["partition 1 has the type 1c"],
            |image| {
                let file = File::options().write(true).open(&image.path).unwrap();
                file.write_all_at(&[0x1c], 446 + 4).unwrap();
            },
        ),
        case("no boot signature", &["partition-table: "], |image| flip(image, 510)),
        case("the block map", &["its own checksum does not match"], |image| {
            let map = image.path.with_extension("img.bmap");
            let text = fs::read_to_string(&map).unwrap();
            fs::write(&map, text.replacen("chksum=\"", "chksum=\"0", 1)).unwrap();
        }),
        case("the image's length", &["its block map says"], |image| {
            let file = File::options().write(true).open(&image.path).unwrap();
            file.set_len(fs::metadata(&image.path).unwrap().len() + 4096).unwrap();
        }),
    ]
}

/// Returns the cases for images that cloud-init configures.
fn cloud_init() -> Vec<Case> {
    vec![
        case(
            "a byte of user-data",
            &["boot:/user-data has another content"],
            |image| {
                replace_in_boot(image, "/user-data", "ssh_pwauth: false", "ssh_pwauth: maybe");
            },
        ),
        case("the address", &["boot:/network-config has another content"], |image| {
            replace_in_boot(image, "/network-config", "192.168.3.12/24", "192.168.3.13/24");
        }),
        case("the instance", &["boot:/meta-data has"], |image| {
            replace_in_boot(image, "/meta-data", "instance", "1nstance");
        }),
        case("no user-data", &["boot:/user-data is missing"], |image| {
            run(Command::new("mdel").args(["-i", &image.mtools(), "::/user-data"]));
        }),
    ]
}

/// Tampers in every way, one at a time; `verify` must end with 3 and name the fault.
pub fn every_tampering(bed: &Bed<'_>, with_cloud_init: bool) {
    let mut cases = common(bed.program.to_owned());
    if with_cloud_init {
        cases.extend(cloud_init());
    }
    each(bed, cases);
}

/// Tampers in each of these ways, one at a time.
pub fn each(bed: &Bed<'_>, cases: Vec<Case>) {
    bed.fresh();
    bed.world.does(&["verify", "tampered"]);
    let mut missed = Vec::new();
    for Case { name, words, tamper } in cases {
        let image = Image::open(&bed.fresh());
        tamper(&image);
        let output = bed.world.kraken(&["verify", "tampered"]);
        let said = super::said(&output);
        if output.status.code() != Some(3) || !words.iter().all(|words| said.contains(words)) {
            missed.push(format!("{name}: {}, {words:?} is not in:\n{said}", output.status));
        }
    }
    assert!(
        missed.is_empty(),
        "{} went unnoticed:\n{}",
        missed.len(),
        missed.join("\n")
    );
}
