//! No card has a secret that does not belong to its node.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hkdf::Hkdf;
use kraken_swarm_state::{Role, StateWriter};
use p256::SecretKey;
use p256::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey};
use sha2::Sha256;

use super::{KEY, SEED, all, bare, keys, seven};
use crate::swarm_support::Files;

/// Returns a secret of the cluster, derived as `swarm` documents it.
fn derived<const N: usize>(name: &str) -> [u8; N] {
    let mut out = [0; N];
    let hkdf = Hkdf::<Sha256>::new(Some(b"kraken-flash swarm 1"), &SEED);
    hkdf.expand(name.as_bytes(), &mut out).unwrap();
    out
}

/// Returns everything that a node's files contain: their bytes, and the decoded base 64.
fn contents(files: &Files) -> Vec<u8> {
    let mut all = Vec::new();
    for bytes in files.files.values() {
        all.extend(bytes);
        let Ok(text) = std::str::from_utf8(bytes) else { continue };
        all.extend(
            text.split_whitespace()
                .filter_map(|word| STANDARD.decode(word).ok())
                .flatten(),
        );
        let body = bare(bytes);
        let body: String = body.lines().filter(|line| !line.starts_with("-----")).collect();
        all.extend(STANDARD.decode(body).unwrap_or_default());
    }
    all
}

#[test]
fn no_card_but_the_owners_holds_a_secret() {
    let mut spec = seven();
    spec.nodes[1].role = Role::Manager;
    let keys = keys();
    let forge = StateWriter::new(&keys, &spec).unwrap();
    let all = all(&keys, &spec);

    let authority = SecretKey::from_slice(&derived::<32>("ca key 0")).unwrap();
    let state = all[&1].node();
    let public = authority.public_key().to_public_key_der().unwrap();
    assert_eq!(public.as_bytes(), state.root_ca.public_key, "this is not the CA's key");
    // The nodes that may have it; its name; the secret.
    let mut secrets: Vec<(Option<u32>, String, Vec<u8>)> = vec![
        (None, "the seed".into(), SEED.to_vec()),
        (None, "the CA's key".into(), authority.to_bytes().to_vec()),
        (None, "the CA's key as PEM".into(), {
            let pem = authority.to_pkcs8_pem(p256::pkcs8::LineEnding::LF).unwrap();
            pem.lines().nth(1).unwrap().as_bytes().to_vec()
        }),
        (
            None,
            "the worker token's secret".into(),
            derived::<16>("worker token").to_vec(),
        ),
        (
            None,
            "the manager token's secret".into(),
            derived::<16>("manager token").to_vec(),
        ),
        (None, "a token".into(), b"SWMTKN".to_vec()),
    ];
    for role in [Role::Worker, Role::Manager] {
        let token = forge.token(role).reveal().to_owned();
        let secret = token.rsplit('-').next().unwrap().as_bytes().to_vec();
        secrets.push((None, format!("the secret of the {role:?} token as text"), secret));
    }
    for (number, files) in &all {
        let key = SecretKey::from_pkcs8_pem(&bare(&files.files[KEY])).unwrap();
        let public = key.public_key().to_public_key_der().unwrap();
        assert_eq!(public.as_bytes(), files.node().certificate.public_key, "node {number}");
        secrets.push((
            Some(*number),
            format!("the key of node {number}"),
            key.to_bytes().to_vec(),
        ));
        let dek = derived::<32>(&format!("raft dek {number}")).to_vec();
        let owner = if *number == 1 { Some(1) } else { None };
        secrets.push((owner, format!("the raft key of node {number}"), dek));
    }
    let found: BTreeSet<&Vec<u8>> = secrets.iter().map(|(_, _, secret)| secret).collect();
    assert_eq!(found.len(), secrets.len(), "two secrets are one");
    for (number, files) in &all {
        let contents = contents(files);
        for (owner, name, secret) in &secrets {
            let there = contents.windows(secret.len()).any(|window| window == secret);
            assert_eq!(there, *owner == Some(*number), "{name}, on node {number}");
        }
    }
    assert_eq!(
        format!("{:?}{:?}", keys, forge.token(Role::Worker))
            .matches("secret")
            .count(),
        2
    );
    let shown = format!("{:?}", forge.node(1).unwrap());
    assert!(!shown.contains("BEGIN") && !shown.contains("SWMTKN"), "{shown}");
}
