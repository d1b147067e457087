//! Which of the images behind one name a node can run.
//!
//! An index lists one manifest for each platform (OCI image specification 1.1, `image-index.md`).
//! Docker chooses by what the CPU of its host reports, and has put images for ARMv7 onto boards
//! with an ARMv6 (moby#41017). Here the board decides, before the image is fetched.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An operating system and a processor, as documents name them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// `linux`.
    pub os: String,
    /// `arm64`, `arm`, `amd64` …
    pub architecture: String,
    /// Of `arm`: `v5` to `v8`; of `arm64`: `v8` or nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl Platform {
    /// Whether both are the same, variants aside.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.os == other.os && self.architecture == other.architecture
    }
}

/// The processor that images are chosen for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Processor {
    /// A 64-bit system on a Pi 3, 4, 5, Zero 2.
    #[serde(rename = "arm64")]
    Arm64,
    /// A 32-bit system on a Pi 2 or newer.
    #[serde(rename = "arm/v7")]
    ArmV7,
    /// A Pi 1 or a Pi Zero.
    #[serde(rename = "arm/v6")]
    ArmV6,
    /// A PC.
    #[serde(rename = "amd64")]
    Amd64,
}

impl Processor {
    /// Returns the variants that run, the best one first. On `arm64` images for 32 bits are not
    /// offered: a kernel with pages of 16 KiB (a Pi 5's own) cannot run them.
    fn variants(self) -> &'static [&'static str] {
        match self {
            Processor::Arm64 => &["v8"],
            Processor::ArmV7 => &["v7", "v6", "v5"],
            Processor::ArmV6 => &["v6", "v5"],
            Processor::Amd64 => &["v1"],
        }
    }

    fn architecture(self) -> &'static str {
        match self {
            Processor::Arm64 => "arm64",
            Processor::ArmV7 | Processor::ArmV6 => "arm",
            Processor::Amd64 => "amd64",
        }
    }

    /// The variant of a platform that names none (containerd, `platforms/database.go`): `arm` alone
    /// means ARMv7.
    fn implied(self) -> &'static str {
        match self {
            Processor::Arm64 => "v8",
            Processor::ArmV7 | Processor::ArmV6 => "v7",
            Processor::Amd64 => "v1",
        }
    }

    /// Returns the platform that fits best.
    pub(crate) fn platform(self) -> Platform {
        Platform {
            os: "linux".to_owned(),
            architecture: self.architecture().to_owned(),
            variant: self.variants().first().map(|variant| (*variant).to_owned()),
        }
    }

    /// Returns how well a platform fits: 0 is best, `None` does not run.
    pub fn rank(self, platform: &Platform) -> Option<usize> {
        if platform.os != "linux" || platform.architecture != self.architecture() {
            return None;
        }
        let variant = platform.variant.as_deref().filter(|variant| !variant.is_empty());
        let variant = variant.unwrap_or(self.implied());
        self.variants().iter().position(|runs| *runs == variant)
    }
}

impl fmt::Display for Processor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Processor::Arm64 => "arm64",
            Processor::ArmV7 => "arm/v7",
            Processor::ArmV6 => "arm/v6",
            Processor::Amd64 => "amd64",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        let mut parts = text.split('/').map(str::to_owned);
        Platform {
            os: parts.next().unwrap(),
            architecture: parts.next().unwrap(),
            variant: parts.next(),
        }
    }

    /// Each processor, and which platform of a list it takes.
    #[test]
    fn the_board_decides() {
        use Processor::{Amd64, Arm64, ArmV6, ArmV7};
        let usual = &[
            "linux/amd64",
            "linux/arm/v5",
            "linux/arm/v6",
            "linux/arm/v7",
            "linux/arm64/v8",
        ][..];
        for (processor, offered, wanted) in [
            (Arm64, usual, Some("linux/arm64/v8")),
            (ArmV7, usual, Some("linux/arm/v7")),
            (ArmV6, usual, Some("linux/arm/v6")),
            (Amd64, usual, Some("linux/amd64")),
            (Arm64, &["linux/arm64"], Some("linux/arm64")),
            // Never an image for ARMv7 onto a Pi 1, also when it does not say so.
            (ArmV6, &["linux/arm/v7", "linux/arm64"], None),
            (ArmV6, &["linux/arm"], None),
            (ArmV7, &["linux/arm"], Some("linux/arm")),
            (ArmV6, &["linux/arm/v7", "linux/arm/v5"], Some("linux/arm/v5")),
            (Arm64, &["linux/arm/v7"], None),
            (ArmV7, &["linux/arm64"], None),
            (Arm64, &["windows/arm64"], None),
            (Amd64, &["linux/amd64/v3"], None),
        ] {
            let ranked = offered
                .iter()
                .filter_map(|text| Some((processor.rank(&platform(text))?, *text)));
            assert_eq!(ranked.min().map(|(_, text)| text), wanted, "{processor} of {offered:?}");
        }
    }
}
