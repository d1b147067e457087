//! Names of container images, their documents, and what registries say about logins: no panic, no
//! hang, and what was read says what was written.
#![cfg_attr(fuzzing, no_main)]

use kraken_oci::{Document, ImageConfig, Processor, Reference, Source, challenge};
use libfuzzer_sys::fuzz_target;

const PROCESSORS: [Processor; 4] = [Processor::Arm64, Processor::ArmV7, Processor::ArmV6, Processor::Amd64];

fuzz_target!(|input: &[u8]| {
    for announced in [None, Some("application/vnd.oci.image.index.v1+json")] {
        match Document::parse(input, announced) {
            Ok(Document::Index(index)) => {
                let _ = PROCESSORS.map(|processor| index.choose(processor).map(|entry| entry.digest));
            }
            Ok(Document::Manifest(manifest)) => assert!(!manifest.layers.is_empty()),
            Err(error) => assert!(error.to_string().len() < 4096, "an error is a sentence"),
        }
    }
    for processor in PROCESSORS {
        let _ = ImageConfig::parse(input, 1, None, processor);
    }
    let Ok(text) = std::str::from_utf8(input) else { return };
    let _ = challenge::parse(text);
    let _ = text.parse::<Source>();
    if let Ok(reference) = text.parse::<Reference>() {
        assert_eq!(
            reference.to_string().parse(),
            Ok(reference),
            "what was written can be read"
        );
    }
});

#[cfg(not(fuzzing))]
fn main() {
    fuzz::without_fuzzer();
}
