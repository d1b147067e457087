//! A guest's console: splits its output into lines, keeps the last of them, and recognises known
//! failures.

use std::collections::VecDeque;

use kraken_foundation::text;

/// How many bytes of one line are kept.
const LINE_LIMIT: usize = 2000;
/// How many lines are kept for reports.
const KEPT_LINES: usize = 200;

/// The line with which a panicking kernel begins (kernel/panic.c).
const PANIC: &str = "Kernel panic - not syncing";

/// Splits the bytes of a serial port into lines and keeps the last of them.
#[derive(Debug, Default)]
pub struct Console {
    unfinished: Vec<u8>,
    lines: VecDeque<String>,
    first: Option<String>,
}

impl Console {
    /// Takes the next bytes. Returns the lines that are complete now, without control sequences for
    /// a terminal.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut finished = Vec::new();
        for &byte in bytes {
            if byte != b'\n' {
                // A line that never ends is cut off at the limit.
                if self.unfinished.len() < LINE_LIMIT {
                    self.unfinished.push(byte);
                }
                continue;
            }
            let line = text::line(&String::from_utf8_lossy(&std::mem::take(&mut self.unfinished)));
            if line.is_empty() {
                continue;
            }
            self.first.get_or_insert_with(|| line.clone());
            // A line that reports a wait replaces the one before it, as on a terminal. Otherwise
            // hundreds of them would push out the lines from before the wait.
            if is_a_wait(&line) && self.lines.back().is_some_and(|last| is_a_wait(last)) {
                self.lines.pop_back();
            }
            self.lines.push_back(line.clone());
            if self.lines.len() > KEPT_LINES {
                self.lines.pop_front();
            }
            finished.push(line);
        }
        finished
    }

    /// Returns the last `count` lines, oldest first. After a panic, these are the lines up to the
    /// first line of the panic: the kernel prints registers and calls after it, but the reason
    /// stands before it.
    pub fn tail(&self, count: usize) -> Vec<String> {
        let panics = |line: &String| line.contains(PANIC) && !line.contains("---[ end");
        let panic = self.lines.iter().rposition(panics);
        let restarts = |at: usize| self.lines.iter().skip(at).any(|line| line.contains("Linux version"));
        let end = panic.filter(|at| !restarts(*at)).map_or(self.lines.len(), |at| at + 1);
        let start = end.saturating_sub(count);
        self.lines.range(start..end).cloned().collect()
    }

    /// Returns whether the last lines of the kernel report that it switches the machine off
    /// (kernel/reboot.c) rather than restarts it.
    pub fn says_off(&self) -> bool {
        let mut last = self.lines.iter().rev().take(8);
        last.any(|line| line.contains("reboot: Power down") || line.contains("reboot: System halted"))
    }

    /// Returns the first line, if the guest has printed one.
    pub fn first(&self) -> Option<String> {
        self.first.clone()
    }
}

/// A known failure that shows on the console, and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailurePattern {
    /// The name of the check that fails because of it.
    pub check: &'static str,
    /// The likely cause, and what the user can do.
    pub cause: &'static str,
    /// Whether the guest cannot come up any more.
    pub fatal: bool,
}

/// Texts in lines of kernels, initramfs-tools, systemd, cloud-init, Docker and the node's own
/// units, with the failures that they report.
const FAILURE_PATTERNS: &[(&str, FailurePattern)] = &[
    (
        "VFS: Unable to mount root fs",
        FailurePattern {
            check: "root",
            cause: NO_ROOT,
            fatal: true,
        },
    ),
    (
        "Kernel panic",
        FailurePattern {
            check: "kernel",
            cause: "the kernel panicked: it does not fit the board, or its root file system or init is not there",
            fatal: true,
        },
    ),
    (
        "Gave up waiting for root",
        FailurePattern {
            check: "root",
            cause: NO_ROOT,
            fatal: true,
        },
    ),
    (
        "does not exist.  Dropping to a shell",
        FailurePattern {
            check: "root",
            cause: NO_ROOT,
            fatal: true,
        },
    ),
    (
        "No init found",
        FailurePattern {
            check: "root",
            cause: "there is no system on the root partition: flash the card again",
            fatal: true,
        },
    ),
    (
        "You are in emergency mode",
        FailurePattern {
            check: "root",
            cause: "systemd fell into emergency mode: a file system of /etc/fstab is not there or damaged; compare its PARTUUIDs with the card's",
            fatal: true,
        },
    ),
    (
        "Give root password for maintenance",
        FailurePattern {
            check: "root",
            cause: "systemd fell into emergency mode: a file system of /etc/fstab is not there or damaged; compare its PARTUUIDs with the card's",
            fatal: true,
        },
    ),
    (
        "Failed to start ssh",
        FailurePattern {
            check: "ssh",
            cause: "the SSH server does not start: its host keys could not be made, or its configuration is wrong",
            fatal: true,
        },
    ),
    (
        "EXT4-fs error",
        FailurePattern {
            check: "root",
            cause: "the root file system is damaged: build the image again",
            fatal: false,
        },
    ),
    (
        "No space left on device",
        FailurePattern {
            check: "room",
            cause: "the root file system is full: a larger card, or a base with room",
            fatal: false,
        },
    ),
    (
        "Out of memory: Killed process",
        FailurePattern {
            check: "memory",
            cause: "the guest ran out of memory",
            fatal: false,
        },
    ),
    (
        "Failed loading yaml blob",
        FailurePattern {
            check: "cloud-init",
            cause: "user-data is not valid YAML: look at templates/user-data",
            fatal: false,
        },
    ),
    (
        "Invalid cloud-config provided",
        FailurePattern {
            check: "cloud-init",
            cause: "user-data does not follow cloud-init's schema: look at templates/user-data",
            fatal: false,
        },
    ),
    (
        "duplicate address",
        FailurePattern {
            check: "address",
            cause: "another node has this address: see the addresses in kraken.toml",
            fatal: false,
        },
    ),
];

const NO_ROOT: &str =
    "the kernel finds no root device: root= in cmdline.txt names another PARTUUID than the card has, or none";

/// Returns the failure that a line reports, if it is a known one.
pub fn failure_pattern(line: &str) -> Option<FailurePattern> {
    FAILURE_PATTERNS
        .iter()
        .find(|(words, _)| line.contains(words))
        .map(|(_, pattern)| *pattern)
}

/// Returns whether a line comes from the system on the root file system, which means that systemd
/// has started.
pub fn is_of_the_system(line: &str) -> bool {
    ["systemd[1]: ", "[  OK  ] ", "Welcome to "]
        .iter()
        .any(|words| line.contains(words))
}

/// Returns whether systemd reports in this line what it is waiting for. It prints such lines
/// several times a second: `[ ***  ] (1 of 2) Job x.mount/start running (5s / 1min 30s)`, and in
/// older releases `[ ***  ] A start job is running for …`.
fn is_a_wait(line: &str) -> bool {
    let Some((stars, words)) = line
        .trim_start()
        .strip_prefix('[')
        .and_then(|line| line.split_once("] "))
    else {
        return false;
    };
    stars.contains('*') && stars.chars().all(|c| matches!(c, '*' | ' ')) && words.contains(" running ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_in_pieces_and_without_control_sequences() {
        let mut console = Console::default();
        assert_eq!(console.first(), None);
        assert!(console.take(b"[    0.0] Linux ver").is_empty());
        assert_eq!(
            console.take(b"sion 6\r\n\n\x1b[1;31mred\x1b[0m \x1b]0;title\x07end\r\n"),
            ["[    0.0] Linux version 6", "red end"]
        );
        assert_eq!(
            console.take("a\u{202e}b\u{0}\tc\u{9b}31m\n".as_bytes()),
            ["a\u{fffd}b\u{fffd} c"]
        );
        assert_eq!(console.take(&[b'x'; 100_000]), Vec::<String>::new());
        assert_eq!(console.take(b"\n")[0].len(), LINE_LIMIT);
        assert_eq!(console.tail(2)[0], "a\u{fffd}b\u{fffd} c");
        assert_eq!(console.first().as_deref(), Some("[    0.0] Linux version 6"));
        for number in 0..1000 {
            console.take(format!("line {number}\n").as_bytes());
        }
        assert_eq!(console.tail(1000).len(), KEPT_LINES);
    }

    #[test]
    fn the_lines_before_a_panic_are_kept() {
        let mut console = Console::default();
        console.take(
            b"firstboot: line 7: reboot: not found\n[    6.0] Kernel panic - not syncing: Attempted to kill init!\n",
        );
        for call in 0..30 {
            console.take(format!("[    6.1]  call+{call}\n").as_bytes());
        }
        console.take(b"[    6.2] ---[ end Kernel panic - not syncing: Attempted to kill init! ]---\n");
        assert_eq!(
            console.tail(2),
            [
                "firstboot: line 7: reboot: not found",
                "[    6.0] Kernel panic - not syncing: Attempted to kill init!"
            ]
        );
        // The guest may restart by itself.
        console.take(b"[    0.0] Linux version 6\nup\n");
        assert_eq!(console.tail(1), ["up"]);
    }

    #[test]
    fn only_the_last_line_of_a_wait_is_kept() {
        let mut console = Console::default();
        console.take(b"         Mounting boot-firmware.mount - /boot/firmware...\n");
        for second in 1..500 {
            let stars = "\x1b[0;31m*\x1b[0;1;31m*\x1b[0m";
            let line =
                format!("\r\x1bM\x1b[K[  {stars}  ] Job boot-firmware.mount/start running ({second}s / 16min)\r\n");
            assert_eq!(console.take(line.as_bytes()).len(), 1);
        }
        console.take(
            b"[***   ] (2 of 3) A start job is running for /x (3s / no limit)\n[*** failed\n[   12.3] mmc0: timeout\n",
        );
        assert_eq!(
            console.tail(10),
            [
                "         Mounting boot-firmware.mount - /boot/firmware...",
                "[***   ] (2 of 3) A start job is running for /x (3s / no limit)",
                "[*** failed",
                "[   12.3] mmc0: timeout"
            ]
        );
    }

    #[test]
    fn known_failures_are_recognised() {
        for (line, check, fatal) in [
            (
                "Gave up waiting for root file system device.  Common problems:",
                "root",
                true,
            ),
            (
                "ALERT!  PARTUUID=deadbeef-02 does not exist.  Dropping to a shell!",
                "root",
                true,
            ),
            (
                "[ 3.1] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
                "root",
                true,
            ),
            (
                "[ 3.1] Kernel panic - not syncing: Attempted to kill init!",
                "kernel",
                true,
            ),
            ("You are in emergency mode. After logging in,", "root", true),
            ("cp: error writing '/x': No space left on device", "room", false),
        ] {
            let pattern = failure_pattern(line).unwrap();
            assert_eq!((pattern.check, pattern.fatal), (check, fatal), "{line}");
        }
        assert_eq!(failure_pattern("[    1.0] random: crng init done"), None);
        assert!(is_of_the_system(
            "[  OK  ] Reached target local-fs.target - Local File Systems."
        ));
        assert!(!is_of_the_system("Begin: Mounting root file system ... done."));
    }
}
