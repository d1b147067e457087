//! Traces of earlier use in an image: what can be removed, with its places, and what stays.

use serde::Serialize;

/// One kind of data that belongs to one machine or one person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Leftover {
    /// Its name for the user: `SSH host keys`.
    pub what: &'static str,
    /// The places where it was found.
    pub places: Vec<Place>,
}

/// The place of something that is to be removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// A file of the boot volume.
    BootFile(String),
    /// A word of the kernel's command line.
    Word(String),
    /// A file or link of the root volume.
    File(String),
    /// Everything in a folder of the root volume; the folder itself stays.
    Tree(String),
    /// The files in a folder of the root volume and below; folders stay.
    Files(String),
}

/// Something that would be on every node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Stay {
    /// Its description for the user: `the account bob (user id 1001), with a password`.
    pub what: String,
    /// The name, when it is an account. An account does no harm when the cluster's user has the
    /// same name and so takes it over.
    pub account: Option<String>,
}

impl Leftover {
    /// Returns whether it is this word of the kernel's command line.
    pub fn has_word(&self, word: &str) -> bool {
        self.places
            .iter()
            .any(|place| matches!(place, Place::Word(other) if other == word))
    }
}

/// Returns a name from an image in a form that can be shown safely.
pub(super) fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}
