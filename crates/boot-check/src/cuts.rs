//! Power cuts that the user asks for: at a text on a node's console, while the node comes up.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::str::FromStr;
use std::sync::Arc;

use super::judge::Verdict;
use kraken_guest::Fuse;

/// The name of the check of these power cuts.
pub(super) const POWER_CUTS: &str = "power-cuts";
pub(super) const POWER_CUTS_TITLE: &str = "it comes up though its power is cut while it does";

/// A power cut: the power goes off once, as soon as a line of the console contains the text, and
/// then comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PowerCut {
    /// The number of the node; `None` means every node.
    pub node: Option<u32>,
    /// The text.
    pub text: String,
}

impl FromStr for PowerCut {
    type Err = Infallible;

    /// Reads `NODE:TEXT` or `TEXT`. Every text is valid.
    fn from_str(words: &str) -> Result<Self, Infallible> {
        let named = words
            .split_once(':')
            .and_then(|(node, text)| Some((node.parse().ok()?, text)));
        Ok(match named {
            Some((node, text)) => Self {
                node: Some(node),
                text: text.to_owned(),
            },
            None => Self {
                node: None,
                text: words.to_owned(),
            },
        })
    }
}

/// The power cuts of one node.
#[derive(Debug, Default)]
pub(super) struct Cuts {
    left: VecDeque<String>,
    done: Vec<String>,
    fuse: Arc<Fuse>,
    are_over: bool,
}

impl Cuts {
    /// Returns those of `all` that apply to this node, in their order.
    pub(super) fn of(all: &[PowerCut], node: u32) -> Self {
        let own = all.iter().filter(|cut| cut.node.is_none_or(|wanted| wanted == node));
        Self {
            left: own.map(|cut| cut.text.clone()).collect(),
            ..Self::default()
        }
    }

    /// Returns the fuse for the next start.
    pub(super) fn fuse(&mut self) -> Arc<Fuse> {
        let text = self.left.front().filter(|_| !self.are_over).cloned();
        self.fuse = Arc::new(Fuse::at(text));
        Arc::clone(&self.fuse)
    }

    /// Returns whether the power is off and was not switched on again yet.
    pub(super) fn is_off(&self) -> bool {
        self.fuse.is_blown()
    }

    /// Returns whether the power is off. It counts as switched on again from then on, so this is
    /// true only once for each cut.
    pub(super) fn take(&mut self) -> bool {
        let is_off = self.is_off();
        if is_off {
            self.done.extend(self.left.pop_front());
            self.fuse = Arc::default();
        }
        is_off
    }

    /// Returns how many cuts were made.
    pub(super) fn made(&self) -> usize {
        self.done.len()
    }

    /// Makes no more cuts from now on. Returns false if the power is off already.
    pub(super) fn end(&mut self) -> bool {
        let in_time = self.fuse.disarm();
        self.are_over |= in_time;
        in_time
    }

    /// Returns whether the user asks for cuts of this node, made or not.
    pub(super) fn are_asked_for(&self) -> bool {
        !self.left.is_empty() || !self.done.is_empty()
    }

    /// Returns the verdict of the check `power-cuts`; `None` if there are no cuts. `came_up` is
    /// whether the node came up after the last cut.
    pub(super) fn verdict(&self, came_up: bool) -> Option<Verdict> {
        let quoted = |texts: &mut dyn Iterator<Item = &String>| {
            texts
                .map(|text| format!("\u{201c}{text}\u{201d}"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let seen = match self.done.is_empty() {
            true => "its power was never cut".to_owned(),
            false => format!("its power was cut at {}", quoted(&mut self.done.iter())),
        };
        if !self.are_asked_for() {
            return None;
        }
        let expected = match (self.left.is_empty(), came_up) {
            (true, true) => return Some(Verdict::Good(seen)),
            (true, false) => "a node that comes up all the same".to_owned(),
            (false, _) => format!("a line on its console with {}", quoted(&mut self.left.iter())),
        };
        Some(Verdict::Bad {
            expected,
            seen,
            cause: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cuts(words: &[&str], node: u32) -> Cuts {
        let all: Vec<PowerCut> = words.iter().map(|words| words.parse().unwrap()).collect();
        Cuts::of(&all, node)
    }

    #[test]
    fn each_is_made_once_in_their_order_and_those_of_others_are_not() {
        let mut cuts = cuts(
            &["Setting up a", "2:Setting up b: now", "3:Setting up c", "Setting up"],
            2,
        );
        for (lines, cut_at) in [
            (vec!["Setting up b: now", "[   3.1] Setting up a (1.0) ..."], 1),
            (vec!["Setting up a", "Setting up b: now"], 1),
            (vec!["nothing", "Setting up c"], 1),
            (vec!["Setting up d"], usize::MAX),
        ] {
            let fuse = cuts.fuse();
            let blown = lines.iter().position(|line| fuse.blows_at(line));
            assert_eq!(blown.unwrap_or(usize::MAX), cut_at, "{lines:?}");
            // Lines that were printed just before the power went off.
            assert!(!fuse.blows_at("Setting up a"));
            assert_eq!(cuts.take(), cut_at != usize::MAX);
            assert!(!cuts.take(), "it is given again once");
        }
        assert!(cuts.end());
        assert!(matches!(cuts.verdict(true), Some(Verdict::Good(seen)) if seen.contains("b: now")));
        assert!(matches!(cuts.verdict(false), Some(Verdict::Bad { expected, .. }) if expected.contains("comes up")));
    }

    #[test]
    fn none_asked_for_is_no_check_and_one_that_never_came_is_a_failed_one() {
        assert_eq!(cuts(&["2:one"], 1).verdict(true), None);
        let mut never = cuts(&["1:one"], 1);
        let fuse = never.fuse();
        assert!(!fuse.blows_at("two"));
        assert!(never.end());
        assert!(matches!(never.verdict(true), Some(Verdict::Bad { seen, .. }) if seen.contains("never")));
        assert!(!fuse.blows_at("one"), "its verdict is given");
        assert!(!never.fuse().blows_at("one"), "nor at a later start");
    }

    #[test]
    fn a_cut_that_came_before_the_end_is_not_over_before_its_power_is_given_again() {
        let mut cuts = cuts(&["one"], 1);
        assert!(cuts.fuse().blows_at("one"));
        assert!(cuts.is_off() && !cuts.end() && cuts.take());
        assert!(!cuts.is_off() && cuts.end());
    }
}
