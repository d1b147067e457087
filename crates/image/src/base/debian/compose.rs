//! Runs the scripts in namespaces of their own and puts the result into the cache.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use super::error;
use super::host::{self, Mirror};
use super::release::Release;
use super::scripts::{SCRIPTS, key_of};
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::progress::Task;
use kraken_foundation::{Context as _, Error, Job, Kind, Result, Sha256Hash, named};

/// The largest `InRelease` file, in bytes; real ones have about 150 KiB.
const RELEASE_LIMIT: u64 = 4 << 20;
/// How many of the log's last lines an error shows.
const TAIL_LINES: usize = 20;
/// The prefix of working folders, by which those of killed runs are recognised.
const WORK_PREFIX: &str = ".work-";

/// Composes the image in `folder` and renames it to `image`. The caller holds the lock of the
/// folder.
pub(super) fn run(release: &Release, folder: &Path, image: &Path, job: Job<'_>) -> Result<()> {
    // mmdebstrap passes its hooks to a shell, and they contain file names of this folder.
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+@:,=%".contains(byte);
    if !folder.as_os_str().as_encoded_bytes().iter().all(plain) {
        let why = "its path has a blank or a sign that shells read; name another cache folder with KRAKEN_FLASH_CACHE";
        let text = format!("composing in {}: {why}", folder.display());
        return Err(Error::new(Kind::Usage, text));
    }
    clear_left_overs(folder)?;
    let work = tempfile::Builder::new()
        .prefix(WORK_PREFIX)
        .tempdir_in(folder)
        .doing("creating a working folder in", folder)?;
    let mirror = Mirror::of_host()?;
    job.note(&format!(
        "composing Debian {} from {}; this is done once and takes some minutes",
        release.suite, mirror.archive
    ));
    let epoch = newest_release(&mirror.releases(release.suite), work.path(), job.interrupt)?;
    let composition = Composition::prepare(release, folder, work.path(), &mirror, epoch)?;
    let child = composition.start(release)?;
    composition.follow(child, job)?;
    settle(&composition.result, image, folder)
}

/// Removes working folders of killed runs. The caller holds the lock, so none of them is in use.
fn clear_left_overs(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).doing("reading", folder)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(WORK_PREFIX) {
            let path = entry.path();
            fs::remove_dir_all(&path).doing("removing", &path)?;
        }
    }
    Ok(())
}

/// Returns the newest `Date` of the suite's `InRelease` files. Everything that is made while
/// composing gets this time.
///
/// The signature is not checked here: mmdebstrap checks it before it takes a package.
fn newest_release(addresses: &[String], work: &Path, interrupt: &Interrupt) -> Result<i64> {
    let mut newest = 0;
    for uri in addresses {
        interrupt.check()?;
        let failed = |why: String| error::archive(uri, &why);
        let path = work.join("InRelease");
        let output = Command::new(host::APT_HELPER)
            .args(["-o", "APT::Sandbox::User=root", "download-file", uri])
            .arg(&path)
            .env("LC_ALL", "C")
            .output()
            .map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            interrupt.check()?;
            return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        let size = fs::metadata(&path).doing("reading", &path)?.len();
        if size > RELEASE_LIMIT {
            return Err(failed(format!(
                "it has {size} bytes, which is too much for an InRelease file"
            )));
        }
        let bytes = fs::read(&path).doing("reading", &path)?;
        let date = release_date(&String::from_utf8_lossy(&bytes)).map_err(failed)?;
        newest = newest.max(date);
        fs::remove_file(&path).doing("removing", &path)?;
    }
    Ok(newest)
}

/// Returns the `Date` field of an `InRelease` file, in seconds since 1970-01-01 UTC (deb822(5),
/// Debian's RepositoryFormat).
fn release_date(text: &str) -> Result<i64, String> {
    let field = text
        .lines()
        .find_map(|line| line.strip_prefix("Date:"))
        .ok_or_else(|| "it has no Date".to_owned())?
        .trim();
    // The archive writes UTC, a name that RFC 2822 does not have.
    let text = field
        .strip_suffix("UTC")
        .map_or_else(|| field.to_owned(), |rest| format!("{rest}+0000"));
    let date: Timestamp = DateTimeParser::new()
        .parse_timestamp(&text)
        .map_err(|error| format!("its Date {field:?} is not a date: {error}"))?;
    Ok(date.as_second())
}

/// One composition: scripts and settings in the working folder.
struct Composition {
    scripts: PathBuf,
    work: PathBuf,
    result: PathBuf,
    debs: PathBuf,
    log: PathBuf,
    inputs: Sha256Hash,
    epoch: i64,
}

impl Composition {
    fn prepare(release: &Release, folder: &Path, work: &Path, mirror: &Mirror, epoch: i64) -> Result<Self> {
        let write = |name: &str, text: &str| {
            let path = work.join(name);
            named::write(&path, text.as_bytes()).doing("writing", &path)
        };
        let scripts = work.join("scripts");
        fs::create_dir(&scripts).doing("creating", &scripts)?;
        for (name, text) in SCRIPTS {
            let path = scripts.join(name);
            named::write(&path, text.as_bytes()).doing("writing", &path)?;
            let permissions = fs::Permissions::from_mode(0o755);
            fs::set_permissions(&path, permissions).doing("making executable", &path)?;
        }
        write("sources", &mirror.sources(release.suite))?;
        write("proxies", &host::proxy_settings()?)?;
        let inputs = Sha256Hash::of(format!("{}\n{epoch}\n", key_of(release)));
        Ok(Self {
            scripts,
            work: work.to_owned(),
            result: work.join("result.img"),
            debs: folder.join("packages"),
            log: folder.join("compose.log"),
            inputs,
            epoch,
        })
    }

    /// `unshare` gives the scripts a mount and a process namespace of their own. When it is killed,
    /// the kernel ends every process in them and undoes every mount, whatever their state.
    fn start(&self, release: &Release) -> Result<Child> {
        let temporary = self.work.join("tmp");
        fs::create_dir(&temporary).doing("creating", &temporary)?;
        let log = named::create(&self.log).doing("creating", &self.log)?;
        Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash"])
            .arg(self.scripts.join("compose.sh"))
            .env_clear()
            .env("PATH", host::search_path())
            .env("HOME", "/root")
            .env("TMPDIR", &temporary)
            .env("WORK", &self.work)
            .env("OUT", &self.result)
            .env("DEBS", &self.debs)
            .env("SUITE", release.suite)
            .env("PACKAGES", release.packages.join(","))
            .env("PYTHON", release.python.unwrap_or_default())
            .env("SOURCES", self.work.join("sources"))
            .env("KEYRING", host::KEYRING)
            .env("PROXY_CONF", self.work.join("proxies"))
            .env("INPUTS", self.inputs.to_string())
            .env("SOURCE_DATE_EPOCH", self.epoch.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|error| error::host("unshare", &error.to_string()))
    }

    /// Shows the stages as progress and waits for the end.
    fn follow(&self, mut child: Child, job: Job<'_>) -> Result<()> {
        let lines = self.read_stages(&mut child)?;
        let mut stage = "starting".to_owned();
        let mut task: Option<Box<dyn Task>> = None;
        loop {
            match lines.recv_timeout(Duration::from_millis(200)) {
                Ok(next) => {
                    drop(task.take());
                    task = Some(job.task(&format!("debian: {next}"), None));
                    stage = next;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if let Err(interrupted) = job.check() {
                // When killing or waiting fails, the child has already ended.
                let _ = child.kill();
                let _ = child.wait();
                return Err(interrupted.into());
            }
        }
        let status = child.wait().doing("waiting for", &self.scripts)?;
        if status.success() {
            return Ok(());
        }
        // A Ctrl-C at the terminal reaches the scripts, too.
        job.check()?;
        Err(Error::new(
            Kind::Tool,
            format!(
                "composing the debian base failed while {stage}; the end of its log, all of which is in {}:\n{}",
                self.log.display(),
                tail(&self.log)
            ),
        ))
    }

    /// Reads the child's output on a separate thread: it sends on the names of stages and writes
    /// all other lines to the log.
    fn read_stages(&self, child: &mut Child) -> Result<Receiver<String>> {
        let (sender, receiver) = channel();
        let mut log = named::append(&self.log).doing("opening", &self.log)?;
        if let Some(output) = child.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                    let line = String::from_utf8_lossy(&line).into_owned();
                    // A log that cannot be written is not a reason to stop.
                    let _ = writeln!(log, "{line}");
                    if let Some(stage) = line.strip_prefix("stage: ") {
                        let _ = sender.send(stage.to_owned());
                    }
                }
            });
        }
        Ok(receiver)
    }
}

fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let start = lines.len().saturating_sub(TAIL_LINES);
    lines.get(start..).unwrap_or_default().join("\n")
}

/// Flushes the result, gives it its name, and gives everything new to the owner of the cache.
fn settle(result: &Path, image: &Path, folder: &Path) -> Result<()> {
    File::open(result)
        .and_then(|file| file.sync_all())
        .doing("flushing", result)?;
    give_to_owner_of_cache(result, folder)?;
    fs::rename(result, image).doing("renaming to", image)
}

/// Under sudo the cache belongs to an ordinary user. What root made there becomes that user's, but
/// no target of a symbolic link does.
fn give_to_owner_of_cache(result: &Path, folder: &Path) -> Result<()> {
    let Some(cache) = folder.parent() else { return Ok(()) };
    let owner = fs::metadata(cache).doing("reading", cache)?;
    for path in [result, folder, &folder.join("lock"), &folder.join("compose.log")] {
        lchown(path, Some(owner.uid()), Some(owner.gid())).doing("changing the owner of", path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_a_release_is_read() {
        for (text, want) in [
            (
                "Origin: Debian\nDate: Sat, 21 Nov 2026 09:15:44 UTC\nValid-Until: x\n",
                Ok(1_795_252_544),
            ),
            ("Date: Thu, 01 Jan 1970 00:00:10 +0000\n", Ok(10)),
            ("Origin: Debian\n", Err("it has no Date")),
            ("Date: yesterday\n", Err("its Date \"yesterday\" is not a date")),
        ] {
            match (release_date(text), want) {
                (Ok(date), Ok(want)) => assert_eq!(date, want),
                (Err(error), Err(want)) => assert!(error.starts_with(want), "{error}"),
                (given, want) => panic!("{text:?}: {given:?}, wanted {want:?}"),
            }
        }
    }

    #[test]
    fn left_overs_of_killed_runs_are_cleared_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(".work-abc")).unwrap();
        fs::write(folder.path().join("trixie-0.img"), b"").unwrap();
        clear_left_overs(folder.path()).unwrap();
        let names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["trixie-0.img"]);
    }

    #[test]
    fn an_error_shows_the_end_of_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let lines: Vec<String> = (1..=50).map(|number| format!("line {number}")).collect();
        fs::write(&log, lines.join("\n")).unwrap();
        let shown = tail(&log);
        assert!(shown.starts_with("line 31\n") && shown.ends_with("line 50"), "{shown}");
    }
}
