//! Every key of a compose file: translated, noted or refused, and why. This is the only list of
//! them: the reader takes what is translated here and refuses the rest, and the table of
//! `docs/stacks.md` is made from it.

mod key;
mod table;

pub use key::{Key, Support};
pub(crate) use table::*;
pub use table::{SECTIONS, SectionKeys};

/// Returns the table of `docs/stacks.md`: one for each section.
pub fn tables() -> String {
    let mut page = String::new();
    for section in SECTIONS {
        page += &format!(
            "### `{}`\n\n| key | translated | how, or why not |\n| --- | --- | --- |\n",
            section.path
        );
        for key in section.keys {
            let about = key.about.replace('|', "\\|");
            page += &format!("| `{}` | {} | {about} |\n", key.name, key.support.name());
        }
        page.push('\n');
    }
    page
}

/// The lines of `docs/stacks.md` between which the tables are.
const MARKS: [&str; 2] = ["<!-- keys: begin -->\n", "<!-- keys: end -->\n"];

/// Returns the page `docs/stacks.md` with the tables of this program; a page without the lines that
/// mark their place is returned as it is.
pub fn page(page: &str) -> String {
    let [begin, end] = MARKS;
    let parts = page
        .split_once(begin)
        .and_then(|(head, rest)| Some((head, rest.split_once(end)?.1)));
    match parts {
        Some((head, tail)) => format!("{head}{begin}\n{}{end}{tail}", tables()),
        None => page.to_owned(),
    }
}
