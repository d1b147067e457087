//! `flash-image`: image files in every format, written to real block devices.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use kraken_flash::output::{BMAP_BLOCK, Bmap, BmapRange};
use serde_json::Value;
use testkit::loops::{LOOP, LoopDevice};
use testkit::world::{World, trixie};
use testkit::{run, said};

use kraken_foundation::Sha256Hash;

const CARD: u64 = 480 << 20;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A world with an image of node 1.
fn built() -> World {
    let world = World::new(1, trixie());
    world.does(&["build", "--node", "1"]);
    world
}

/// Packs a file with a program that keeps it; returns the packed file.
fn pack(image: &Path, end: &str) -> std::path::PathBuf {
    let program: &[&str] = match end {
        ".xz" => &["xz", "--keep", "-0", "-T0"],
        ".zst" => &["zstd", "-q", "--keep"],
        _ => &["gzip", "--keep", "-1"],
    };
    run(Command::new(program[0]).args(&program[1..]).arg(image));
    format!("{}{end}", image.display()).into()
}

#[test]
fn root_an_image_file_of_any_packing_arrives() {
    let world = built();
    let image = world.at("images/kraken-1.img");
    let packed = |name: &str| world.at(&format!("images/kraken-1.img{name}"));
    for end in [".xz", ".zst", ".gz"] {
        pack(&image, end);
    }
    run(Command::new("python3").arg("-c").arg(
        "import sys,zipfile; z=zipfile.ZipFile(sys.argv[2],'w',zipfile.ZIP_DEFLATED); z.writestr('README','hello'); z.write(sys.argv[1],'kraken-1.img'); z.close()",
    ).arg(&image).arg(packed(".zip")));
    let card = LoopDevice::used(&world.at("card"), CARD);
    let map = image.with_extension("img.bmap");
    let kept = fs::read(&map).unwrap();
    for with_map in [true, false] {
        for end in ["", ".xz", ".zst", ".gz", ".zip"] {
            if !with_map {
                fs::remove_file(&map).unwrap();
            }
            let file = packed(end);
            let mut all = vec!["flash-image", text(&file), text(&card.path), "--json"];
            all.extend(LOOP);
            let output = world.kraken(&all);
            assert!(output.status.success(), "{end}: {}", said(&output));
            let receipt: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(receipt["verified"], true);
            assert_eq!(receipt["file"], text(&file));
            let all_of_it = receipt["bytes"] == receipt["image-size"];
            assert_eq!(all_of_it, !with_map && !end.is_empty(), "{end} {with_map}: {receipt}");
            fs::write(&map, &kept).unwrap();
            card.holds(&image);
            // It is removed, so that the next command has to write it.
            File::options()
                .write(true)
                .open(&card.path)
                .unwrap()
                .write_all_at(&[0xee; 8 << 20], 0)
                .unwrap();
        }
    }
    // A file that is damaged, or is not an image, is an error, and the card does not become
    // bootable.
    let damaged = fs::read(packed(".xz")).unwrap();
    fs::write(world.at("half.img.xz"), &damaged[..damaged.len() / 2]).unwrap();
    let mut wrong = damaged.clone();
    let middle = wrong.len() / 2;
    wrong[middle] ^= 0x10;
    fs::write(world.at("wrong.img.xz"), wrong).unwrap();
    for file in ["half.img.xz", "wrong.img.xz"] {
        let mut all = vec!["flash-image", file, text(&card.path)];
        all.extend(LOOP);
        let said = world.ends(&all, 1);
        assert!(
            said.contains("reading the image") && said.contains("not bootable"),
            "{file}: {said}"
        );
        assert!(!card.is_bootable(), "{file}");
    }
    let mut all = vec!["flash-image", "kraken.toml", text(&card.path)];
    all.extend(LOOP);
    world.ends(&all, 1);
}

#[test]
fn root_what_does_not_fit_is_found_in_a_packed_file_before_the_card_is_touched() {
    let world = built();
    let image = world.at("images/kraken-1.img");
    let small = LoopDevice::used(&world.at("small"), 64 << 20);
    for end in [".xz", ".zst", ".gz"] {
        let packed = world.at(&format!("alone.img{end}"));
        fs::rename(pack(&image, end), &packed).unwrap();
        let mut all = vec!["flash-image", text(&packed), text(&small.path)];
        all.extend(LOOP);
        let said = world.ends(&all, 1);
        assert!(said.contains("it is too small: 67.1 MB"), "{end}: {said}");
        assert!(small.is_bootable(), "{end}: the card was touched");
    }
    // Packed twice, or cut short before it was packed: it is not an image, and does not become a
    // card.
    let card = LoopDevice::used(&world.at("card"), CARD);
    let twice = pack(&world.at("alone.img.xz"), ".gz");
    let mut all = vec!["flash-image", text(&twice), text(&card.path)];
    all.extend(LOOP);
    let said = world.ends(&all, 1);
    assert!(
        said.contains("there is another xz file in it, and no disk image"),
        "{said}"
    );
    assert!(card.is_bootable(), "the card was touched");
    let short = world.at("short.img");
    fs::write(&short, &fs::read(&image).unwrap()[..64 << 20]).unwrap();
    let short = pack(&short, ".gz");
    let mut all = vec!["flash-image", text(&short), text(&card.path)];
    all.extend(LOOP);
    let said = world.ends(&all, 1);
    assert!(
        said.contains("it has 67108864 bytes, and its partition table reaches to"),
        "{said}"
    );
    assert!(!card.is_bootable());
}

/// The map that bmaptool would make: everything without a gap is one range, of any length, with one
/// hash.
fn as_bmaptool(map: &Bmap, image: &[u8]) -> Bmap {
    let mut ranges: Vec<BmapRange> = Vec::new();
    for range in &map.ranges {
        match ranges.last_mut() {
            Some(before) if before.last + 1 == range.first => before.last = range.last,
            _ => ranges.push(range.clone()),
        }
    }
    for range in &mut ranges {
        let end = ((range.last + 1) * BMAP_BLOCK).min(map.image_size);
        let bytes = &image[(range.first * BMAP_BLOCK) as usize..end as usize];
        range.sha256 = Sha256Hash::of(bytes);
    }
    Bmap {
        image_size: map.image_size,
        ranges,
    }
}

#[test]
fn root_a_block_map_that_is_not_of_this_image_is_found_whatever_its_ranges() {
    let world = built();
    let image = world.at("images/kraken-1.img");
    let right = fs::read(&image).unwrap();
    let own = Bmap::parse(&fs::read_to_string(image.with_extension("img.bmap")).unwrap()).unwrap();
    let map = as_bmaptool(&own, &right);
    let long = map
        .ranges
        .iter()
        .max_by_key(|range| range.last - range.first)
        .unwrap()
        .clone();
    assert!(
        long.last - long.first > 256,
        "a range of more than a MiB is wanted: {long:?}"
    );
    let (file, beside) = (world.at("a.img"), world.at("a.img.bmap"));
    let write = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        let _ = fs::remove_file(world.at("a.img.gz"));
        pack(&file, ".gz");
    };
    let card = LoopDevice::used(&world.at("card"), CARD);
    let flash = |name: &str, code| {
        let file = world.at(name);
        let mut all = vec!["flash-image", text(&file), text(&card.path)];
        all.extend(LOOP);
        world.ends(&all, code)
    };
    // The map of yesterday beside the image of today.
    fs::write(&beside, map.render()).unwrap();
    let mut other = right.clone();
    other[((long.first + long.last) / 2 * BMAP_BLOCK) as usize + 77] ^= 1;
    write(&other);
    let said = flash("a.img", 1);
    assert!(
        said.contains("do not belong together") && said.contains("nothing was written"),
        "{said}"
    );
    assert!(card.is_bootable(), "the card was touched");
    let said = flash("a.img.gz", 1);
    assert!(
        said.contains("do not belong together") && said.contains("not bootable"),
        "{said}"
    );
    assert!(!card.is_bootable());
    // The map lacks a range that the image has: it is written, and reported.
    write(&right);
    let mut less = map.clone();
    let data = |range: &BmapRange| {
        right[(range.first * BMAP_BLOCK) as usize..((range.last + 1) * BMAP_BLOCK) as usize]
            .iter()
            .any(|b| *b != 0)
    };
    let gone = less.ranges.iter().skip(1).position(data).unwrap() + 1;
    less.ranges.remove(gone);
    fs::write(&beside, less.render()).unwrap();
    for name in ["a.img", "a.img.gz"] {
        let said = flash(name, 0);
        assert!(said.contains("the block map leaves out"), "{name}: {said}");
        card.holds(&image);
        File::options()
            .write(true)
            .open(&card.path)
            .unwrap()
            .write_all_at(&[0xee; 64 << 20], 0)
            .unwrap();
    }
    // The right pair.
    fs::write(&beside, map.render()).unwrap();
    for name in ["a.img", "a.img.gz"] {
        let said = flash(name, 0);
        assert!(!said.contains("leaves out"), "{name}: {said}");
        card.holds(&image);
    }
    // A map that does not describe its ranges.
    let none = map.render().replace("sha256", "sha1");
    fs::write(&beside, none).unwrap();
    let said = flash("a.img", 1);
    assert!(
        said.contains("a.img.bmap") && said.contains("remove it to write the whole image"),
        "{said}"
    );
}
