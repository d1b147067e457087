//! The certificates below `certificates/`: the cluster's root CA and the node's own (swarmkit,
//! `ca/certificates.go`).

use std::fmt;

use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Version};

use kraken_foundation::Result;

use super::error;
use super::node_object::Role;
use super::pem;

/// The organizational units, which determine what a node may do.
pub(super) const MANAGER: &str = "swarm-manager";
pub(super) const WORKER: &str = "swarm-worker";
/// The further name of a manager: joining nodes require it.
const CA_NAME: &str = "swarm-ca";

/// The validity of a certificate, both ends included, in seconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Not before.
    pub not_before: i64,
    /// Not after.
    pub not_after: i64,
}

/// The contents of a certificate.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    /// CN of the subject: `swarm-ca`, or the node's ID.
    pub common_name: String,
    /// O of the subject: the cluster's ID; empty for the root CA.
    pub organization: String,
    /// OU of the subject: `swarm-manager` or `swarm-worker`; empty for the root CA.
    pub organizational_unit: String,
    /// Its further DNS names.
    pub dns_names: Vec<String>,
    /// Its validity.
    pub window: Window,
    /// Whether it may sign others.
    pub is_ca: bool,
    /// SHA-256 of the PEM file's bytes.
    pub sha256: [u8; 32],
    /// Its public key, as a DER `SubjectPublicKeyInfo`.
    pub public_key: Vec<u8>,
    /// Its own bytes, then those of the CAs between it and the root.
    chain: Vec<Vec<u8>>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("common_name", &self.common_name)
            .field("organization", &self.organization)
            .field("organizational_unit", &self.organizational_unit)
            .field("dns_names", &self.dns_names)
            .field("window", &self.window)
            .field("is_ca", &self.is_ca)
            .field("sha256", &hex::encode(self.sha256))
            .finish_non_exhaustive()
    }
}

impl Certificate {
    /// Reads the root CA: one self-signed certificate.
    pub(super) fn root(path: &str, text: &[u8]) -> Result<Self> {
        let root = Self::read(path, text)?;
        let bad = |why: &str| error::certificate(path, why);
        if root.chain.len() != 1 {
            return Err(bad("it holds several certificates, but a cluster's root CA is one"));
        }
        let parsed = parse(path, &root.chain[0])?;
        if !root.is_ca {
            return Err(bad("it is not a CA"));
        }
        if !usage(path, &parsed)?.is_some_and(|usage| usage.key_cert_sign()) {
            return Err(bad("its key may not sign certificates"));
        }
        if parsed.subject().as_raw() != parsed.issuer().as_raw() || parsed.verify_signature(None).is_err() {
            return Err(bad("it is not signed by itself"));
        }
        Ok(root)
    }

    /// Reads a node's certificate, with the names, uses and signatures that Docker requires.
    pub(super) fn node(path: &str, text: &[u8], root: &Self) -> Result<Self> {
        let node = Self::read(path, text)?;
        let bad = |why: String| Err(error::certificate(path, why));
        if node.common_name.is_empty() {
            return bad("it has no CN, which is the node's ID".into());
        }
        if node.organization.is_empty() {
            return bad("it has no O, which is the cluster's ID".into());
        }
        let role = match node.role() {
            Some(Role::Manager) => MANAGER,
            Some(Role::Worker) => WORKER,
            None => return bad(format!("its OU is neither {MANAGER} nor {WORKER}")),
        };
        let mut wanted = vec![role, &node.common_name];
        if role == MANAGER {
            wanted.push(CA_NAME);
        }
        if let Some(name) = wanted
            .iter()
            .find(|name| !node.dns_names.iter().any(|dns| dns == *name))
        {
            return bad(format!("it does not hold for the DNS name {name}"));
        }
        if node.is_ca {
            return bad("it is a CA, which a node's certificate is not".into());
        }
        let leaf = parse(path, &node.chain[0])?;
        match usage(path, &leaf)? {
            Some(usage) if usage.digital_signature() && usage.key_encipherment() => {}
            _ => return bad("its key may not both sign and encipher keys".into()),
        }
        let extended = leaf
            .extended_key_usage()
            .map_err(|_| error::certificate(path, "its extended key usage is there twice"))?;
        if !extended.is_some_and(|usage| usage.value.server_auth && usage.value.client_auth) {
            return bad("it is not for both TLS servers and TLS clients".into());
        }
        node.chains_to(path, root)?;
        Ok(node)
    }

    /// Returns the node's role, by its OU.
    pub fn role(&self) -> Option<Role> {
        match self.organizational_unit.as_str() {
            MANAGER => Some(Role::Manager),
            WORKER => Some(Role::Worker),
            _ => None,
        }
    }

    /// Checks that every certificate is signed by the next one, and one of them by the root, and
    /// that there is a time at which all of them up to it are valid.
    ///
    /// While a root CA is replaced, and until the node's next certificate, the file also holds the
    /// new CA signed by the old one.
    fn chains_to(&self, path: &str, root: &Self) -> Result<()> {
        let mut chain = Vec::new();
        for der in &self.chain {
            chain.push(parse(path, der)?);
        }
        if chain.windows(2).any(|pair| !signed_by(&pair[0], &pair[1])) {
            return Err(error::certificate(
                path,
                "its certificates do not sign each other in turn",
            ));
        }
        let signer = root.chain.first().map(|der| parse(path, der)).transpose()?;
        let signed = |certificate| signer.as_ref().is_some_and(|signer| signed_by(certificate, signer));
        let Some(last) = chain.iter().position(signed) else {
            return Err(error::certificate(path, "it is not signed by the cluster's root CA"));
        };
        let mut holds = root.window;
        for certificate in &chain[..=last] {
            let window = window(path, certificate)?;
            holds.not_before = holds.not_before.max(window.not_before);
            holds.not_after = holds.not_after.min(window.not_after);
        }
        match holds.not_before <= holds.not_after {
            true => Ok(()),
            false => Err(error::certificate(
                path,
                "there is no time at which both it and the root CA hold",
            )),
        }
    }

    fn read(path: &str, text: &[u8]) -> Result<Self> {
        let mut chain = Vec::new();
        for block in pem::blocks(text).map_err(|why| error::pem(path, why))? {
            if block.label != "CERTIFICATE" {
                return Err(error::pem(path, "it holds something else than certificates"));
            }
            chain.push(block.bytes.to_vec());
        }
        let der = chain.first().ok_or_else(|| error::pem(path, "it has no certificate"))?;
        let parsed = parse(path, der)?;
        let subject = |which: &str, oid: &x509_parser::der_parser::Oid<'_>| {
            let mut values = parsed.subject().iter_by_oid(oid);
            let value = values.next().map(|value| value.as_str().map(str::to_owned));
            match (value, values.next()) {
                (None, _) => Ok(String::new()),
                (Some(Ok(text)), None) => Ok(text),
                _ => Err(error::certificate(path, format!("its {which} is not a single text"))),
            }
        };
        Ok(Self {
            common_name: subject("CN", &x509_parser::oid_registry::OID_X509_COMMON_NAME)?,
            organization: subject("O", &x509_parser::oid_registry::OID_X509_ORGANIZATION_NAME)?,
            organizational_unit: subject("OU", &x509_parser::oid_registry::OID_X509_ORGANIZATIONAL_UNIT)?,
            dns_names: dns_names(path, &parsed)?,
            window: window(path, &parsed)?,
            is_ca: parsed.is_ca(),
            sha256: Sha256::digest(text).into(),
            public_key: parsed.public_key().raw.to_vec(),
            chain,
        })
    }
}

fn parse<'a>(path: &str, der: &'a [u8]) -> Result<X509Certificate<'a>> {
    let (rest, parsed) =
        X509Certificate::from_der(der).map_err(|_| error::certificate(path, "it is not an X.509 certificate"))?;
    if !rest.is_empty() {
        return Err(error::certificate(path, "it has bytes behind the certificate"));
    }
    if parsed.version() != X509Version::V3 {
        return Err(error::certificate(path, "it is not X.509 version 3"));
    }
    if parsed.extensions().iter().any(|extension| {
        let known = !matches!(
            extension.parsed_extension(),
            ParsedExtension::UnsupportedExtension { .. } | ParsedExtension::ParseError { .. }
        );
        extension.critical && !known
    }) {
        return Err(error::certificate(
            path,
            "it has a critical extension that we do not know",
        ));
    }
    Ok(parsed)
}

/// Whether a CA signed a certificate.
fn signed_by(certificate: &X509Certificate<'_>, signer: &X509Certificate<'_>) -> bool {
    signer.is_ca()
        && certificate.issuer().as_raw() == signer.subject().as_raw()
        && certificate.verify_signature(Some(signer.public_key())).is_ok()
}

fn window(path: &str, certificate: &X509Certificate<'_>) -> Result<Window> {
    let window = Window {
        not_before: certificate.validity().not_before.timestamp(),
        not_after: certificate.validity().not_after.timestamp(),
    };
    match window.not_before < window.not_after {
        true => Ok(window),
        false => Err(error::certificate(path, "it ends before it begins")),
    }
}

fn usage<'a>(
    path: &str,
    certificate: &'a X509Certificate<'_>,
) -> Result<Option<&'a x509_parser::extensions::KeyUsage>> {
    match certificate.key_usage() {
        Ok(usage) => Ok(usage.map(|usage| usage.value)),
        Err(_) => Err(error::certificate(path, "its key usage is there twice")),
    }
}

fn dns_names(path: &str, certificate: &X509Certificate<'_>) -> Result<Vec<String>> {
    let names = certificate
        .subject_alternative_name()
        .map_err(|_| error::certificate(path, "its alternative names are there twice"))?;
    let names = names.iter().flat_map(|names| &names.value.general_names);
    Ok(names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        })
        .collect())
}
