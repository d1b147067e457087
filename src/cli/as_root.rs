//! This very command as root would run it, for messages.

use std::fmt::Write as _;

use kraken_flash::card::{Receipts, STATE_VARIABLE};

/// Returns this very command for root, with this user's folders.
pub(super) fn as_root() -> String {
    let mut line = "sudo env".to_owned();
    let cache = kraken_fetch::Cache::open(None).map(|cache| cache.root().to_owned());
    if let Ok(cache) = cache {
        let _ = write!(
            line,
            " {}={}",
            kraken_fetch::CACHE_VARIABLE,
            quoted(&cache.to_string_lossy())
        );
    }
    if let Some(state) = Receipts::state() {
        let _ = write!(line, " {STATE_VARIABLE}={}", quoted(&state.to_string_lossy()));
    }
    let program = std::env::current_exe().unwrap_or_else(|_| "kraken-flash".into());
    let _ = write!(line, " {}", quoted(&program.to_string_lossy()));
    for argument in std::env::args().skip(1) {
        let _ = write!(line, " {}", quoted(&argument));
    }
    line
}

/// Returns an argument quoted for a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-=:,+@".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}
