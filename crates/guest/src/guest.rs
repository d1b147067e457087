//! A running emulator: starts it, reads its console, cuts its power.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::console::Console;
use super::fuse::Fuse;
use super::programs::QEMU;
use super::reaper::Reaper;
use kraken_disk::tool;
use kraken_foundation::named;
use kraken_foundation::text;

/// How many bytes of the emulator's own messages are kept.
const WORDS: u64 = 4096;

/// How an emulator ended by itself.
pub struct End {
    /// Whether the guest restarts. With `-no-reboot` the emulator exits successfully then. It also
    /// does when the guest switches off, but then the kernel says so on the console.
    pub restarts: bool,
    /// The exit status and the emulator's own message, for the report.
    pub said: String,
}

/// A running guest. Dropping it cuts its power.
pub struct Guest {
    process: Arc<Mutex<Child>>,
    id: u32,
    reaper: Arc<Reaper>,
    console: Arc<Mutex<Console>>,
    said: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Guest {
    /// Starts the emulator with these arguments. The console's bytes are appended to `log`, and its
    /// lines are sent to `lines` while there is a receiver. The guest is killed at the line at
    /// which `fuse` blows.
    pub fn start(
        arguments: &[String],
        log: &Path,
        reaper: &Arc<Reaper>,
        lines: SyncSender<String>,
        fuse: Arc<Fuse>,
    ) -> io::Result<Self> {
        let file = named::append(log)?;
        let mut command = tool(QEMU);
        let mut process = command
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (id, output, errors) = (process.id(), process.stdout.take(), process.stderr.take());
        reaper.watch(id);
        let process = Arc::new(Mutex::new(process));
        let console = Arc::new(Mutex::new(Console::default()));
        let said = Arc::new(Mutex::new(String::new()));
        let mut readers = Vec::new();
        if let Some(mut output) = output {
            let console = Arc::clone(&console);
            let process = Arc::clone(&process);
            let hear = move |line: String| {
                if fuse.blows_at(&line) {
                    // The process may have ended by itself.
                    let _ = lock(&process).kill();
                }
                // If the receiver is too slow, it misses some lines. The console still has them.
                let _ = lines.try_send(line);
            };
            readers.push(std::thread::spawn(move || {
                follow(&mut output, file, &console, hear);
            }));
        }
        if let Some(errors) = errors {
            let said = Arc::clone(&said);
            readers.push(std::thread::spawn(move || {
                let mut text = Vec::new();
                let mut errors = errors;
                // If reading fails, the part that was read is kept.
                let _ = errors.by_ref().take(WORDS).read_to_end(&mut text);
                *lock(&said) = text::line(&String::from_utf8_lossy(&text));
                let _ = io::copy(&mut errors, &mut io::sink());
            }));
        }
        Ok(Self {
            process,
            id,
            reaper: Arc::clone(reaper),
            console,
            said,
            readers,
        })
    }

    /// Returns the guest's console.
    pub fn console(&self) -> MutexGuard<'_, Console> {
        lock(&self.console)
    }

    /// Returns how the emulator ended, if it has ended by itself.
    pub fn ended(&mut self) -> Option<End> {
        let status = lock(&self.process).try_wait().ok().flatten()?;
        // The last output may not have been read yet.
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        let said = lock(&self.said).clone();
        Some(End {
            restarts: status.success() && !self.console().says_off(),
            said: match said.is_empty() {
                true => format!("QEMU ended ({status})"),
                false => format!("QEMU ended ({status}): {said}"),
            },
        })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // The process may have ended by itself.
        let mut process = lock(&self.process);
        let _ = process.kill();
        let _ = process.wait();
        drop(process);
        self.reaper.forget(self.id);
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

fn follow(output: &mut impl Read, mut log: File, console: &Mutex<Console>, hear: impl Fn(String)) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = output.read(&mut bytes) {
        // If the log cannot be written, it is incomplete. The lines are still in memory.
        let _ = log.write_all(&bytes[..count]);
        let lines = lock(console).take(&bytes[..count]);
        lines.into_iter().for_each(&hear);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
