//! Why the files of a node could not be made.

use std::path::PathBuf;

use kraken_disk::TreeError;
use kraken_overlay::BadPath;

/// Why the files of a node could not be made. Each says what was being done, to what, and what to do next.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// The image's file system is damaged.
    #[error("reading the image to provision it; it may be damaged, fetch it again")]
    Tree(#[from] TreeError),
    /// A folder or file of the user's could not be read.
    #[error("reading {path}: {source}; make it readable, or move it away")]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Something in an overlay or template folder cannot go on a card.
    #[error("reading the overlay {path}: {why}")]
    Overlay {
        /// The file.
        path: PathBuf,
        /// What is the matter, and the mend.
        why: String,
    },
    /// Two names for the boot volume of a node are one there.
    #[error(
        "reading the overlays: boot{one} and boot{other} are one file on the boot volume, which is FAT and knows no case; \
         rename one of them, or spell both alike"
    )]
    SameOnFat {
        /// One of them: what kraken-flash itself writes, or a file of an overlay.
        one: String,
        /// The other.
        other: String,
    },
    /// A name in an overlay cannot be a path in an image.
    #[error("laying out the files of a node: {0}; rename it in the overlay")]
    Path(#[from] BadPath),
    /// There is no template of that name.
    #[error("reading {path}: there is no template of that name; the templates are: {known}")]
    UnknownTemplate {
        /// The file.
        path: PathBuf,
        /// All names there are.
        known: String,
    },
    /// A template could not be rendered.
    #[error("rendering the template `{template}`: {why}")]
    Template {
        /// Its name.
        template: String,
        /// What the template engine said, its causes included.
        why: String,
    },
    /// A value has a line break or a control character, and the file has no way to quote it.
    #[error(
        "rendering the template `{template}`: the value of `{value}` has a line break or control character, \
         which that file cannot hold; take it out of kraken.toml"
    )]
    Control {
        /// The template.
        template: String,
        /// Where the value is.
        value: String,
    },
    /// What a template rendered is not the YAML that was meant.
    #[error("checking what the template `{template}` rendered: {why}; mend the template")]
    Yaml {
        /// The template.
        template: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file of the image has something in it that cannot be edited safely.
    #[error("editing {path} of the image: {why}")]
    Image {
        /// The file.
        path: String,
        /// What is wrong with it, and the mend.
        why: String,
    },
    /// The image has no source of the locale.
    #[error(
        "provisioning the image: its package locales knows no {locale:?}; correct [system] locale; near ones are: {near}"
    )]
    Locale {
        /// The locale.
        locale: String,
        /// Others that it knows.
        near: String,
    },
    /// The image knows no such keyboard.
    #[error(
        "provisioning the image: its package xkb-data knows no keyboard {what}; correct {key} in [system.keyboard]; near ones are: {near}"
    )]
    Keyboard {
        /// The layout or variant.
        what: String,
        /// Which key of kraken.toml says so.
        key: &'static str,
        /// Others that it knows.
        near: String,
    },
    /// The swarm's state cannot be written.
    #[error("writing the state of the swarm")]
    Swarm(#[from] kraken_swarm_state::ForgeError),
    /// The image lacks something that the cluster's settings need.
    #[error("provisioning the image: it has no {what}; {help}")]
    Missing {
        /// What it lacks.
        what: String,
        /// What to do.
        help: &'static str,
    },
}
