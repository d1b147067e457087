//! The image of a source: a name, a file, or what was pinned.

use kraken_foundation::{Context, Error, Kind, Result};

use crate::document::{Descriptor, MOST_DOCUMENT};
use crate::image::Image;
use crate::layer::LayerBytes;
use crate::local;
use crate::pin::Pin;
use crate::platform::Processor;
use crate::range::FileRange;
use crate::reference::Reference;
use crate::registry::Registries;
use crate::source::Source;
use crate::walk::{Found, Store, walk};

/// Finds the image of a source that a processor runs. With a pin it is exactly the pinned one, and
/// what the cache has is not fetched again. Layers are fetched by
/// [`Layer::unpacked`](crate::Layer::unpacked).
///
/// # Errors
/// When the source does not have it, has nothing for this processor, or is damaged; when a file has
/// another image than the pinned one. For `debian:NAME`, always: such an image is made elsewhere.
pub fn resolve(source: &Source, pin: Option<&Pin>, processor: Processor, registries: &Registries<'_>) -> Result<Image> {
    let image = match source {
        Source::Registry(reference) => of_registry(reference, pin, processor, registries)?,
        Source::Local(file) => local::resolve(file, processor, registries.downloads())?,
        Source::Debian(name) => {
            let text = format!("debian:{name} is made of Debian packages, and not fetched");
            return Err(Error::new(Kind::Unsupported, text));
        }
    };
    match pin {
        Some(pin) if !pin.is_of(&image) => {
            let text = format!(
                "{source} is not the image any more that is pinned: it has {}",
                image.manifest
            );
            Err(Error::new(Kind::Conflict, text)
                .with_help("if that is intended, pin it again: kraken-flash fetch --update"))
        }
        _ => Ok(image),
    }
}

fn of_registry(
    reference: &Reference,
    pin: Option<&Pin>,
    processor: Processor,
    registries: &Registries<'_>,
) -> Result<Image> {
    let remote = Remote { reference, registries };
    let asked = match pin {
        Some(pin) => reference.pinned(pin.manifest),
        None => reference.clone(),
    };
    let received = registries.document(&asked)?;
    let first = Found {
        bytes: received.bytes,
        media_type: received.media_type,
        // What was pinned was chosen for the processor, and its configuration may not say so.
        platform: pin.map(|_| processor.platform()),
    };
    let found = walk(&remote, first, processor);
    let mut image = found.context(|| format!("reading what {} has as {reference}", reference.registry()))?;
    if let Some(pin) = pin {
        image.top = pin.index.unwrap_or(image.top);
    }
    image.names.push(reference.clone());
    Ok(image)
}

/// A repository in a registry.
struct Remote<'a> {
    reference: &'a Reference,
    registries: &'a Registries<'a>,
}

impl Store for Remote<'_> {
    fn document(&self, wanted: &Descriptor) -> Result<Vec<u8>> {
        let received = self.registries.document(&self.reference.pinned(wanted.digest))?;
        check_size(&received.bytes, wanted)?;
        Ok(received.bytes)
    }

    fn config(&self, wanted: &Descriptor) -> Result<Vec<u8>> {
        let path = self.registries.blob(self.reference, wanted)?;
        let bytes = FileRange::whole(&path)?.read(MOST_DOCUMENT)?;
        check_size(&bytes, wanted)?;
        Ok(bytes)
    }

    fn layer(&self, _: &Descriptor) -> Result<LayerBytes> {
        Ok(LayerBytes::Registry(self.reference.clone()))
    }
}

/// Checks the size of what came from the cache: only its hash was compared there.
fn check_size(bytes: &[u8], wanted: &Descriptor) -> Result<()> {
    if bytes.len() as u64 == wanted.size {
        return Ok(());
    }
    let text = format!(
        "{} has {} bytes, {} were announced",
        wanted.digest,
        bytes.len(),
        wanted.size
    );
    Err(Error::new(Kind::Damaged, text))
}
