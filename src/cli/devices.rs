//! `kraken-flash devices`: the cards that could be written, and why other devices could not.

use std::fmt::Write as _;
use std::io::Write;

use kraken_flash::card::{self, Device, Host, Policy, Reason, Verdict};
use serde::Serialize;

use super::{Failure, Session, say, tables, text};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Show the devices that are not written as well, and why not
    #[arg(long)]
    all: bool,
    /// Print all devices as JSON, with the verdict on each
    #[arg(long, conflicts_with = "all")]
    json: bool,
}

/// One device of `devices --json`.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Judged {
    #[serde(flatten)]
    device: Device,
    /// The guard's verdict without any option; `lifted-by` names the option that would change it.
    verdict: Verdict,
}

/// `devices --json`.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Listed {
    devices: Vec<Judged>,
}

pub(super) fn run(session: &Session, args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let judged = card::list(&Host::system())?.into_iter().map(|device| Judged {
        verdict: card::judge(&device, &Policy::default()),
        device,
    });
    let devices: Vec<Judged> = judged.collect();
    if args.json {
        return text::json(out, &Listed { devices });
    }
    let (fit, others): (Vec<&Judged>, Vec<&Judged>) = devices.iter().partition(|judged| judged.is_fit());
    if !fit.is_empty() {
        writeln!(out, "{}", table(&fit))?;
    }
    if args.all || fit.is_empty() {
        let shown = render_others(&others);
        if !fit.is_empty() && !shown.is_empty() {
            writeln!(out)?;
        }
        out.write_all(shown.as_bytes())?;
    }
    out.flush()?;
    if fit.is_empty() {
        say(session, &advice(&others));
    }
    Ok(())
}

impl Judged {
    /// Returns whether only mounted file systems prevent the writing.
    fn is_fit(&self) -> bool {
        let mounted = |reason: &Reason| matches!(reason, Reason::Mounted { lifted: true, .. });
        self.verdict.refusals.iter().all(mounted)
    }

    /// Returns the state in a word or two, for the table.
    fn state(&self) -> String {
        let mounts: Vec<String> = self.device.mounts().iter().rev().map(ToString::to_string).collect();
        let notes = match self.verdict.warnings.len() {
            0 => String::new(),
            1 => ", a note below".into(),
            count => format!(", {count} notes below"),
        };
        match mounts.is_empty() {
            true => format!("can be written{notes}"),
            false => format!("mounted at {}{notes}", mounts.join(", ")),
        }
    }
}

/// Returns the table of devices that may be written, a row each, and below it what the user should
/// consider.
fn table(fit: &[&Judged]) -> String {
    let rows = fit.iter().map(|judged| {
        let device = &judged.device;
        vec![
            device.path.display().to_string(),
            card::decimal_size(device.size),
            title(device),
            device.bus.to_string(),
            contents(device),
            judged.state(),
        ]
    });
    let mut shown = tables::table(&["DEVICE", "SIZE", "NAME", "BUS", "ON IT", "STATE"], rows);
    for judged in fit {
        for reason in judged.verdict.refusals.iter().chain(&judged.verdict.warnings) {
            let _ = write!(shown, "\n{}: {reason}", judged.device.path.display());
        }
    }
    shown
}

/// Returns model and serial number, by which the user recognises the reader or the stick.
fn title(device: &Device) -> String {
    let title = device.title();
    let serial = device.serial.as_deref().unwrap_or_default();
    match (title.is_empty(), serial.is_empty()) {
        (true, true) => "without a name".into(),
        (true, false) => serial.into(),
        (false, true) => title,
        (false, false) => format!("{title}, {serial}"),
    }
}

/// Returns what is on it: labels, else the kinds of file systems.
fn contents(device: &Device) -> String {
    let labels = device.labels();
    if !labels.is_empty() {
        return labels.join(", ");
    }
    let volumes = device
        .partitions
        .iter()
        .map(|partition| &partition.volume)
        .chain([&device.volume]);
    let kinds: Vec<&str> = volumes.filter_map(|volume| volume.file_system.as_deref()).collect();
    match (kinds.is_empty(), device.partitions.len(), device.contents_unknown) {
        (false, ..) => kinds.join(", "),
        (true, _, true) => "?".into(),
        (true, 0, _) => "nothing".into(),
        (true, 1, _) => "1 partition".into(),
        (true, count, _) => format!("{count} partitions"),
    }
}

/// Returns the other devices, each with its reasons in words.
fn render_others(others: &[&Judged]) -> String {
    let mut shown = String::new();
    for Judged { device, verdict } in others.iter().copied() {
        let mut facts = Vec::new();
        if device.media {
            facts.push(card::decimal_size(device.size));
        }
        facts.push(match &device.backing_file {
            Some(file) => format!("{}, {file}", device.bus),
            None if device.title().is_empty() => device.bus.to_string(),
            None => format!("{}, {}", device.bus, device.title()),
        });
        let _ = writeln!(shown, "{}: {}", device.path.display(), facts.join(", "));
        for reason in &verdict.refusals {
            let _ = writeln!(shown, "  {reason}");
        }
    }
    shown
}

/// Returns what to do when no device may be written.
fn advice(others: &[&Judged]) -> String {
    let empty: Vec<String> = others
        .iter()
        .filter(|judged| !judged.device.media && judged.device.is_removable())
        .map(|judged| judged.device.path.display().to_string())
        .collect();
    match empty.as_slice() {
        [] => {
            "no card was found that could be written: plug one in, in an SD slot or a USB reader, and look again".into()
        }
        [one] => format!(
            "no card was found that could be written: there is a reader without a card ({one}); put one in and look again"
        ),
        several => format!(
            "no card was found that could be written: there are readers without a card ({}); put one in and look again",
            several.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// A machine that runs from the network, with a reader at `sdb` that has a card or none.
    fn reader(root: &Path, sectors: u64) -> Vec<Judged> {
        let disk = root.join("sys/block/sdb");
        fs::create_dir_all(disk.join("device")).unwrap();
        fs::create_dir_all(root.join("proc/self")).unwrap();
        for (file, text) in [
            (disk.join("dev"), "8:16"),
            (disk.join("size"), &sectors.to_string()),
            (disk.join("removable"), "1"),
            (disk.join("device/model"), "SD/MMC"),
            (root.join("proc/self/mountinfo"), "30 1 0:18 / / rw - nfs4 nas:/pi rw"),
        ] {
            fs::write(file, text).unwrap();
        }
        let devices = card::list(&Host::at(root)).unwrap().into_iter();
        devices
            .map(|device| Judged {
                verdict: card::judge(&device, &Policy::default()),
                device,
            })
            .collect()
    }

    #[test]
    fn a_card_is_a_row_with_its_notes_beneath() {
        let root = tempfile::tempdir().unwrap();
        let judged = reader(root.path(), 15_000_000);
        assert!(judged[0].is_fit());
        let shown = table(&judged.iter().collect::<Vec<_>>());
        let lines: Vec<&str> = shown.lines().collect();
        let words: Vec<&str> = lines[1].split_whitespace().collect();
        assert_eq!(words[..4], ["/dev/sdb", "7.6", "GB", "SD/MMC"], "{shown}");
        assert!(lines[1].ends_with("can be written, 2 notes below"), "{shown}");
        assert!(lines[2].starts_with("/dev/sdb: it has 7.6 GB"), "{shown}");
    }

    #[test]
    fn an_empty_reader_is_named_when_nothing_fits() {
        let root = tempfile::tempdir().unwrap();
        let judged = reader(root.path(), 0);
        let others: Vec<&Judged> = judged.iter().collect();
        assert_eq!(
            render_others(&others),
            "/dev/sdb: SCSI, SD/MMC\n  there is no card in it: put one in\n"
        );
        assert!(advice(&others).contains("a reader without a card (/dev/sdb)"));
        assert!(advice(&[]).contains("plug one in"));
    }
}
