//! A pattern over the words of a text.
//!
//! A pattern is a row of words, separated by blanks. A word may have alternatives (`a|b`). A first
//! word with `!` must not stand before the row, a last word with `!` must not follow it.

/// A word with the line where it stands. An empty word is a break: punctuation, code, or the end.
pub(super) type Word = (usize, String);

/// A row of words, each with its alternatives.
pub(super) struct Pattern {
    not_before: Vec<&'static str>,
    row: Vec<Vec<&'static str>>,
    not_after: Vec<&'static str>,
}

impl Pattern {
    pub(super) fn new(text: &'static str) -> Self {
        let mut pattern = Self {
            not_before: Vec::new(),
            row: Vec::new(),
            not_after: Vec::new(),
        };
        for word in text.split(' ') {
            match word.strip_prefix('!') {
                Some(word) if pattern.row.is_empty() => pattern.not_before = word.split('|').collect(),
                Some(word) => pattern.not_after = word.split('|').collect(),
                None => pattern.row.push(word.split('|').collect()),
            }
        }
        pattern
    }

    /// Line and text of each place where the pattern fits.
    pub(super) fn find(&self, words: &[Word]) -> Vec<(usize, String)> {
        let is = |at: Option<usize>, of: &[&str]| {
            at.and_then(|at| words.get(at))
                .is_some_and(|(_, word)| of.contains(&word.as_str()))
        };
        let mut found = Vec::new();
        for at in 0..words.len() {
            let fits = self.row.iter().enumerate().all(|(i, of)| is(Some(at + i), of));
            if fits && !is(at.checked_sub(1), &self.not_before) && !is(Some(at + self.row.len()), &self.not_after) {
                let text: Vec<&str> = words[at..at + self.row.len()]
                    .iter()
                    .map(|(_, word)| word.as_str())
                    .collect();
                found.push((words[at].0, text.join(" ")));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(pattern: &'static str, text: &str) -> bool {
        let words: Vec<Word> = text.split(' ').map(|word| (1, word.to_owned())).collect();
        !Pattern::new(pattern).find(&words).is_empty()
    }

    #[test]
    fn a_row_has_alternatives_and_neighbours() {
        assert!(finds("is|are no", "it is no file"));
        assert!(finds("is|are no", "we are no files"));
        assert!(!finds("is|are no", "it is a file"));
        assert!(!finds("!there is no", "there is no file"));
        assert!(!finds("is no !longer", "it is no longer"));
        assert!(finds("!there is no !longer", "is no"));
    }
}
