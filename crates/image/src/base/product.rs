//! The product name of an image: the edition and date of a Raspberry Pi OS, else the name in
//! os-release(5).

use kraken_disk::FileTree;
use kraken_foundation::Result;

use super::text::text;

/// The file in which pi-gen records the image: `Raspberry Pi reference 2026-06-18`, and on the next
/// line the last stage that it ran.
const ISSUE: &str = "/etc/rpi-issue";
/// The same on the boot volume.
const BOOT_ISSUE: &str = "/issue.txt";

/// Returns `Raspberry Pi OS Lite (Trixie, 2026-06-18)`, as far as the image has these facts. Only
/// for Raspberry Pi OS.
pub(super) fn raspberry_pi_os(boot: &dyn FileTree, root: &dyn FileTree, codename: &str) -> Result<String> {
    let issue = match text(root, ISSUE)? {
        Some(issue) => issue,
        None => text(boot, BOOT_ISSUE)?.unwrap_or_default(),
    };
    Ok(name(&issue, codename))
}

fn name(issue: &str, codename: &str) -> String {
    // pi-gen's stages: 2 is the system without a desktop, 4 has one, 5 has all recommended
    // software.
    let edition = match issue.lines().nth(1).and_then(|line| line.rsplit(',').next()) {
        Some(stage) if stage.trim() == "stage2" => " Lite",
        Some(stage) if stage.trim() == "stage5" => " Full",
        _ => "",
    };
    let mut letters = codename.chars();
    let codename: String = letters
        .next()
        .map(|first| first.to_ascii_uppercase())
        .into_iter()
        .chain(letters)
        .collect();
    let date = issue.split_ascii_whitespace().find(|word| is_date(word));
    let details: Vec<&str> = [Some(codename.as_str()), date]
        .into_iter()
        .flatten()
        .filter(|detail| !detail.is_empty())
        .collect();
    match details.is_empty() {
        true => format!("Raspberry Pi OS{edition}"),
        false => format!("Raspberry Pi OS{edition} ({})", details.join(", ")),
    }
}

/// Returns whether a word has the form `2026-06-18`.
fn is_date(word: &str) -> bool {
    let parts: Vec<&str> = word.split('-').collect();
    let digits = |part: &&str| part.chars().all(|c| c.is_ascii_digit());
    parts.iter().map(|part| part.len()).eq([4, 2, 2]) && parts.iter().all(digits)
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn the_edition_and_the_date_are_those_of_pi_gen() {
        let issue = |stage: &str| {
            format!(
                "Raspberry Pi reference 2026-06-18\nGenerated using pi-gen, https://example.org/pi-gen, 0a1b, {stage}\n"
            )
        };
        for (issue, codename, want) in [
            (issue("stage2"), "trixie", "Raspberry Pi OS Lite (Trixie, 2026-06-18)"),
            (issue("stage4"), "bookworm", "Raspberry Pi OS (Bookworm, 2026-06-18)"),
            (issue("stage5"), "trixie", "Raspberry Pi OS Full (Trixie, 2026-06-18)"),
            (String::new(), "bullseye", "Raspberry Pi OS (Bullseye)"),
            ("2026-6-18 x-y-z\n".to_owned(), "", "Raspberry Pi OS"),
        ] {
            assert_eq!(name(&issue, codename), want);
        }
    }
}
