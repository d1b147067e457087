//! What every command that writes cards does with the chosen devices: it shows what will be lost,
//! asks, writes, and reports the result.

use std::fmt::Write as _;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use kraken_flash::card::access::{self, ChosenCard, Flashed};
use kraken_flash::card::{Contents, Host, Source, decimal_size};

use super::card_args::CardArgs;
use super::{Failure, Session, card_shown, say};

/// Finds and judges all devices before any of them is touched. `needed` is the size of the image in
/// bytes.
pub(super) fn choose(paths: &[PathBuf], args: &CardArgs, needed: Option<u64>) -> Result<Vec<ChosenCard>, Failure> {
    Ok(access::choose(&Host::system(), paths, &args.policy(needed))?)
}

/// A card that the user is asked about.
pub(super) struct Question<'a> {
    pub(super) card: &'a ChosenCard,
    /// What the card becomes, in a line.
    pub(super) becomes: String,
    /// What the user should consider besides the guard's warnings.
    pub(super) note: Option<&'static str>,
}

/// Shows what will be lost and what each device becomes, and asks.
pub(super) fn confirm(session: &Session, questions: &[Question<'_>], args: &CardArgs) -> Result<(), Failure> {
    let mut shown = match questions.len() {
        1 => "All that is on this device will be lost:\n".to_owned(),
        count => format!("All that is on these {count} devices will be lost:\n"),
    };
    for Question { card, becomes, note } in questions {
        let _ = write!(shown, "\n{}", card_shown::device(card.device()));
        let _ = writeln!(shown, "    becomes {becomes}");
        for mounted in card.unmount() {
            let _ = writeln!(shown, "    {mounted} is unmounted first");
        }
        for warning in card.warnings() {
            let _ = writeln!(shown, "    note: {warning}");
        }
        if let Some(note) = note {
            let _ = writeln!(shown, "    note: {note}");
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

/// Writes one card as the options say; `label` is the label of its progress bar.
pub(super) fn write(
    session: &Session,
    card: &ChosenCard,
    source: &mut dyn Source,
    contents: Contents,
    label: String,
    args: &CardArgs,
) -> Result<Flashed, Failure> {
    let flashed = access::flash(card, source, contents, &args.flash_options(label), session.job())?;
    if let Err(error) = &flashed.kept {
        session
            .progress
            .note(&format!("warning: the receipt was not kept: {error}"));
    }
    Ok(flashed)
}

/// Returns a line for people about a card that was written.
pub(super) fn done(flashed: &Flashed, name: &str, path: &Path) -> String {
    let receipt = &flashed.receipt;
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
    if let Ok(kept) = &flashed.kept {
        let _ = writeln!(line, "  receipt: {}", kept.display());
    }
    line
}
