//! Documents, sound and hostile ones.

use serde_json::json;

use super::*;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

fn descriptor(media_type: &str, bytes: &str) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len()})
}

fn entry(bytes: &str, platform: &str) -> Value {
    let mut parts = platform.split('/');
    let mut entry = descriptor(MANIFEST, bytes);
    entry["platform"] = json!({"os": parts.next(), "architecture": parts.next()});
    if let Some(variant) = parts.next() {
        entry["platform"]["variant"] = variant.into();
    }
    entry
}

fn manifest() -> Value {
    json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(CONFIG, "c"), "layers": [descriptor(LAYER, "l")]})
}

fn parsed(value: &Value, announced: Option<&str>) -> Result<Document> {
    Document::parse(value.to_string().as_bytes(), announced)
}

#[test]
fn an_index_leads_to_the_manifest_for_the_board() {
    let mut attestation = entry("attestation", "linux/arm64");
    attestation["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
    let index = json!({"schemaVersion": 2, "manifests": [
        attestation,
        entry("nothing", "unknown/unknown"),
        entry("pc", "linux/amd64"),
        entry("old", "linux/arm/v5"),
        entry("pi2", "linux/arm/v7"),
        entry("pi3", "linux/arm64/v8"),
        entry("pi3 again", "linux/arm64/v8"),
    ]});
    for announced in [None, Some(INDEX)] {
        let Document::Index(index) = parsed(&index, announced).unwrap() else {
            panic!("no index");
        };
        for (processor, wanted) in [
            (Processor::Arm64, "pi3"),
            (Processor::ArmV7, "pi2"),
            (Processor::ArmV6, "old"),
            (Processor::Amd64, "pc"),
        ] {
            assert_eq!(
                index.choose(processor).unwrap().digest,
                Digest::of(wanted),
                "{processor}"
            );
        }
    }
    let only = json!({"manifests": [entry("pc", "linux/amd64"), entry("pi2", "linux/arm/v7")]});
    let Document::Index(only) = parsed(&only, None).unwrap() else {
        panic!("no index");
    };
    let error = only.choose(Processor::ArmV6).unwrap_err();
    let wanted = "no image of it runs on arm/v6; there are linux/amd64, linux/arm/v7";
    assert_eq!(error.to_string(), wanted);
}

#[test]
fn an_index_of_one_may_leave_the_platform_to_the_configuration() {
    let Document::Index(index) = parsed(&json!({"manifests": [descriptor(MANIFEST, "x")]}), None).unwrap() else {
        panic!("no index");
    };
    assert_eq!(index.choose(Processor::ArmV6).unwrap().digest, Digest::of("x"));
}

#[test]
fn what_is_no_image_is_refused_with_a_reason() {
    let with = |field: &str, value: Value| {
        let mut changed = manifest();
        changed[field] = value;
        changed
    };
    let many: Vec<Value> = (0..126).map(|_| descriptor(LAYER, "l")).collect();
    let crowd: Vec<Value> = (0..1001).map(|_| entry("x", "linux/arm64")).collect();
    let large = json!({"mediaType": CONFIG, "digest": Digest::of("c"), "size": 5 << 20});
    for (value, announced, why) in [
        (json!([]), None, "not a container image"),
        (json!({}), None, "not a container image"),
        (json!({"manifests": []}), None, "without manifests"),
        (json!({"manifests": crowd}), None, "more than 1,000"),
        (with("manifests", json!([])), None, "at once"),
        (manifest(), Some(INDEX), "is not the announced one"),
        (
            with("mediaType", INDEX.into()),
            Some(MANIFEST),
            "is not the announced one",
        ),
        (with("layers", json!([])), None, "no layers"),
        (with("layers", many.into()), None, "more than 125 layers"),
        (
            with(
                "layers",
                json!([{"mediaType": LAYER, "digest": Digest::of("l"), "size": 1_u64 << 40}]),
            ),
            None,
            "more than 64 GiB",
        ),
        (
            with("layers", json!([descriptor("application/x-helm", "l")])),
            None,
            "application/x-helm",
        ),
        (
            with(
                "layers",
                json!([descriptor(
                    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
                    "l"
                )]),
            ),
            None,
            "not in the registry",
        ),
        (
            with("config", descriptor("application/vnd.cncf.helm.config.v1+json", "c")),
            None,
            "not a container image",
        ),
        (with("config", large), None, "larger than 4 MiB"),
        (
            with("config", json!({"mediaType": CONFIG, "digest": "sha512:00", "size": 1})),
            None,
            "is not a digest",
        ),
        (
            with(
                "config",
                json!({"mediaType": CONFIG, "digest": Digest::of("c"), "size": -1}),
            ),
            None,
            "invalid value",
        ),
        (json!({"schemaVersion": 1, "fsLayers": []}), None, "schema 1"),
        (
            json!({"schemaVersion": 1}),
            Some("application/vnd.docker.distribution.manifest.v1+prettyjws"),
            "schema 1",
        ),
        (
            json!({"mediaType": "application/vnd.oci.artifact.manifest.v1+json"}),
            None,
            "vnd.oci.artifact",
        ),
    ] {
        let error = parsed(&value, announced).unwrap_err().to_string();
        assert!(error.contains(why), "{why}: {error}");
        assert!(error.len() < 400, "{error}");
    }
    let error = Document::parse(b"<html>", None).unwrap_err().to_string();
    assert!(error.contains("not JSON"), "{error}");
}

#[test]
fn a_configuration_must_fit_manifest_and_board() {
    let config = |architecture: &str, ids: &[&str]| {
        let ids: Vec<Digest> = ids.iter().map(Digest::of).collect();
        json!({"os": "linux", "architecture": architecture, "variant": "v7", "config": {"Env": []},
               "rootfs": {"type": "layers", "diff_ids": ids}})
        .to_string()
    };
    let sound = ImageConfig::parse(config("arm", &["a", "b"]).as_bytes(), 2, None, Processor::ArmV7).unwrap();
    assert_eq!(sound.diff_ids(), [Digest::of("a"), Digest::of("b")]);
    for (text, processor, why) in [
        (
            config("arm", &["a"]),
            Processor::ArmV7,
            "names 1 layers, its manifest 2",
        ),
        (
            config("arm", &["a", "b"]),
            Processor::ArmV6,
            "runs on linux/arm/v7, and not on arm/v6",
        ),
        (config("s390x", &["a", "b"]), Processor::Arm64, "runs on linux/s390x"),
        (
            config("arm", &["a", "b"]).replace("layers", "x"),
            Processor::ArmV7,
            "knows no layers",
        ),
        ("{}".to_owned(), Processor::ArmV7, "its configuration"),
        ("[".repeat(100_000), Processor::ArmV7, "its configuration"),
    ] {
        let error = ImageConfig::parse(text.as_bytes(), 2, None, processor)
            .unwrap_err()
            .to_string();
        assert!(error.contains(why), "{why}: {error}");
    }
}

#[test]
fn an_index_may_say_the_variant_that_a_configuration_leaves_out() {
    let config =
        json!({"os": "linux", "architecture": "arm", "rootfs": {"type": "layers", "diff_ids": [Digest::of("a")]}});
    let parse = |announced: Option<&Platform>| {
        ImageConfig::parse(config.to_string().as_bytes(), 1, announced, Processor::ArmV6).map(|_| ())
    };
    let announced = |architecture: &str, variant: &str| Platform {
        os: "linux".into(),
        architecture: architecture.into(),
        variant: Some(variant.into()),
    };
    assert!(parse(None).is_err(), "arm alone is ARMv7");
    assert!(parse(Some(&announced("arm", "v6"))).is_ok());
    assert!(parse(Some(&announced("arm", "v7"))).is_err());
    assert!(parse(Some(&announced("amd64", "v6"))).is_err());
}
