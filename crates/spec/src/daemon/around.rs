//! What is known about a daemon besides its options: its swarm, its version, its log driver.

/// What is known about the daemon besides its options.
#[derive(Clone, Copy, Debug, Default)]
pub struct Around<'a> {
    /// Whether its node is in a swarm.
    pub swarm: bool,
    /// Its version, if it is known.
    pub version: Option<Version>,
    /// The log driver that holds when the options name none.
    pub log_driver: Option<&'a str>,
}

/// A version of Docker, as far as options depend on it: its first number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32);

impl Version {
    /// The oldest version that is baked: Debian 11 and 12.
    pub const OLDEST: Self = Self(20);

    /// Reads the version of a Debian package: `5:28.5.2-1~debian.13~trixie`, `26.1.5+dfsg1-9`.
    pub fn of_package(version: &str) -> Option<Self> {
        let upstream = version.split_once(':').map_or(version, |(_, rest)| rest);
        let digits: String = upstream.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok().map(Self)
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Docker {}", self.0)
    }
}
