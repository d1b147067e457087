//! Password hashes: checks whether a text has the shape of a strong hash of crypt(5). The text is
//! never quoted.

use kraken_foundation::{Error, Kind, Result};

/// Checks whether `text` is a hash of one of the methods that crypt(5) of Debian calls acceptable
/// for new hashes: yescrypt, gost-yescrypt, scrypt, bcrypt, sha512crypt, sha256crypt.
pub(super) fn check(text: &str) -> Result<()> {
    let bad = |why| Err(Error::new(Kind::Usage, why));
    let weak = "the hash is of a method that is too weak (MD5 or DES)";
    let parts: Vec<&str> = text.split('$').collect();
    let strong = match parts.as_slice() {
        ["", "y" | "gy", settings, salt, hash] => {
            radix64(settings, 1..=86) && radix64(salt, 1..=86) && radix64(hash, 43..=43)
        }
        ["", "7", salt, hash] => radix64(salt, 11..=97) && radix64(hash, 43..=43),
        ["", "2a" | "2b" | "2x" | "2y", cost, hash] => {
            cost.len() == 2 && cost.bytes().all(|b| b.is_ascii_digit()) && radix64(hash, 53..=53)
        }
        ["", "6", rest @ ..] => sha_crypt(rest, 86),
        ["", "5", rest @ ..] => sha_crypt(rest, 43),
        ["", "1" | "md5" | "3" | "sha1", ..] => return bad(weak),
        [word] if word.len() == 13 && radix64(word, 13..=13) => return bad(weak),
        _ => false,
    };
    if strong {
        Ok(())
    } else {
        bad("what is in the file is not a password hash")
    }
}

fn sha_crypt(parts: &[&str], length: usize) -> bool {
    let (salt, hash) = match parts {
        [salt, hash] => (salt, hash),
        [rounds, salt, hash] => match rounds.strip_prefix("rounds=") {
            Some(number) if (4..=9).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit()) => {
                (salt, hash)
            }
            _ => return false,
        },
        _ => return false,
    };
    let salt_ok = (1..=16).contains(&salt.len()) && salt.bytes().all(|b| b.is_ascii_graphic() && b != b':');
    salt_ok && radix64(hash, length..=length)
}

/// Characters of crypt's base 64, `./0-9A-Za-z`.
fn radix64(text: &str, length: std::ops::RangeInclusive<usize>) -> bool {
    length.contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strong_hashes_are_taken() {
        let (h43, h86, h53) = ("a".repeat(43), "/".repeat(86), "Z".repeat(53));
        for hash in [
            format!("$y$j9T$salt$${h43}").replace("$$", "$"),
            format!("$gy$j9T$salt${h43}"),
            format!("$7$CU..../....salt${h43}"),
            format!("$2b$12${h53}"),
            format!("$6$salt${h86}"),
            format!("$6$rounds=656000$salt${h86}"),
            format!("$5$salt${h43}"),
        ] {
            assert!(check(&hash).is_ok(), "{hash}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let h86 = "/".repeat(86);
        let not_a_hash = "what is in the file is not a password hash";
        let weak = "the hash is of a method that is too weak (MD5 or DES)";
        for (text, want) in [
            (String::new(), not_a_hash),
            ("hunter2".into(), not_a_hash),
            ("$".into(), not_a_hash),
            ("!".into(), not_a_hash),
            ("$6$salt$short".into(), not_a_hash),
            (format!("$6$sa:lt${h86}"), not_a_hash),
            (format!("$6$rounds=1$salt${h86}"), not_a_hash),
            (format!("$6$salt${h86}\n"), not_a_hash),
            ("$1$salt$hash".into(), weak),
            ("abJnggxhB/yWI".into(), weak),
        ] {
            assert_eq!(check(&text).unwrap_err().to_string(), want, "{text}");
        }
    }
}
