//! Block maps: no panic; what is accepted is written back as it was read.
#![cfg_attr(fuzzing, no_main)]

use kraken_image::output::Bmap;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    if let Ok(map) = Bmap::parse(input) {
        assert_eq!(Bmap::parse(&map.render()).ok().as_ref(), Some(&map));
    }
});

#[cfg(not(fuzzing))]
fn main() {
    fuzz::without_fuzzer();
}
