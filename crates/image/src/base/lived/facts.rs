//! What a look at an image can find of a life before, one by one: what can be taken out, and where it is; and what stays.

use serde::Serialize;

/// One kind of what belongs to one machine or one person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Leftover {
    /// In words: `SSH host keys`.
    pub what: &'static str,
    /// Where it is.
    pub places: Vec<Place>,
}

/// Where something is that is to be taken out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// A file of the boot volume.
    BootFile(String),
    /// A word of the kernel's command line.
    Word(String),
    /// A file or link of the root volume.
    File(String),
    /// All that is in a folder of the root volume; the folder itself stays.
    Tree(String),
    /// The files in a folder of the root volume and below; folders stay.
    Files(String),
}

/// Something that would be on every node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Stay {
    /// In words: `the account bob (user id 1001), with a password`.
    pub what: String,
    /// The account, when it is one: it does no harm to the user who takes it over.
    pub account: Option<String>,
}

impl Leftover {
    /// Whether it is this word of the kernel's command line.
    pub fn has_word(&self, word: &str) -> bool {
        self.places
            .iter()
            .any(|place| matches!(place, Place::Word(other) if other == word))
    }
}

/// A name from an image, fit to be shown.
pub(super) fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}
