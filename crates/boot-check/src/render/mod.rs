//! A boot report for people and for machines: text, JSON, JUnit XML, HTML.
//!
//! Pure functions of the report: no clock, no terminal, the same report gives the same bytes. All that a guest or a name could have put into
//! it is cleaned ([`kraken_foundation::text`]) and escaped here once more, whatever the report's maker did.

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
