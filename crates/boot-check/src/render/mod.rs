//! A boot report for people and for programs: text, JSON, JUnit XML, HTML.
//!
//! These are pure functions of the report: they use no clock and no terminal, and the same report
//! gives the same bytes. All text that may come from a guest or a name is cleaned
//! ([`kraken_foundation::text`]) and escaped here, even if it was cleaned before.

mod html;
mod json;
mod junit;
mod save;
mod text;
mod words;

pub use html::html;
pub use json::{Json, json};
pub use junit::junit;
pub use save::save;
pub use text::text;
