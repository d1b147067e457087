//! The keyboards that an image accepts: its own list decides, whatever this program knows.

use kraken_flash::provision::{self, Assets};
use kraken_overlay::Volume;

use testkit::images::{Disk, kraken, text, trixie};

const LIST: &str = "/usr/share/X11/xkb/rules/base.lst";

/// In the format of xkeyboard-config 2.35.1, with a layout that was added later.
const LISTED: &str = "! model\n  pc105           Generic 105-key PC\n\n! layout\n  us              English (US)\n  at              German (Austria)\n  de              German\n  \
    gb              English (UK)\n  zz              Newlandish\n  custom          A user-defined custom Layout\n\n! variant\n  \
    chr             us: Cherokee\n  intl            us: English (US, intl., with dead keys)\n  neo             de: German (Neo 2)\n  \
    dvorak          gb: English (UK, Dvorak)\n  later           zz: Newlandish (later)\n\n! option\n  \
    grp             Switching to another layout\n";

/// Returns the result for a keyboard on this image: the file on the card, or the message.
fn on(disk: &Disk, layout: &str, variant: &str) -> Result<String, String> {
    let mut cluster = kraken();
    cluster.system.keyboard.layout = layout.to_owned();
    cluster.system.keyboard.variant = variant.to_owned();
    let assets = Assets::embedded().unwrap();
    disk.with(&cluster, |ctx| provision::common(ctx, &assets))
        .map(|overlay| text(&overlay, Volume::Root, "/etc/default/keyboard"))
        .map_err(|error| error.to_string())
}

fn with_list(list: impl Into<Vec<u8>>) -> Disk {
    let mut disk = trixie();
    disk.root.file(LIST, list.into());
    disk
}

#[test]
fn the_list_of_the_image_decides() {
    let disk = with_list(LISTED);
    for (layout, variant) in [
        ("us", ""),
        ("us", "intl"),
        ("gb", "dvorak"),
        ("us,de", ",neo"),
        ("us,de", "chr,neo"),
        // Newer than this program's list.
        ("zz", "later"),
        ("custom", "mine"),
    ] {
        let file = on(&disk, layout, variant).unwrap();
        assert!(
            file.contains(&format!("XKBLAYOUT=\"{layout}\"\nXKBVARIANT=\"{variant}\"")),
            "{file}"
        );
    }
    for (layout, variant, words) in [
        // This program's list has it, this image's list does not.
        (
            "fr",
            "",
            vec![
                "layout \"fr\"",
                "correct layout in [system.keyboard]",
                "near ones are: ",
            ],
        ),
        ("german", "", vec!["layout \"german\"", "near ones are: de, at"]),
        ("us,gbb", "", vec!["layout \"gbb\"", "near ones are: gb"]),
        (
            "us",
            "inlt",
            vec![
                "variant \"inlt\" of the layout \"us\"",
                "correct variant",
                "near ones are: intl",
            ],
        ),
        (
            "de,us",
            "intl",
            vec!["variant \"intl\" of the layout \"de\"", "near ones are: neo"],
        ),
        // A section that is not about layouts.
        ("pc105", "", vec!["layout \"pc105\""]),
        ("grp", "", vec!["layout \"grp\""]),
    ] {
        let said = on(&disk, layout, variant).unwrap_err();
        for word in words {
            assert!(said.contains(word), "{layout} {variant}: {word:?} is not in: {said}");
        }
    }
}

#[test]
fn rare_keyboards_stand_beside_the_list() {
    let mut disk = with_list(LISTED);
    let symbols = "partial xkb_symbols \"basic\" {\n};\nxkb_symbols \"hidden\" {\n};\n";
    disk.root
        .file(
            "/usr/share/X11/xkb/rules/base.extras.xml",
            *b"<layout><configItem><name>rare</name></configItem></layout>",
        )
        .file("/usr/share/X11/xkb/symbols/rare", *b"xkb_symbols \"odd\" {\n};\n")
        .file("/usr/share/X11/xkb/symbols/apl", *b"x")
        .file("/usr/share/X11/xkb/symbols/keypad", *b"x")
        .file("/usr/share/X11/xkb/symbols/us", symbols.as_bytes().to_vec());
    for (layout, variant) in [("rare", "odd"), ("apl", ""), ("us", "hidden"), ("us", "intl")] {
        assert!(on(&disk, layout, variant).is_ok(), "{layout} {variant}");
    }
    for (layout, variant) in [("keypad", ""), ("rare", "even"), ("us", "hid"), ("..", "")] {
        assert!(on(&disk, layout, variant).is_err(), "{layout} {variant}");
    }
    // It may be a link to another folder, as from xkeyboard-config 2.45 on.
    let mut moved = trixie();
    moved.root.file(
        "/usr/share/xkeyboard-config-2/rules/evdev.lst",
        LISTED.as_bytes().to_vec(),
    );
    moved.root.symlink("/usr/share/X11/xkb", "../xkeyboard-config-2");
    assert!(on(&moved, "zz", "later").is_ok());
    assert!(on(&moved, "fr", "").is_err());
}

#[test]
fn a_list_that_is_none_refuses_no_good_keyboard() {
    let mut huge = b"! layout\n  xx  Nothing\n".to_vec();
    huge.resize(5 << 20, b'x');
    let mut folder = trixie();
    folder.root.directory(LIST);
    let mut circle = trixie();
    circle.root.symlink(LIST, "base.lst");
    for (name, disk) in [
        ("none", trixie()),
        ("empty", with_list("")),
        ("huge", with_list(huge)),
        ("zeros", with_list(vec![0; 9000])),
        ("no sections", with_list("us English\nde German\n")),
        ("no entries", with_list("! layout\n! variant\n")),
        ("marks alone", with_list("!\n! \n!!\n  \n\t\n:\n")),
        ("a folder", folder),
        ("a circle", circle),
    ] {
        // This program accepts the layouts that it knows, and does not know variants.
        for (layout, variant) in [("us", "intl"), ("fr", ""), ("de,latam", "neo")] {
            assert!(on(&disk, layout, variant).is_ok(), "{name}: {layout}");
        }
        let said = on(&disk, "klingon", "").unwrap_err();
        for words in [
            "no keyboard layout \"klingon\"",
            "xkeyboard-config 2.35.1",
            "\"xkb-data\"",
        ] {
            assert!(said.contains(words), "{name}: {words:?} is not in: {said}");
        }
    }
    // Descriptions in another encoding, and lines that are cut off, do not affect the names.
    let mut latin = LISTED.replace("Newlandish", "Nyland\u{1}ska").into_bytes();
    latin
        .iter_mut()
        .filter(|byte| **byte == 1)
        .for_each(|byte| *byte = 0xe4);
    latin.extend(b"\n! variant\n  cut");
    let disk = with_list(latin);
    assert!(on(&disk, "zz", "later").is_ok());
    assert!(on(&disk, "fr", "").is_err());
}
