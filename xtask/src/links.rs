//! The links of the Markdown pages: each relative link leads to a file that exists, and to a
//! heading in it.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// Checks all pages of the workspace at `root`.
///
/// # Errors
/// When a page cannot be read, or a link leads nowhere.
pub(crate) fn run(root: &Path) -> Result<(), Box<dyn Error>> {
    let mut pages = Vec::new();
    for folder in ["", "docs", "overlays", "tests/fixtures/devices"] {
        for entry in fs::read_dir(root.join(folder))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    let mut broken = Vec::new();
    for page in &pages {
        for link in links(&fs::read_to_string(page)?) {
            if let Some(why) = fault(page, &link) {
                broken.push(format!("{}: {link}: {why}", page.strip_prefix(root)?.display()));
            }
        }
    }
    match broken.is_empty() {
        true => {
            println!("{} pages, all links lead somewhere", pages.len());
            Ok(())
        }
        false => Err(format!("links that lead nowhere:\n{}", broken.join("\n")).into()),
    }
}

/// What is wrong with a link of a page; nothing is asked of other sites.
fn fault(page: &Path, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (file, heading) = link
        .split_once('#')
        .map_or((link, None), |(file, heading)| (file, Some(heading)));
    let target = match file {
        "" => page.to_owned(),
        file => page.parent().map_or_else(PathBuf::new, |folder| folder.join(file)),
    };
    if !target.exists() {
        return Some("there is no such file".to_owned());
    }
    let heading = heading?;
    let text = fs::read_to_string(&target).ok()?;
    let known = headings(&text).any(|known| known == heading);
    (!known).then(|| "the page has no such heading".to_owned())
}

/// Targets of the links in a page, outside of code.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        // What stands between backquotes is code.
        let plain: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        for (at, _) in plain.match_indices("](") {
            let rest = &plain[at + 2..];
            if let Some(end) = rest.find(')') {
                found.push(rest[..end].to_owned());
            }
        }
    }
    found
}

/// The anchors of a page's headings, as GitHub and mdBook make them: lower case, without
/// punctuation, hyphens for blanks.
fn headings(text: &str) -> impl Iterator<Item = String> {
    prose(text).filter_map(|line| {
        let title = line.strip_prefix('#')?.trim_start_matches('#').trim();
        let kept = title
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        Some(
            kept.flat_map(char::to_lowercase)
                .map(|c| if c == ' ' { '-' } else { c })
                .collect(),
        )
    })
}

/// The lines that are not in a fenced block.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_outside_of_code_are_found() {
        let page = "See [a](a.md), [b](b.md#part) and `[c](c.md)`.\n```\n[d](d.md)\n```\n[e](#top)\n";
        assert_eq!(links(page), ["a.md", "b.md#part", "#top"]);
    }

    #[test]
    fn a_heading_has_the_anchor_of_its_words() {
        let page = "# What is refused\n## `verify --boot`: why\n```\n# no heading\n```\n";
        let found: Vec<String> = headings(page).collect();
        assert_eq!(found, ["what-is-refused", "verify---boot-why"]);
    }

    #[test]
    fn a_link_to_nothing_is_a_fault() {
        let folder = tempfile::tempdir().unwrap();
        let page = folder.path().join("a.md");
        fs::write(&page, "# There\n").unwrap();
        for (link, is_right) in [
            ("a.md", true),
            ("a.md#there", true),
            ("#there", true),
            ("b.md", false),
            ("a.md#elsewhere", false),
            ("https://example.org/x", true),
        ] {
            assert_eq!(fault(&page, link).is_none(), is_right, "{link}");
        }
    }
}
