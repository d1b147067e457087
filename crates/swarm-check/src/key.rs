//! Private keys: the node's, whose PEM headers keep the raft key (swarmkit, `ca/keyreadwriter.go`,
//! `manager/deks.go`), and the CA's.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use p256::SecretKey;
use p256::pkcs8::{DecodePrivateKey, EncodePublicKey};
use zeroize::Zeroizing;

use kraken_foundation::Result;

use super::error;
use super::pem::{self, Block};
use super::sealed::{KEY, Record};

/// The parts of the node's key that are needed.
pub(super) struct NodeKey {
    /// Its public half, as a DER `SubjectPublicKeyInfo`.
    pub public_key: Vec<u8>,
    /// The keys that open the raft log: a pending key first, then the current one; none on a
    /// worker.
    pub raft_keys: Vec<Zeroizing<[u8; KEY]>>,
    /// Version of the key that locks the manager.
    pub kek_version: u64,
}

impl NodeKey {
    pub(crate) fn read(path: &str, text: &[u8]) -> Result<Self> {
        let block = one(text).map_err(|why| error::pem(path, why))?;
        let locked = || error::locked(path);
        if block.label.starts_with("ENCRYPTED ") || block.header("dek-info").is_some() {
            return Err(locked());
        }
        let mut raft_keys = Vec::new();
        for name in ["raft-dek-pending", "raft-dek"] {
            let Some(value) = block.header(name) else { continue };
            let bad = || error::key(path, "a raft key in its headers is damaged");
            let bytes = Zeroizing::new(STANDARD.decode(value).map_err(|_| bad())?);
            let record = Record::read(&bytes).map_err(|_| bad())?;
            let plain = record.plain().ok_or_else(locked)?;
            raft_keys.push(Zeroizing::new(<[u8; KEY]>::try_from(plain).map_err(|_| bad())?));
        }
        if block.header("raft-dek-pending").is_some() && block.header("raft-dek").is_none() {
            return Err(error::key(path, "it has a pending raft key, but no current one"));
        }
        let kek_version = match block.header("kek-version") {
            Some(text) => text
                .parse()
                .map_err(|_| error::key(path, "its header kek-version is not a number"))?,
            None => 0,
        };
        Ok(Self {
            public_key: public_key(&block).map_err(|why| error::key(path, why))?,
            raft_keys,
            kek_version,
        })
    }
}

/// Returns the public half of a PEM private key, as a DER `SubjectPublicKeyInfo`.
pub(super) fn public_half(text: &[u8]) -> Result<Vec<u8>, &'static str> {
    public_key(&one(text)?)
}

fn one(text: &[u8]) -> Result<Block, &'static str> {
    let mut blocks = pem::blocks(text)?;
    match (blocks.pop(), blocks.is_empty()) {
        (Some(block), true) => Ok(block),
        _ => Err("it has more than one PEM block"),
    }
}

/// Returns the public key. Docker writes PKCS#8, and in the store SEC1; its keys are ECDSA over
/// P-256.
fn public_key(block: &Block) -> Result<Vec<u8>, &'static str> {
    let key = match block.label.as_str() {
        "PRIVATE KEY" => SecretKey::from_pkcs8_der(&block.bytes).ok(),
        "EC PRIVATE KEY" => SecretKey::from_sec1_der(&block.bytes).ok(),
        _ => return Err("it is not a plain private key"),
    };
    let key = key.ok_or("it is not an ECDSA key over P-256")?;
    let public = key.public_key().to_public_key_der();
    Ok(public.map_err(|_| "its public half cannot be written")?.into_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use p256::pkcs8::{EncodePrivateKey, LineEnding};

    const PATH: &str = "certificates/swarm-node.key";

    fn key(headers: &str) -> String {
        let secret = SecretKey::from_slice(&[7; 32]).unwrap();
        let pem = secret.to_pkcs8_pem(LineEnding::LF).unwrap();
        pem.replacen("KEY-----\n", &format!("KEY-----\n{headers}\n"), 1)
    }

    fn dek(byte: u8) -> String {
        let mut record = vec![0x12, 32];
        record.extend([byte; 32]);
        STANDARD.encode(record)
    }

    #[test]
    fn the_raft_keys_come_from_the_headers() {
        let text = key(&format!(
            "kek-version: 3\nraft-dek: {}\nraft-dek-pending: {}\n",
            dek(1),
            dek(2)
        ));
        let read = NodeKey::read(PATH, text.as_bytes()).unwrap();
        assert_eq!(read.kek_version, 3);
        let first: Vec<u8> = read.raft_keys.iter().map(|key| key[0]).collect();
        assert_eq!(first, [2, 1]);
        assert_eq!(read.public_key, public_half(key("").as_bytes()).unwrap());
        assert!(NodeKey::read(PATH, key("").as_bytes()).unwrap().raft_keys.is_empty());
    }

    #[test]
    fn a_locked_key_says_so() {
        let sealed = STANDARD.encode([0x08, 1, 0x12, 0, 0x1a, 0]);
        for text in [
            key("").replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"),
            key("Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n"),
            key(&format!("raft-dek: {sealed}\n")),
        ] {
            let error = NodeKey::read(PATH, text.as_bytes()).err().unwrap();
            assert_eq!(error.kind(), kraken_foundation::Kind::Unsupported, "{error}");
            assert!(error.to_string().contains("autolock"), "{error}");
        }
    }

    #[test]
    fn what_is_no_node_key_is_an_error() {
        for text in [
            String::new(),
            key("kek-version: x\n"),
            key("raft-dek: !\n"),
            key("raft-dek: EgE=\n"),
            key(&format!("raft-dek-pending: {}\n", dek(1))),
            key("").replace("PRIVATE KEY", "PUBLIC KEY"),
            key("").replace("PRIVATE KEY", "EC PRIVATE KEY"),
            key("") + &key(""),
        ] {
            let error = NodeKey::read(PATH, text.as_bytes()).err().unwrap().to_string();
            assert!(error.contains(PATH), "{error}");
        }
    }
}
