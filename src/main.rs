//! The `kraken-flash` program.
fn main() {}
