//! A process that cleans up after this program, however it ends: even if this program is killed, no
//! emulator and no temporary file stays behind.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// The reaper's script. It reads its standard input until the end, which comes when this program
/// ends, and then cleans up. `+PID` names a process to kill, `-PID` one that has ended by itself.
/// The script runs in a process group of its own, so that Ctrl-C does not reach it.
const SCRIPT: &str = r#"trap '' INT TERM HUP
pids=' '
while read -r word; do
  case $word in
    +*) pids="$pids${word#+} " ;;
    -*) pids=$(printf %s "$pids" | sed "s/ ${word#-} / /") ;;
  esac
done
[ "$pids" = ' ' ] || kill -KILL $pids 2>/dev/null
rm -rf -- "$@"
"#;

/// A reaper process. Dropping it makes it clean up, and waits for that.
#[derive(Debug)]
pub struct Reaper {
    process: Mutex<Child>,
}

impl Reaper {
    /// Starts a reaper that will remove these folders.
    ///
    /// # Errors
    /// If there is no shell.
    pub fn spawn(folders: &[&Path]) -> io::Result<Self> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SCRIPT, "kraken-flash-reaper"]).args(folders);
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self {
            process: Mutex::new(process),
        })
    }

    /// Registers a process that is to be killed at the end.
    pub fn watch(&self, pid: u32) {
        self.send(&format!("+{pid}\n"));
    }

    /// Removes a process that has ended. Its number may soon belong to another process.
    pub fn forget(&self, pid: u32) {
        self.send(&format!("-{pid}\n"));
    }

    fn send(&self, line: &str) {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stdin) = &mut process.stdin {
            // If the reaper has died, the guests and folders still clean up when they are dropped.
            let _ = stdin.write_all(line.as_bytes());
        }
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        let process = self.process.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(process.stdin.take());
        let _ = process.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_and_folders_are_gone_and_what_ended_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (swept, kept) = (folder.path().join("swept"), folder.path().join("kept"));
        std::fs::create_dir_all(swept.join("within")).unwrap();
        std::fs::create_dir(&kept).unwrap();
        let mut watched = Command::new("sleep").arg("100").spawn().unwrap();
        let mut forgotten = Command::new("sleep").arg("100").spawn().unwrap();
        let reaper = Reaper::spawn(&[&swept]).unwrap();
        reaper.watch(watched.id());
        reaper.watch(forgotten.id());
        reaper.forget(forgotten.id());
        drop(reaper);
        assert!(!swept.exists() && kept.exists());
        assert_eq!(watched.wait().unwrap().code(), None, "it was not killed");
        assert!(forgotten.try_wait().unwrap().is_none(), "it was killed");
        forgotten.kill().unwrap();
        forgotten.wait().unwrap();
    }
}
