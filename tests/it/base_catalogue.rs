//! Bases by a name of the catalogue: nested documents, mirrors, announced sizes and hashes. All
//! servers are on loopback.

use crate::base_support::{Desk, Server, assert_is, disk_image, hex_sha256, image, pack};
use kraken_spec::{BaseRef, Image};
use serde_json::{Value, json};

const PATH: &str =
    "/raspios_lite_arm64/images/raspios_lite_arm64-2026-04-21/2026-04-21-raspios-trixie-arm64-lite.img.xz";

struct World {
    desk: Desk,
    server: Server,
    raw: Vec<u8>,
    entry: Value,
    image: Image,
}

/// A server with an image, and its entry for a catalogue that the server does not have yet.
fn set_up() -> World {
    let desk = Desk::new();
    let server = Server::start();
    let raw = disk_image(3 << 20);
    let packed = pack(&desk.write("disk.img", &raw), "xz -1 -c FILE");
    let url = server.put(PATH, &packed, Some("v1"), &[]);
    let entry = json!({
        "name": "Raspberry Pi OS Lite (64-bit)", "description": "x", "icon": "x", "url": url,
        "extract_size": raw.len(), "extract_sha256": hex_sha256(&raw),
        "image_download_size": packed.len(), "image_download_sha256": hex_sha256(&packed),
        "release_date": "2026-04-21", "devices": ["pi3-64bit"], "init_format": "cloudinit-rpi"
    });
    let mut image = image(BaseRef::Catalogue("raspios-lite-arm64".into()));
    image.catalogue = Some(format!("{}/list.json", server.address));
    World {
        desk,
        server,
        raw,
        entry,
        image,
    }
}

impl World {
    fn put_list(&self, path: &str, list: Value) {
        let text = json!({ "imager": {"devices": []}, "os_list": list }).to_string();
        self.server.put(path, text.as_bytes(), None, &[]);
    }
}

#[test]
fn a_nested_image_is_found_checked_and_remembered() {
    let world = set_up();
    world.put_list(
        "/list.json",
        json!([{"name": "Other", "subitems": [world.entry]}, {"name": "x", "subitems_url": "http://127.0.0.1:1/"}]),
    );
    let base = world.desk.obtain_image(&world.image).expect("base");
    assert_is(&base, &world.raw);
    assert_eq!(world.server.log(), ["/list.json", PATH]);
    world.desk.obtain_image(&world.image).expect("base, from the cache");
    assert_eq!(world.server.log().len(), 2, "a second run makes no request");
}

#[test]
fn an_image_is_found_by_its_own_name_in_a_further_document_and_broken_ones_are_passed_over() {
    let mut world = set_up();
    let address = &world.server.address;
    world.put_list(
        "/list.json",
        json!([
            {"name": "gone", "subitems_url": format!("{address}/gone.json")},
            {"name": "bad", "subitems_url": "file:///etc/passwd"},
            {"name": "self", "subitems_url": format!("{address}/list.json")},
            {"name": "more", "subitems_url": format!("{address}/more.json")}
        ]),
    );
    world.put_list("/more.json", json!([{"subitems": [{"subitems": [world.entry]}]}]));
    world.image.base = BaseRef::Catalogue("Raspberry Pi OS Lite (64-bit)".into());
    assert_is(&world.desk.obtain_image(&world.image).expect("base"), &world.raw);
}

#[test]
fn a_mirror_takes_the_place_of_the_published_host() {
    let mut world = set_up();
    let mut entry = world.entry.clone();
    entry["url"] = json!(format!("https://downloads.invalid{PATH}"));
    world.put_list("/list.json", json!([entry]));
    let packed = pack(&world.desk.folder.path().join("disk.img"), "xz -1 -c FILE");
    world.server.put(&format!("/pi{PATH}"), &packed, None, &[]);
    world.image.mirror = Some(format!("{}/pi/", world.server.address));
    assert_is(&world.desk.obtain_image(&world.image).expect("base"), &world.raw);
    assert_eq!(world.server.log()[1], format!("/pi{PATH}"));
}

#[test]
fn what_the_catalogue_announces_must_be_so() {
    for (field, value, words) in [
        ("extract_sha256", json!("00".repeat(32)), "SHA-256 0000"),
        ("image_download_sha256", json!("00".repeat(32)), "0000"),
        ("extract_size", json!(2 << 20), "more than 2097152 bytes"),
        ("extract_size", json!(4 << 20), "4194304 were announced"),
        ("extract_size", json!(1u64 << 60), "bytes free"),
        ("image_download_size", json!(1000), "1000 were announced"),
        ("image_download_size", json!(50 << 20), "were announced"),
        ("extract_sha256", json!("zz"), "is not a SHA-256"),
    ] {
        let world = set_up();
        let mut entry = world.entry.clone();
        entry[field] = value;
        world.put_list("/list.json", json!([entry]));
        let error = world.desk.obtain_image(&world.image).expect_err(field).to_string();
        assert!(error.contains(words), "{field}: {error}");
        assert_eq!(world.desk.cached("raw"), Vec::<String>::new(), "{field}");
    }
}

#[test]
fn an_unknown_name_is_answered_with_the_nearest_ones() {
    let mut world = set_up();
    world.put_list("/list.json", json!([world.entry]));
    world.image.base = BaseRef::Catalogue("raspios-lite-arm46".into());
    let error = world.desk.obtain_image(&world.image).expect_err("no such image");
    assert!(
        error
            .to_string()
            .starts_with("looking for \"raspios-lite-arm46\" in the catalogue"),
        "{error}"
    );
    assert!(error.to_string().contains("there are: raspios-lite-arm64"), "{error}");
}

#[test]
fn a_page_in_place_of_a_catalogue_is_an_error() {
    let world = set_up();
    world.server.put("/list.json", b"<html>", None, &[]);
    let error = world.desk.obtain_image(&world.image).expect_err("a page");
    assert!(error.to_string().contains("reading the catalogue"), "{error}");
}
