//! Names that come from devices, made fit to be shown.

/// The longest name that is shown, in characters: no honest model, serial or label is longer (ext4: 16 bytes, GPT: 36 characters,
/// NVMe model: 40, btrfs label: 255).
const LONGEST: usize = 256;

/// A name from a device without what could deceive its reader: control characters, line separators, marks that turn the direction of
/// text, and characters that cannot be seen. Blanks at both ends go too, runs of blanks become one, and what is longer than 256
/// characters ends in `…`.
///
/// A stick can call itself anything: with U+202E in its model, `/dev/sdb` in a prompt reads as another device.
pub fn clean(text: &str) -> String {
    let mut shown = String::with_capacity(text.len().min(4 * LONGEST));
    let mut blank = false;
    let mut count = 0;
    for c in text.chars().filter(|c| !deceives(*c)) {
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

/// As [`clean`], and `None` when nothing is left.
pub(super) fn cleaned(text: &str) -> Option<String> {
    Some(clean(text)).filter(|text| !text.is_empty())
}

/// Whether a character moves or hides its neighbours or itself. Unicode 16: `Bidi_Control`, `Default_Ignorable_Code_Point`, the
/// separators of lines, the interlinear marks, private use (shown differently everywhere) and non-characters.
pub(super) fn deceives(c: char) -> bool {
    let point = u32::from(c);
    // A tab or a line feed parts words; as a blank it is harmless.
    (c.is_control() && !c.is_whitespace())
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{e000}'..='\u{f8ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffd}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..)
        || point & 0xfffe == 0xfffe
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
