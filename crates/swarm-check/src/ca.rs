//! The cluster object of the store (swarmkit, `api/objects.proto`, `Cluster`): its root CA, join
//! tokens and network defaults.

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use kraken_foundation::Result;

use super::meta::{annotations, version};
use super::proto::fields;
use super::secret::Secret;

/// The cluster object of the store.
#[derive(Clone, PartialEq, Eq)]
pub struct ClusterObject {
    /// Its ID, which is the O of all certificates.
    pub id: String,
    /// Its version.
    pub version: u64,
    /// Its name: `default`.
    pub name: String,
    /// The root CA's certificate, PEM.
    pub ca_cert: Vec<u8>,
    /// The root CA's digest, `sha256:HEX`, as in the store.
    pub ca_cert_hash: String,
    /// The token of workers.
    pub worker_token: Secret,
    /// The token of managers.
    pub manager_token: Secret,
    /// Whether the root CA is being replaced.
    pub rotating: bool,
    /// Whether managers are locked (`--autolock`).
    pub auto_lock: bool,
    /// Whether it is in FIPS mode.
    pub fips: bool,
    /// Address pools of overlay networks; none means Docker's own.
    pub address_pools: Vec<String>,
    /// Prefix length of a network taken from them; 0 means Docker's own.
    pub subnet_size: u32,
    /// UDP port of VXLAN; 0 means Docker's own.
    pub vxlan_port: u32,
    pub(super) ca_key: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for ClusterObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterObject")
            .field("id", &self.id)
            .field("version", &self.version)
            .field("name", &self.name)
            .field("ca_cert_sha256", &hex::encode(self.ca_cert_sha256()))
            .field("ca_cert_hash", &self.ca_cert_hash)
            .field("ca_key_present", &self.ca_key_present())
            .field("rotating", &self.rotating)
            .field("auto_lock", &self.auto_lock)
            .field("fips", &self.fips)
            .field("address_pools", &self.address_pools)
            .field("subnet_size", &self.subnet_size)
            .field("vxlan_port", &self.vxlan_port)
            .finish_non_exhaustive()
    }
}

impl ClusterObject {
    /// Whether the root CA's key is in the store; it is not when an external CA signs.
    pub fn ca_key_present(&self) -> bool {
        !self.ca_key.is_empty()
    }

    /// SHA-256 of the root CA's PEM bytes.
    pub fn ca_cert_sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.ca_cert).into()
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        let mut cluster = Self {
            id: String::new(),
            version: 0,
            name: String::new(),
            ca_cert: Vec::new(),
            ca_cert_hash: String::new(),
            worker_token: Secret::new(""),
            manager_token: Secret::new(""),
            rotating: false,
            auto_lock: false,
            fips: false,
            address_pools: Vec::new(),
            subnet_size: 0,
            vxlan_port: 0,
            ca_key: Zeroizing::default(),
        };
        for field in fields(bytes) {
            let field = field?;
            match field.number {
                1 => cluster.id = field.text()?,
                2 => cluster.version = version(field.bytes()?)?,
                3 => cluster.spec(field.bytes()?)?,
                4 => cluster.root_ca(field.bytes()?)?,
                10 => cluster.fips = field.uint()? != 0,
                11 => cluster.address_pools.push(field.text()?),
                12 => cluster.subnet_size = field.uint32()?,
                13 => cluster.vxlan_port = field.uint32()?,
                _ => {}
            }
        }
        Ok(cluster)
    }

    fn spec(&mut self, bytes: &[u8]) -> Result<()> {
        for field in fields(bytes) {
            let field = field?;
            match field.number {
                1 => self.name = annotations(field.bytes()?)?.name,
                // EncryptionConfig
                8 => {
                    for field in fields(field.bytes()?) {
                        let field = field?;
                        if field.number == 1 {
                            self.auto_lock = field.uint()? != 0;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn root_ca(&mut self, bytes: &[u8]) -> Result<()> {
        for field in fields(bytes) {
            let field = field?;
            match field.number {
                1 => self.ca_key = Zeroizing::new(field.bytes()?.to_vec()),
                2 => self.ca_cert = field.bytes()?.to_vec(),
                3 => self.ca_cert_hash = field.text()?,
                4 => {
                    for field in fields(field.bytes()?) {
                        let field = field?;
                        match field.number {
                            1 => self.worker_token = Secret::new(field.text()?),
                            2 => self.manager_token = Secret::new(field.text()?),
                            _ => {}
                        }
                    }
                }
                5 => self.rotating = true,
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_and_no_secret_of_it_in_debug() {
        let bytes = b"\x0a\x01c\x12\x04\x0a\x02\x08\x09\x1a\x0d\x0a\x07\x0a\x05defau\x42\x02\x08\x01\
                      \x22\x18\x0a\x03KEY\x12\x02CA\x1a\x01h\x22\x0a\x0a\x03TKW\x12\x03TKM\
                      \x50\x01\x5a\x01p\x5a\x01q\x60\x18\x68\x01";
        let cluster = ClusterObject::read(bytes).unwrap();
        assert_eq!((cluster.id.as_str(), cluster.version), ("c", 9));
        assert_eq!(cluster.worker_token.expose(), "TKW");
        assert_eq!(cluster.manager_token.expose(), "TKM");
        assert!(cluster.ca_key_present() && cluster.auto_lock && cluster.fips && !cluster.rotating);
        assert_eq!(cluster.address_pools, ["p", "q"]);
        assert_eq!((cluster.subnet_size, cluster.vxlan_port), (24, 1));
        let shown = format!("{cluster:#?}");
        assert!(
            !["KEY", "TKW", "TKM"].iter().any(|secret| shown.contains(secret)),
            "{shown}"
        );
        assert!(shown.contains("ca_key_present: true"), "{shown}");
    }
}
