//! The time limits of a guest's units. A guest that is fast enough keeps the limits of the card. A
//! slower one gets longer limits, and the check `time-limits` compares the times of the guest with
//! the limits of the card.

/// systemd's default limits, in seconds: `DefaultTimeoutStartSec=` and `DefaultDeviceTimeoutSec=`
/// of systemd-system.conf(5).
pub const DEFAULT: u64 = 90;
/// A guest keeps the card's limits if it is at most so many times slower than the reference
/// machine. The reference machine boots about as fast as a Pi 3B, and there no unit of a good card
/// uses even half of its limit.
const NEAR: f64 = 1.5;
/// The shortest limit of a slower guest, in seconds. It is an odd number, so that a unit with
/// exactly this limit is known to have the default.
const EASED: u64 = 907;

/// The time limits of a guest's units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// How many times longer everything may take in the guest than on the card; at least 1.
    pub slowness: f64,
    /// The default limits of the guest in seconds, if it does not keep those of the card.
    pub eased: Option<u64>,
}

impl Limits {
    /// Returns the limits for guests that are `factor` times slower than the reference machine.
    pub fn of(factor: f64) -> Self {
        let slowness = factor.max(1.0);
        // Twice the card's limit on this machine: a unit that exceeds the limit must be seen to do
        // so, but must also end.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a factor that is too large makes the largest limit"
        )]
        let scaled = (DEFAULT as f64 * slowness * 2.0).ceil() as u64;
        Self {
            slowness,
            eased: (slowness > NEAR).then_some(scaled.max(EASED)),
        }
    }

    /// Returns words for the kernel's command line (kernel-command-line(7)); none if the guest
    /// keeps the card's limits.
    pub fn words(self) -> Vec<String> {
        let keys = ["default_device_timeout_sec", "default_timeout_start_sec"];
        let eased = self.eased.into_iter();
        eased
            .flat_map(|seconds| keys.map(|key| format!("systemd.{key}={seconds}")))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_slow_guest_has_other_limits_than_its_card() {
        for (factor, eased) in [
            (0.5, None),
            (1.0, None),
            (1.5, None),
            (1.6, Some(907)),
            (4.0, Some(907)),
            (8.0, Some(1440)),
        ] {
            assert_eq!(Limits::of(factor).eased, eased, "{factor}");
        }
        assert_eq!(Limits::of(0.5).slowness, 1.0);
        assert_eq!(Limits::of(1.0).words(), [""; 0]);
        assert_eq!(
            Limits::of(8.0).words(),
            [
                "systemd.default_device_timeout_sec=1440",
                "systemd.default_timeout_start_sec=1440"
            ]
        );
    }
}
