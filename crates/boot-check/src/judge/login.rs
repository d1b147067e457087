//! The check `ssh-login`: a real login as the configured account.

use super::verdict::Verdict;

/// Messages of sshd and login programs about an account that will never be let in.
const FOR_GOOD: [&str; 3] = [
    "Permission denied (",
    "account is currently not available",
    "Too many authentication failures",
];

/// Judges a login as `user` with the key that `with` describes. The commands of the login print the
/// account's name, and its name under sudo. A login may be very slow while packages are being
/// configured, so a failure is "not yet" until the node `rests`.
pub(crate) fn login(answer: Result<String, String>, user: &str, with: &str, rests: bool) -> Verdict {
    let expected = format!("{user}, and root by sudo");
    match answer {
        Ok(text) if text.split_whitespace().eq([user, "root"]) => {
            Verdict::Good(format!("{user}, by sudo root, {with}"))
        }
        Ok(text) | Err(text) => {
            let seen = format!("{}, {with}", kraken_foundation::text::line(&text));
            let is_for_good = FOR_GOOD.iter().any(|words| text.contains(words));
            match rests || is_for_good {
                true => Verdict::bad(expected, seen, None),
                false => Verdict::not_yet(expected, seen),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(answer: Result<&str, &str>, rests: bool) -> Verdict {
        let answer = answer.map(str::to_owned).map_err(str::to_owned);
        login(answer, "kraken", "with ./kraken_ed25519", rests)
    }

    #[test]
    fn a_login_that_takes_too_long_is_tried_again_until_the_node_rests() {
        for words in [
            "no answer in time",
            "Connection closed by 127.0.0.1 port 40000",
            "sudo: a password is required",
        ] {
            assert!(matches!(judge(Err(words), false), Verdict::NotYet { .. }), "{words}");
            assert!(
                matches!(judge(Err(words), true), Verdict::Bad { seen, .. } if seen.contains(words)),
                "{words}"
            );
        }
    }

    #[test]
    fn a_refusal_for_good_is_wrong_at_once() {
        for words in [
            "kraken@127.0.0.1: Permission denied (publickey).",
            "This account is currently not available.",
        ] {
            assert!(matches!(judge(Err(words), false), Verdict::Bad { .. }), "{words}");
        }
    }

    #[test]
    fn a_login_says_who_it_is() {
        let Verdict::Good(seen) = judge(Ok("kraken\nroot\n"), false) else {
            panic!("not good")
        };
        assert_eq!(seen, "kraken, by sudo root, with ./kraken_ed25519");
        for other in ["pi\nroot\n", "kraken\n", ""] {
            assert!(matches!(judge(Ok(other), true), Verdict::Bad { .. }), "{other}");
        }
    }
}
