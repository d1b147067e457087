//! Stores that are damaged in one way each.

use std::fs;
use std::path::Path;
use std::process::Command;

use testkit::run;

use super::checked;

/// Ways to damage a store; dockerd itself names hardly any of them.
pub(super) fn each_tampering_is_named(root: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("store");
    let web = "overlay2/CACHE/diff/new";
    let layer = "image/overlay2/layerdb/sha256/CHAIN";
    for (command, wanted) in [
        ("true".to_owned(), ""),
        (format!("printf x >> {web}/deep/file"), "has 7 bytes and should have 6"),
        (
            format!("printf HELLO | dd of={web}/deep/file conv=notrunc status=none"),
            "is damaged",
        ),
        (format!("rm {web}/soft"), "/new/soft is missing"),
        (format!("ln -sfn ../etc {web}/soft"), "/new/soft"),
        (format!("chmod 644 {web}/hard"), "has mode 0644 and should have 4711"),
        (
            format!("chown 0:0 {web}/hard"),
            "belongs to 0:0 and should belong to 4000000:5",
        ),
        (format!("touch {web}/soft -h -d 1999-01-01"), "has another time"),
        (
            format!("cp -a {web}/hard {web}/x; mv {web}/x {web}/hard"),
            "another name",
        ),
        (format!("touch {web}/more"), "/new/more is not in the layer's archive"),
        ("rm overlay2/CACHE/diff/bin/cat".to_owned(), "/bin/cat is missing"),
        (
            "rm overlay2/CACHE/diff/bin/cat; touch overlay2/CACHE/diff/bin/cat".to_owned(),
            "is of the kind File",
        ),
        (
            format!("setfattr -n user.a -v b {web}/soft 2>/dev/null || setfattr -n user.a -v b {web}/hard"),
            "extended attributes",
        ),
        (
            format!("setfattr -n trusted.overlay.opaque -v y {web}"),
            "hides what lower layers have",
        ),
        (format!("rm {layer}/tar-split.json.gz"), "cannot be made again"),
        (format!("printf x >> {layer}/tar-split.json.gz"), "cannot be made again"),
        (format!("printf 1 > {layer}/size"), "its record says 1"),
        (format!("rm {layer}/diff"), "diff: it is missing"),
        (format!("printf sha256:0 > {layer}/parent"), "and should say"),
        (format!("rm -r {layer}"), "is missing"),
        ("rm overlay2/CACHE/link".to_owned(), "is not a short name"),
        ("rm overlay2/l/LINK".to_owned(), "the short name of"),
        ("printf l/x > overlay2/CACHE/lower".to_owned(), "lower: it says"),
        ("rm -r overlay2/CACHE".to_owned(), "the files of the layer"),
        (
            "for f in image/overlay2/imagedb/content/sha256/*; do printf ' ' >> $f; done".to_owned(),
            "its SHA-256 is not its name",
        ),
        ("rm image/overlay2/repositories.json".to_owned(), "no image has a name"),
        (
            "rm image/overlay2/imagedb/content/sha256/*".to_owned(),
            "which is not there",
        ),
    ] {
        let _ = fs::remove_dir_all(&copy);
        fs::create_dir(&copy).unwrap();
        let sources = [root.join("image"), root.join("overlay2")];
        run(Command::new("cp").arg("-a").args(&sources).arg(&copy));
        let (chain, cache, link) = of_second_layer(&copy);
        let command = command
            .replace("CHAIN", &chain)
            .replace("CACHE", &cache)
            .replace("LINK", &link);
        run(Command::new("bash").args(["-c", &command]).current_dir(&copy));
        let found: Vec<String> = checked(&copy)
            .findings
            .iter()
            .map(|found| found.message.clone())
            .collect();
        match wanted {
            "" => assert!(found.is_empty(), "{found:?}"),
            wanted => assert!(
                found.iter().any(|found| found.contains(wanted)),
                "{command}: {wanted:?} is not in {found:?}"
            ),
        }
    }
}

/// Returns chain id, folder and short name of the layer that has `/new/deep/file`.
fn of_second_layer(root: &Path) -> (String, String, String) {
    let layers = fs::read_dir(root.join("image/overlay2/layerdb/sha256")).unwrap();
    let found = layers.map(|layer| layer.unwrap().path()).find_map(|layer| {
        let cache = fs::read_to_string(layer.join("cache-id")).unwrap();
        let folder = root.join("overlay2").join(&cache);
        let link = fs::read_to_string(folder.join("link")).unwrap();
        let chain = layer.file_name()?.to_str()?.to_owned();
        folder
            .join("diff/new/deep/file")
            .exists()
            .then_some((chain, cache, link))
    });
    found.unwrap()
}
