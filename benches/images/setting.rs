//! The conditions of the measurements: the work folder, the base image, the cluster, and how
//! programs are run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kraken_fetch::Cache;
use kraken_flash::base::debian;

use super::Result;

/// The program itself, built with the same profile as the benchmark.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_kraken-flash");

/// In a spec: no Docker, where other things are measured.
pub(crate) const NO_DOCKER: &str = "[docker]\nsource = \"none\"\n";

/// The values that all measurements share.
pub(crate) struct Setting {
    /// The folder to work in, removed at the end.
    folder: tempfile::TempDir,
    /// The raw base image; it is only read.
    pub base: PathBuf,
    /// How often each time is measured.
    pub rounds: usize,
}

impl Setting {
    /// Finds the base image and makes the work folder.
    ///
    /// # Errors
    /// When there is no base image.
    pub(crate) fn prepare() -> Result<Self> {
        let base = match std::env::var_os("KRAKEN_BENCH_BASE") {
            Some(path) => fs::canonicalize(path)?,
            None => debian::cached_path(Cache::open(None)?.root(), &debian::Release::TRIXIE),
        };
        if !base.is_file() {
            return Err(format!(
                "there is no base image at {}; run `make base`, or name one in KRAKEN_BENCH_BASE",
                base.display()
            )
            .into());
        }
        let parent = match std::env::var_os("KRAKEN_BENCH_DIR") {
            Some(path) => PathBuf::from(path),
            None => PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
        };
        fs::create_dir_all(&parent)?;
        let folder = tempfile::Builder::new()
            .prefix("bench-")
            .tempdir_in(fs::canonicalize(parent)?)?;
        let rounds = match std::env::var("KRAKEN_BENCH_ROUNDS") {
            Ok(text) => text.parse::<usize>()?.max(1),
            Err(_) => 3,
        };
        Ok(Self { folder, base, rounds })
    }

    /// Returns the work folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns a new folder below the work folder, with the spec of a cluster of `nodes` nodes
    /// without Docker in it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn cluster(&self, name: &str, nodes: usize) -> Result<PathBuf> {
        write_cluster(&self.folder().join(name), nodes, NO_DOCKER)
    }

    /// Returns the machine, the base and the conditions, as lines of text.
    ///
    /// # Errors
    /// When the machine's facts cannot be read.
    pub(crate) fn describe(&self) -> Result<String> {
        let cpu = fs::read_to_string("/proc/cpuinfo")?;
        let model = cpu
            .lines()
            .find_map(|line| line.strip_prefix("model name"))
            .unwrap_or_default();
        let threads = std::thread::available_parallelism()?;
        let size = fs::metadata(&self.base)?.len();
        Ok(format!(
            "processor: {} ({threads} threads, SHA instructions: {})\nkernel: {}\nwork folder: {}\nbase: {} MiB, {}\nrounds: {}, medians\nload: {}\n",
            model.trim_start_matches([' ', '\t', ':']),
            if cpu.contains(" sha_ni") || cpu.contains(" sha2") {
                "yes"
            } else {
                "no"
            },
            fs::read_to_string("/proc/sys/kernel/osrelease")?.trim(),
            file_system(self.folder())?,
            size >> 20,
            self.base.file_name().unwrap_or_default().display(),
            self.rounds,
            load(),
        ))
    }
}

/// Makes `folder` with a spec in it, which ends with `rest`.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write_cluster(folder: &Path, nodes: usize, rest: &str) -> Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let network = "[network]\nsubnet = \"10.20.0.0/16\"\nfirst-address = \"10.20.1.1\"\ngateway = \"10.20.0.1\"\n";
    fs::write(
        folder.join("kraken.toml"),
        format!("[cluster]\nnodes = {nodes}\n{network}{rest}"),
    )?;
    Ok(folder.to_owned())
}

/// Returns the command `kraken-flash build` for the cluster in `folder`, with its cache in `cache`,
/// ready to be started.
pub(crate) fn build(folder: &Path, cache: &Path, base: &Path, output: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .current_dir(folder)
        // The user's keys are not used: a pair is made in the folder.
        .env("HOME", folder)
        .env_remove("SUDO_UID")
        .env("KRAKEN_FLASH_CACHE", cache)
        .args(["--quiet", "build", "--offline", "--base"])
        .arg(base)
        .arg("--output")
        .arg(output);
    command
}

/// Runs a command to its end.
///
/// # Errors
/// When it cannot be started, or fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let output = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output();
    let output = output.map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{command:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    )
    .into())
}

/// Empties a folder, or makes it, and waits until everything is written: the next run begins with
/// an idle disk.
///
/// # Errors
/// When a file cannot be removed.
pub(crate) fn fresh(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    rustix::fs::syncfs(fs::File::open(folder)?)?;
    Ok(())
}

/// Reads a file once, so that it is in the page cache.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn warm(path: &Path) -> Result<()> {
    std::io::copy(&mut fs::File::open(path)?, &mut std::io::sink())?;
    // `copy` may splice without reading where the sink is known; a read through a buffer always
    // reads.
    let mut file = fs::File::open(path)?;
    let mut buffer = vec![0; 1 << 20];
    while std::io::Read::read(&mut file, &mut buffer)? > 0 {}
    Ok(())
}

/// Returns the one `.img` file in the golden cache.
///
/// # Errors
/// When there is none.
pub(crate) fn golden_of(cache: &Path) -> Result<PathBuf> {
    fs::read_dir(cache.join("golden"))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "img"))
        .ok_or_else(|| "the program left no golden image in its cache".into())
}

/// Returns the load averages.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn file_system(folder: &Path) -> Result<String> {
    let output = Command::new("stat").args(["-f", "-c", "%T"]).arg(folder).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
