//! Layers in every packing, damaged ones, and bombs.

use super::*;
use crate::credentials::Credentials;
use crate::test_desk::Desk;
use crate::test_images::{MadeLayer, gzip, zstd};

fn layer(desk: &Desk, made: &MadeLayer) -> Layer {
    let path = desk.write("layer", &made.packed);
    Layer {
        blob: Digest::of(&made.packed),
        size: made.packed.len() as u64,
        diff_id: Digest::of(&made.plain),
        bytes: LayerBytes::File(FileRange::whole(&path).unwrap()),
    }
}

fn unpacked(desk: &Desk, layer: &Layer) -> Result<PathBuf> {
    let downloads = desk.downloads();
    layer.unpacked(&Registries::new(&downloads, Credentials::default()))
}

#[test]
fn every_packing_leads_to_the_same_file_of_the_cache() {
    let made = MadeLayer::new("etc/motd", &[7; 100_000]);
    for made in [made.clone(), made.clone().into_zstd(), made.into_plain()] {
        let desk = Desk::new();
        let mut layer = layer(&desk, &made);
        let path = unpacked(&desk, &layer).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), made.plain);
        assert_eq!(desk.cached(), [layer.diff_id.0.to_string()]);
        // It is in the cache now, and the source is not needed.
        layer.bytes = LayerBytes::File(FileRange {
            path: "/nowhere".into(),
            offset: 0,
            length: 1,
        });
        assert_eq!(unpacked(&desk, &layer).unwrap(), path);
    }
}

#[test]
fn a_layer_that_is_a_part_of_a_file_is_read_from_its_place() {
    let desk = Desk::new();
    let made = MadeLayer::new("a", b"b");
    let mut layer = layer(&desk, &made);
    let path = desk.write("archive", &[b"before", &made.packed[..], b"behind"].concat());
    layer.bytes = LayerBytes::File(FileRange {
        path,
        offset: 6,
        length: layer.size,
    });
    assert_eq!(std::fs::read(unpacked(&desk, &layer).unwrap()).unwrap(), made.plain);
}

#[test]
fn wrong_digests_and_damage_leave_nothing_under_a_final_name() {
    let made = MadeLayer::new("a", &[1; 5000]);
    let other = Digest::of(b"other");
    let check = |why: &str, change: &dyn Fn(&mut Layer), bytes: &[u8]| {
        let desk = Desk::new();
        let mut layer = layer(&desk, &made);
        desk.write("layer", bytes);
        change(&mut layer);
        let error = unpacked(&desk, &layer).unwrap_err();
        let chain = format!("{error:?}");
        assert!(chain.contains(why), "{why}: {chain}");
        assert!(matches!(error.kind(), Kind::Damaged | Kind::Unsupported), "{chain}");
        assert!(
            desk.cached()
                .iter()
                .all(|name| *name == Digest::of(&made.plain).0.to_string()),
            "{why}"
        );
        assert!(desk.downloads().cached(&layer.diff_id.0).unwrap().is_none() || why == "packed bytes");
    };
    check("what comes out of it", &|layer| layer.diff_id = other, &made.packed);
    check("packed bytes", &|layer| layer.blob = other, &made.packed);
    let half = &made.packed[..made.packed.len() / 2];
    check("unpacking", &|_| {}, half);
    check("what comes out of it", &|_| {}, b"not packed at all");
    check("packed with bzip2", &|_| {}, b"BZh91AY&SY");
    check("packed with xz", &|_| {}, b"\xfd7zXZ\0\0\0");
    let error = "what comes out of it";
    check(error, &|_| {}, &gzip(b"another layer"));
}

#[test]
fn bombs_are_not_unpacked_further() {
    let zeros = vec![0; 8 << 20];
    for packed in [gzip(&zeros), zstd(&zeros)] {
        let desk = Desk::new();
        let made = MadeLayer {
            plain: zeros.clone(),
            packed,
        };
        let layer = layer(&desk, &made);
        let LayerBytes::File(range) = &layer.bytes else {
            panic!("no file");
        };
        let error = layer.unpack(range, 1 << 20, &desk.downloads()).unwrap_err();
        assert!(
            error.to_string().contains("more than 1048576 bytes come out of it"),
            "{error}"
        );
        assert_eq!(desk.cached(), Vec::<String>::new());
        assert!(layer.unpack(range, 8 << 20, &desk.downloads()).is_ok());
    }
    assert_eq!(most(0), 1 << 30);
    assert_eq!(most(100 << 20), 200 * (100 << 20));
    assert_eq!(most(u64::MAX), 64 << 30);
}
