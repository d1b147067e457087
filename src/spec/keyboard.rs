//! Which keyboards there are: the layouts of the X keyboard extension (xkeyboard-config, rules/base.xml and base.extras.xml).

use super::names::{Check, wrong};

/// Names of layouts, sorted. A name that is none gives a keyboard of the United States, and says so nowhere.
const LAYOUTS: &str = "\
    af al am apl ara at au az ba bd be bg br brai bt bw by ca cd ch cm cn custom cz de dk dz ee eg epo es et eu fi fo fr gb ge gh gn \
    gr hr hu id ie il in iq ir is it jp jv ke kg kh kr kz la latam lk lt lv ma mao md me mk ml mm mn mt mv my ng nl no np ph pk pl pt \
    ro rs ru se si sk sn sy tg th tj tm tr trans tw tz ua us uz vn za";

/// What is written for a layout by those who think of a language, of a country as the Internet calls it, or of a variant.
const MEANT: &[(&str, &str)] = &[
    ("bg-phonetic", "layout = \"bg\" with variant = \"phonetic\""),
    ("colemak", "layout = \"us\" with variant = \"colemak\""),
    ("cs", "\"cz\" (Czech)"),
    ("da", "\"dk\" (Danish)"),
    ("dvorak", "layout = \"us\" with variant = \"dvorak\""),
    ("el", "\"gr\" (Greek)"),
    ("en", "\"us\" or \"gb\" (English)"),
    ("fa", "\"ir\" (Persian)"),
    ("he", "\"il\" (Hebrew)"),
    ("hi", "\"in\" (Indian languages)"),
    ("ja", "\"jp\" (Japanese)"),
    ("ko", "\"kr\" (Korean)"),
    ("nb", "\"no\" (Norwegian)"),
    ("sl", "\"si\" (Slovenian)"),
    ("sq", "\"al\" (Albanian)"),
    ("sr", "\"rs\" (Serbian)"),
    ("sv", "\"se\" (Swedish)"),
    ("uk", "\"gb\" (the United Kingdom) or \"ua\" (Ukraine)"),
    ("us-intl", "layout = \"us\" with variant = \"intl\""),
    ("vi", "\"vn\" (Vietnamese)"),
    ("zh", "\"cn\" (Chinese)"),
];

/// A value of keyboard(5): goes between quotes into a file that a shell reads.
pub(super) fn value(text: &str) -> Check {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+' | b',');
    if text.len() <= 64 && text.bytes().all(good) {
        return Ok(());
    }
    wrong(
        "only letters, digits, underscores, hyphens, plus and commas can be in it",
        "write a name of /usr/share/X11/xkb/rules/base.lst, for example \"gb\"",
    )
}

/// A layout, or several with commas between them.
pub(super) fn layout(text: &str) -> Check {
    value(text)?;
    let unknown = text.split(',').find(|layout| !is_layout(layout));
    let Some(unknown) = unknown else { return Ok(()) };
    let lower = unknown.to_ascii_lowercase();
    let meant = MEANT.iter().find(|(written, _)| *written == lower);
    let mend = match (meant, is_layout(&lower)) {
        (Some((_, meant)), _) => format!("write {meant}"),
        (None, true) => format!("write \"{lower}\""),
        (None, false) => "write the letters of the country, for example \"gb\", \"de\" or \"us\"; \
             /usr/share/X11/xkb/rules/base.lst lists all of them"
            .to_owned(),
    };
    wrong(format!("there is no keyboard layout {unknown:?}"), mend)
}

fn is_layout(name: &str) -> bool {
    LAYOUTS.split_whitespace().any(|layout| layout == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_layouts_that_there_are_are_taken() {
        let names: Vec<&str> = LAYOUTS.split_whitespace().collect();
        assert!(names.is_sorted_by(|one, other| one < other), "{names:?}");
        for good in ["us", "gb", "us,ru", "latam", "eu", "custom"] {
            assert_eq!(layout(good), Ok(()), "{good}");
        }
        for (bad, said) in [
            ("uk", "write \"gb\" (the United Kingdom) or \"ua\" (Ukraine)"),
            ("GB", "write \"gb\""),
            ("en", "\"us\" or \"gb\""),
            ("us,uk", "write \"gb\""),
            ("dvorak", "variant = \"dvorak\""),
            ("klingon", "base.lst"),
            ("us,", "base.lst"),
            ("u s", "base.lst"),
        ] {
            let wrong = layout(bad).unwrap_err();
            assert!(wrong.mend.contains(said), "{bad}: {wrong:?}");
        }
        assert!(layout("us,uk").unwrap_err().why.contains("\"uk\""));
        for (written, _) in MEANT {
            assert!(!is_layout(written), "{written} is a layout");
        }
    }

    #[test]
    fn what_a_shell_would_read_otherwise_is_refused() {
        for good in ["", "us", "us,ru", "pc105"] {
            assert_eq!(value(good), Ok(()), "{good:?}");
        }
        for bad in ["u s", "us\"", "us\n", "$(x)"] {
            assert!(value(bad).is_err(), "{bad:?}");
        }
    }
}
