//! Catalogues of operating systems: no panic, no hang, nothing found that is not there.
#![cfg_attr(fuzzing, no_main)]

use kraken_image::base::catalogue::Document;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let Ok(document) = Document::parse(input) else { return };
    for name in ["raspios-lite-arm64", ""] {
        let _ = document.find(name);
    }
    for entry in &document.entries {
        assert!(
            document.find(&entry.name).is_some(),
            "an entry is found by its own name"
        );
        let _ = (entry.short_name(), entry.raw_hash(), entry.download_hash());
    }
});

#[cfg(not(fuzzing))]
fn main() {
    fuzz::without_fuzzer();
}
