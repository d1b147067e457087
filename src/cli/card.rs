//! What every command that writes cards does: looks at the devices, shows what will be lost, asks, writes, and says how it went.

use std::fmt::Write as _;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use kraken_flash::card::{
    self, BlockTarget, Contents, Device, Host, HostPath, Identity, Policy, Receipt, Receipts, Source, WriteError,
    WriteOptions, decimal_size,
};
use rustix::fs::Access;

use super::{Failure, Session, say};

/// Options of every command that writes cards.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Writing cards")]
pub(super) struct CardArgs {
    /// Do not ask: everything on the devices named will be lost
    #[arg(short, long)]
    yes: bool,
    /// Look, judge and say what would be written; write nothing
    #[arg(long)]
    dry_run: bool,
    /// Unmount what is mounted from the card
    #[arg(long)]
    unmount: bool,
    /// Write a device that is no card, no reader and no USB disk
    #[arg(long)]
    i_know_this_is_not_removable: bool,
    /// Write a device that is larger than cards are
    #[arg(long)]
    allow_large: bool,
    /// Do not read back what was written
    #[arg(long)]
    no_verify: bool,
    /// Leave the card where it is, ready to be looked at, instead of ejecting it
    #[arg(long)]
    no_eject: bool,
}

impl CardArgs {
    fn policy(&self, needed: Option<u64>) -> Policy {
        Policy {
            needed,
            allow_fixed: self.i_know_this_is_not_removable,
            allow_large: self.allow_large,
            unmount: self.unmount,
        }
    }

    /// Whether nothing is to be written.
    pub(super) fn is_dry_run(&self) -> bool {
        self.dry_run
    }
}

/// A device that passed the guard, and who it was then.
pub(super) struct Chosen {
    pub(super) device: Device,
    identity: Identity,
    warnings: Vec<String>,
    unmount: Vec<HostPath>,
}

/// Finds and judges the devices, all of them before any is touched.
pub(super) fn choose(paths: &[PathBuf], args: &CardArgs, needed: Option<u64>) -> Result<Vec<Chosen>, Failure> {
    let host = Host::system();
    let mut chosen: Vec<Chosen> = Vec::new();
    let mut refused = Vec::new();
    for path in paths {
        let device = card::find(&host, path)?;
        if chosen.iter().any(|other| other.device.number == device.number) {
            return Err(Failure::Usage(format!("{} is named twice", device.path.display())));
        }
        let verdict = card::judge(&device, &args.policy(needed));
        for reason in &verdict.refusals {
            refused.push(format!("{}: {reason}", device.path.display()));
        }
        chosen.push(Chosen {
            identity: Identity::of(&device),
            warnings: verdict.warnings.iter().map(ToString::to_string).collect(),
            unmount: verdict.unmount,
            device,
        });
    }
    match refused.is_empty() {
        true => Ok(chosen),
        false => Err(Failure::message(format!(
            "nothing was written\n  {}",
            refused.join("\n  ")
        ))),
    }
}

/// Whether this user may write the devices; what to type when not.
pub(super) fn may_write(chosen: &[Chosen]) -> Result<(), Failure> {
    for card in chosen {
        let path = &card.device.path;
        if let Err(error) = rustix::fs::access(path, Access::WRITE_OK | Access::READ_OK) {
            return Err(Failure::message(format!(
                "{} cannot be written by you: {}; as root it can:\n  {}",
                path.display(),
                io::Error::from(error),
                as_root()
            )));
        }
    }
    Ok(())
}

/// This very command, for root, with the folders that are this user's.
fn as_root() -> String {
    let mut line = "sudo env".to_owned();
    let cache = kraken_flash::base::Cache::open(None).map(|cache| cache.root().to_owned());
    if let Ok(cache) = cache {
        let _ = write!(
            line,
            " {}={}",
            kraken_flash::base::CACHE_VARIABLE,
            quoted(&cache.to_string_lossy())
        );
    }
    let program = std::env::current_exe().unwrap_or_else(|_| "kraken-flash".into());
    let _ = write!(line, " {}", quoted(&program.to_string_lossy()));
    for argument in std::env::args().skip(1) {
        let _ = write!(line, " {}", quoted(&argument));
    }
    line
}

/// As a shell takes it.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-=:,+@".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// Shows what will be lost and what will be there instead (`becomes`, a line for each), and asks.
pub(super) fn confirm(
    session: &Session,
    chosen: &[Chosen],
    becomes: &[String],
    args: &CardArgs,
) -> Result<(), Failure> {
    let mut shown = match chosen.len() {
        1 => "All that is on this device will be lost:\n".to_owned(),
        count => format!("All that is on these {count} devices will be lost:\n"),
    };
    for (card, becomes) in chosen.iter().zip(becomes) {
        let _ = write!(shown, "\n{}", describe(&card.device));
        let _ = writeln!(shown, "    becomes {becomes}");
        for mounted in &card.unmount {
            let _ = writeln!(shown, "    {mounted} is unmounted first");
        }
        for warning in &card.warnings {
            let _ = writeln!(shown, "    note: {warning}");
        }
    }
    if args.dry_run {
        say(session, &format!("{shown}\nNothing was written (--dry-run)."));
        return Ok(());
    }
    if args.yes {
        say(session, &shown);
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::message(
            "there is no terminal to ask on, and --yes was not given; nothing was written",
        ));
    }
    // Also with --quiet: nobody can agree to what is not shown.
    let mut err = io::stderr().lock();
    write!(err, "{shown}\nWrite? Type yes: ")?;
    err.flush()?;
    let answer = read_answer(session)?;
    match answer.trim().eq_ignore_ascii_case("yes") {
        true => Ok(()),
        false => Err(Failure::message("nothing was written")),
    }
}

/// A line from the terminal. Ctrl-C ends the wait: by itself, reading would begin again after a signal.
fn read_answer(session: &Session) -> Result<String, Failure> {
    let (give, answer) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        // Nobody may be waiting any more.
        let _ = give.send(io::stdin().lock().read_line(&mut line).map(|_| line));
    });
    loop {
        session.interrupt.check()?;
        match answer.recv_timeout(Duration::from_millis(100)) {
            Ok(line) => return Ok(line?),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(String::new()),
        }
    }
}

/// A device and what is on it, for people.
fn describe(device: &Device) -> String {
    let mut shown = format!("  {}  {}", device.path.display(), decimal_size(device.size));
    // Names are clean already.
    let title = device.title();
    if !title.is_empty() {
        let _ = write!(shown, "  {title}");
    }
    if let Some(serial) = &device.serial {
        let _ = write!(shown, "  serial {serial}");
    }
    let _ = writeln!(shown, "  {}", device.bus);
    let parts: Vec<String> = device
        .partitions
        .iter()
        .map(|part| {
            let name = part.volume.label.as_deref().or(part.part_label.as_deref());
            let name = name.map_or_else(|| format!("partition {}", part.number), str::to_owned);
            let system = part.volume.file_system.as_deref().unwrap_or("unknown");
            format!("{name} ({system}, {})", decimal_size(part.size))
        })
        .collect();
    let holds = match (parts.is_empty(), &device.table) {
        (false, _) => parts.join(", "),
        (true, Some(table)) => format!("an empty {} table", table.kind),
        (true, None) => "nothing that is known".to_owned(),
    };
    let _ = writeln!(shown, "    holds   {holds}");
    shown
}

/// How it went with one card.
pub(super) struct Written {
    pub(super) receipt: Receipt,
    pub(super) kept: Option<PathBuf>,
}

/// Writes one card: opens it for this program alone, makes sure that it is still the one that was shown, writes, reads back, ejects,
/// keeps the receipt. `name` is what progress calls it.
pub(super) fn write(
    session: &Session,
    card: &Chosen,
    (source, what): (&mut dyn Source, Contents),
    name: &str,
    args: &CardArgs,
) -> Result<Written, Failure> {
    let path = &card.device.path;
    for mounted in &card.unmount {
        rustix::mount::unmount(mounted.path(), rustix::mount::UnmountFlags::empty()).map_err(|error| {
            Failure::message(format!(
                "unmounting {mounted}: {}; close what uses it, nothing was written to {}",
                io::Error::from(error),
                path.display()
            ))
        })?;
    }
    let target = open(card)?;
    // Later than this the card is touched.
    session.interrupt.check()?;
    let size_is_known = source.size().is_some();
    let options = WriteOptions {
        verify: !args.no_verify,
        test_capacity: true,
        nonce: nonce()?,
    };
    let report =
        card::write(source, &target, name, options, &*session.progress, &session.interrupt).map_err(|error| {
            match error {
                WriteError::Interrupted(_) => Failure::Stopped(format!(
                    "interrupted; {} is empty at its beginning and does not boot: write it again",
                    path.display()
                )),
                // Known beforehand, so nothing was touched; and of what is left in an unknown state the error tells.
                WriteError::TooSmall { .. } if size_is_known => {
                    Failure::message(format!("{}: {error}", path.display()))
                }
                WriteError::Left(..) => Failure::message(format!("{}: {error}", path.display())),
                error => Failure::message(format!(
                    "{}: {error}\n  The card is not bootable, so that nobody takes it for a good one.",
                    path.display()
                )),
            }
        })?;
    let _ = target.reread_table();
    if !args.no_eject {
        // One that cannot be ejected is safe to pull out all the same: all of it is on the medium.
        let _ = target.eject();
    }
    let receipt = Receipt::new(what, &card.device, &report);
    let kept = match Receipts::open().and_then(|receipts| receipts.keep(&receipt)) {
        Ok(path) => Some(path),
        Err(error) => {
            session
                .progress
                .note(&format!("warning: the receipt was not kept: {error}"));
            None
        }
    };
    Ok(Written { receipt, kept })
}

/// Opens the card, if it is still the device that was shown.
fn open(card: &Chosen) -> Result<BlockTarget, Failure> {
    let path = &card.device.path;
    let target = BlockTarget::open(path).map_err(|error| {
        let what = match error.kind() {
            io::ErrorKind::ResourceBusy => {
                "it is in use: something has it mounted or opened since it was looked at; close it and start again"
                    .into()
            }
            io::ErrorKind::PermissionDenied => format!("{error}; as root it can be written:\n  {}", as_root()),
            _ => format!("{error}; look at `kraken-flash devices` and start again"),
        };
        Failure::message(format!("opening {}: {what}", path.display()))
    })?;
    let now = card::find(&Host::system(), path)?;
    card.identity.check(&now)?;
    let number = target
        .number()
        .map_err(|error| Failure::message(format!("looking at {}: {error}", path.display())))?;
    if number != now.number || card::Target::size(&target) != now.size {
        return Err(Failure::message(format!(
            "{} changed while it was opened; nothing was written - start again",
            path.display()
        )));
    }
    Ok(target)
}

fn nonce() -> Result<u64, Failure> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::message(format!("asking the system for a random number: {error}")))?;
    Ok(u64::from_le_bytes(bytes))
}

/// A line for people about a card that was written.
pub(super) fn done(written: &Written, name: &str, path: &Path) -> String {
    let receipt = &written.receipt;
    let rate = |seconds: f64| match seconds > 0.0 {
        true => format!("{:.1} MB/s", receipt.bytes as f64 / 1e6 / seconds),
        false => "at once".to_owned(),
    };
    let mut line = format!(
        "{name} is on {}: {} written in {:.1} s ({})",
        path.display(),
        decimal_size(receipt.bytes),
        receipt.seconds_writing,
        rate(receipt.seconds_writing)
    );
    match receipt.seconds_reading {
        Some(seconds) => {
            let _ = write!(
                line,
                ", read back and found right in {seconds:.1} s ({})",
                rate(seconds)
            );
        }
        None => line.push_str(", not read back"),
    }
    line.push_str("; safe to remove\n");
    if let Some(kept) = &written.kept {
        let _ = writeln!(line, "  receipt: {}", kept.display());
    }
    line
}
