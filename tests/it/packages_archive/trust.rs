//! Which archives are trusted: keys, signatures, dates, suites.

use super::*;

#[test]
fn every_way_to_cheat_is_named() {
    for (damage, want) in [
        (Damage::SignedText, "does not fit the text"),
        (Damage::OtherKey, "a key that is not trusted here"),
        (Damage::Unsigned, "not a text signed in the clear"),
        (Damage::ExpiredKey, "which has expired"),
        (Damage::RevokedKey, "which was revoked"),
        (Damage::WeakHash, "uses SHA1"),
        (Damage::PackagesByte, "its SHA-256 is not the one that was signed"),
        (Damage::PackagesSize, "bytes long, as was signed"),
        (Damage::PackagesTruncated, "unpacking"),
        (Damage::PackagesBomb, "it unpacks to more than"),
    ] {
        let builder = TestArchive::builder().package("a", "1", "").damage(damage);
        let error = load_built(builder).expect_err(&format!("{damage:?} was accepted"));
        assert!(error.contains(want), "{damage:?}: {error}");
    }
}

#[test]
fn every_way_to_cheat_with_a_key_that_has_no_other_for_signing_is_named() {
    let archive = || TestArchive::builder().package("a", "1", "").one_key();
    load_built(archive()).unwrap();
    for (damage, want) in [
        (Damage::SignedText, "does not fit the text"),
        (Damage::OtherKey, "a key that is not trusted here"),
        (Damage::ExpiredKey, "which has expired"),
        (Damage::RevokedKey, "which was revoked"),
        (Damage::WeakHash, "uses SHA1"),
    ] {
        let error = load_built(archive().damage(damage)).expect_err(&format!("{damage:?} was accepted"));
        assert!(error.contains(want), "{damage:?}: {error}");
    }
}

#[test]
fn dates_and_suites_are_checked() {
    let built = || TestArchive::builder().package("a", "1", "");
    assert!(load_built(built().valid_until(now() + 60)).is_ok());
    let error = load_built(built().valid_until(now() - 60)).unwrap_err();
    assert!(error.contains("has expired"), "{error}");
    let error = load_built(built().date(now() + 3600)).unwrap_err();
    assert!(error.contains("in the future"), "{error}");
    // A mirror that serves another suite under the requested name.
    let archive = built().suite("trixie").build();
    let dists = archive.folder().join("debian/dists");
    std::fs::rename(dists.join("trixie"), dists.join("forky")).unwrap();
    let archive = archive.serve();
    let mut image = image(&archive, "");
    image.sources[0].suite = "forky".to_owned();
    let folder = tempfile::tempdir().unwrap();
    let error = load_for(&image, folder.path(), now()).unwrap_err();
    assert!(error.contains("and forky was asked for"), "{error}");
    image.sources[0].suite = "none".to_owned();
    let error = load_for(&image, folder.path(), now()).unwrap_err();
    assert!(
        error.contains("there is no http://") && error.contains("/etc/apt/sources.list"),
        "{error}"
    );
}

#[test]
fn only_the_fingerprint_that_is_named_may_sign() {
    let archive = TestArchive::builder().package("a", "1", "").build().serve();
    let url = archive.uri().parse().unwrap();
    let pinned =
        |fingerprint: &str| Source::pinned(&url, "trixie", &["main"], archive.key(), fingerprint, "docker.key");
    let spaced: String = archive
        .fingerprint()
        .chars()
        .flat_map(|c| [c.to_ascii_lowercase(), ' '])
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let web = Web::new(folder.path().join("web"));
    let now = u64::try_from(now()).unwrap();
    let source = pinned(&spaced).unwrap();
    assert_eq!(
        load(std::slice::from_ref(&source), &web, now, &["arm64"]).unwrap()[0]
            .parts
            .len(),
        1
    );
    let error = pinned(&"0".repeat(40)).unwrap_err().to_string();
    assert!(
        error.contains(archive.fingerprint()) && error.contains("is pinned"),
        "{error}"
    );
    // Two keys in the file, and the archive is signed by the key that is not named.
    let other = TestArchive::builder().build();
    let mut both = source.clone();
    both.keys.files[0].bytes = Some([archive.key(), other.key()].concat());
    both.keys.fingerprints = vec![other.fingerprint().to_owned()];
    let error = load(std::slice::from_ref(&both), &web, now, &["arm64"])
        .unwrap_err()
        .to_string();
    assert!(error.contains("may sign here"), "{error}");
    both.keys.fingerprints = vec![archive.fingerprint().to_owned() + "!"];
    let error = load(std::slice::from_ref(&both), &web, now, &["arm64"])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("may sign here"),
        "the subkey signed, not the named one: {error}"
    );
    both.keys.fingerprints.clear();
    assert!(load(&[both], &web, now, &["arm64"]).is_ok());
    assert_eq!(openpgp::fingerprints(archive.key()).unwrap(), [archive.fingerprint()]);
    assert!(openpgp::fingerprints(b"no key").is_err());
}
