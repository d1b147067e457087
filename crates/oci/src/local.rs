//! Images in files of the user: which form they have.

use kraken_fetch::Downloads;
use kraken_foundation::{Context, Error, Kind, Result};

use crate::docker_save::Saved;
use crate::files::Files;
use crate::image::Image;
use crate::layout::Layout;
use crate::platform::Processor;
use crate::source::LocalSource;
use crate::walk::{Chosen, walk};

/// Finds the image that a processor runs.
pub(crate) fn resolve(source: &LocalSource, processor: Processor, downloads: &Downloads<'_>) -> Result<Image> {
    let files = Files::open(&source.path, downloads)?;
    let name = source.name.as_deref();
    let reading = || format!("reading {}", source.path.display());
    // Docker 25 and newer write both forms into one archive; this one has the digests.
    if let Some(layout) = Layout::open(&files)? {
        let Chosen { found, names } = layout.choose(name, processor)?;
        let image = walk(&layout, found, processor).context(reading)?;
        return Ok(Image { names, ..image });
    }
    if let Some(saved) = Saved::open(&files, name)? {
        let Chosen { found, names } = saved.chosen();
        let image = walk(&saved, found, processor).context(reading)?;
        return Ok(Image { names, ..image });
    }
    let text = format!(
        "reading {}: it is neither an OCI layout (oci-layout) nor an archive of `docker save` (manifest.json)",
        source.path.display()
    );
    Err(Error::new(Kind::Unsupported, text).with_help(
        "save the image with `docker save IMAGE -o FILE`, or build it with `docker buildx build --output type=oci,dest=FILE`",
    ))
}

#[cfg(test)]
#[path = "local_tests.rs"]
mod tests;
