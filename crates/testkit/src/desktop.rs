//! A desktop on a machine without one: a system bus of its own with polkit and UDisks2, Debian's
//! own programs, in a mount namespace in which the machine's rules and udev's facts are the test's.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::loops::LoopDevice;
use super::world::World;

/// The user at the desktop, `nobody`.
pub const USER: u32 = 65534;
/// The name of that user's account.
const USER_NAME: &str = "nobody";

/// All programs may talk to each other on this bus; polkit decides who may do what, as on a real
/// one.
const BUS: &str = r#"<busconfig>
  <type>system</type>
  <listen>unix:path=BUS</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
"#;

/// Ends with its standard input, and ends all that it started.
const SCRIPT: &str = r#"set -eu
mkdir -p /run/udisks2 /run/udev /var/lib/udisks2
for folder in /etc/polkit-1/rules.d /run/udisks2 /run/udev; do mount -t tmpfs -o mode=755 none "$folder"; done
mkdir /run/udev/data
touch /run/udev/control
cp "$FOLDER/allowed.rules" /etc/polkit-1/rules.d/10-test.rules
cp "$FOLDER"/b*:* /run/udev/data/
dbus-daemon --config-file="$FOLDER/bus.conf" --nofork --nopidfile >"$FOLDER/bus.log" 2>&1 & bus=$!
/usr/lib/polkit-1/polkitd --no-debug >"$FOLDER/polkit.log" 2>&1 & polkit=$!
trap 'kill $udisks $polkit $bus 2>/dev/null; wait' EXIT
udisks=
has() { dbus-send --bus="$DBUS_SYSTEM_BUS_ADDRESS" --print-reply=literal --dest=org.freedesktop.DBus / org.freedesktop.DBus.NameHasOwner "string:$1" 2>/dev/null | grep -q true; }
await() { for _ in $(seq 100); do has "$1" && return; sleep 0.1; done; echo "no $1 within 10 s"; exit 1; }
await org.freedesktop.PolicyKit1
/usr/libexec/udisks2/udisksd >"$FOLDER/udisks.log" 2>&1 & udisks=$!
await org.freedesktop.UDisks2
echo ready
read -r _ || true
"#;

/// A running desktop, until it is dropped.
pub struct Desktop {
    process: Child,
    bus: String,
    program: PathBuf,
}

impl Desktop {
    /// Starts it in a world's folder, which becomes the user's. UDisks2 knows `card`, and polkit's
    /// answer to the user's requests is `answer`: `YES`, or `AUTH_ADMIN`, an administrator's
    /// password, which cannot be entered here.
    pub fn start(world: &World, card: &LoopDevice, answer: &str) -> Self {
        let folder = world.at("desktop");
        std::fs::create_dir(&folder).unwrap();
        let bus = folder.join("bus");
        let number = card.name().replace("loop", "b7:");
        std::fs::write(folder.join("bus.conf"), BUS.replace("BUS", bus.to_str().unwrap())).unwrap();
        let rules = "polkit.addRule(function(action, subject) {\n  \
            if (action.id.indexOf(\"org.freedesktop.udisks2.\") == 0 && subject.user == \"USER\") return polkit.Result.ANSWER;\n});\n";
        std::fs::write(
            folder.join("allowed.rules"),
            rules.replace("USER", USER_NAME).replace("ANSWER", answer),
        )
        .unwrap();
        std::fs::write(folder.join(number), "I:1\nG:systemd\nV:1\n").unwrap();
        // A place where the user may run it, too.
        let program = folder.join("kraken-flash");
        std::fs::copy(assert_cmd::cargo::cargo_bin("kraken-flash"), &program).unwrap();
        super::run(Command::new("chown").args(["-R", "nobody:nogroup"]).arg(world.path()));
        let bus = format!("unix:path={}", bus.display());
        let mut process = Command::new("unshare")
            .args(["--mount", "bash", "-c", SCRIPT])
            .env("FOLDER", &folder)
            .env("DBUS_SYSTEM_BUS_ADDRESS", &bus)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        lines.read_line(&mut said).unwrap();
        assert_eq!(
            said,
            "ready\n",
            "the desktop did not start; its logs are in {}",
            folder.display()
        );
        Self { process, bus, program }
    }

    /// Returns the program, run by the user at this desktop.
    pub fn program(&self, world: &World) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--target", &self.process.id().to_string()]);
        as_user(&mut command, &self.program, world);
        command.env("DBUS_SYSTEM_BUS_ADDRESS", &self.bus);
        command
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Makes a command that takes a command line run the program as the user, in the world's folder and
/// environment.
pub fn as_user(command: &mut Command, program: &Path, world: &World) {
    let id = USER.to_string();
    // Entering a namespace resets the folder.
    command.args(["env", "--chdir"]).arg(world.path());
    command
        .args(["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups"])
        .arg(program);
    for (name, value) in world.program().get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
}
