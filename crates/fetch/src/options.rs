//! How files are obtained.

use std::path::PathBuf;
use std::time::Duration;

/// How files are obtained.
#[derive(Clone, Debug)]
pub struct Options {
    /// The cache folder; `None` for `$KRAKEN_FLASH_CACHE` or the XDG folder.
    pub cache: Option<PathBuf>,
    /// Never use the network: a file that is not in the cache is an error.
    pub offline: bool,
    /// Ask the network again for what the cache already has (a newer release, a file that was
    /// replaced).
    pub refresh: bool,
    /// `User-Agent` of requests.
    pub user_agent: String,
    /// After this time without a byte, a connection counts as hanging.
    pub stall: Duration,
    /// Attempts in a row without progress before a download is given up; at least 1.
    pub attempts: u32,
    /// The pause after a failed attempt; it doubles with each, up to 30 s.
    pub pause: Duration,
    /// The maximum number of bytes of a download or a raw image when no size was announced.
    pub most: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache: None,
            offline: false,
            refresh: false,
            user_agent: concat!("kraken-flash/", env!("CARGO_PKG_VERSION")).to_owned(),
            stall: Duration::from_secs(30),
            attempts: 5,
            pause: Duration::from_secs(1),
            most: 64 << 30,
        }
    }
}
