//! Text from devices and guests, made safe to show: nothing in it moves, hides or colours the text
//! beside it.

/// The longest line that is shown, in characters; a longer one ends in `…`. Ordinary console lines
/// are shorter.
const LONGEST: usize = 2000;

/// Whether a character moves or hides its neighbours or itself. Unicode 16: `Bidi_Control`,
/// `Default_Ignorable_Code_Point`, the separators of lines, the interlinear marks, private use
/// (shown differently everywhere) and non-characters.
pub fn is_deceptive(c: char) -> bool {
    let point = u32::from(c);
    // A tab or a line feed separates words; as a blank it is harmless.
    (c.is_control() && !c.is_whitespace())
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{e000}'..='\u{f8ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffd}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..)
        || point & 0xfffe == 0xfffe
}

/// Returns a line of a console or of evidence, cleaned. Escape sequences (ECMA-48) are removed
/// completely, so that `\x1b[32mOK\x1b[0m` reads `OK`. Every blank, also a tab or a line end,
/// becomes one space. A run of characters that could deceive (see [`is_deceptive`]) becomes one
/// `\u{fffd}`, which shows that something was there. Blanks at the end are removed; those at the
/// start are the line's shape and stay. At most 2000 characters are kept, then `…`.
pub fn line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len().min(LONGEST));
    let mut chars = text.chars().peekable();
    let mut count = 0;
    while let Some(c) = chars.next() {
        let c = match c {
            '\u{1b}' | '\u{90}' | '\u{98}' | '\u{9b}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => {
                skip_sequence(c, &mut chars);
                continue;
            }
            c if is_deceptive(c) => '\u{fffd}',
            c if c.is_whitespace() => ' ',
            c => c,
        };
        if c == '\u{fffd}' && shown.ends_with(c) {
            continue;
        }
        if count == LONGEST {
            shown.push('…');
            break;
        }
        shown.push(c);
        count += 1;
    }
    shown.truncate(shown.trim_end().len());
    shown
}

/// Returns the lines of a text, each cleaned by [`line()`].
pub fn lines(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(line)
}

/// Skips the rest of an escape sequence that begins with `first`: to its final character, or to the
/// end of its string.
fn skip_sequence(first: char, chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    let kind = match first {
        '\u{1b}' => match chars.next_if(|c| matches!(c, ' '..='~')) {
            Some(second) => second,
            None => return,
        },
        '\u{9b}' => '[',
        _ => ']',
    };
    match kind {
        '[' => {
            while chars.next_if(|c| matches!(c, ' '..='?')).is_some() {}
            chars.next_if(|c| matches!(c, '@'..='~'));
        }
        // Strings of the system, the device and the application: up to BEL or ST.
        ']' | 'P' | 'X' | '^' | '_' => skip_string(chars),
        ' '..='/' => {
            while chars.next_if(|c| matches!(c, ' '..='/')).is_some() {}
            chars.next_if(|c| matches!(c, '0'..='~'));
        }
        _ => {}
    }
}

fn skip_string(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while let Some(c) = chars.next() {
        match c {
            '\u{7}' | '\u{9c}' => return,
            '\u{1b}' => {
                chars.next_if_eq(&'\\');
                return;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_keeps_its_shape_and_nothing_that_moves_or_hides() {
        for (given, shown) in [
            ("[  OK  ] Started ssh.service\r", "[  OK  ] Started ssh.service"),
            ("[\u{1b}[0;32m  OK  \u{1b}[0m] Reached", "[  OK  ] Reached"),
            ("\u{1b}[2J\u{1b}[Hgone", "gone"),
            ("\u{1b}]0;another title\u{7}text", "text"),
            ("\u{1b}]8;;http://there\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("\u{9b}31mred\u{9d}title\u{9c}", "red"),
            ("\u{1b}(Bcharset\u{1b}creset", "charsetreset"),
            ("\u{1b}", ""),
            ("a\u{1b}[", "a"),
            ("a\u{1b}]never ends", "a"),
            ("a\tb\nc", "a b c"),
            ("  indented", "  indented"),
            ("a\u{0}\u{0}\u{8}b", "a\u{fffd}b"),
            ("sd\u{202e}bx\u{2066}", "sd\u{fffd}bx\u{fffd}"),
            ("Füllhorn 日本 é", "Füllhorn 日本 é"),
            ("\u{fffd}", "\u{fffd}"),
        ] {
            assert_eq!(line(given), shown, "{given:?}");
        }
        assert_eq!(line(&"x".repeat(1 << 20)).chars().count(), LONGEST + 1);
        assert_eq!(lines("a\u{1b}[1m\nb\r\n").collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn no_text_leaves_a_control_character() {
        use proptest::prelude::*;
        proptest!(|(text in "\\PC*|.*|[\u{0}-\u{a0}\\[\\]a-z;0-9\u{202e}]*")| {
            let shown = line(&text);
            prop_assert!(shown.chars().all(|c| !c.is_control() && (c == '\u{fffd}' || !is_deceptive(c))), "{shown:?}");
            prop_assert_eq!(line(&shown), shown);
        });
    }
}
