//! Cleans names that come from devices, so that they can be shown safely.

use kraken_foundation::text::is_deceptive;

/// The longest name that is shown, in characters. No honest model, serial number or label is longer
/// (ext4: 16 bytes, GPT: 36 characters, NVMe model: 40, btrfs label: 255).
const LONGEST: usize = 256;

/// Removes from a device's name what could deceive its reader: control characters, line separators,
/// marks that change the direction of text, and invisible characters. It also trims blanks at both
/// ends, joins runs of blanks to one, and ends names longer than 256 characters with `…`.
///
/// A device can report any name: with U+202E in its model, `/dev/sdb` in a prompt reads as another
/// device.
pub fn clean(text: &str) -> String {
    let mut shown = String::with_capacity(text.len().min(4 * LONGEST));
    let mut blank = false;
    let mut count = 0;
    for c in text.chars().filter(|c| !is_deceptive(*c)) {
        if c.is_whitespace() {
            blank = count > 0;
            continue;
        }
        if count >= LONGEST {
            shown.push('…');
            break;
        }
        if std::mem::take(&mut blank) {
            shown.push(' ');
            count += 1;
        }
        shown.push(c);
        count += 1;
    }
    shown
}

/// As [`clean`], but `None` when nothing is left.
pub(super) fn cleaned(text: &str) -> Option<String> {
    Some(clean(text)).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_turn_or_hide_what_stands_beside_it() {
        for (given, shown) in [
            ("SD/MMC\u{202e}adn/ved/", "SD/MMCadn/ved/"),
            ("\u{2067}left\u{2069}\u{200f}", "left"),
            ("a\u{1b}[2J\u{1b}]0;title\u{7}b", "a[2J]0;titleb"),
            ("  two   words\t\n", "two words"),
            ("zero\u{200b}width\u{feff}\u{e0041}", "zerowidth"),
            ("Füllhorn 日本 é", "Füllhorn 日本 é"),
            ("\u{0}\u{9b}31m", "31m"),
            ("\u{202e}\u{200b}", ""),
            ("line\u{2028}separator", "lineseparator"),
        ] {
            assert_eq!(clean(given), shown, "{given:?}");
        }
        assert_eq!(clean(&"x".repeat(5000)).chars().count(), LONGEST + 1);
    }
}
