//! All keys of `kraken.toml` with their declarations, and what is made from them: the commented
//! file of `kraken-flash init`, and the reference page.

mod list;
mod page;
mod template;

pub use list::{Choice, Key, Section, sections};
pub use page::page;
pub use template::template;

#[cfg(test)]
mod tests;
