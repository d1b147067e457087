//! `MaybeEncryptedRecord`: the envelope in which swarmkit keeps secrets on disk (`api/types.proto`;
//! `manager/encryption/`).

use crypto_secretbox::aead::{Aead, KeyInit};
use crypto_secretbox::{Nonce, XSalsa20Poly1305};
use hkdf::Hkdf;
use prost::Message;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::proto::MaybeEncryptedRecord;

/// `MaybeEncryptedRecord.Algorithm.NACL_SECRETBOX_SALSA20_POLY1305`.
const SECRETBOX: i32 = 1;

/// Returns the record around something that is not sealed.
pub(super) fn open_record(data: &[u8]) -> Zeroizing<Vec<u8>> {
    let record = MaybeEncryptedRecord {
        algorithm: 0,
        data: data.to_vec(),
        nonce: Vec::new(),
    };
    Zeroizing::new(record.encode_to_vec())
}

/// Seals `plain` under a key. The nonce is derived from key and content, so that the same inputs
/// give the same bytes, and no nonce is ever used for two contents. `None` when the library
/// refuses, which it does for inputs of more than 256 GiB.
pub(super) fn seal(key: &[u8; 32], plain: &[u8]) -> Option<Vec<u8>> {
    let mut nonce = [0; 24];
    Hkdf::<Sha256>::new(Some(key), plain)
        .expand(b"secretbox nonce", &mut nonce)
        .ok()?;
    let sealed = XSalsa20Poly1305::new(key.into())
        .encrypt(Nonce::from_slice(&nonce), plain)
        .ok()?;
    let record = MaybeEncryptedRecord {
        algorithm: SECRETBOX,
        data: sealed,
        nonce: nonce.to_vec(),
    };
    Some(record.encode_to_vec())
}
