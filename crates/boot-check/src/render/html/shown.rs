//! Parts of the page that several sections share: states, outcomes, and named facts.

use serde::Serialize;

use super::super::super::Outcome;
use super::super::words::State;

/// A state or an outcome: a class for its colour, a sign, and a word, since many readers cannot
/// tell colours apart.
#[derive(Clone, Serialize)]
pub(super) struct Shown {
    pub(super) class: &'static str,
    pub(super) sign: &'static str,
    pub(super) word: &'static str,
}

impl From<State> for Shown {
    fn from(state: State) -> Self {
        let (class, sign, word) = match state {
            State::Right => ("right", "✓", "right"),
            State::Wrong => ("wrong", "✗", "wrong"),
            State::Unproven => ("unproven", "?", "not proven"),
        };
        Self { class, sign, word }
    }
}

impl From<Outcome> for Shown {
    fn from(outcome: Outcome) -> Self {
        let (class, sign, word) = match outcome {
            Outcome::Passed => ("right", "✓", "passed"),
            Outcome::Failed => ("wrong", "✗", "failed"),
            Outcome::NotReached => ("unproven", "?", "not reached"),
            Outcome::NotApplicable => ("idle", "–", "does not apply"),
        };
        Self { class, sign, word }
    }
}

/// A fact with its name.
#[derive(Serialize)]
pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) value: String,
}
