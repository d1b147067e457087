//! What a node's green LED shows: the card's own script under dash, on LEDs like those that the
//! kernel shows in /sys.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use kraken_overlay::Volume;
use tempfile::TempDir;

use testkit::images::{kraken, make, text, trixie};

/// The triggers of the kernel on a Pi 3B with Raspberry Pi OS, and on one with Debian before any
/// module is loaded.
const RASPBERRY: &str = "none rc-feedback kbd-scrolllock kbd-numlock usb-gadget timer oneshot heartbeat backlight gpio cpu cpu0 default-on \
    input panic actpwr [mmc0] mmc1 rfkill-any rfkill-none";
const DEBIAN: &str = "none kbd-scrolllock disk-activity mtd nand-disk [heartbeat] cpu cpu0 panic mmc0 rfkill-any";

struct Board {
    folder: TempDir,
    led: String,
}

impl Board {
    /// A board with this LED, these triggers, and these that modprobe adds. All of the LED's files
    /// exist from the start, also those that a kernel shows only while they have an effect.
    fn new(led: &str, triggers: &str, modules: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let board = Self {
            folder,
            led: led.to_owned(),
        };
        for name in [led, "PWR", "led1", "mmc1::"] {
            for (file, text) in [
                ("trigger", format!("{triggers}\n").as_str()),
                ("max_brightness", "255\n"),
                ("brightness", "7\n"),
                ("delay_on", "500\n"),
                ("delay_off", "500\n"),
                ("pattern", "\n"),
            ] {
                board.put(&format!("sys/class/leds/{name}/{file}"), text);
            }
        }
        let common = make(&trixie(), &kraken(), 3).common;
        board.put("light", &text(&common, Volume::Root, "/usr/local/lib/kraken-flash/led"));
        let trigger = format!("$KRAKEN_STATUS_ROOT/sys/class/leds/{led}/trigger");
        board.put(
            "bin/modprobe",
            &format!(
                "#!/bin/sh\necho \"$*\" >> \"$KRAKEN_STATUS_ROOT/modprobe\"\nname=${{2#ledtrig-}}\n\
                 case ' {modules} ' in *\" $name \"*) echo \"$(cat \"{trigger}\") $name\" > \"{trigger}\" ;; *) exit 1 ;; esac\n"
            ),
        );
        fs::set_permissions(board.path("bin/modprobe"), fs::Permissions::from_mode(0o755)).unwrap();
        board
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn of(&self, led: &str, file: &str) -> String {
        fs::read_to_string(self.path(&format!("sys/class/leds/{led}/{file}")))
            .unwrap()
            .trim_end()
            .to_owned()
    }

    /// Runs the script; returns its exit code.
    fn light(&self, argument: &str) -> Option<i32> {
        let done = Command::new("dash")
            .arg(self.path("light"))
            .arg(argument)
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", self.path("bin").display()))
            .env("KRAKEN_STATUS_ROOT", self.folder.path())
            .output()
            .unwrap_or_else(|error| panic!("dash cannot be run ({error}): apt-get install dash"));
        assert_eq!(String::from_utf8_lossy(&done.stdout), "");
        done.status.code()
    }

    /// Returns the LED's state in words.
    fn shows(&self) -> String {
        let of = |file| self.of(&self.led, file);
        match of("trigger").as_str() {
            "timer" => format!("timer {}/{}", of("delay_on"), of("delay_off")),
            "pattern" => format!("pattern {}", of("pattern")),
            "none" => format!("steady {}", of("brightness")),
            other => other.to_owned(),
        }
    }
}

#[test]
fn each_stage_has_a_pattern_of_its_own_as_far_as_the_kernel_can() {
    const FLASHES: &str = "pattern 255 150 255 0 0 200 0 0 255 150 255 0 0 1500 0 0";
    let kernels = [
        // Triggers, modules, and the patterns of booting, waiting, ready and failed.
        (
            RASPBERRY,
            "pattern",
            ["timer 1000/1000", FLASHES, "steady 255", "timer 125/125"],
        ),
        (
            DEBIAN,
            "timer pattern",
            ["timer 1000/1000", FLASHES, "steady 255", "timer 125/125"],
        ),
        (
            RASPBERRY,
            "",
            ["timer 1000/1000", "heartbeat", "steady 255", "timer 125/125"],
        ),
        (
            "none [mmc0] timer",
            "",
            ["timer 1000/1000", "timer 150/1850", "steady 255", "timer 125/125"],
        ),
        (
            "none [mmc0]",
            "pattern",
            [
                "pattern 255 1000 255 0 0 1000 0 0",
                FLASHES,
                "steady 255",
                "pattern 255 125 255 0 0 125 0 0",
            ],
        ),
        ("none [mmc0]", "", ["steady 0", "steady 0", "steady 255", "steady 0"]),
        ("[none]", "", ["steady 0", "steady 0", "steady 255", "steady 0"]),
    ];
    for (triggers, modules, wanted) in kernels {
        for (stage, wanted) in ["booting", "waiting", "ready", "failed"].into_iter().zip(wanted) {
            let board = Board::new("ACT", triggers, modules);
            assert_eq!(board.light(stage), Some(0));
            assert_eq!(board.shows(), wanted, "{stage} with {triggers} and {modules:?}");
            // Only the chosen LED changes.
            for other in ["PWR", "led1", "mmc1::"] {
                assert_eq!(board.of(other, "trigger"), triggers, "{other}");
                assert_eq!(board.of(other, "brightness"), "7", "{other}");
            }
        }
    }
}

#[test]
fn the_led_is_found_by_each_of_its_names() {
    for name in ["ACT", "led0", "led-act", "green:activity"] {
        let board = Board::new(name, RASPBERRY, "");
        assert_eq!(board.light("ready"), Some(0), "{name}");
        assert_eq!(board.shows(), "steady 255", "{name}");
    }
}

#[test]
fn without_a_green_led_nothing_is_lit_and_nothing_said() {
    let board = Board::new("input0::capslock", RASPBERRY, "");
    for argument in ["booting", "ready", "off"] {
        assert_eq!(board.light(argument), Some(1));
    }
    assert_eq!(board.of("input0::capslock", "trigger"), RASPBERRY);
    fs::remove_dir_all(board.path("sys")).unwrap();
    assert_eq!(board.light("ready"), Some(1));
}

#[test]
fn a_led_that_is_on_and_off_only_gets_its_own_brightness() {
    let board = Board::new("ACT", RASPBERRY, "");
    board.put("sys/class/leds/ACT/max_brightness", "1\n");
    board.light("ready");
    assert_eq!(board.shows(), "steady 1");
}

#[test]
fn the_led_goes_back_to_whom_it_belonged() {
    for (triggers, owner) in [(RASPBERRY, "mmc0"), (DEBIAN, "heartbeat"), ("[none] mmc0", "none")] {
        let board = Board::new("ACT", triggers, "");
        board.light("booting");
        // The kernel's list now has another mark; the script does not ask again for the former
        // trigger.
        board.put("sys/class/leds/ACT/trigger", "none mmc0 [timer] heartbeat\n");
        board.light("ready");
        assert_eq!(board.light("off"), Some(0));
        assert_eq!(board.of("ACT", "trigger"), owner);
        assert_eq!(board.of("ACT", "brightness"), "0", "it claims nothing");
        assert!(!board.path("run/kraken-flash/status/trigger").exists());
    }
}

#[test]
fn a_module_is_asked_for_only_where_the_kernel_has_not_got_it() {
    let board = Board::new("ACT", RASPBERRY, "pattern");
    board.light("booting");
    assert!(!board.path("modprobe").exists());
    board.put("sys/class/leds/ACT/trigger", RASPBERRY);
    board.light("waiting");
    assert_eq!(
        fs::read_to_string(board.path("modprobe")).unwrap(),
        "-q ledtrig-pattern\n"
    );
}

#[test]
fn a_slip_in_the_argument_is_said() {
    let board = Board::new("ACT", RASPBERRY, "");
    assert_eq!(board.light("readied"), Some(2));
    assert_eq!(board.of("ACT", "brightness"), "7");
}
