//! The keyboard of kraken.toml on its way from `plan` to the card.

use std::fs;

use testkit::world::{World, trixie};

const LIST: &str = "usr/share/X11/xkb/rules/base.lst";
const WARNED: &str = "is not in the list of xkeyboard-config 2.35.1";
const REFUSED: &str = "`build` will refuse this";

#[test]
fn a_keyboard_is_that_of_the_images_list() {
    let list = "! layout\n  us   English (US)\n  zz   Newlandish\n! variant\n  late zz: Newlandish (late)\n";
    let world = World::new(1, trixie().file(LIST, list));
    let asks = |keyboard: &str| world.spec(1, &format!("[system]\nkeyboard = {{ {keyboard} }}\n"));
    // It is not a typing error, and is newer than this program's list.
    asks("layout = \"zz\", variant = \"late\"");
    let said = world.does(&["plan"]);
    assert!(!said.contains(WARNED) && !said.contains(REFUSED), "{said}");
    world.does(&["build", "--no-sums"]);
    world.does(&["verify"]);
    // These cards do not fit a keyboard that they do not know.
    asks("layout = \"zz\", variant = \"lat\"");
    let refused = "knows no keyboard variant \"lat\" of the layout \"zz\"; correct variant in [system.keyboard]; near ones are: late";
    let said = world.ends(&["verify"], 3);
    assert!(said.contains(refused), "{said}");
    let said = world.does(&["plan"]);
    assert!(said.contains(REFUSED) && said.contains(refused), "{said}");
    let plan: serde_json::Value = serde_json::from_str(&world.does(&["plan", "--json"])).unwrap();
    assert!(plan["refused"][0].as_str().unwrap().contains("\"lat\""), "{plan}");
    assert!(world.ends(&["build", "--no-sums", "-o", "other"], 1).contains(refused));
    // Without a base its list is not known, and a typing error is one in all lists.
    let base = world.at("base.img");
    fs::rename(&base, world.at("away")).unwrap();
    asks("layout = \"zz\"");
    let said = world.does(&["plan"]);
    assert!(said.contains(WARNED) && said.contains("\"zz\""), "{said}");
    let plan: serde_json::Value = serde_json::from_str(&world.does(&["plan", "--json"])).unwrap();
    assert_eq!(plan["warnings"].as_array().unwrap().len(), 1, "{plan}");
    asks("layout = \"us\"");
    assert!(!world.does(&["plan"]).contains(WARNED));
    asks("layout = \"uk\"");
    assert!(world.ends(&["plan"], 1).contains("\"gb\" (the United Kingdom)"));
}
