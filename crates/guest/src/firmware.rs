//! Reads from a card what a Raspberry Pi's firmware would read: kernel, initramfs, device tree and
//! command line, as config.txt says.
//!
//! The rules come from Raspberry Pi's documentation (documentation/computers/config_txt and
//! computers/configuration): `kernel`, `initramfs`, `auto_initramfs`, `cmdline`, `device_tree`,
//! `os_prefix`, `arm_64bit` and the sections in brackets. The firmware itself is not emulated.

use super::Machine;
use kraken_disk::FileTree;
use kraken_foundation::{Context as _, Error, Kind, Result};

/// The largest kernel, initramfs or device tree, in bytes.
const LIMIT: u64 = 256 << 20;
/// The largest text file of the boot partition, in bytes.
const TEXT_LIMIT: u64 = 64 << 10;

/// The files with which a Pi starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootFiles {
    /// The kernel.
    pub kernel: Vec<u8>,
    /// The initramfs, if the card uses one.
    pub initramfs: Option<Vec<u8>>,
    /// The device tree, if the machine is a board.
    pub device_tree: Option<Vec<u8>>,
    /// The first line of the file with the command line, as it stands on the card.
    pub cmdline: String,
    /// The names of all these files, for the report.
    pub names: Vec<String>,
}

/// A file that config.txt or the board asks for is not on the boot partition.
fn missing(name: &str) -> Error {
    let text = format!("there is no {name} on the boot partition, which config.txt or the board asks for");
    Error::new(Kind::NotFound, text)
}

/// A file is empty, cut off or of another kind.
fn is_not(name: &str, what: &str) -> Error {
    Error::new(Kind::Damaged, format!("{name} on the boot partition is not a {what}"))
}

const READING: &str = "reading the boot partition";

/// The settings of config.txt that an emulator needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Config {
    kernel: Option<String>,
    initramfs: Option<String>,
    auto_initramfs: bool,
    cmdline: Option<String>,
    device_tree: Option<String>,
    prefix: String,
    wide: Option<bool>,
}

/// Returns the files that the firmware of `machine` would read.
///
/// # Errors
/// If the firmware would not start a kernel: the Pi would show a rainbow, or
/// blink its LED.
pub fn boot_files(boot: &dyn FileTree, machine: Machine) -> Result<BootFiles> {
    let text = |name: &str| -> Result<Option<String>> {
        let bytes = boot.read(&format!("/{name}"), TEXT_LIMIT).quoted(|| READING)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    };
    let config = read_config(&text("config.txt")?.unwrap_or_default(), machine);
    let prefixed = |name: &str| format!("{}{name}", config.prefix);
    let mut names = Vec::new();
    let mut file = |name: &str| -> Result<Vec<u8>> {
        let name = prefixed(name);
        let bytes = boot.read(&format!("/{name}"), LIMIT).quoted(|| READING)?;
        names.push(name.clone());
        bytes.ok_or_else(|| missing(&name))
    };
    // `arm_64bit=1` is the default on boards that have a 64-bit processor (config_txt,
    // "arm_64bit").
    let wide = config
        .wide
        .unwrap_or(!matches!(machine, Machine::Raspi0 | Machine::Raspi2b));
    let kernel_name = config
        .kernel
        .clone()
        .unwrap_or_else(|| machine.default_kernel(wide).to_owned());
    let kernel = file(&kernel_name)?;
    if kernel.len() < 4096 {
        return Err(is_not(&kernel_name, "kernel"));
    }
    let initramfs = match (&config.initramfs, config.auto_initramfs) {
        (Some(name), _) => Some(file(name)?),
        (None, true) => initramfs_of(&kernel_name)
            .map(
                |name| match boot.metadata(&format!("/{}", prefixed(&name))).quoted(|| READING)? {
                    Some(_) => file(&name).map(Some),
                    None => Ok(None),
                },
            )
            .transpose()?
            .flatten(),
        (None, false) => None,
    };
    let device_tree = match machine.is_board() {
        true => Some(device_tree(boot, &config, machine, &mut names)?),
        false => None,
    };
    let cmdline_name = prefixed(config.cmdline.as_deref().unwrap_or("cmdline.txt"));
    let Some(cmdline) = text(&cmdline_name)? else {
        return Err(missing(&cmdline_name));
    };
    names.push(cmdline_name);
    Ok(BootFiles {
        kernel,
        initramfs,
        device_tree,
        // The firmware reads the first line only.
        cmdline: cmdline.lines().next().unwrap_or_default().trim().to_owned(),
        names,
    })
}

fn device_tree(boot: &dyn FileTree, config: &Config, machine: Machine, names: &mut Vec<String>) -> Result<Vec<u8>> {
    let wanted: Vec<String> = match &config.device_tree {
        Some(name) => vec![name.clone()],
        None => machine.device_trees().iter().map(|name| (*name).to_owned()).collect(),
    };
    for name in &wanted {
        let name = format!("{}{name}", config.prefix);
        if let Some(bytes) = boot.read(&format!("/{name}"), LIMIT).quoted(|| READING)? {
            // The magic number of a flattened device tree (Devicetree Specification, 5.2).
            if !bytes.starts_with(&[0xd0, 0x0d, 0xfe, 0xed]) {
                return Err(is_not(&name, "device tree"));
            }
            names.push(name);
            return Ok(bytes);
        }
    }
    let text = format!(
        "there is not a device tree for this board on the boot partition ({})",
        wanted.join(" or ")
    );
    Err(Error::new(Kind::NotFound, text))
}

/// Returns the initramfs that belongs to a kernel if `auto_initramfs` is set: `initramfs8` for
/// `kernel8.img`.
fn initramfs_of(kernel: &str) -> Option<String> {
    let stem = kernel.strip_suffix(".img")?.strip_prefix("kernel")?;
    Some(format!("initramfs{stem}"))
}

fn read_config(text: &str, machine: Machine) -> Config {
    let mut config = Config::default();
    let mut here = true;
    for line in text.lines() {
        let line = line.trim();
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            here = section == "all" || machine.config_sections().contains(&section);
            continue;
        }
        if !here || line.starts_with('#') {
            continue;
        }
        // The only setting without an equals sign: `initramfs initramfs8 followkernel`.
        if let Some(rest) = line.strip_prefix("initramfs ") {
            config.initramfs = rest.split_whitespace().next().map(str::to_owned);
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let value = value.trim().to_owned();
        match key.trim() {
            "kernel" => config.kernel = Some(value),
            "auto_initramfs" => config.auto_initramfs = value == "1",
            "cmdline" => config.cmdline = Some(value),
            "device_tree" => config.device_tree = Some(value).filter(|value| !value.is_empty()),
            "os_prefix" => config.prefix = value,
            "arm_64bit" => config.wide = Some(value != "0"),
            _ => {}
        }
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use kraken_disk::MemoryTree;

    const DTB: [u8; 8] = [0xd0, 0x0d, 0xfe, 0xed, 0, 0, 0, 0];

    fn card(config: &str) -> MemoryTree {
        let mut tree = MemoryTree::default();
        let mut put = |name: &str, bytes: &[u8]| {
            tree.file(name, bytes);
        };
        put("/config.txt", config.as_bytes());
        put(
            "/cmdline.txt",
            b"console=serial0,115200 root=PARTUUID=1-02 rootwait\nmore\n",
        );
        put("/kernel8.img", &[8; 5000]);
        put("/kernel7.img", &[7; 5000]);
        put("/kernel.img", &[6; 5000]);
        put("/other.img", &[9; 5000]);
        put("/initramfs8", b"initramfs 8");
        put("/mine", b"another initramfs");
        put("/bcm2710-rpi-3-b.dtb", &DTB);
        put("/v2/kernel8.img", &[2; 5000]);
        put("/v2/cmdline.txt", b"prefixed");
        tree
    }

    #[test]
    fn config_txt_says_what_is_started() {
        for (config, machine, kernel, initramfs, cmdline) in [
            (
                "",
                Machine::Virt,
                8,
                None,
                "console=serial0,115200 root=PARTUUID=1-02 rootwait",
            ),
            ("auto_initramfs=1\n", Machine::Virt, 8, Some("initramfs 8"), "console"),
            ("arm_64bit=0\n", Machine::Virt, 7, None, "console"),
            ("", Machine::Raspi2b, 7, None, ""),
            ("", Machine::Raspi0, 6, None, ""),
            ("kernel=other.img\nauto_initramfs=1", Machine::Virt, 9, None, "console"),
            (
                "[pi4]\nkernel=other.img\n[all]\ninitramfs mine followkernel\n",
                Machine::Virt,
                8,
                Some("another initramfs"),
                "console",
            ),
            ("[pi3]\nkernel=other.img\n", Machine::Virt, 9, None, "console"),
            ("os_prefix=v2/\n", Machine::Virt, 2, None, "prefixed"),
            ("# kernel=other.img\n", Machine::Raspi3b, 8, None, "console"),
        ] {
            let files = boot_files(&card(config), machine);
            if matches!(machine, Machine::Raspi0 | Machine::Raspi2b) {
                let error = files.unwrap_err().to_string();
                assert!(
                    error.contains("not a device tree for this board"),
                    "{config:?}: {error}"
                );
                continue;
            }
            let files = files.unwrap();
            assert_eq!(files.kernel[0], kernel, "{config:?}");
            assert_eq!(files.initramfs.as_deref(), initramfs.map(str::as_bytes), "{config:?}");
            assert!(files.cmdline.starts_with(cmdline), "{config:?}: {}", files.cmdline);
            assert!(!files.cmdline.contains("more"), "{config:?}: {}", files.cmdline);
            assert_eq!(files.device_tree.is_some(), machine == Machine::Raspi3b);
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        for (config, machine, words) in [
            ("kernel=gone.img", Machine::Virt, "no gone.img"),
            ("initramfs gone followkernel", Machine::Virt, "no gone"),
            ("cmdline=gone.txt", Machine::Virt, "no gone.txt"),
            (
                "device_tree=config.txt",
                Machine::Raspi3b,
                "config.txt on the boot partition is not a device tree",
            ),
            (
                "kernel=initramfs8",
                Machine::Virt,
                "initramfs8 on the boot partition is not a kernel",
            ),
            ("", Machine::Raspi4b, "bcm2711-rpi-4-b.dtb"),
        ] {
            let error = boot_files(&card(config), machine).unwrap_err().to_string();
            assert!(error.contains(words), "{config:?}: {error}");
        }
    }
}
