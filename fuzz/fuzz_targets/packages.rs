//! Control paragraphs, Packages, relations, Release files and signed texts: no panic, no hang, and
//! what was read says what was written.
#![cfg_attr(fuzzing, no_main)]

use kraken_debian::control::{paragraphs, paragraphs_with_comments};
use kraken_debian::index::Index;
use kraken_debian::openpgp::{Keyring, verify};
use kraken_debian::relation::relations;
use kraken_debian::release::Release;
use kraken_debian::version::Version;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Ok(index) = Index::read(input) {
        for entry in index.entries() {
            assert!(!entry.name().is_empty() && !entry.version().is_empty());
            let _ = (
                entry.source(),
                relations(entry.depends(), "arm64"),
                relations(entry.provides(), "arm64"),
            );
        }
    }
    let mut keys = Keyring::default();
    let _ = keys.add(input);
    let _ = verify(input, &keys, &[], 1_800_000_000);
    let Ok(text) = std::str::from_utf8(input) else { return };
    for paragraph in paragraphs(text).flatten() {
        assert!(text.contains(paragraph.text()));
    }
    let _ = paragraphs_with_comments(text).count();
    let _ = Release::parse(text).map(|release| release.check("trixie", 1_800_000_000));
    for relation in relations(text, "arm64").into_iter().flatten().flatten() {
        let again = relation.to_string();
        let read = relations(&again, "arm64").expect("what was written can be read");
        assert_eq!(read, [[relation]]);
    }
    if let Some((a, b)) = text.split_once('\n') {
        let (a, b) = (Version::new(a), Version::new(b));
        assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
    }
});

#[cfg(not(fuzzing))]
fn main() {
    fuzz::without_fuzzer();
}
