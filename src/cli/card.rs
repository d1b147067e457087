//! What every command that writes cards does with the chosen devices: it shows what will be lost,
//! asks, writes, and reports the result.

use std::fmt::Write as _;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use kraken_flash::card::{self, Contents, Receipt, Receipts, Source, WriteError, WriteOptions, decimal_size};

use super::card_chosen::{CardArgs, Chosen};
use super::card_held::held_by;
use super::{Failure, Session, access, card_shown, say};

/// Shows what will be lost and what each device becomes (`becomes`, a line for each), and asks.
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
    if args.is_dry_run() {
        say(session, &format!("{shown}\nNothing was written (--dry-run)."));
        return Ok(());
    }
    if args.is_agreed() {
        say(session, &shown);
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::message(
            "there is no terminal to ask on, and --yes was not given; nothing was written",
        ));
    }
    // Also with --quiet: a user cannot agree to what is not shown.
    let mut err = io::stderr().lock();
    write!(err, "{shown}\nWrite? Type yes: ")?;
    err.flush()?;
    let answer = read_answer(session)?;
    match answer.trim().eq_ignore_ascii_case("yes") {
        true => Ok(()),
        false => Err(Failure::message("nothing was written")),
    }
}

/// Reads a line from the terminal. Ctrl-C ends the wait; a plain read would begin again after the
/// signal.
fn read_answer(session: &Session) -> Result<String, Failure> {
    let line = session.wait_for(|| {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map(|_| line)
    })?;
    Ok(line?)
}

/// The result of writing one card.
pub(super) struct Written {
    pub(super) receipt: Receipt,
    pub(super) kept: Option<PathBuf>,
}

/// Writes one card: opens it for this program alone, makes sure that it is still the one that was
/// shown, writes, reads back, ejects, and keeps the receipt. `name` is the label of its progress
/// bar.
pub(super) fn write(
    session: &Session,
    card: &Chosen,
    source: &mut dyn Source,
    contents: Contents,
    name: &str,
    args: &CardArgs,
) -> Result<Written, Failure> {
    let path = &card.device.path;
    access::unmount(session, card)?;
    let opened = access::open(session, card)?;
    if let Some(hostname) = held_by(opened.target(), &card.held, session) {
        let text = format!(
            "{} holds the card of {hostname}, which is done: it was not written; take it out, and start again with another card, it goes on where it stopped",
            path.display()
        );
        opened.release(args.ejects());
        return Err(Failure::message(text));
    }
    // From here on the card is changed.
    session.interrupt.check()?;
    let size_is_known = source.size().is_some();
    let options = WriteOptions {
        verify: args.reads_back(),
        test_capacity: true,
        nonce: nonce()?,
    };
    let report = card::write(source, opened.target(), name, options, session.job()).map_err(|error| {
        match error {
            WriteError::NotBegun => Failure::Stopped(format!("interrupted; {} was not touched", path.display())),
            WriteError::Interrupted(_) => Failure::Stopped(format!(
                "interrupted; {} is empty at its beginning and does not boot: write it again",
                path.display()
            )),
            // A size that is known is checked before the card is touched, and `Left` says itself in
            // what state it leaves the card: neither needs the sentence below.
            WriteError::TooSmall { .. } if size_is_known => Failure::message(format!("{}: {error}", path.display())),
            WriteError::Left(..) => Failure::message(format!("{}: {error}", path.display())),
            error => Failure::message(format!(
                "{}: {error}\n  The card is not bootable, so that nobody takes it for a good one.",
                path.display()
            )),
        }
    })?;
    opened.release(args.ejects());
    let receipt = Receipt::new(contents, &card.device, &report);
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

/// Returns a line for people about a card that was written.
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
