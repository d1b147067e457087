//! A key, and what becomes of it.

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It is translated as `docker stack deploy` does it.
    Translated,
    /// A swarm does nothing with it, and the stack works without it: it is noted.
    Noted,
    /// It is an error.
    Refused,
}

impl Support {
    /// How the handbook names it.
    pub fn name(self) -> &'static str {
        match self {
            Support::Translated => "yes",
            Support::Noted => "noted",
            Support::Refused => "refused",
        }
    }
}

/// A key, and what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What becomes of it.
    pub support: Support,
    /// What it is translated to, where that is not plain; or why it is not, as a sentence without a
    /// full stop, with what to write instead.
    pub about: &'static str,
}
