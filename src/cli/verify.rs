//! `kraken-flash verify`: compares images with kraken.toml.

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};

use kraken_flash::card::access;
use kraken_flash::packages::lock::Lock;
use kraken_flash::verify::{self, Expectation, FolderExpectation, ImageReport, Report};
use kraken_spec::workspace::{LoginKeys, MissingKeys};

use super::boot_args::BootArgs;
use super::verify_path::{is_there, node_by_name};
use super::{Failure, Session, keys, known, load, text, verify_boot, verify_card};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// An image, raw or packed, a folder of images, or a card [default: images; with --boot, what
    /// kraken.toml describes]
    #[arg(value_name = "IMAGE|DIR|DEVICE")]
    path: Option<PathBuf>,
    /// The node that the image should be [default: the one that its file is named after, else any;
    /// with --boot, the one that it says it is]
    #[arg(long, value_name = "N", value_parser = load::node_number, requires = "path", conflicts_with = "nodes")]
    node: Option<u32>,
    /// The receipt to compare a card with [default: the newest one of its node]
    #[arg(long, value_name = "FILE", requires = "path", conflicts_with = "boot")]
    receipt: Option<PathBuf>,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    boot: BootArgs,
}

impl Args {
    /// Checks that the options of --boot have an effect.
    pub(super) fn check(&self) -> Result<(), String> {
        if !self.boot.boot && self.boot.base.are_given() {
            return Err(
                "--base, --offline and --refresh go with --boot: images are compared with the base that they were made from"
                    .into(),
            );
        }
        match self.path.is_some() {
            true => self.boot.check_with_path(),
            false => Ok(()),
        }
    }
}

pub(super) fn run(session: &Session, args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    if args.boot.boot {
        let request = verify_boot::Request {
            path: args.path.as_deref(),
            node: args.node,
            as_json: args.json,
        };
        return verify_boot::run(session, &args.boot, request, out);
    }
    let path = args.path.as_deref().unwrap_or(Path::new(known::IMAGES));
    is_there(path)?;
    let loaded = load::load(session, MissingKeys::Leave)?;
    if let LoginKeys::ToBeMade(path) = &loaded.project.workspace.keys {
        return Err(Failure::message(format!(
            "no SSH key is configured or found, and there is no {}: these images cannot have been made from this kraken.toml",
            path.display()
        )));
    }
    let cluster = &loaded.project.workspace.cluster;
    let lock = Lock::read(&loaded.project.lock)?;
    let keys = keys::read(session, cluster)?;
    let report = if path.is_dir() {
        if args.node.is_some() {
            return Err(Failure::Usage(
                "--node goes with one image; a folder is checked node by node anyway".into(),
            ));
        }
        let expectation = FolderExpectation {
            cluster,
            assets: &loaded.project.assets,
            lock: Some(&lock),
            keys: keys.as_ref(),
        };
        verify::verify_folder(path, &expectation, session.job())?
    } else {
        let is_card = verify_card::is_card(path);
        if is_card {
            access::may_read(path)?;
        }
        let node = args.node.or_else(|| node_by_name(path, cluster));
        let expectation = Expectation {
            cluster,
            assets: &loaded.project.assets,
            node,
            keys: keys.as_ref(),
            base_sha256: None,
            lock: Some(&lock),
            packages_sha256: None,
        };
        let job = session.job();
        let mut image = verify::verify_file(path, &expectation, job)?;
        if is_card {
            verify_card::compare(session, path, args.receipt.as_deref(), &cluster.name, &mut image)?;
        } else if args.receipt.is_some() {
            return Err(Failure::Usage("--receipt goes with a card".into()));
        }
        Report {
            images: vec![image],
            findings: vec![],
        }
    };
    let shown = if args.json {
        text::json(out, &report)
    } else if !session.global.quiet || !report.is_good() {
        out.write_all(render(&report).as_bytes()).map_err(Failure::from)
    } else {
        Ok(())
    };
    // The verdict first: a wrong image stays wrong when the reader of stdout closes it.
    match (report.is_good(), shown) {
        (false, Ok(()) | Err(Failure::StdoutClosed)) => Err(Failure::Wrong),
        (_, shown) => shown,
    }
}

fn render(report: &Report) -> String {
    let mut shown = String::new();
    for image in &report.images {
        render_image(image, &mut shown);
    }
    for finding in &report.findings {
        let _ = writeln!(shown, "WRONG  {}", text::printable(&finding.message));
    }
    let wrong = report.images.iter().filter(|image| !image.is_good()).count();
    let count = report.images.len();
    if report.is_good() {
        let _ = writeln!(
            shown,
            "{count} {} right",
            if count == 1 { "image is" } else { "images are" }
        );
    } else if count > 0 {
        let _ = writeln!(
            shown,
            "{wrong} of {count} {} wrong",
            if count == 1 { "image is" } else { "images are" }
        );
    }
    shown
}

fn render_image(image: &ImageReport, shown: &mut String) {
    let who = match (&image.hostname, image.node) {
        (Some(hostname), Some(node)) => format!("{} (node {node})", text::printable(hostname)),
        _ => "no node".into(),
    };
    if image.is_good() {
        let _ = writeln!(
            shown,
            "ok     {}: {who}, {} files as they should be; checked {}",
            image.path.display(),
            image.files_compared,
            image.checks.join(", ")
        );
        notes(image, shown);
        return;
    }
    let _ = writeln!(shown, "WRONG  {}: {who}", image.path.display());
    for finding in &image.findings {
        let place = if finding.place.is_empty() {
            String::new()
        } else {
            format!("{} ", text::printable(&finding.place))
        };
        let _ = writeln!(
            shown,
            "         {}: {place}{}",
            finding.check,
            text::printable(&finding.message)
        );
    }
    notes(image, shown);
}

/// Prints what could not be checked, and warnings about what is correct but unwise.
fn notes(image: &ImageReport, shown: &mut String) {
    for warning in &image.warnings {
        let _ = writeln!(shown, "         warning: {}", text::printable(warning));
    }
    for note in &image.notes {
        let _ = writeln!(shown, "         not checked: {}", text::printable(note));
    }
}
