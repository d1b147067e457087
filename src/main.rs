//! The `kraken-flash` program.

#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        clippy::unwrap_used,
        clippy::cast_possible_truncation,
        reason = "tests write where they like, and their failure is a panic"
    )
)]

mod cli;

fn main() -> std::process::ExitCode {
    cli::run()
}
