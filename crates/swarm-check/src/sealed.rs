//! `MaybeEncryptedRecord` (swarmkit, `api/types.proto`): data that a manager seals with its raft
//! key, or with the unlock key.

use crypto_secretbox::aead::Aead;
use crypto_secretbox::{KeyInit, Nonce, XSalsa20Poly1305};
use zeroize::Zeroizing;

use kraken_foundation::Result;

use super::proto::fields;

/// Bytes of a raft key.
pub(super) const KEY: usize = 32;

/// `SECRETBOX_SALSA20_POLY1305`
const SECRETBOX: u64 = 1;
/// `FERNET_AES_128_CBC`, of FIPS mode.
const FERNET: u64 = 2;

/// Why something does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shut {
    /// It is not sealed at all.
    Plain,
    /// It is sealed in FIPS mode.
    Fips,
    /// Its algorithm is unknown, or its nonce is not 24 bytes.
    Unknown,
    /// No key opens it.
    WrongKey,
}

impl Shut {
    pub(crate) fn why(self) -> &'static str {
        match self {
            Self::Plain => "it is not sealed, which Docker does not take",
            Self::Fips => "it is sealed as in FIPS mode, which we cannot open",
            Self::Unknown => "it is sealed in a way that we do not know",
            Self::WrongKey => "the raft key does not open it",
        }
    }
}

/// A record, which may be sealed.
pub(super) struct Record<'a> {
    algorithm: u64,
    data: &'a [u8],
    nonce: &'a [u8],
}

impl<'a> Record<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self> {
        let mut record = Self {
            algorithm: 0,
            data: b"",
            nonce: b"",
        };
        for field in fields(bytes) {
            let field = field?;
            match field.number {
                1 => record.algorithm = field.uint()?,
                2 => record.data = field.bytes()?,
                3 => record.nonce = field.bytes()?,
                _ => {}
            }
        }
        Ok(record)
    }

    /// Returns its contents when it is not sealed.
    pub(crate) fn plain(&self) -> Option<&'a [u8]> {
        (self.algorithm == 0).then_some(self.data)
    }

    /// Returns its contents, opened with the first key that fits.
    pub(crate) fn open(&self, keys: &[Zeroizing<[u8; KEY]>]) -> Result<Zeroizing<Vec<u8>>, Shut> {
        match self.algorithm {
            SECRETBOX => {}
            0 => return Err(Shut::Plain),
            FERNET => return Err(Shut::Fips),
            _ => return Err(Shut::Unknown),
        }
        let nonce: [u8; 24] = self.nonce.try_into().map_err(|_| Shut::Unknown)?;
        keys.iter()
            .find_map(|key| {
                let cipher = XSalsa20Poly1305::new((&**key).into());
                cipher.decrypt(Nonce::from_slice(&nonce), self.data).ok()
            })
            .map(Zeroizing::new)
            .ok_or(Shut::WrongKey)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(key: &[u8; KEY], text: &[u8]) -> Vec<u8> {
        let nonce = [7; 24];
        let data = XSalsa20Poly1305::new(key.into())
            .encrypt(Nonce::from_slice(&nonce), text)
            .unwrap();
        let mut bytes = vec![0x08, 1, 0x12, u8::try_from(data.len()).unwrap()];
        bytes.extend(data);
        bytes.extend([0x1a, 24]);
        bytes.extend(nonce);
        bytes
    }

    #[test]
    fn the_first_key_that_fits_opens() {
        let bytes = sealed(&[1; KEY], b"hello");
        let record = Record::read(&bytes).unwrap();
        let key = |byte| Zeroizing::new([byte; KEY]);
        assert_eq!(record.open(&[key(2), key(1)]).unwrap().as_slice(), b"hello");
        assert_eq!(record.open(&[key(2)]).unwrap_err(), Shut::WrongKey);
        assert_eq!(record.open(&[]).unwrap_err(), Shut::WrongKey);
        assert!(record.plain().is_none());
    }

    #[test]
    fn nacls_own_vector_opens() {
        // nacl-20110221, tests/secretbox.c and its expected output.
        let key = hex::decode("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389").unwrap();
        let nonce = hex::decode("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37").unwrap();
        let data = hex::decode(
            "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5",
        )
        .unwrap();
        let record = Record {
            algorithm: SECRETBOX,
            data: &data,
            nonce: &nonce,
        };
        let key = Zeroizing::new(<[u8; KEY]>::try_from(key).unwrap());
        let plain = record.open(&[key]).unwrap();
        assert_eq!(plain[..4], [0xbe, 0x07, 0x5f, 0xc5]);
        assert_eq!(plain.len(), 131);
    }

    #[test]
    fn what_is_not_sealed_so_is_said() {
        let open = |bytes: &[u8]| Record::read(bytes).unwrap().open(&[]).unwrap_err();
        assert_eq!(open(b"\x12\x01x"), Shut::Plain);
        assert_eq!(open(b"\x08\x02\x12\x01x"), Shut::Fips);
        assert_eq!(open(b"\x08\x03"), Shut::Unknown);
        assert_eq!(open(b"\x08\x01\x1a\x01x"), Shut::Unknown);
        assert_eq!(Record::read(b"\x12\x01x").unwrap().plain(), Some(&b"x"[..]));
        assert!(Record::read(b"\x08").is_err());
    }
}
