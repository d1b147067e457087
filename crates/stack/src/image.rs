//! References of images.

/// Whether a reference ends in a SHA-256 digest.
pub(crate) fn is_pinned(reference: &str) -> bool {
    reference.split_once("@sha256:").is_some_and(|(name, digest)| {
        !name.is_empty() && digest.len() == 64 && digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Whether a text names an image: `[domain[:port]/]path[:tag][@sha256:digest]`, the path in lower
/// case (distribution/reference).
pub(crate) fn is_image(reference: &str) -> bool {
    let (name, digest) = reference
        .split_once('@')
        .map_or((reference, None), |(name, digest)| (name, Some(digest)));
    if digest.is_some() && !is_pinned(reference) {
        return false;
    }
    let (name, tag) = match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (name, None),
    };
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let right_tag = tag.is_none_or(|tag| {
        tag.starts_with(is_word) && tag.len() <= 128 && tag.chars().all(|c| is_word(c) || matches!(c, '.' | '-'))
    });
    let (domain, path) = match name.split_once('/') {
        Some((domain, path)) if domain.contains(['.', ':']) || domain == "localhost" => (Some(domain), path),
        _ => (None, name),
    };
    let right_domain = domain.is_none_or(|domain| {
        let (host, port) = domain.split_once(':').unwrap_or((domain, "0"));
        !host.is_empty()
            && host
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
            && port.parse::<u16>().is_ok()
    });
    right_tag && right_domain && name.len() <= 255 && path.split('/').all(is_path_component)
}

/// Whether a text is a part of an image's path: runs of lower-case letters and digits, between
/// which stand `.`, `_`, `__` or hyphens.
fn is_path_component(part: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let mut separators = part.split(is_letter).filter(|separator| !separator.is_empty());
    part.starts_with(is_letter)
        && part.ends_with(is_letter)
        && separators
            .all(|separator| matches!(separator, "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-'))
}

/// Returns a reference as Docker's client sends it: without the domain and the folder of Docker
/// Hub, and with the tag `latest` where there is neither a tag nor a digest.
pub(crate) fn familiar(reference: &str) -> String {
    let name = ["docker.io/", "index.docker.io/"]
        .iter()
        .find_map(|domain| reference.strip_prefix(domain));
    let name = name.map_or(reference, |name| name);
    let name = match name.strip_prefix("library/") {
        Some(rest) if !rest.contains('/') => rest,
        _ => name,
    };
    let last = name.rsplit('/').next().unwrap_or_default();
    match last.contains([':', '@']) {
        true => name.to_owned(),
        false => format!("{name}:latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_sent_as_the_client_sends_them() {
        for (written, sent) in [
            ("nginx", "nginx:latest"),
            ("docker.io/library/nginx", "nginx:latest"),
            ("library/nginx:1", "nginx:1"),
            ("docker.io/a/b", "a/b:latest"),
            ("index.docker.io/a/b:1", "a/b:1"),
            ("ghcr.io/a/b", "ghcr.io/a/b:latest"),
            ("localhost:5000/a", "localhost:5000/a:latest"),
            ("ghcr.io/library/b@sha256:00", "ghcr.io/library/b@sha256:00"),
        ] {
            assert_eq!(familiar(written), sent, "{written}");
        }
    }

    #[test]
    fn images_are_named_as_docker_names_them() {
        let digest = format!("nginx:1@sha256:{}", "0a".repeat(32));
        for image in [
            "nginx",
            "nginx:1.27",
            "a/b",
            "localhost/a",
            "ghcr.io/a/b--c__d.e:x",
            "10.0.0.1:5000/a:1",
            &digest,
        ] {
            assert!(is_image(image), "{image}");
        }
        for image in [
            "",
            "Nginx",
            "nginx:",
            "nginx: 1",
            "a//b",
            "/a",
            "a/",
            "nginx@sha256:12",
            "a b",
            "-a",
            "a..b",
            "a_-b",
            "a___b",
            "a.io:x/b",
        ] {
            assert!(!is_image(image), "{image}");
        }
    }
}
