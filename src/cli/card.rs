//! What every command that writes cards does: looks at the devices, shows what will be lost, asks, writes, and says how it went.

use std::fmt::Write as _;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use kraken_flash::card::{
    self, Contents, Device, Host, HostPath, Identity, Policy, Reason, Receipt, Receipts, Source, WriteError,
    WriteOptions, decimal_size,
};

use super::cards_wait::{Held, held_by};
use super::{Failure, Session, card_shown, door, say};

/// Options of every command that writes cards.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Writing cards")]
pub(super) struct CardArgs {
    /// Do not ask: everything on the devices named will be lost
    #[arg(short, long, conflicts_with = "dry_run")]
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
    #[arg(long, conflicts_with = "dry_run")]
    no_verify: bool,
    /// Leave the card where it is, ready to be looked at, instead of ejecting it
    #[arg(long, conflicts_with = "dry_run")]
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

    /// Whether a device is judged more mildly than without options.
    pub(super) fn are_mild(&self) -> bool {
        self.unmount || self.i_know_this_is_not_removable || self.allow_large
    }

    /// Whether nobody is to be asked.
    pub(super) fn is_agreed(&self) -> bool {
        self.yes
    }

    /// Whether devices that are no cards may be written.
    pub(super) fn allows_fixed(&self) -> bool {
        self.i_know_this_is_not_removable
    }

    /// Whether what was written is read back.
    pub(super) fn reads_back(&self) -> bool {
        !self.no_verify
    }

    /// Whether nothing is to be written.
    pub(super) fn is_dry_run(&self) -> bool {
        self.dry_run
    }
}

/// A device that passed the guard, and who it was then.
pub(super) struct Chosen {
    pub(super) device: Device,
    pub(super) identity: Identity,
    /// What to think of, in words.
    pub(super) warnings: Vec<String>,
    /// What the guard warns of.
    pub(super) reasons: Vec<Reason>,
    /// Cards that are done: one that holds the bytes of one of them is not written.
    pub(super) held: Vec<Held>,
    pub(super) unmount: Vec<HostPath>,
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
            reasons: verdict.warnings,
            held: Vec::new(),
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
        let _ = write!(shown, "\n{}", card_shown::device(&card.device));
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
    let line = session.wait_for(|| {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map(|_| line)
    })?;
    Ok(line?)
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
    door::unmount(session, card)?;
    let opened = door::open(session, card)?;
    if let Some(hostname) = held_by(opened.target(), &card.held, session) {
        let text = format!(
            "{} holds the card of {hostname}, which is done: it was not written; take it out, and start again with another card, it goes on where it stopped",
            path.display()
        );
        opened.release(!args.no_eject);
        return Err(Failure::message(text));
    }
    // Later than this the card is touched.
    session.interrupt.check()?;
    let size_is_known = source.size().is_some();
    let options = WriteOptions {
        verify: !args.no_verify,
        test_capacity: true,
        nonce: nonce()?,
    };
    let report = card::write(
        source,
        opened.target(),
        name,
        options,
        &*session.progress,
        &session.interrupt,
    )
    .map_err(|error| {
        match error {
            WriteError::NotBegun => Failure::Stopped(format!("interrupted; {} was not touched", path.display())),
            WriteError::Interrupted(_) => Failure::Stopped(format!(
                "interrupted; {} is empty at its beginning and does not boot: write it again",
                path.display()
            )),
            // Known beforehand, so nothing was touched; and of what is left in an unknown state the error tells.
            WriteError::TooSmall { .. } if size_is_known => Failure::message(format!("{}: {error}", path.display())),
            WriteError::Left(..) => Failure::message(format!("{}: {error}", path.display())),
            error => Failure::message(format!(
                "{}: {error}\n  The card is not bootable, so that nobody takes it for a good one.",
                path.display()
            )),
        }
    })?;
    opened.release(!args.no_eject);
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
