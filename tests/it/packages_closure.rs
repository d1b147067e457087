//! The closures of real packages on the real Debian base are those that real apt-get finds.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use kraken_debian::version::Version;
use kraken_debian::{Archive, ImageState, PickFrom, Request, ResolveError, load, resolve};
use kraken_disk::{Ext4Tree, FileTree, ImageFile, Layout, NodeType, real_path};
use kraken_fetch::Cache;
use kraken_flash::base::debian;
use testkit::apt::{Apt, AptRun};
use testkit::tools::require;
use testkit::web::Web;

/// apt's answer for a package that it would unpack: size and hash, by name, version and
/// architecture.
type Closure = BTreeMap<(String, String, String), u64>;

/// The root file system of the composed base, and its archives.
struct Bench {
    root: Ext4Tree,
    image: ImageState,
    archives: Vec<Archive>,
    /// apt's private folder.
    folder: tempfile::TempDir,
    loading: Duration,
}

fn root_tree() -> Ext4Tree {
    let path = debian::cached_path(Cache::open(None).unwrap().root(), &debian::Release::TRIXIE);
    assert!(path.is_file(), "there is no {}: run `make test-base`", path.display());
    let disk = Arc::new(ImageFile::open_read(&path).unwrap());
    let layout = Layout::detect(disk.clone()).unwrap();
    layout.root_tree(disk).unwrap()
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

impl Bench {
    fn new() -> Self {
        require(&[("apt-get", "apt"), ("dpkg", "dpkg")]);
        let folder = tempfile::tempdir().unwrap();
        let root = root_tree();
        let image = ImageState::read(&root).unwrap();
        assert_eq!(image.architecture, "arm64");
        let web = Web::new(folder.path().join("web"));
        let start = Instant::now();
        let archives = load(&image.sources, &web, now(), &image.architectures()).unwrap();
        let bench = Self {
            root,
            image,
            archives,
            loading: start.elapsed(),
            folder,
        };
        bench.prepare_apt();
        bench
    }

    /// Copies the files that apt reads out of the image, and makes real apt download its lists.
    fn prepare_apt(&self) {
        for path in [
            "/etc/apt",
            "/usr/share/keyrings",
            "/var/lib/dpkg/status",
            "/var/lib/dpkg/arch",
        ] {
            self.copy(path);
        }
        self.apt().update();
    }

    fn apt(&self) -> Apt {
        Apt::new(&self.folder.path().join("root"), &["arm64"])
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join("root").join(path.trim_start_matches('/'))
    }

    fn copy(&self, path: &str) {
        let real = real_path(&self.root, path).unwrap();
        match self.root.metadata(&real).unwrap().map(|metadata| metadata.node) {
            Some(NodeType::Directory) => {
                fs::create_dir_all(self.at(path)).unwrap();
                for name in self.root.list(&real).unwrap() {
                    self.copy(&format!("{path}/{name}"));
                }
            }
            Some(NodeType::File) => {
                fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
                fs::write(self.at(path), self.root.read(&real, 1 << 30).unwrap().unwrap()).unwrap();
            }
            _ => {}
        }
    }

    /// Returns what real apt-get would unpack, or its error.
    fn apt_closure(&self, packages: &[&str], recommends: bool) -> Result<Closure, String> {
        let recommends = if recommends {
            "--install-recommends"
        } else {
            "--no-install-recommends"
        };
        let mut arguments = vec!["install", "-y", "--print-uris", recommends];
        arguments.extend(packages);
        let AptRun { good, out, errors } = self.apt().run(&arguments);
        if !good {
            return Err(format!("{out}{errors}"));
        }
        let mut closure = Closure::new();
        for line in out.lines().filter(|line| line.starts_with('\'')) {
            let words: Vec<&str> = line.split(' ').collect();
            let file = words[1].strip_suffix(".deb").unwrap().replace("%3a", ":");
            let parts: Vec<String> = file.split('_').map(str::to_owned).collect();
            let [name, version, arch] = <[String; 3]>::try_from(parts).unwrap();
            closure.insert((name, version, arch), words[2].parse().unwrap());
        }
        Ok(closure)
    }

    fn our_closure(&self, packages: &[&str], recommends: bool) -> Result<Closure, ResolveError> {
        let request = Request {
            packages: packages.iter().map(|name| name.parse().unwrap()).collect(),
            recommends,
            ..Request::default()
        };
        let resolution = resolve(&self.image, &self.archives, &request)?;
        for pick in &resolution.picks {
            assert!(pick.asked != pick.needed_by.is_some(), "{pick:?}");
            assert!(matches!(&pick.from, PickFrom::Archive { url, .. } if url.as_str().ends_with(".deb")));
        }
        let key = |pick: kraken_debian::Pick| ((pick.name, pick.version, pick.architecture), pick.size);
        Ok(resolution.picks.into_iter().map(key).collect())
    }

    /// Returns one line of the table: how many packages are chosen, and whether apt chooses the
    /// same.
    fn compare(&self, packages: &[&str], recommends: bool) -> (String, bool) {
        let start = Instant::now();
        let ours = self.our_closure(packages, recommends);
        let took = start.elapsed();
        let name = packages.join(" ") + if recommends { " (with Recommends)" } else { "" };
        let theirs = self.apt_closure(packages, recommends);
        let (line, same) = match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => {
                let only = |a: &Closure, b: &Closure| -> Vec<String> {
                    let names = a.iter().filter(|(key, size)| b.get(key) != Some(size));
                    names.map(|(key, _)| format!("{}={}:{}", key.0, key.1, key.2)).collect()
                };
                let same = ours == theirs;
                let difference = match same {
                    true => String::new(),
                    false => format!(
                        "; only ours: {:?}; only apt's: {:?}",
                        only(&ours, &theirs),
                        only(&theirs, &ours)
                    ),
                };
                (format!("{} picks, apt {}{difference}", ours.len(), theirs.len()), same)
            }
            (Ok(ours), Err(theirs)) => (format!("{} picks, apt refuses: {theirs}", ours.len()), false),
            (Err(ResolveError::Removal { package, because, .. }), Ok(_)) => {
                let simulated = self
                    .apt()
                    .run(&[&["install", "-s", "--no-install-recommends"], packages].concat());
                let same = simulated
                    .out
                    .lines()
                    .any(|line| line.starts_with(&format!("Remv {package} ")));
                let verdict = if same { "as apt would" } else { "and apt would not" };
                (format!("{because} would remove {package}, {verdict}: refused"), same)
            }
            (Err(ours), Ok(theirs)) => (format!("refused: {ours}; apt has {}", theirs.len()), false),
            (Err(ours), Err(_)) => (format!("both refuse: {ours}"), true),
        };
        (format!("{name:40} {:4} ms  {line}", took.as_millis()), same)
    }
}

/// Packages with dependencies that are difficult in various ways.
const ALONE: &[&str] = &[
    "docker.io",
    "exim4",
    "nginx",
    "postfix",
    "iperf3",
    "htop",
    "python3-dev",
    "gcc",
    "default-jre-headless",
    "mariadb-server",
    "samba",
    "wireguard-tools",
    "podman",
    "libc6-dev",
    "git",
    "tmux",
    "vim",
    "apache2",
    "default-mta",
    "mail-transport-agent",
    "awk",
    "gawk",
    "xserver-xorg",
    "postgresql",
    "php",
    "cups",
    "npm",
    "docker-compose",
    "containerd",
    "incus",
    "libvirt-daemon-system",
    "emacs-nox",
    "bash",
    "dpkg",
    "sysvinit-core",
    "chrony",
    "ifupdown",
    "openssh-server",
    "linux-headers-arm64",
    "perl",
    "no-such-package",
    "gnome-core",
    "inetutils-ping",
];

const TOGETHER: &[&[&str]] = &[
    &["docker.io", "exim4", "vim"],
    &["postfix", "exim4"],
    &["nginx", "apache2", "libapache2-mod-php", "php-fpm"],
    &["mailutils", "postfix"],
    &["logcheck"],
    &["docker.io", "htop", "iperf3", "python3-dev", "git"],
];

const WITH_RECOMMENDS: &[&[&str]] = &[
    &["docker.io"],
    &["git"],
    &["podman"],
    &["samba"],
    &["network-manager"],
    &["build-essential"],
    &["task-xfce-desktop"],
    &["logcheck"],
];

#[test]
fn base_closures_are_those_of_apt_get() {
    let bench = Bench::new();
    let mut table = vec![format!("loading the archives: {} ms", bench.loading.as_millis())];
    let alone = ALONE.iter().map(std::slice::from_ref);
    let plain = alone.chain(TOGETHER.iter().copied()).map(|packages| (packages, false));
    let mut wrong = Vec::new();
    for (packages, recommends) in plain.chain(WITH_RECOMMENDS.iter().map(|packages| (*packages, true))) {
        let (line, same) = bench.compare(packages, recommends);
        if !same {
            wrong.push(line.clone());
        }
        table.push(line);
    }
    println!("{}", table.join("\n"));
    assert!(wrong.is_empty(), "not as apt has it:\n{}", wrong.join("\n"));
}

#[test]
fn base_docker_is_a_real_closure() {
    let bench = Bench::new();
    let ours = bench.our_closure(&["docker.io"], false).unwrap();
    for name in ["docker.io", "containerd", "runc"] {
        assert!(ours.keys().any(|key| key.0 == name), "{name} is missing: {ours:?}");
    }
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    println!("loading {} ms; {peak}", bench.loading.as_millis());
    assert_eq!(bench.apt_closure(&["docker.io"], false).unwrap(), ours);
}

/// Published versions, compared with dpkg itself.
#[test]
fn base_versions_are_ordered_as_dpkg_orders_them() {
    let bench = Bench::new();
    let mut versions: Vec<&str> = bench
        .archives
        .iter()
        .flat_map(|a| &a.parts)
        .flat_map(|p| p.index.entries())
        .map(|e| e.version())
        .collect();
    versions.sort_unstable();
    versions.dedup();
    assert!(versions.len() > 20_000, "{}", versions.len());
    // Neighbours in the alphabet are the difficult pairs; distant ones are checked, too.
    let near = versions
        .windows(2)
        .step_by(versions.len() / 2_000)
        .map(|pair| (pair[0], pair[1]));
    let far = (0..1_000).map(|at| (versions[at * 17 % versions.len()], versions[at * 7919 % versions.len()]));
    let pairs: Vec<(&str, &str)> = near.chain(far).collect();
    assert!(pairs.len() >= 3_000, "{}", pairs.len());
    let script = "while read a b; do dpkg --compare-versions \"$a\" lt \"$b\" && echo '<' && continue; \
                  dpkg --compare-versions \"$a\" eq \"$b\" && echo = || echo '>'; done";
    let input: String = pairs.iter().map(|(a, b)| format!("{a} {b}\n")).collect();
    let file = bench.at("pairs");
    fs::write(&file, input).unwrap();
    let output = Command::new("sh")
        .args(["-c", script])
        .stdin(fs::File::open(&file).unwrap())
        .output()
        .unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.lines().count(), pairs.len());
    for ((a, b), dpkg) in pairs.iter().zip(output.lines()) {
        let order = match Version::new(*a).cmp(&Version::new(*b)) {
            std::cmp::Ordering::Less => "<",
            std::cmp::Ordering::Equal => "=",
            std::cmp::Ordering::Greater => ">",
        };
        assert_eq!(order, dpkg, "{a} {b}");
    }
}
