//! Layouts and archives, and what is wrong with them.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::*;
use crate::credentials::Credentials;
use crate::digest::Digest;
use crate::pin::Pin;
use crate::registry::Registries;
use crate::resolve::resolve as resolve_source;
use crate::source::Source;
use crate::test_desk::Desk;
use crate::test_images::{
    self as made, Files, MadeImage, MadeLayer, archive, digest, gzip, index, layout, layout_of, named, zstd,
};

const REF_NAME: &str = "org.opencontainers.image.ref.name";
const IMAGE_NAME: &str = "io.containerd.image.name";

fn image(platform: &str, body: &str) -> MadeImage {
    let low = MadeLayer::new("low", b"shared");
    let high = MadeLayer::new("high", body.as_bytes()).into_zstd();
    MadeImage::new(platform, vec![low, high])
}

fn find(desk: &Desk, path: &Path, name: Option<&str>, processor: Processor) -> Result<Image> {
    let source = LocalSource {
        path: path.to_owned(),
        name: name.map(str::to_owned),
    };
    resolve(&source, processor, &desk.downloads())
}

/// Checks that what was found is the image, down to the bytes of its layers.
fn assert_is(desk: &Desk, found: &Image, wanted: &MadeImage) {
    assert_eq!(found.config_bytes, wanted.config);
    assert_eq!(found.config, Digest::of(&wanted.config));
    assert_eq!(found.layers.len(), wanted.layers.len());
    let downloads = desk.downloads();
    let registries = Registries::new(&downloads, Credentials::default());
    for (layer, wanted) in found.layers.iter().zip(&wanted.layers) {
        let path = layer.unpacked(&registries).unwrap();
        assert_eq!(std::fs::read(path).unwrap(), wanted.plain);
    }
}

/// Returns the files of an archive as Docker 20.10 writes them: a layer that is there twice is a
/// link.
fn saved(images: &[(&MadeImage, &[&str])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut put = |name: &str, body: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(body.len() as u64);
        builder.append_data(&mut header, name, body).unwrap();
    };
    let mut list = Vec::new();
    let mut links = Vec::new();
    for (number, (image, tags)) in images.iter().enumerate() {
        let config = format!("{}.json", Digest::of(&image.config).0);
        put(&config, &image.config);
        let mut layers = Vec::new();
        for (index, layer) in image.layers.iter().enumerate() {
            let name = format!("{number}-{index}/layer.tar");
            match (number, index) {
                (0, _) | (_, 1..) => put(&name, &layer.plain),
                _ => links.push(name.clone()),
            }
            layers.push(name);
        }
        list.push(json!({"Config": config, "RepoTags": tags, "Layers": layers}));
    }
    put("manifest.json", json!(list).to_string().as_bytes());
    for link in links {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, link, "../0-0/layer.tar").unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn a_layout_is_read_from_a_folder_and_from_archives_of_every_packing() {
    let image = image("linux/arm64", "x");
    let files = layout_of(&image, named(image.entry(), REF_NAME, "example.org/web:1"));
    let plain = archive(&files);
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
    std::io::Write::write_all(&mut xz, &plain).unwrap();
    let forms = [plain.clone(), gzip(&plain), zstd(&plain), xz.finish().unwrap()];
    let desk = Desk::new();
    let folder = desk.path().join("layout");
    made::write_folder(&files, &folder);
    let mut paths: Vec<PathBuf> = vec![folder];
    for (number, bytes) in forms.iter().enumerate() {
        paths.push(desk.write(&format!("{number}.tar"), bytes));
    }
    for path in paths {
        let found = find(&desk, &path, None, Processor::Arm64).unwrap();
        assert_is(&desk, &found, &image);
        assert_eq!(
            (found.top, found.manifest),
            (found.manifest, Digest::of(&image.manifest))
        );
        assert_eq!(found.names, ["example.org/web:1".parse().unwrap()]);
        assert_eq!(
            find(&desk, &path, Some("example.org/web:1"), Processor::Arm64).unwrap(),
            found
        );
    }
}

#[test]
fn one_of_several_images_is_chosen_by_its_name() {
    let desk = Desk::new();
    let (web, db) = (image("linux/arm64", "web"), image("linux/arm64", "db"));
    let entries = [
        named(web.entry(), REF_NAME, "web"),
        named(db.entry(), IMAGE_NAME, "docker.io/library/db:2"),
    ];
    let mut blobs = web.blobs();
    blobs.extend(db.blobs());
    blobs.extend([web.manifest.as_slice(), &db.manifest]);
    let new = desk.write("new.tar", &archive(&layout(&entries, &blobs)));
    let old = desk.write("old.tar", &saved(&[(&web, &["web:1"]), (&db, &["db:2", "db:new"])]));
    for (path, name, wanted) in [
        (&new, "web", &web),
        (&new, "db:2", &db),
        (&new, "docker.io/library/db:2", &db),
        (&old, "web:1", &web),
        (&old, "db:new", &db),
        (&old, "docker.io/library/db:2", &db),
    ] {
        let found = find(&desk, path, Some(name), Processor::Arm64).unwrap();
        assert_is(&desk, &found, wanted);
    }
    for (path, name, why, help) in [
        (&new, None, "several images", "docker.io/library/db:2, web"),
        (&new, Some("x"), "called \"x\"", "docker.io/library/db:2, web"),
        (&old, None, "several images", "web:1, db:2, db:new"),
        (&old, Some("web"), "called \"web\"", "web:1, db:2, db:new"),
    ] {
        let error = find(&desk, path, name, Processor::Arm64).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        assert!(error.to_string().contains(why), "{error}");
        assert!(error.help().unwrap().contains(help), "{:?}", error.help());
    }
}

#[test]
fn the_board_decides_in_a_layout_too() {
    let desk = Desk::new();
    let (six, seven) = (image("linux/arm/v6", "6"), image("linux/arm/v7", "7"));
    let index = index(&[six.entry(), seven.entry()]);
    let mut blobs = six.blobs();
    blobs.extend(seven.blobs());
    blobs.extend([six.manifest.as_slice(), &seven.manifest, &index]);
    let entry = made::descriptor(made::INDEX, &index);
    // As buildx writes it, and a layout whose list is the index.
    let nested = desk.write("nested.tar", &archive(&layout(&[entry], &blobs)));
    let flat = desk.write("flat.tar", &archive(&layout(&[six.entry(), seven.entry()], &blobs)));
    for (processor, wanted) in [(Processor::ArmV6, &six), (Processor::ArmV7, &seven)] {
        let found = find(&desk, &nested, None, processor).unwrap();
        assert_is(&desk, &found, wanted);
        assert_eq!(
            (found.top, found.manifest),
            (Digest::of(&index), Digest::of(&wanted.manifest))
        );
        assert_is(&desk, &find(&desk, &flat, None, processor).unwrap(), wanted);
    }
    let error = find(&desk, &nested, None, Processor::Arm64).unwrap_err();
    let chain = format!("{error:?}");
    assert!(
        chain.contains("no image of it runs on arm64; there are linux/arm/v6, linux/arm/v7"),
        "{chain}"
    );
}

#[test]
fn an_archive_of_old_gets_the_same_manifest_each_time() {
    let desk = Desk::new();
    let image = image("linux/arm64", "x");
    let bytes = saved(&[(&image, &["web:1", "Not A Name"])]);
    let one = find(&desk, &desk.write("one.tar", &bytes), None, Processor::Arm64).unwrap();
    let two = find(&desk, &desk.write("two.tar.gz", &gzip(&bytes)), None, Processor::Arm64).unwrap();
    assert_is(&desk, &one, &image);
    assert_is(&desk, &two, &image);
    assert_eq!((one.top, one.manifest), (two.top, two.manifest));
    assert_eq!(one.names, ["web:1".parse().unwrap()]);
    // The digests of layers that are not packed are their diff ids.
    assert!(one.layers.iter().all(|layer| layer.blob == layer.diff_id));
}

#[test]
fn a_layout_counts_more_than_the_old_form_beside_it() {
    let desk = Desk::new();
    let image = image("linux/arm64", "x");
    let mut files = layout_of(&image, named(image.entry(), IMAGE_NAME, "docker.io/library/web:1"));
    files.insert("manifest.json".into(), b"not even JSON".to_vec());
    let found = find(&desk, &desk.write("both.tar", &archive(&files)), None, Processor::Arm64).unwrap();
    assert_eq!(found.manifest, Digest::of(&image.manifest));
    assert_eq!(found.names, ["web:1".parse().unwrap()]);
}

#[test]
fn a_pin_keeps_an_image_and_notices_another() {
    let desk = Desk::new();
    let (one, two) = (image("linux/arm64", "1"), image("linux/arm64", "2"));
    let write = |image: &MadeImage| desk.write("web.tar", &archive(&layout_of(image, image.entry())));
    let source = Source::Local(LocalSource {
        path: write(&one),
        name: None,
    });
    let downloads = desk.downloads();
    let registries = Registries::new(&downloads, Credentials::default());
    let find = |pin: Option<&Pin>| resolve_source(&source, pin, Processor::Arm64, &registries);
    let found = find(None).unwrap();
    let pin = Pin::new(&source, Processor::Arm64, &found);
    let text = serde_json::to_string(&pin).unwrap();
    assert_eq!(serde_json::from_str::<Pin>(&text).unwrap(), pin);
    assert_eq!((pin.index, pin.layers.len()), (None, 2));
    assert_eq!(find(Some(&pin)).unwrap(), found);
    write(&two);
    let error = find(Some(&pin)).unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    assert!(error.to_string().contains("any more that is pinned"), "{error}");
    let debian = resolve_source(&Source::Debian("web".into()), None, Processor::Arm64, &registries);
    assert_eq!(debian.unwrap_err().kind(), Kind::Unsupported);
}

#[test]
fn what_is_wrong_with_a_file_is_said() {
    let desk = Desk::new();
    let image = image("linux/arm64", "x");
    let sound = layout_of(&image, image.entry());
    let manifest = format!("blobs/sha256/{}", Digest::of(&image.manifest).0);
    let config = format!("blobs/sha256/{}", Digest::of(&image.config).0);
    let changed = |change: &dyn Fn(&mut Files)| {
        let mut files = sound.clone();
        change(&mut files);
        archive(&files)
    };
    let nest = |depth: usize| {
        let mut blobs: Vec<Vec<u8>> = image.blobs().into_iter().map(<[u8]>::to_vec).collect();
        blobs.push(image.manifest.clone());
        let mut entry = image.entry();
        for _ in 0..depth {
            let list = index(&[entry]);
            entry = made::descriptor(made::INDEX, &list);
            blobs.push(list);
        }
        let blobs: Vec<&[u8]> = blobs.iter().map(Vec::as_slice).collect();
        archive(&layout(&[entry], &blobs))
    };
    let liar = |ids: &[&[u8]]| {
        let ids: Vec<String> = ids.iter().map(|bytes| digest(bytes)).collect();
        let config = json!({"os": "linux", "architecture": "arm64", "rootfs": {"type": "layers", "diff_ids": ids}});
        let config = config.to_string().into_bytes();
        let liar = MadeImage::with_config("linux/arm64", image.layers.clone(), config);
        archive(&layout_of(&liar, liar.entry()))
    };
    let loops = {
        let mut builder = tar::Builder::new(Vec::new());
        let list = json!([{"Config": "a", "RepoTags": null, "Layers": []}]).to_string();
        let mut header = tar::Header::new_ustar();
        header.set_size(list.len() as u64);
        builder
            .append_data(&mut header, "manifest.json", list.as_bytes())
            .unwrap();
        for (name, target) in [("a", "b"), ("b", "a")] {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            builder.append_link(&mut header, name, target).unwrap();
        }
        builder.into_inner().unwrap()
    };
    assert!(find(&desk, &desk.write("4", &nest(4)), None, Processor::Arm64).is_ok());
    for (why, bytes) in [
        ("as a tar archive", b"hello".to_vec()),
        ("neither an OCI layout", archive(&Files::new())),
        ("packed with bzip2", b"BZh9".to_vec()),
        ("a link to nothing, or a circle", loops),
        ("more than 4 deep", nest(5)),
        ("names 1 layers, its manifest 2", liar(&[b"a"])),
        (
            "of version 2.0.0",
            changed(&|files| {
                files.insert("oci-layout".into(), br#"{"imageLayoutVersion":"2.0.0"}"#.to_vec());
            }),
        ),
        (
            "\"index.json\" is missing",
            changed(&|files| drop(files.remove("index.json"))),
        ),
        ("is missing in it", changed(&|files| drop(files.remove(&manifest)))),
        ("bytes, ", changed(&|files| files.get_mut(&config).unwrap().push(b' '))),
        (
            "are other ones",
            changed(&|files| *files.get_mut(&config).unwrap().last_mut().unwrap() = b' '),
        ),
        ("leads out of it", {
            let list = json!([{"Config": "../../etc/passwd", "RepoTags": null, "Layers": []}]);
            archive(&Files::from([(
                "manifest.json".to_owned(),
                list.to_string().into_bytes(),
            )]))
        }),
        ("is in it twice", {
            let one = archive(&sound);
            [&one[..one.len() - 1024], &one].concat()
        }),
    ] {
        let error = find(&desk, &desk.write("x.tar", &bytes), None, Processor::Arm64).unwrap_err();
        let chain = format!("{error:?}");
        assert!(
            chain.contains(why) || chain.replace('\\', "").contains(why),
            "{why}: {chain}"
        );
        assert!(chain.contains("x.tar"), "{chain}");
    }
    let found = find(
        &desk,
        &desk.write("liar.tar", &liar(&[b"a", b"b"])),
        None,
        Processor::Arm64,
    )
    .unwrap();
    let downloads = desk.downloads();
    let registries = Registries::new(&downloads, Credentials::default());
    let error = found.layers[0].unpacked(&registries).unwrap_err();
    assert!(error.to_string().contains("by the image's configuration"), "{error}");
}
