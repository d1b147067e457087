//! Shared by the tests of `kraken-oci`: a cache, logins, and the notes that a user sees.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kraken_fetch::{Downloads, Options};
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::progress::{Progress, Silent, Task};
use kraken_foundation::{Error, Job, Result};
use kraken_oci::{Credentials, Digest, Image, Pin, Processor, Registries, Source, resolve};
use testkit::oci::{MadeImage, MadeLayer};
use testkit::registry::Stock;
use testkit::site::Site;

pub(crate) const ARM64: Processor = Processor::Arm64;

/// A folder with a cache and with a file of logins.
pub(crate) struct Desk {
    folder: tempfile::TempDir,
    pub(crate) notes: Notes,
    pub(crate) interrupt: Interrupt,
}

/// The notes that a user sees.
#[derive(Default)]
pub(crate) struct Notes(Mutex<Vec<String>>);

impl Progress for Notes {
    fn task(&self, what: &str, total: Option<u64>) -> Box<dyn Task> {
        Silent.task(what, total)
    }

    fn note(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }

    fn detail(&self, line: &str) {
        self.note(line);
    }
}

impl Notes {
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// A login for a registry.
pub(crate) struct Known<'a> {
    pub(crate) registry: &'a str,
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            notes: Notes::default(),
            interrupt: Interrupt::new(),
        }
    }

    /// Writes a file as `docker login` does.
    pub(crate) fn log_in(&self, logins: &[Known<'_>]) {
        let auths: Vec<String> = logins
            .iter()
            .map(|known| {
                let pair = STANDARD.encode(format!("{}:{}", known.user, known.password));
                format!(r#""{}": {{"auth": "{pair}"}}"#, known.registry)
            })
            .collect();
        self.write_logins(&format!(r#"{{"auths": {{{}}}}}"#, auths.join(", ")));
    }

    pub(crate) fn write_logins(&self, text: &str) {
        std::fs::write(self.logins(), text).unwrap();
    }

    fn logins(&self) -> PathBuf {
        self.folder.path().join("config.json")
    }

    /// Does something with registries.
    pub(crate) fn with<T>(&self, offline: bool, work: impl FnOnce(&mut Registries<'_>) -> T) -> T {
        let options = Options {
            cache: Some(self.folder.path().join("cache")),
            offline,
            stall: Duration::from_secs(20),
            attempts: 3,
            pause: Duration::from_millis(10),
            ..Options::default()
        };
        let job = Job::new(&self.notes, &self.interrupt);
        let downloads = Downloads::open(&options, None, job).unwrap();
        let credentials = Credentials::read(&self.logins()).unwrap();
        work(&mut Registries::new(&downloads, credentials))
    }
}

/// Returns an image with two layers, one of them larger than what arrives at once.
pub(crate) fn image(platform: &str) -> MadeImage {
    let mut state = 7_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(400_000)
    .collect();
    let small = MadeLayer::new("etc/platform", platform.as_bytes()).into_zstd();
    MadeImage::new(platform, vec![MadeLayer::new("usr/bin/noise", &noise), small])
}

/// Returns all that an error says, to users and to developers.
pub(crate) fn said(error: &Error) -> String {
    let mut text = format!("{error:?} {:?}", error.help());
    let mut next: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = next {
        text += &format!("\n{error}");
        next = error.source();
    }
    text
}

pub(crate) fn source(site: &Site, rest: &str) -> Source {
    format!("{}/{rest}", site.host()).parse().unwrap()
}

/// Resolves an image and unpacks its layers.
pub(crate) fn fetch(source: &Source, pin: Option<&Pin>, registries: &Registries<'_>) -> Result<Image> {
    let image = resolve(source, pin, ARM64, registries)?;
    for layer in &image.layers {
        layer.unpacked(registries)?;
    }
    Ok(image)
}

pub(crate) fn assert_is(found: &Image, wanted: &MadeImage) {
    assert_eq!(found.config_bytes, wanted.config);
    let ids: Vec<Digest> = found.layers.iter().map(|layer| layer.diff_id).collect();
    let wanted: Vec<Digest> = wanted.layers.iter().map(|layer| Digest::of(&layer.plain)).collect();
    assert_eq!(ids, wanted);
}

pub(crate) fn stock(images: &[&MadeImage]) -> Stock {
    let mut stock = Stock::default();
    stock.put_images("1", images);
    stock
}
