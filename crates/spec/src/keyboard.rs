//! The keyboard layouts that this program knows. An image has its own list, and that list decides
//! (`provision`).

use super::names::{Check, wrong};

/// The source of the layouts that are listed here (rules/base.xml and base.extras.xml).
pub const KEYBOARDS_OF: &str = "xkeyboard-config 2.35.1";

/// Names of layouts, sorted.
const LAYOUTS: &str = "\
    af al am apl ara at au az ba bd be bg br brai bt bw by ca cd ch cm cn custom cz de dk dz ee eg epo es et eu fi fo fr gb ge gh gn \
    gr hr hu id ie il in iq ir is it jp jv ke kg kh kr kz la latam lk lt lv ma mao md me mk ml mm mn mt mv my ng nl no np ph pk pl pt \
    ro rs ru se si sk sn sy tg th tj tm tr trans tw tz ua us uz vn za";

/// What users write for a layout when they think of a language, of a country's Internet domain, or
/// of a variant.
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

/// Checks a value of keyboard(5), which is put between quotes into a file that a shell reads.
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

/// Checks a layout, or several with commas between them. A text that cannot be a layout of any
/// image is refused; a name that is only absent from this list may be a layout of a newer image.
pub(super) fn layout(text: &str) -> Check {
    value(text)?;
    for layout in text.split(',') {
        slip(layout)?;
    }
    Ok(())
}

fn slip(layout: &str) -> Check {
    let lower = layout.to_ascii_lowercase();
    let help = match MEANT.iter().find(|(written, _)| *written == lower) {
        Some((_, meant)) => format!("write {meant}"),
        None if layout.is_empty() => "write the letters of the country, for example \"gb\", \"de\" or \"us\"; \
             /usr/share/X11/xkb/rules/base.lst lists all of them"
            .to_owned(),
        None if lower != layout => format!("write \"{lower}\""),
        None => return Ok(()),
    };
    wrong(format!("there is no keyboard layout {layout:?}"), help)
}

/// Checks variants, each of which belongs to the layout at the same position.
pub(super) fn variants(text: &str, layout: &str) -> Check {
    value(text)?;
    let count = layout.split(',').count();
    match text.split(',').skip(count).find(|variant| !variant.is_empty()) {
        None => Ok(()),
        Some(further) => wrong(
            format!("there is no layout to which {further:?} could belong"),
            "variants stand in the order of their layouts, with a comma for each that has none: layout = \"us,de\" with \
                   variant = \",neo\"",
        ),
    }
}

/// Returns whether this program's list has a layout.
pub fn is_listed_layout(name: &str) -> bool {
    LAYOUTS.split_whitespace().any(|layout| layout == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_layout_of_any_image_is_refused() {
        let names: Vec<&str> = LAYOUTS.split_whitespace().collect();
        assert!(names.is_sorted_by(|one, other| one < other), "{names:?}");
        // The last one is not in the list: a newer image may know it.
        for good in ["us", "gb", "us,ru", "latam", "eu", "custom", "klingon"] {
            assert!(layout(good).is_ok(), "{good}");
        }
        assert!(is_listed_layout("latam") && !is_listed_layout("klingon"));
        for (bad, said) in [
            ("uk", "write \"gb\" (the United Kingdom) or \"ua\" (Ukraine)"),
            ("GB", "write \"gb\""),
            ("en", "\"us\" or \"gb\""),
            ("us,uk", "write \"gb\""),
            ("dvorak", "variant = \"dvorak\""),
            ("us,", "base.lst"),
            ("u s", "base.lst"),
        ] {
            let wrong = layout(bad).unwrap_err();
            assert!(wrong.help().unwrap().contains(said), "{bad}: {wrong:?}");
        }
        assert!(layout("us,uk").unwrap_err().to_string().contains("\"uk\""));
        for (written, _) in MEANT {
            assert!(!is_listed_layout(written), "{written} is a layout");
        }
    }

    #[test]
    fn a_variant_belongs_to_a_layout() {
        for (layout, good) in [
            ("us", "intl"),
            ("us", ""),
            ("us,de", ",neo"),
            ("us", "intl,"),
            ("us,de", "intl"),
        ] {
            assert!(variants(good, layout).is_ok(), "{layout} {good}");
        }
        let wrong = variants("intl,neo", "us").unwrap_err();
        assert!(
            wrong.to_string().contains("\"neo\"") && wrong.help().unwrap().contains("variant = \",neo\""),
            "{wrong:?}"
        );
        assert!(variants("in tl", "us").is_err());
    }

    #[test]
    fn what_a_shell_would_read_otherwise_is_refused() {
        for good in ["", "us", "us,ru", "pc105"] {
            assert!(value(good).is_ok(), "{good:?}");
        }
        for bad in ["u s", "us\"", "us\n", "$(x)"] {
            assert!(value(bad).is_err(), "{bad:?}");
        }
    }
}
