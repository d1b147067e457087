//! The table of `docs/stacks.md` is made from the table of the program. `SNAPSHOTS=overwrite`
//! writes it.

use std::fs;
use std::path::Path;

use testkit::golden::golden;

#[test]
fn the_page_of_stacks_is_current() {
    let path = "docs/stacks.md";
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let made = kraken_stack::keys::page(&page);
    assert!(
        made.contains("| `depends_on` | noted |"),
        "{path} has no place for the tables"
    );
    golden(path, &made);
}
