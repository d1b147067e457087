//! The keyboard: which layouts and variants an image knows, by its own package xkb-data.
//!
//! setupcon(1) takes an unknown name for a keyboard of the United States, and prints no message.
//! The lists are those of xkeyboard-config: `! layout` begins a section of `name description`, `!
//! variant` one of `name layout: description`. Rare layouts stand in base.extras.xml only, so a
//! name is searched for there and among the symbols, too, before it is refused.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::Assets;
use super::error;
use super::image::Draft;
use kraken_disk::{FileTree, real_path};
use kraken_foundation::{Error, Kind, Result};
use kraken_spec::{Cluster, KEYBOARDS_OF, is_listed_layout};

/// The folder of the package.
const XKB: &str = "/usr/share/X11/xkb";
const LISTS: [&str; 2] = ["rules/base.lst", "rules/evdev.lst"];
const EXTRAS: [&str; 2] = ["rules/base.extras.xml", "rules/evdev.extras.xml"];
/// The largest of its files that is read, in bytes; base.extras.xml has 60 KiB.
const LARGEST: u64 = 4 << 20;
/// How many similar names an error lists.
const NEAR: usize = 8;
/// Shorter words of a description are not compared.
const SHORTEST_WORD: usize = 3;

/// Writes `/etc/default/keyboard`.
pub(super) fn keyboard(draft: &mut Draft<'_>, assets: &Assets) -> Result<()> {
    let cluster = draft.ctx.cluster;
    if let Some(error) = keyboard_refuses(cluster, assets, draft.ctx.root) {
        return Err(error);
    }
    let text = assets.renderer.text("keyboard", &json!(cluster.system.keyboard))?;
    draft.file("/etc/default/keyboard", text, 0o644)
}

/// Returns why an image with this root volume cannot have the cluster's keyboard; `None` when it
/// can. The image's own list decides if it has one, else this program's.
pub fn keyboard_refuses(cluster: &Cluster, assets: &Assets, root: &dyn FileTree) -> Option<Error> {
    // An overlay with files of the package may bring keyboards of the user.
    if assets.bring(XKB) {
        return None;
    }
    let keyboard = &cluster.system.keyboard;
    let known = Known::read(root);
    let mut variants = keyboard.variant.split(',');
    for layout in keyboard.layout.split(',') {
        let variant = variants.next().unwrap_or_default();
        if !known.has_layout(layout) {
            return Some(known.no_layout(layout));
        }
        if !known.has_variant(layout, variant) {
            return Some(known.no_variant(layout, variant));
        }
    }
    None
}

/// The layouts and variants that an image knows.
struct Known<'a> {
    root: &'a dyn FileTree,
    /// Layouts with their descriptions; empty when the image has no readable list.
    layouts: BTreeMap<String, String>,
    /// The variants of each layout.
    variants: BTreeMap<String, BTreeSet<String>>,
}

impl<'a> Known<'a> {
    fn read(root: &'a dyn FileTree) -> Self {
        let mut known = Self {
            root,
            layouts: BTreeMap::new(),
            variants: BTreeMap::new(),
        };
        for list in LISTS {
            known.add(&text(root, list));
        }
        known
    }

    fn add(&mut self, list: &str) {
        let mut section = "";
        for line in list.lines() {
            if let Some(name) = line.strip_prefix('!') {
                section = name.trim();
                continue;
            }
            let Some((name, rest)) = line.trim().split_once(char::is_whitespace) else {
                continue;
            };
            match (section, rest.trim().split_once(':')) {
                ("layout", _) => {
                    self.layouts.insert(name.to_owned(), rest.trim().to_owned());
                }
                ("variant", Some((layout, _))) => {
                    let variants = self.variants.entry(layout.trim().to_owned()).or_default();
                    variants.insert(name.to_owned());
                }
                _ => {}
            }
        }
    }

    fn has_layout(&self, layout: &str) -> bool {
        if self.layouts.is_empty() {
            return is_listed_layout(layout);
        }
        self.layouts.contains_key(layout) || (is_name(layout) && self.is_extra(layout))
    }

    /// The symbols also contain parts of keyboards (`ctrl`, `keypad`), so they alone prove nothing.
    fn is_extra(&self, layout: &str) -> bool {
        let has_symbols = real_path(self.root, &symbols(layout))
            .and_then(|path| self.root.metadata(&path))
            .is_ok_and(|found| found.is_some());
        let tag = format!("<name>{layout}</name>");
        has_symbols && (is_listed_layout(layout) || EXTRAS.iter().any(|list| text(self.root, list).contains(&tag)))
    }

    fn has_variant(&self, layout: &str, variant: &str) -> bool {
        if variant.is_empty() || self.layouts.is_empty() {
            return true;
        }
        let listed = self.variants.get(layout).is_some_and(|list| list.contains(variant));
        // When the symbols of a layout cannot be read, nothing is known of it; and the user's own
        // layouts are not listed.
        listed
            || match text(self.root, &format!("symbols/{layout}")) {
                text if text.is_empty() => !self.variants.contains_key(layout),
                text => text.contains(&format!("xkb_symbols \"{variant}\"")),
            }
    }

    fn no_layout(&self, layout: &str) -> Error {
        if self.layouts.is_empty() {
            return error::missing(
                &format!("keyboard layout {layout:?} (no list in {XKB}/rules, and none in {KEYBOARDS_OF})"),
                "correct layout in [system.keyboard], or put \"xkb-data\" into `packages` in [system], whose own list then decides",
            );
        }
        let wanted = layout.to_ascii_lowercase();
        // A user who writes a language or a country means the layout of exactly that name; layouts
        // with that word among others come after it.
        let mut called: Vec<(&str, String)> = self
            .layouts
            .iter()
            .map(|(name, described)| (name.as_str(), described.to_ascii_lowercase()))
            .filter(|(_, words)| {
                wanted.len() >= SHORTEST_WORD && words.split(|c: char| !c.is_alphanumeric()).any(|word| word == wanted)
            })
            .collect();
        called.sort_by_key(|(_, words)| *words != wanted);
        let mut near: Vec<&str> = called.into_iter().map(|(name, _)| name).collect();
        near.extend(nearest(&wanted, self.layouts.keys().map(String::as_str)));
        no_keyboard(&format!("layout {layout:?}"), "layout", &shown(near))
    }

    fn no_variant(&self, layout: &str, variant: &str) -> Error {
        let listed = self.variants.get(layout).into_iter().flatten().map(String::as_str);
        no_keyboard(
            &format!("variant {variant:?} of the layout {layout:?}"),
            "variant",
            &shown(nearest(&variant.to_ascii_lowercase(), listed)),
        )
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

fn symbols(layout: &str) -> String {
    format!("{XKB}/symbols/{layout}")
}

/// Reads a file of the package; empty when it does not exist or cannot be read, and then no
/// keyboard is refused because of it. Names are ASCII, whatever the descriptions are.
fn text(root: &dyn FileTree, name: &str) -> String {
    let read = real_path(root, &format!("{XKB}/{name}")).and_then(|path| root.read(&path, LARGEST));
    read.ok()
        .flatten()
        .map_or_else(String::new, |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns the most similar names, the best first.
fn nearest<'n>(wanted: &str, names: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    let mut names: Vec<&str> = names.collect();
    names.sort_by(|one, other| {
        let likeness = |name: &str| strsim::jaro_winkler(wanted, &name.to_ascii_lowercase());
        likeness(other).total_cmp(&likeness(one)).then(one.cmp(other))
    });
    names
}

fn shown(names: Vec<&str>) -> String {
    let mut once: Vec<&str> = Vec::new();
    for name in names {
        if once.len() < NEAR && !once.contains(&name) {
            once.push(name);
        }
    }
    match once.is_empty() {
        true => "none".to_owned(),
        false => once.join(", "),
    }
}

/// The image does not have the layout or variant `what`, which `key` of kraken.toml names.
fn no_keyboard(what: &str, key: &str, near: &str) -> Error {
    let text = format!(
        "provisioning the image: its package xkb-data knows no keyboard {what}; correct {key} in [system.keyboard]; near ones are: {near}"
    );
    Error::new(Kind::NotFound, text)
}
