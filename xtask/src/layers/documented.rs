//! What a reader sees first: every source file opens with a line that says what it is for, and
//! `docs/architecture.md` lists the crates that exist, each in its layer.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// The page that lists the crates.
const PAGE: &str = "docs/architecture.md";

/// The Rust files below `folder` whose first line is not a `//!` line.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn without_a_purpose(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(without_a_purpose(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !fs::read_to_string(&path)?.starts_with("//! ")
        {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Compares the page's table of crates with those that exist; returns what differs, in sentences.
///
/// # Errors
/// When the page cannot be read.
pub(super) fn differences(root: &Path, crates: &BTreeMap<String, usize>) -> Result<Vec<String>, Box<dyn Error>> {
    let page = fs::read_to_string(root.join(PAGE))?;
    Ok(compare(&listed(&page), crates))
}

/// The crates of a page's table: rows `| LAYER | `NAME` … |`.
fn listed(page: &str) -> BTreeMap<String, usize> {
    page.lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| ")?.split(" | ");
            let layer = cells.next()?.trim().parse().ok()?;
            let name = cells.next()?.trim().strip_prefix('`')?.split('`').next()?;
            Some((name.to_owned(), layer))
        })
        .collect()
}

fn compare(listed: &BTreeMap<String, usize>, crates: &BTreeMap<String, usize>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, layer) in crates {
        match listed.get(name) {
            None => wrong.push(format!("{PAGE} does not list {name}, which is in layer {layer}")),
            Some(other) if other != layer => {
                wrong.push(format!(
                    "{PAGE} has {name} in layer {other}, and it is in layer {layer}"
                ));
            }
            Some(_) => {}
        }
    }
    let gone = listed.keys().filter(|name| !crates.contains_key(*name));
    wrong.extend(gone.map(|name| format!("{PAGE} lists {name}, which is not a crate of the workspace")));
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crates(all: &[(&str, usize)]) -> BTreeMap<String, usize> {
        all.iter().map(|(name, layer)| ((*name).to_owned(), *layer)).collect()
    }

    #[test]
    fn a_page_that_is_right_has_every_crate_in_its_layer_and_no_other() {
        let page = "| layer | crate | its job |\n| --- | --- | --- |\n| 1 | `a` (`src/`) | x |\n| 0 | `b` | y |\n";
        assert_eq!(compare(&listed(page), &crates(&[("a", 1), ("b", 0)])), [""; 0]);
        let wrong = compare(&listed(page), &crates(&[("a", 2), ("c", 0)]));
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        assert!(
            wrong[0].contains("has a in layer 1") && wrong[1].contains("does not list c"),
            "{wrong:?}"
        );
        assert!(wrong[2].contains("lists b"), "{wrong:?}");
    }

    #[test]
    fn a_file_without_a_first_line_is_found() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("below")).unwrap();
        for (name, text) in [
            ("good.rs", "//! Says.\n"),
            ("below/bad.rs", "use a;\n"),
            ("other.txt", "x"),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        assert_eq!(
            without_a_purpose(folder.path()).unwrap(),
            [folder.path().join("below/bad.rs")]
        );
    }
}
