//! Why the files of a node could not be made.

use std::path::PathBuf;

use kraken_overlay::BadPath;

/// Why the files of a node could not be made. Each message says what was being done, to what, and
/// what to do next.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// The image's file system is damaged.
    #[error("reading the image to provision it; it may be damaged, fetch it again")]
    Tree(#[from] kraken_foundation::Error),
    /// A folder or file of the user could not be read.
    #[error("reading {path}: {source}; make it readable, or move it away")]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A file in an overlay or template folder cannot go on a card.
    #[error("reading the overlay {path}: {why}")]
    Overlay {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: String,
    },
    /// Two names are the same on the boot volume of a node.
    #[error(
        "reading the overlays: boot{one} and boot{other} are one file on the boot volume, which is FAT and knows no case; \
         rename one of them, or spell both alike"
    )]
    SameOnFat {
        /// One of them: a file that kraken-flash itself writes, or a file of an overlay.
        one: String,
        /// The other.
        other: String,
    },
    /// A name in an overlay cannot be a path in an image.
    #[error("laying out the files of a node: {0}; rename it in the overlay")]
    Path(#[from] BadPath),
    /// No template has that name.
    #[error("reading {path}: there is no template of that name; the templates are: {known}")]
    UnknownTemplate {
        /// The file.
        path: PathBuf,
        /// The names of all templates.
        known: String,
    },
    /// A template could not be rendered.
    #[error("rendering the template `{template}`: {why}")]
    Template {
        /// Its name.
        template: String,
        /// The error of the template engine, with its causes.
        why: String,
    },
    /// A value has a line break or a control character, and the file format cannot quote it.
    #[error(
        "rendering the template `{template}`: the value of `{value}` has a line break or control character, \
         which that file cannot hold; take it out of kraken.toml"
    )]
    Control {
        /// The template.
        template: String,
        /// Where the value is in the template's values.
        value: String,
    },
    /// What a template rendered is not the expected YAML.
    #[error("checking what the template `{template}` rendered: {why}; correct the template")]
    Yaml {
        /// The template.
        template: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file of the image contains something that cannot be edited safely.
    #[error("editing {path} of the image: {why}")]
    Image {
        /// The file.
        path: String,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// The image has no source of the locale.
    #[error(
        "provisioning the image: its package locales knows no {locale:?}; correct [system] locale; near ones are: {near}"
    )]
    Locale {
        /// The locale.
        locale: String,
        /// Similar locales that it has.
        near: String,
    },
    /// The image does not have the keyboard.
    #[error(
        "provisioning the image: its package xkb-data knows no keyboard {what}; correct {key} in [system.keyboard]; near ones are: {near}"
    )]
    Keyboard {
        /// The layout or variant.
        what: String,
        /// The key of kraken.toml.
        key: &'static str,
        /// Similar ones that it has.
        near: String,
    },
    /// The swarm's state cannot be written.
    #[error("writing the state of the swarm")]
    Swarm(#[source] kraken_foundation::Error),
    /// The image lacks something that the cluster's settings need.
    #[error("provisioning the image: it has no {what}; {help}")]
    Missing {
        /// What it lacks.
        what: String,
        /// What to do.
        help: &'static str,
    },
}
