//! What several parts of the page show in one way: states and outcomes, and facts with a name.

use serde::Serialize;

use super::super::super::Outcome;
use super::super::words::State;

/// A state or an outcome: as a class for its colour, as a sign, and in words, since a colour alone says nothing to many.
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
