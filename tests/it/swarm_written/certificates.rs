//! openssl's output for the certificates: those of real daemons are their model.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use kraken_swarm_state::{ClusterKeys, NOT_AFTER, NOT_BEFORE, Role, StateWriter};

use super::{KEY, bare, keys, lay, seven};
use crate::swarm_support::Files;
use testkit::tools::require;

const ROOT: &str = "certificates/swarm-root-ca.crt";
const CERTIFICATE: &str = "certificates/swarm-node.crt";

fn openssl(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("openssl");
    command
        .current_dir(folder)
        .env("LC_ALL", "C")
        .args(arguments)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Returns openssl's output in one line; it must succeed.
fn line(folder: &Path, arguments: &[&str]) -> String {
    let output = openssl(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    said(&output).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn text(folder: &Path, file: &str) -> String {
    line(folder, &["x509", "-in", file, "-noout", "-text", "-nameopt", "RFC2253"])
}

/// Returns a certificate's extensions, with `ID` for the node's and `KEY` for the digests of keys.
fn extensions(text: &str, id: &str) -> String {
    let (from, to) = (
        text.find("X509v3 extensions").unwrap(),
        text.rfind("Signature Algorithm").unwrap(),
    );
    let hidden = text[from..to].split(' ').map(|word| match word.matches(':').count() {
        19 => "KEY".to_owned(),
        _ => word.replace(id, "ID"),
    });
    hidden.collect::<Vec<_>>().join(" ")
}

#[test]
fn certificates_have_the_names_dates_and_uses_that_swarmkit_gives_them() {
    require(&[("openssl", "openssl")]);
    let mut spec = seven();
    spec.nodes[1].role = Role::Manager;
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let keys = keys();
    let forge = StateWriter::new(&keys, &spec).unwrap();
    let in_all = [
        "Version: 3 (0x2)",
        "Signature Algorithm: ecdsa-with-SHA256 Issuer: CN=swarm-ca Validity",
        "Not Before: Jan 1 00:00:00 2000 GMT Not After : Jan 1 00:00:00 2100 GMT",
        "ASN1 OID: prime256v1",
    ];
    let cluster = forge.cluster_id();
    let (mut serials, mut publics) = (BTreeSet::new(), BTreeSet::new());
    for (number, unit, model) in [
        (1, "swarm-manager", "m1"),
        (2, "swarm-manager", "m1"),
        (3, "swarm-worker", "w1"),
    ] {
        let model = Files::fixture(&format!("26.1.5/cluster/{model}"));
        let files = lay(&forge, number);
        let (id, model_id) = (forge.node_id(number), model.node().id().to_owned());
        fs::write(at.join("key"), bare(&files.files[KEY])).unwrap();
        for (path, subject) in [
            (ROOT, "CN=swarm-ca"),
            (CERTIFICATE, &format!("CN={id},OU={unit},O={cluster}")),
        ] {
            fs::write(at.join("real"), &model.files[path]).unwrap();
            fs::write(at.join("ours"), &files.files[path]).unwrap();
            let (real, ours) = (text(at, "real"), text(at, "ours"));
            let subject = format!("Subject: {subject} Subject Public Key");
            for wanted in in_all.iter().copied().chain([&*subject]) {
                assert!(ours.contains(wanted), "{wanted}: {ours}");
            }
            assert_eq!(
                extensions(&ours, &id),
                extensions(&real, &model_id),
                "{path} of node {number}"
            );
        }
        serials.insert(line(at, &["x509", "-in", "ours", "-noout", "-serial"]));
        let public = line(at, &["x509", "-in", "ours", "-noout", "-pubkey"]);
        assert_eq!(public, line(at, &["pkey", "-in", "key", "-pubout"]));
        publics.insert(public);
    }
    assert_eq!((serials.len(), publics.len()), (3, 3));
}

#[test]
fn openssl_verifies_each_node_by_its_own_root_through_the_whole_century() {
    require(&[("openssl", "openssl")]);
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let spec = seven();
    for (seed, name) in [(super::SEED, "root"), ([8; 32], "other")] {
        let keys = ClusterKeys::from_seed(seed);
        fs::write(
            at.join(name),
            StateWriter::new(&keys, &spec).unwrap().root_certificate(),
        )
        .unwrap();
    }
    let keys = keys();
    let forge = StateWriter::new(&keys, &spec).unwrap();
    for number in [1, 2] {
        let files = lay(&forge, number);
        assert_eq!(files.files[ROOT], forge.root_certificate().as_bytes());
        fs::write(at.join("node"), &files.files[CERTIFICATE]).unwrap();
        for (root, time, good) in [
            ("root", NOT_BEFORE, true),
            ("root", NOT_AFTER - 1, true),
            ("root", NOT_BEFORE - 1, false),
            ("root", NOT_AFTER + 1, false),
            ("other", 1_700_000_000, false),
        ] {
            for purpose in ["sslserver", "sslclient"] {
                let time = time.to_string();
                let fixed = ["verify", "-no-CApath", "-no-CAstore", "-purpose", purpose, "-attime"];
                let output = openssl(at, &[&fixed[..], &[&*time, "-CAfile", root, "node"]].concat());
                assert_eq!(
                    output.status.success(),
                    good,
                    "{number} {root} {time}: {}",
                    said(&output)
                );
            }
        }
    }
}
