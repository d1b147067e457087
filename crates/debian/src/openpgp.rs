//! OpenPGP signatures of archives: an InRelease file counts only as a text that the owner of a
//! trusted key has signed.
//!
//! Signatures are checked with rPGP. This module evaluates the certificates (RFC 9580: which of
//! their keys may sign, until when, revoked or not), at a time that the caller gives.

use std::fmt::Display;

use kraken_foundation::{Error, Kind, Result};
use pgp::composed::{CleartextSignedMessage, Deserializable, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::{KeyDetails, Tag};

/// How many seconds a signature may be younger than the clock here: what apt allows a Release file
/// (`Acquire::Max-FutureTime`).
pub(super) const FUTURE_SLACK: u64 = 10;

/// The maximum number of signatures that are checked: Debian's own files have three.
const MOST_SIGNATURES: usize = 32;

const BEGIN_KEY: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// A text whose signature is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedText {
    /// The signed text, and nothing else; lines end in `\n`, blanks at their ends are removed.
    pub text: String,
    /// Fingerprint of the certificate (its primary key) that signed it: upper-case hex.
    pub fingerprint: String,
}

/// Certificates that are trusted.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    certificates: Vec<SignedPublicKey>,
}

impl Keyring {
    /// Adds the contents of a key file: one certificate or several, armored (several blocks, too)
    /// or binary.
    ///
    /// # Errors
    /// When it is not a key; nothing was added then.
    pub fn add(&mut self, bytes: &[u8]) -> Result<()> {
        self.certificates.extend(certificates(bytes)?);
        Ok(())
    }

    /// Returns the fingerprints of the primary keys: upper-case hex, in the order they were added.
    pub fn fingerprints(&self) -> Vec<String> {
        self.certificates.iter().map(|c| fingerprint(&c.primary_key)).collect()
    }
}

/// Returns the fingerprints of the primary keys in a key file: upper-case hex.
///
/// # Errors
/// When it is not a key.
pub fn fingerprints(bytes: &[u8]) -> Result<Vec<String>> {
    Ok(certificates(bytes)?
        .iter()
        .map(|c| fingerprint(&c.primary_key))
        .collect())
}

/// Checks a text signed in the clear at the time `now` (seconds since 1970). One good signature by
/// a trusted key is enough, as in apt. `only`, unless empty, names the fingerprints that may sign:
/// of a certificate (any of its signing keys will do) or of one key; with a `!` at the end exactly
/// that key.
///
/// # Errors
/// When it is not signed, or no signature is good.
pub fn verify(signed: &[u8], keys: &Keyring, only: &[String], now: u64) -> Result<SignedText> {
    let not_signed = |why: &dyn Display| {
        let text = format!("it is not a text signed in the clear with OpenPGP: {why}");
        Error::new(Kind::Damaged, text)
    };
    let text = std::str::from_utf8(signed).map_err(|error| not_signed(&error))?;
    let (message, _) = CleartextSignedMessage::from_string(text).map_err(|error| not_signed(&error))?;
    let signed = message.signed_text();
    let mut whys = Vec::new();
    for signature in message.signatures().iter().take(MOST_SIGNATURES) {
        match check(signature, signed.as_bytes(), keys, only, now) {
            Ok(fingerprint) => {
                let text = signed.replace("\r\n", "\n");
                return Ok(SignedText { text, fingerprint });
            }
            Err(why) => whys.push(why),
        }
    }
    if whys.is_empty() {
        return Err(not_signed(&"there is no signature in it"));
    }
    let text = format!("no signature on it is good: {}", whys.join("; "));
    Err(Error::new(Kind::Damaged, text))
}

/// It is not an OpenPGP certificate, or not the right one.
pub(super) fn not_a_key(why: impl Display) -> Error {
    let text = format!("it is not an OpenPGP public key, neither armored nor binary: {why}");
    Error::new(Kind::Damaged, text)
}

fn certificates(bytes: &[u8]) -> Result<Vec<SignedPublicKey>> {
    let mut found = Vec::new();
    let mut read = |block: &[u8]| -> Result<()> {
        let (keys, _) = SignedPublicKey::from_reader_many_buf(block).map_err(not_a_key)?;
        for key in keys {
            found.push(key.map_err(not_a_key)?);
        }
        Ok(())
    };
    match std::str::from_utf8(bytes) {
        Ok(text) if text.contains(BEGIN_KEY) => {
            for (at, _) in text.match_indices(BEGIN_KEY) {
                let rest = &text[at..];
                let end = rest[1..].find(BEGIN_KEY).map_or(rest.len(), |end| end + 1);
                read(&rest.as_bytes()[..end])?;
            }
        }
        _ => read(bytes)?,
    }
    if found.is_empty() {
        return Err(not_a_key("there is no key in it"));
    }
    Ok(found)
}

fn fingerprint(key: &impl KeyDetails) -> String {
    format!("{:X}", key.fingerprint())
}

/// Checks one signature against all keys; returns the certificate's fingerprint, or the reason of
/// the failure.
fn check(signature: &Signature, text: &[u8], keys: &Keyring, only: &[String], now: u64) -> Result<String, String> {
    let by = issuer(signature);
    acceptable(signature, now).map_err(|why| format!("the one by {by} {why}"))?;
    let mut why = format!("the one by {by} is by a key that is not trusted here");
    for certificate in &keys.certificates {
        for key in KeyOf::all(certificate) {
            if !key.verifies(signature, text) {
                continue;
            }
            match key.may_sign(only, now) {
                Ok(()) => return Ok(fingerprint(&certificate.primary_key)),
                Err(reason) => why = format!("the one by {by} {reason}"),
            }
        }
        if KeyOf::all(certificate).any(|key| key.is_issuer(signature)) && why.ends_with("trusted here") {
            why = format!("the one by {by} does not fit the text: it was changed, or cut");
        }
    }
    Err(why)
}

/// Returns the claimed signer: a fingerprint or a key id.
fn issuer(signature: &Signature) -> String {
    if let Some(fingerprint) = signature.issuer_fingerprint().first() {
        return format!("{fingerprint:X}");
    }
    match signature.issuer_key_id().first() {
        Some(id) => hex::encode_upper(id),
        None => "a key without a name".to_owned(),
    }
}

fn acceptable(signature: &Signature, now: u64) -> Result<(), String> {
    match signature.typ() {
        Some(SignatureType::Text | SignatureType::Binary) => {}
        _ => return Err("is not one of a text".to_owned()),
    }
    match signature.hash_alg() {
        Some(
            HashAlgorithm::Sha224
            | HashAlgorithm::Sha256
            | HashAlgorithm::Sha384
            | HashAlgorithm::Sha512
            | HashAlgorithm::Sha3_256
            | HashAlgorithm::Sha3_512,
        ) => {}
        Some(weak) => return Err(format!("uses {weak}, a hash that is broken or not known")),
        None => return Err("is of a kind that is not known".to_owned()),
    }
    let Some(created) = signature.created() else {
        return Err("does not say when it was made".to_owned());
    };
    let created = u64::from(created.as_secs());
    if created > now.saturating_add(FUTURE_SLACK) {
        return Err("was made in the future; check this machine's clock".to_owned());
    }
    let lasts = signature.signature_expiration_time().map_or(0, |lasts| lasts.as_secs());
    if lasts != 0 && created + u64::from(lasts) <= now {
        return Err("has expired".to_owned());
    }
    Ok(())
}

/// The primary key of a certificate, or one of its other keys.
enum KeyOf<'a> {
    Primary(&'a SignedPublicKey),
    Sub(&'a SignedPublicKey, &'a SignedPublicSubKey),
}

impl<'a> KeyOf<'a> {
    fn all(certificate: &'a SignedPublicKey) -> impl Iterator<Item = Self> {
        let others = certificate.public_subkeys.iter();
        std::iter::once(Self::Primary(certificate)).chain(others.map(|key| Self::Sub(certificate, key)))
    }

    fn verifies(&self, signature: &Signature, text: &[u8]) -> bool {
        self.is_issuer(signature)
            && match self {
                Self::Primary(certificate) => signature.verify(&certificate.primary_key, text).is_ok(),
                Self::Sub(_, key) => signature.verify(&key.key, text).is_ok(),
            }
    }

    /// Whether the signature may be by this key, as far as it names its issuer.
    fn is_issuer(&self, signature: &Signature) -> bool {
        let (fingerprint, id) = match self {
            Self::Primary(c) => (c.primary_key.fingerprint(), c.primary_key.legacy_key_id()),
            Self::Sub(_, key) => (key.key.fingerprint(), key.key.legacy_key_id()),
        };
        let (fingerprints, ids) = (signature.issuer_fingerprint(), signature.issuer_key_id());
        (fingerprints.is_empty() || fingerprints.contains(&&fingerprint)) && (ids.is_empty() || ids.contains(&&id))
    }

    fn may_sign(&self, only: &[String], now: u64) -> Result<(), String> {
        let (Self::Primary(certificate) | Self::Sub(certificate, _)) = self;
        let primary = fingerprint(&certificate.primary_key);
        let own = match self {
            Self::Primary(_) => primary.clone(),
            Self::Sub(_, key) => fingerprint(&key.key),
        };
        if !only.is_empty() && !only.iter().any(|named| names(named, &primary, &own)) {
            return Err(format!("is by {primary}, and only {} may sign here", only.join(", ")));
        }
        let details = &certificate.details;
        if details
            .revocation_signatures
            .iter()
            .any(|revocation| revocation.verify_key(&certificate.primary_key).is_ok())
        {
            return Err(format!("is by the key {primary}, which was revoked"));
        }
        let statement = newest(self_signatures(certificate));
        not_expired(&certificate.primary_key, statement, now)
            .map_err(|why| format!("is by the key {primary}, which {why}"))?;
        match self {
            Self::Primary(_) => match statement {
                // Without flags, the algorithm determines the use of a key; a key that cannot sign
                // has not signed.
                Some(statement) if has_flags(statement) && !statement.key_flags().sign() => {
                    Err(format!("is by the key {primary}, which is not for signing"))
                }
                Some(_) => Ok(()),
                None => Err(format!("is by the key {primary}, which has not signed itself")),
            },
            Self::Sub(_, key) => {
                subkey_may_sign(certificate, key, now).map_err(|why| format!("is by the key {own}, which {why}"))
            }
        }
    }
}

/// Whether a Signed-By fingerprint names this key of this certificate.
fn names(named: &str, primary: &str, own: &str) -> bool {
    match named.strip_suffix('!') {
        Some(exactly) => exactly.eq_ignore_ascii_case(own),
        None => named.eq_ignore_ascii_case(primary) || named.eq_ignore_ascii_case(own),
    }
}

fn has_flags(signature: &Signature) -> bool {
    signature.config().is_some_and(|config| {
        config
            .hashed_subpackets()
            .any(|packet| matches!(packet.data, pgp::packet::SubpacketData::KeyFlags(_)))
    })
}

/// Returns the statements of a certificate about itself that are by its primary key. SHA-1 is
/// accepted here, as in gpgv: the file that holds them is trusted, and older keys have no others.
fn self_signatures(certificate: &SignedPublicKey) -> impl Iterator<Item = &Signature> {
    let key = &certificate.primary_key;
    let direct = certificate.details.direct_signatures.iter();
    let direct = direct.filter(|signature| signature.verify_key(key).is_ok());
    let users = certificate.details.users.iter().flat_map(move |user| {
        let mine = user
            .signatures
            .iter()
            .filter(move |s| s.is_certification() && s.verify_certification(key, Tag::UserId, &user.id).is_ok());
        let revoked = user.signatures.iter().any(|s| {
            s.typ() == Some(SignatureType::CertRevocation) && s.verify_certification(key, Tag::UserId, &user.id).is_ok()
        });
        mine.filter(move |_| !revoked)
    });
    direct.chain(users)
}

fn newest<'a>(signatures: impl Iterator<Item = &'a Signature>) -> Option<&'a Signature> {
    signatures.max_by_key(|signature| signature.created().map_or(0, |created| created.as_secs()))
}

fn not_expired(key: &impl KeyDetails, statement: Option<&Signature>, now: u64) -> Result<(), &'static str> {
    let lasts = statement
        .and_then(Signature::key_expiration_time)
        .map_or(0, |lasts| lasts.as_secs());
    let created = u64::from(key.created_at().as_secs());
    if created > now.saturating_add(FUTURE_SLACK) {
        return Err("was made in the future; check this machine's clock");
    }
    if lasts != 0 && created + u64::from(lasts) <= now {
        return Err("has expired; a newer image or key file may have it prolonged");
    }
    Ok(())
}

fn subkey_may_sign(certificate: &SignedPublicKey, key: &SignedPublicSubKey, now: u64) -> Result<(), &'static str> {
    let primary = &certificate.primary_key;
    let bound = |typ| {
        let all = key.signatures.iter().filter(move |s| s.typ() == Some(typ));
        all.filter(|s| s.verify_subkey_binding(primary, &key.key).is_ok())
    };
    if bound(SignatureType::SubkeyRevocation).next().is_some() {
        return Err("was revoked");
    }
    let Some(binding) = newest(bound(SignatureType::SubkeyBinding)) else {
        return Err("its certificate does not own");
    };
    if !binding.key_flags().sign() {
        return Err("is not for signing");
    }
    match binding.embedded_signature() {
        Some(back) if back.verify_primary_key_binding(&key.key, primary).is_ok() => {}
        _ => return Err("does not own up to its certificate"),
    }
    not_expired(&key.key, Some(binding), now)
}
