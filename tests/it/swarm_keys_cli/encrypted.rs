//! Keys under a passphrase, and keys for age recipients.

use age::secrecy::ExposeSecret;
use age::x25519::Identity;
use kraken_swarm_state::Role;

use super::{ARMOUR, Desk, KEYS, WORKER, pipe, seed, token};

#[test]
fn keys_under_a_passphrase_are_opened_by_it_alone() {
    let desk = Desk::new();
    // The end of the line is not part of the passphrase; blanks are.
    desk.write("right", "correct horse 🐙 ".as_bytes(), 0o600);
    desk.write("line", "correct horse 🐙 \r\n".as_bytes(), 0o600);
    desk.write("wrong", b"correct horse\n", 0o600);
    let said = desk.run(&["init", "--passphrase", "--passphrase-file", "line"]);
    assert_eq!((said.code, &said.out[..]), (Some(0), ""), "{}", said.err);
    assert!(desk.read(KEYS).starts_with(ARMOUR) && desk.mode(KEYS) == 0o600);

    // `age` itself can decrypt it, too.
    let identity = age::scrypt::Identity::new("correct horse 🐙 ".to_owned().into());
    let text = String::from_utf8(age::decrypt(&identity, desk.read(KEYS).as_bytes()).unwrap()).unwrap();
    let printed = desk.does(&["token", "worker", "--passphrase-file", "right"]);
    assert_eq!(printed, token(&text, Role::Worker));

    let sealed = desk.read(KEYS);
    let help = "give its passphrase with --passphrase-file or at the prompt";
    for (more, words) in [
        (
            &["--passphrase-file", "wrong"][..],
            "it is encrypted, and cannot be opened",
        ),
        (&["--passphrase-file", "nowhere"], "reading the passphrase in nowhere"),
        (&[], "this run cannot ask for it"),
    ] {
        let said = desk.fails(&[WORKER, more].concat(), 1, &[words, help]);
        for secret in ["horse", seed(&text), "SWMTKN"] {
            assert!(!said.contains(secret), "{said}");
        }
    }
    assert_eq!(desk.read(KEYS), sealed);
    // Encrypted or not: other users must not read it.
    desk.write(KEYS, sealed.as_bytes(), 0o644);
    desk.fails(
        &["token", "worker", "--passphrase-file", "right"],
        1,
        &["others can read or write it"],
    );
}

#[test]
fn keys_for_recipients_are_opened_by_the_identity_of_each() {
    let desk = Desk::new();
    let identities: Vec<Identity> = (0..3).map(|_| Identity::generate()).collect();
    let recipient = |index: usize| identities[index].to_public().to_string();
    for (index, identity) in identities.iter().enumerate() {
        let text = format!("# created: today\n\n{}\n", identity.to_string().expose_secret());
        desk.write(&format!("id-{index}"), text.as_bytes(), 0o600);
    }
    desk.does(&["init", "--recipient", &recipient(0), "--recipient", &recipient(1)]);
    let sealed = desk.read(KEYS);
    assert!(sealed.starts_with(ARMOUR) && desk.mode(KEYS) == 0o600);
    let text = String::from_utf8(age::decrypt(&identities[0], sealed.as_bytes()).unwrap()).unwrap();
    for identity in [
        &["--identity", "id-0"][..],
        &["--identity", "id-1"],
        &["--identity", "id-2", "--identity", "id-1"],
    ] {
        assert_eq!(
            desk.does(&[WORKER, identity].concat()),
            token(&text, Role::Worker),
            "{identity:?}"
        );
    }

    let secret = identities[0].to_string().expose_secret().to_owned();
    desk.write("open", secret.as_bytes(), 0o640);
    desk.write("garbage", format!("x{secret}").as_bytes(), 0o600);
    desk.write("passphrase", b"x", 0o600);
    pipe(&desk.path().join("pipe"));
    for (more, words) in [
        (&["--identity", "id-2"][..], "it is encrypted, and cannot be opened"),
        (&[], "it is encrypted, and cannot be opened"),
        (
            &["--passphrase-file", "passphrase"],
            "it is encrypted, and cannot be opened",
        ),
        (
            &["--identity", "open"],
            "reading the identity open: others can read or write it (mode 0640)",
        ),
        (
            &["--identity", "id-0", "--identity", "open"],
            "reading the identity open",
        ),
        (&["--identity", "garbage"], "garbage is not a file of age identities"),
        (&["--identity", "nowhere"], "reading the identity nowhere"),
        (
            &["--identity", "home"],
            "reading the identity home: it is not a regular file",
        ),
        (
            &["--identity", "pipe"],
            "reading the identity pipe: it is not a regular file",
        ),
    ] {
        let said = desk.fails(&[WORKER, more].concat(), 1, &[words, "--identity"]);
        for secret in [seed(&text), &secret[20..], "SWMTKN"] {
            assert!(!said.contains(secret), "{said}");
        }
    }
}

#[test]
fn what_encrypts_nothing_is_refused_and_nothing_is_written() {
    let identity = Identity::generate();
    let public = identity.to_public().to_string();
    for (arguments, code, words) in [
        (
            &["--passphrase", "--passphrase-file", "empty"][..],
            1,
            "an empty passphrase protects nothing",
        ),
        (
            &["--passphrase", "--passphrase-file", "line"],
            1,
            "an empty passphrase protects nothing",
        ),
        (
            &["--passphrase", "--passphrase-file", "nowhere"],
            1,
            "reading the passphrase in nowhere",
        ),
        (
            &["--passphrase", "--passphrase-file", "bytes"],
            1,
            "reading the passphrase in bytes",
        ),
        (&["--passphrase"], 2, "name a file with --passphrase-file"),
        (&["--recipient", "age1nobody"], 2, "is not an age recipient"),
        (&["--recipient", ""], 2, "is not an age recipient"),
        (
            &["--recipient", &public, "--recipient", "x"],
            2,
            "is not an age recipient",
        ),
        (&["--recipient", &public, "--passphrase"], 2, "cannot be used with"),
    ] {
        let desk = Desk::new();
        desk.write("empty", b"", 0o600);
        desk.write("line", b"\n", 0o600);
        desk.write("bytes", b"\xff", 0o600);
        desk.fails(&[&["init"], arguments].concat(), code, &[words]);
        assert_eq!(desk.names(), ["bytes", "empty", "line"], "{arguments:?}");
    }
}
