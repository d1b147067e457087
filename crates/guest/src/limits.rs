//! The time limits of a card's units: guests keep them where they are fast enough; where they are not, they get longer ones, and the card's are
//! judged from the times that the guest took (the check `time-limits`).

/// What systemd takes where nothing else is said, in seconds: `DefaultTimeoutStartSec=` and `DefaultDeviceTimeoutSec=` of
/// systemd-system.conf(5).
pub const DEFAULT: u64 = 90;
/// Up to so many times slower than the reference machine a guest keeps the card's limits. The reference machine boots about as fast as a Pi 3B
/// does, and no unit of a right card comes near to half of its limit there.
const NEAR: f64 = 1.5;
/// The limit of a guest that does not, in seconds, at least. No round number: a unit with just this limit has the default's.
const EASED: u64 = 907;

/// Which limits the units of a guest have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// How many times longer than on the card everything may take in the guest; at least 1.
    pub slowness: f64,
    /// The default limits of the guest in seconds, where it does not keep the card's.
    pub eased: Option<u64>,
}

impl Limits {
    /// For guests that are so many times slower than the reference machine.
    pub fn of(factor: f64) -> Self {
        let slowness = factor.max(1.0);
        // Twice what the card's limit is here: what exceeds it is to be seen, and to end.
        let scaled = (DEFAULT as f64 * slowness * 2.0).ceil() as u64;
        Self {
            slowness,
            eased: (slowness > NEAR).then_some(scaled.max(EASED)),
        }
    }

    /// For the kernel's command line (kernel-command-line(7)): nothing where the guest keeps the card's limits.
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
