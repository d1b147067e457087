//! How a registry says which login it wants: the header `WWW-Authenticate`.
//!
//! Sources: RFC 9110, 11.6.1; Docker's token authentication (`distribution`, `spec/auth/token.md`).

/// A way to log in that a registry offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// A token, from the address `realm`.
    Bearer {
        /// The address that gives tokens.
        realm: String,
        /// The name of the registry there.
        service: Option<String>,
        /// What the token is for.
        scope: Option<String>,
    },
    /// User and password in each request.
    Basic,
}

/// Returns the best challenge of a header; `None` when none is of a known kind.
pub fn parse(header: &str) -> Option<Challenge> {
    let challenges = split(header);
    let bearer = challenges.iter().find_map(|challenge| {
        let known = challenge.scheme.eq_ignore_ascii_case("bearer");
        Some(Challenge::Bearer {
            realm: challenge.value("realm").filter(|_| known)?,
            service: challenge.value("service"),
            scope: challenge.value("scope"),
        })
    });
    let basic = challenges
        .iter()
        .any(|challenge| challenge.scheme.eq_ignore_ascii_case("basic"));
    bearer.or_else(|| basic.then_some(Challenge::Basic))
}

/// One challenge of a header, as it is written.
struct Written {
    scheme: String,
    fields: Vec<Field>,
}

struct Field {
    name: String,
    value: String,
}

impl Written {
    fn value(&self, name: &str) -> Option<String> {
        let field = self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))?;
        Some(field.value.clone())
    }
}

/// Splits a header into its challenges. A word without `=` begins a new one.
fn split(header: &str) -> Vec<Written> {
    let mut found: Vec<Written> = Vec::new();
    let mut rest = header.trim();
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| c == '=' || c == ',' || c.is_whitespace())
            .unwrap_or(rest.len());
        let word = &rest[..end];
        let after = rest[end..].trim_start();
        rest = match (after.strip_prefix('='), found.last_mut()) {
            (Some(after), Some(challenge)) => {
                let (value, after) = value(after.trim_start());
                challenge.fields.push(Field {
                    name: word.to_owned(),
                    value,
                });
                after
            }
            (Some(after), None) => value(after.trim_start()).1,
            (None, _) => {
                if !word.is_empty() {
                    found.push(Written {
                        scheme: word.to_owned(),
                        fields: Vec::new(),
                    });
                }
                after
            }
        };
        rest = rest.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
    }
    found
}

/// Reads a value, quoted or not; returns it and what comes after it.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|c: char| c == ',' || c.is_whitespace()).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, c)| c)),
            _ => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_headers_of_registries_are_understood() {
        let bearer = |realm: &str, service: Option<&str>, scope: Option<&str>| {
            Some(Challenge::Bearer {
                realm: realm.into(),
                service: service.map(Into::into),
                scope: scope.map(Into::into),
            })
        };
        for (header, wanted) in [
            (
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/a:pull""#,
                bearer(
                    "https://auth.docker.io/token",
                    Some("registry.docker.io"),
                    Some("repository:library/a:pull"),
                ),
            ),
            (r#"bearer REALM="https://x/t""#, bearer("https://x/t", None, None)),
            (r#"Basic realm="Registry Realm""#, Some(Challenge::Basic)),
            (
                r#"Basic realm="a, b=c", Bearer realm="https://x/t" , scope="a,b""#,
                bearer("https://x/t", None, Some("a,b")),
            ),
            (r#"Bearer realm="a\"b""#, bearer("a\"b", None, None)),
            ("Bearer realm=https://x", bearer("https://x", None, None)),
            ("Basic", Some(Challenge::Basic)),
            (r#"Bearer error="invalid_token""#, None),
            ("Negotiate", None),
            ("", None),
            ("=,=\"", None),
        ] {
            assert_eq!(parse(header), wanted, "{header}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic_or_hang(header in ".{0,80}") {
            let _ = parse(&header);
        }
    }
}
