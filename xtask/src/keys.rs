//! What is made from the declaration of `kraken.toml`'s keys: the published schema and the
//! reference page.

use std::error::Error;
use std::fs;
use std::path::Path;

/// Writes both where they are not current.
///
/// # Errors
/// When a file cannot be read or written.
pub fn run(root: &Path) -> Result<(), Box<dyn Error>> {
    let page = "docs/kraken-toml.md";
    let introduction = fs::read_to_string(root.join(page))?;
    write(root, page, &kraken_spec::keys::page(&introduction))?;
    write(root, "schema/kraken.schema.json", &kraken_spec::schema())
}

fn write(root: &Path, path: &str, text: &str) -> Result<(), Box<dyn Error>> {
    let file = root.join(path);
    if fs::read_to_string(&file).is_ok_and(|old| old == text) {
        println!("{path} is current");
        return Ok(());
    }
    fs::write(&file, text).map_err(|error| format!("writing {path}: {error}"))?;
    println!("{path} written");
    Ok(())
}
