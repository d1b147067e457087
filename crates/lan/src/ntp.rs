//! The time, for guests that have no clock: answers (S)NTP requests.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where time servers listen (UDP).
pub(crate) const PORT: u16 = 123;
/// The length of a message without extensions, in bytes (RFC 5905, figure 8).
const LENGTH: usize = 48;
/// Seconds from 1900, the epoch of NTP, to 1970, the epoch of Unix.
const UNIX_IN_NTP: u64 = 2_208_988_800;
const CLIENT: u8 = 3;
const SERVER: u8 = 4;

/// Returns the answer to a request at `now`; `None` when it is not a client's request.
///
/// It states stratum 1, source `LOCL` (RFC 5905, figure 12): the host's clock is the best one here,
/// and clients refuse a server that says its clock is not set.
pub(crate) fn answer(request: &[u8], now: SystemTime) -> Option<[u8; LENGTH]> {
    let request = request.first_chunk::<LENGTH>()?;
    let (version, mode) = (request[0] >> 3 & 7, request[0] & 7);
    if mode != CLIENT || !(1..=4).contains(&version) {
        return None;
    }
    let stamp = timestamp(now)?;
    let mut reply = [0; LENGTH];
    reply[0] = version << 3 | SERVER;
    reply[1] = 1;
    reply[2] = request[2];
    // The clock's precision: 2^-20 s, as an exponent.
    reply[3] = (-20_i8).cast_unsigned();
    reply[12..16].copy_from_slice(b"LOCL");
    reply[16..24].copy_from_slice(&stamp);
    // The client's own time is copied back, so that the client recognises its answer.
    reply[24..32].copy_from_slice(&request[40..48]);
    reply[32..40].copy_from_slice(&stamp);
    reply[40..48].copy_from_slice(&stamp);
    Some(reply)
}

/// Returns seconds and fractions of a second, 32 bits each. The seconds start from 0 again in 2036;
/// clients know that (RFC 5905, section 6: eras).
fn timestamp(now: SystemTime) -> Option<[u8; 8]> {
    let since: Duration = now.duration_since(UNIX_EPOCH).ok()?;
    let seconds = since.as_secs().wrapping_add(UNIX_IN_NTP) & u64::from(u32::MAX);
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    Some((seconds << 32 | fraction).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(version: u8, mode: u8) -> Vec<u8> {
        let mut request = vec![0; LENGTH];
        request[0] = version << 3 | mode;
        request[40..].copy_from_slice(b"mytime!!");
        request
    }

    fn at(seconds: u64, nanos: u32) -> SystemTime {
        UNIX_EPOCH + Duration::new(seconds, nanos)
    }

    #[test]
    fn the_answer_has_the_time_and_the_clients_own() {
        let reply = answer(&request(4, CLIENT), at(1_700_000_000, 500_000_000)).unwrap();
        let seconds = u32::try_from(1_700_000_000 + UNIX_IN_NTP).unwrap().to_be_bytes();
        assert_eq!(reply[0], 0b00_100_100, "no warning, version 4, a server");
        assert_eq!(reply[1], 1, "a stratum that clients accept");
        assert_eq!(&reply[24..32], b"mytime!!");
        for stamp in [16, 32, 40] {
            assert_eq!(reply[stamp..stamp + 4], seconds);
            assert_eq!(reply[stamp + 4..stamp + 8], [0x80, 0, 0, 0], "half a second");
        }
    }

    #[test]
    fn the_next_era_begins_at_nothing() {
        let reply = answer(&request(3, CLIENT), at((1 << 32) - UNIX_IN_NTP + 7, 0)).unwrap();
        assert_eq!(reply[0] >> 3, 3, "the client's version");
        assert_eq!(reply[40..48], [0, 0, 0, 7, 0, 0, 0, 0]);
    }

    #[test]
    fn what_is_no_request_gets_no_answer() {
        let now = at(1_700_000_000, 0);
        assert!(answer(&[], now).is_none());
        assert!(answer(&request(4, CLIENT)[..47], now).is_none());
        for (version, mode) in [(4, SERVER), (4, 1), (4, 6), (0, CLIENT), (5, CLIENT)] {
            assert!(
                answer(&request(version, mode), now).is_none(),
                "version {version}, mode {mode}"
            );
        }
    }
}
