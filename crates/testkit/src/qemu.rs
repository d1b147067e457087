//! Boots an image under QEMU's `virt` machine as its own boot partition says, and logs in over ssh.
//!
//! The image itself stays as it is: the guest writes to an overlay. Kernel, initramfs and command line come from the
//! image's FAT file system; of the command line only `console=` is replaced. `virt` is used because Debian's kernel boots
//! there several times faster than on the `raspi3b` machine, with the same bytes on the card.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Offset of the FAT file system in the image, in bytes: 8 MiB, as pi-gen has it.
const BOOT_OFFSET: u64 = 8 << 20;
/// How long a boot may take, before the machine's load is looked at.
const PATIENCE: Duration = Duration::from_secs(300);

/// What the card does not say, to make an emulated boot quick: no waiting for devices that an emulator lacks.
const SPEED: &str = "mitigations=off selinux=0 apparmor=0 audit=0 nokaslr fsck.mode=skip loglevel=4 \
    modprobe.blacklist=vc4,snd_bcm2835,bcm2835_v4l2,hci_uart,brcmfmac systemd.mask=e2scrub_reap.service \
    systemd.mask=apt-daily.timer systemd.mask=apt-daily-upgrade.timer systemd.mask=dpkg-db-backup.timer \
    systemd.mask=systemd-pstore.service systemd.mask=getty@tty1.service";

/// With so much to do for each processor (see `load_factor`), and only then, units have longer to start than on a card: what a card's limits do shall
/// be seen.
const BUSY: f64 = 2.5;
const EASED: &str = "systemd.default_device_timeout_sec=900 systemd.default_timeout_start_sec=900";

/// Who to log in as.
pub struct Login {
    /// Account name.
    pub user: String,
    /// File with the private key, mode 0600.
    pub key: PathBuf,
    /// The node's static address; the emulated network is the /24 around it, with the gateway at `.1`.
    pub address: Ipv4Addr,
}

/// A running guest; it is killed when dropped.
pub struct Guest {
    child: Child,
    folder: TempDir,
    cmdline: String,
    /// QEMU's arguments for the network; the guest is plugged into `n0`.
    network: Vec<String>,
    port: u16,
    login: Login,
    patience: Duration,
}

impl Guest {
    /// Starts the image. The guest's network is an island: nothing leads out of it.
    pub fn boot(image: &Path, login: Login) -> Self {
        let port = free_port();
        let network = vec!["-netdev".to_owned(), island(&login, port)];
        Self::start(image, login, port, network)
    }

    fn start(image: &Path, login: Login, port: u16, network: Vec<String>) -> Self {
        require(&[
            ("qemu-system-aarch64", "qemu-system-arm"),
            ("qemu-img", "qemu-utils"),
            ("mcopy", "mtools"),
            ("ssh", "openssh-client"),
        ]);
        let folder = tempfile::tempdir().unwrap();
        let cmdline = take_boot_files(image, folder.path());
        let disk = folder.path().join("disk.qcow2");
        run(Command::new("qemu-img")
            .args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"])
            .arg(image.canonicalize().unwrap())
            .arg(&disk)
            .arg("4G"));
        let child = start(folder.path(), &cmdline, &network, &login);
        let patience = PATIENCE.mul_f64(load_factor());
        Self {
            child,
            folder,
            cmdline,
            network,
            port,
            login,
            patience,
        }
    }

    /// Waits so many times longer than for an ordinary boot.
    pub fn patient(mut self, times: u32) -> Self {
        self.patience *= times;
        self
    }

    /// Takes the power away, and gives it back: what the guest had not written to its disk is lost.
    pub fn power_cut(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let log = self.folder.path().join("serial.log");
        fs::rename(&log, self.folder.path().join("serial-before.log")).unwrap();
        self.child = start(self.folder.path(), &self.cmdline, &self.network, &self.login);
    }

    /// Waits until a command succeeds in the guest.
    pub fn wait_for(&mut self, what: &str, command: &str) {
        self.wait_until(what, |guest| guest.try_ssh(command).status.success());
    }

    /// What the guest has written to its serial line.
    pub fn serial(&self) -> String {
        let bytes = fs::read(self.folder.path().join("serial.log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until the serial line shows `text`.
    pub fn wait_for_serial(&mut self, text: &str) {
        self.wait_until(&format!("{text:?} on the serial line"), |guest| {
            guest.serial().contains(text)
        });
    }

    /// Waits until a login works.
    pub fn wait_for_ssh(&mut self) {
        self.wait_until("a login over ssh", |guest| guest.try_ssh("true").status.success());
    }

    /// Runs a command in the guest and returns what it printed; it has to succeed.
    pub fn ssh(&self, command: &str) -> String {
        let mut output = self.try_ssh(command);
        // cloud-init restarts the SSH server once: a connection that was not even greeted is tried again.
        for _ in 0..10 {
            let said = String::from_utf8_lossy(&output.stderr);
            let refused = ["kex_exchange_identification", "Connection refused", "Connection reset"];
            if output.status.code() != Some(255) || !refused.iter().any(|word| said.contains(word)) {
                break;
            }
            std::thread::sleep(Duration::from_secs(2));
            output = self.try_ssh(command);
        }
        assert!(
            output.status.success(),
            "`{command}` in the guest: {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Runs a command in the guest, whatever comes of it.
    pub fn try_ssh(&self, command: &str) -> Output {
        Command::new("ssh")
            .args(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"])
            .args([
                "-o",
                "UserKnownHostsFile=/dev/null",
                "-o",
                "LogLevel=ERROR",
                "-o",
                "IdentitiesOnly=yes",
            ])
            .args(["-o", "ConnectTimeout=20", "-o", "ServerAliveInterval=15"])
            .arg("-i")
            .arg(&self.login.key)
            .args(["-p", &self.port.to_string()])
            .arg(format!("{}@127.0.0.1", self.login.user))
            .arg(command)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn wait_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            if let Some(status) = self.child.try_wait().unwrap() {
                let log = fs::read_to_string(self.folder.path().join("qemu.log")).unwrap_or_default();
                panic!("QEMU ended ({status}) while waiting for {what}: {log}\n{}", self.tail());
            }
            assert!(
                start.elapsed() < self.patience,
                "no {what} within {} s; the serial line ends with:\n{}",
                self.patience.as_secs(),
                self.tail()
            );
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    fn tail(&self) -> String {
        let serial = self.serial();
        let lines: Vec<&str> = serial.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // A guest that has ended by itself cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the emulator on the disk in `folder`.
fn start(folder: &Path, cmdline: &str, network: &[String], login: &Login) -> Child {
    let disk = folder.join("disk.qcow2");
    let mac = format!("52:54:00:00:00:{:02x}", login.address.octets()[3]);
    Command::new("qemu-system-aarch64")
        .args([
            "-M",
            "virt,gic-version=3",
            "-cpu",
            "cortex-a53",
            "-smp",
            "2",
            "-m",
            "1024",
        ])
        .args(["-accel", "tcg,thread=multi,tb-size=256"])
        // A Pi has no clock of its own: what it shows before the network tells is long past.
        .args(["-rtc", "base=2019-01-01T00:00:00"])
        .args(["-display", "none", "-monitor", "none", "-nodefaults"])
        .arg("-kernel")
        .arg(folder.join("kernel8.img"))
        .arg("-initrd")
        .arg(folder.join("initramfs8"))
        .args(["-append", cmdline])
        .arg("-serial")
        .arg(format!("file:{}", folder.join("serial.log").display()))
        .arg("-drive")
        .arg(format!(
            "file={},if=none,id=d0,format=qcow2,cache=writeback",
            disk.display()
        ))
        .args(["-device", "virtio-blk-pci,drive=d0", "-device", "virtio-rng-pci"])
        .args(network)
        .arg("-device")
        .arg(format!("virtio-net-pci,romfile=,netdev=n0,mac={mac}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(folder.join("qemu.log")).unwrap())
        .spawn()
        .unwrap()
}

/// QEMU's user network as an island around a node: its gateway, from where a port leads to ssh.
fn island(login: &Login, port: u16) -> String {
    let [a, b, c, _] = login.address.octets();
    format!(
        "user,id=n0,net={a}.{b}.{c}.0/24,host={a}.{b}.{c}.1,dhcpstart={a}.{b}.{c}.200,dns={a}.{b}.{c}.2,\
         restrict=on,hostfwd=tcp:127.0.0.1:{port}-{}:22",
        login.address
    )
}

/// Fails, naming the Debian packages, where a program is missing: a test that cannot run is no test that passed.
pub fn require(tools: &[(&str, &str)]) {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let missing: Vec<&str> = tools
        .iter()
        .filter(|(tool, _)| !path.split(':').any(|folder| Path::new(folder).join(tool).is_file()))
        .map(|(_, package)| *package)
        .collect();
    assert!(
        missing.is_empty(),
        "this test needs: apt-get install {}",
        missing.join(" ")
    );
}

/// Copies what the firmware would read out of the image's FAT, and returns the kernel's command line.
fn take_boot_files(image: &Path, folder: &Path) -> String {
    run(Command::new("mcopy")
        .args(["-n", "-o", "-i"])
        .arg(format!("{}@@{BOOT_OFFSET}", image.display()))
        .args(["::/kernel8.img", "::/initramfs8", "::/cmdline.txt"])
        .arg(folder));
    let cmdline = fs::read_to_string(folder.join("cmdline.txt")).unwrap();
    let kept: Vec<&str> = cmdline
        .split_whitespace()
        .filter(|word| !word.starts_with("console="))
        .collect();
    let limits = if load_factor() > BUSY { EASED } else { "" };
    format!("{} console=ttyAMA0,115200 {SPEED} {limits}", kept.join(" "))
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// How many times slower than an idle machine this one is: runnable processes for each processor, at least 1.
fn load_factor() -> f64 {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = load.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0.0);
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    (1.0 + load / processors as f64).min(5.0)
}
