//! Reads values out of the tree, and notes what is wrong with them.

mod pairs;
mod single;

pub(crate) use pairs::Pair;
#[cfg(test)]
pub(crate) use single::taken;
pub(crate) use single::{Reader, Section, Text, nearest, raw, written};
