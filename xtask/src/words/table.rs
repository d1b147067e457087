//! Which words are replaced, and which paths are never read.

use super::kind::Kind::{self, Message, Name, Prose};

/// A word that is not used any more.
pub(super) struct Word {
    pub kinds: &'static [Kind],
    /// See [`super::pattern`]. In names, the row is a row of the name's parts.
    pub pattern: &'static str,
    /// What to write in its place.
    pub instead: &'static str,
}

const TEXT: &[Kind] = &[Prose, Message];
const ALL: &[Kind] = &[Prose, Message, Name];

const fn word(kinds: &'static [Kind], pattern: &'static str, instead: &'static str) -> Word {
    Word {
        kinds,
        pattern,
        instead,
    }
}

/// Few sharp patterns: a word that has a good use beside the replaced one is listed with the words
/// around it, or not at all.
#[rustfmt::skip]
pub(super) const WORDS: &[Word] = &[
    word(ALL, "anew|afresh", "again"),
    word(ALL, "mend|mends|mended|mending", "help (a hint), repair or fix"),
    word(ALL, "omen|omens", "known failure pattern"),
    word(ALL, "janitor|janitors", "reaper"),
    word(ALL, "hire|hires|hired", "spawn"),
    word(ALL, "rehearsal|rehearse|rehearses", "dry run"),
    word(ALL, "unmake|unmakes|unmade|unmaking", "wipe"),
    word(ALL, "!back door|doors", "access"),
    word(ALL, "carriers", "backing devices"),
    word(ALL, "patience", "scaled timeout"),
    word(ALL, "rooms", "modules or crates"),
    word(ALL, "floors", "layers"),
    word(TEXT, "nobody|somebody|whoever", "who it is (the user, the node, the caller), or the passive"),
    word(TEXT, "give|gives|gave back", "return"),
    word(TEXT, "spare kernel|kernels", "fallback kernel"),
    word(TEXT, "a|the|one|each|every|two|last|first|next|all|of|between|this look|looks", "probe, poll or check"),
    word(TEXT, "looked at|over|after", "probed, checked or read"),
    word(TEXT, "is|are|was|were|be|been|being told", "prints, reports or logs"),
    word(TEXT, "tells of|how|its|that|what|whether|which", "prints, reports, or says"),
    word(TEXT, "!is|are|was|were|be|been|being told on", "printed on"),
    word(
        TEXT,
        "!there|here|where|which|whose|and|or is|are|was|were|be no \
         !longer|more|less|other|larger|smaller|older|newer|matter|better|one|such|guarantee|use",
        "\"is not a\"",
    ),
    word(&[Name], "look|looks !up|ahead|for|behind", "probe or poll"),
    word(&[Name], "told|tells", "print, report or log"),
    word(&[Name], "nobody|somebody|whoever", "who it is"),
];

/// Never read: old entries keep their text, recorded data keeps its bytes, and this table its words.
pub(super) const EXEMPT: &[&str] = &[
    "CHANGELOG.md",
    "tests/fixtures/",
    "tests/golden/",
    "fuzz/corpus/",
    "xtask/src/words/",
];
