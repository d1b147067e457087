//! Images from Debian's `docker-registry`: a registry that others wrote.

use kraken_foundation::Kind;
use kraken_oci::{Digest, Pin, Processor, Source, resolve};
use testkit::registry::{PASSWORD, RealRegistry, USER};

use crate::oci_support::{Desk, Known, image, said};

#[test]
fn a_real_registry_gives_the_image_of_each_board_to_those_who_may() {
    let folder = tempfile::tempdir().unwrap();
    let registry = RealRegistry::start(folder.path());
    let images = [
        image("linux/amd64"),
        image("linux/arm/v6"),
        image("linux/arm/v7"),
        image("linux/arm64/v8"),
    ];
    let index = registry.push("team/web", "1", &images.iter().collect::<Vec<_>>());
    let source: Source = format!("{}/team/web:1", registry.host).parse().unwrap();

    let desk = Desk::new();
    let refused = desk.with(false, |registries| resolve(&source, None, Processor::Arm64, registries));
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), Kind::Permission);
    assert!(said(&error).contains("docker login"), "{error:?}");

    let login = |password| {
        desk.log_in(&[Known {
            registry: &registry.host,
            user: USER,
            password,
        }]);
    };
    login("wr0ng");
    let error = desk
        .with(false, |registries| resolve(&source, None, Processor::Arm64, registries))
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Permission);

    login(PASSWORD);
    for (processor, wanted) in [
        (Processor::Amd64, 0),
        (Processor::ArmV6, 1),
        (Processor::ArmV7, 2),
        (Processor::Arm64, 3),
    ] {
        let wanted = &images[wanted];
        let found = desk.with(false, |registries| {
            let found = resolve(&source, None, processor, registries)?;
            for (layer, wanted) in found.layers.iter().zip(&wanted.layers) {
                assert_eq!(std::fs::read(layer.unpacked(registries)?).unwrap(), wanted.plain);
            }
            Ok::<_, kraken_foundation::Error>(found)
        });
        let found = found.unwrap();
        assert_eq!(found.config_bytes, wanted.config, "{processor}");
        assert_eq!(
            (found.top, found.manifest),
            (Digest::of(&index), Digest::of(&wanted.manifest))
        );
        let pin = Pin::new(&source, processor, &found);
        let again = desk.with(true, |registries| resolve(&source, Some(&pin), processor, registries));
        assert_eq!(again.unwrap(), found);
    }
    let missing: Source = format!("{}/team/web:2", registry.host).parse().unwrap();
    let error = desk
        .with(false, |registries| {
            resolve(&missing, None, Processor::Arm64, registries)
        })
        .unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(!format!("{:?}", desk.notes.all()).contains(PASSWORD));
}
