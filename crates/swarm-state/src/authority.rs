//! The swarm's certificate authority and the certificates of its nodes: ECDSA P-256, SHA-256, with
//! the names and extensions that swarmkit gives them (swarmkit, `ca/certificates.go`).
//!
//! Signatures are those of RFC 6979, so the same keys give the same certificates.

use std::str::FromStr;
use std::time::Duration;

use p256::SecretKey;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::EncodePublicKey;
use x509_cert::builder::{Builder, CertificateBuilder, Profile};
use x509_cert::der::asn1::{GeneralizedTime, Ia5String, UtcTime};
use x509_cert::der::oid::{AssociatedOid, ObjectIdentifier};
use x509_cert::der::pem::LineEnding;
use x509_cert::der::referenced::OwnedToRef;
use x509_cert::der::{self, DateTime, Encode, EncodePem, Length, Writer};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName,
    SubjectKeyIdentifier,
};
use x509_cert::ext::{AsExtension, Extension};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::SubjectPublicKeyInfoOwned;
use x509_cert::time::{Time, Validity};

use super::ClusterKeys;
use super::id::Ids;
use super::spec::Role;

/// The start of the validity of baked certificates: 2000-01-01, since a Pi's clock may show any
/// time. Seconds since 1970-01-01 UTC.
pub const NOT_BEFORE: u64 = 946_684_800;
/// The end of the validity of baked certificates: 2100-01-01. A swarm renews a certificate when
/// half of its life has passed, by its own clock, and then for 90 days: half of this life ends in
/// 2050. Seconds since 1970-01-01 UTC.
pub const NOT_AFTER: u64 = 4_102_444_800;

/// The subject of the root certificate, and the name under which nodes know the authority when they
/// join.
const CA_NAME: &str = "swarm-ca";

/// id-kp-serverAuth and id-kp-clientAuth (RFC 5280, 4.2.1.12).
const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");

/// The root CA.
pub(super) struct Authority {
    key: SecretKey,
    certificate: String,
}

/// The permitted uses of a certificate. Not critical, as in Docker's own certificates.
struct Uses(ExtendedKeyUsage);

impl AssociatedOid for Uses {
    const OID: ObjectIdentifier = ExtendedKeyUsage::OID;
}

impl Encode for Uses {
    fn encoded_len(&self) -> der::Result<Length> {
        self.0.encoded_len()
    }

    fn encode(&self, encoder: &mut impl Writer) -> der::Result<()> {
        self.0.encode(encoder)
    }
}

impl AsExtension for Uses {
    fn critical(&self, _subject: &Name, _extensions: &[Extension]) -> bool {
        false
    }
}

/// The fields of a certificate that describe its holder.
struct Holder<'a> {
    subject: &'a str,
    serial: &'a [u8],
    key: &'a SecretKey,
}

impl Authority {
    pub(super) fn new(keys: &ClusterKeys) -> Result<Self, Failed> {
        let key = keys.ecdsa("ca key");
        let serial = keys.bytes::<20>("ca serial");
        let holder = Holder {
            subject: &format!("CN={CA_NAME}"),
            serial: &serial[..],
            key: &key,
        };
        let certificate = sign(&key, &holder, |builder, public| {
            builder.add_extension(&KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign))?;
            builder.add_extension(&BasicConstraints {
                ca: true,
                path_len_constraint: None,
            })?;
            builder.add_extension(&SubjectKeyIdentifier::try_from(public.owned_to_ref())?)
        })?;
        Ok(Self { key, certificate })
    }

    pub(super) fn key(&self) -> &SecretKey {
        &self.key
    }

    /// Returns the root certificate, PEM, lines ended by LF.
    pub(super) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Makes the key of a node, and its certificate.
    pub(super) fn issue(
        &self,
        keys: &ClusterKeys,
        ids: &Ids<'_>,
        number: u32,
        role: Role,
    ) -> Result<NodeIdentity, Failed> {
        let unit = role.unit();
        let (cluster, id) = (ids.cluster(), ids.node(number));
        let key = keys.ecdsa(&format!("node key {number} {unit}"));
        let serial = keys.bytes::<20>(&format!("node serial {number} {unit}"));
        let mut names = vec![unit, id.as_str()];
        if role == Role::Manager {
            names.push(CA_NAME);
        }
        let names = names
            .into_iter()
            .map(|name| Ia5String::new(name).map(GeneralName::DnsName))
            .collect::<Result<Vec<_>, der::Error>>()?;
        let holder = Holder {
            // RFC 4514 writes a name from its end.
            subject: &format!("CN={id},OU={unit},O={cluster}"),
            serial: &serial[..],
            key: &key,
        };
        let certificate = sign(&self.key, &holder, |builder, public| {
            builder.add_extension(&KeyUsage(KeyUsages::DigitalSignature | KeyUsages::KeyEncipherment))?;
            builder.add_extension(&Uses(ExtendedKeyUsage(vec![SERVER_AUTH, CLIENT_AUTH])))?;
            builder.add_extension(&BasicConstraints {
                ca: false,
                path_len_constraint: None,
            })?;
            builder.add_extension(&SubjectKeyIdentifier::try_from(public.owned_to_ref())?)?;
            builder.add_extension(&AuthorityKeyIdentifier::try_from(
                public_key(&self.key)?.owned_to_ref(),
            )?)?;
            builder.add_extension(&SubjectAltName(names))
        })?;
        Ok(NodeIdentity { key, certificate })
    }
}

/// What a node proves itself with.
pub(super) struct NodeIdentity {
    pub(super) key: SecretKey,
    /// PEM, lines ended by LF.
    pub(super) certificate: String,
}

type Failed = x509_cert::builder::Error;
type Built = Result<(), Failed>;

/// Returns a certificate signed by `issuer`, PEM.
fn sign(
    issuer: &SecretKey,
    holder: &Holder<'_>,
    extend: impl FnOnce(&mut CertificateBuilder<'_, SigningKey>, &SubjectPublicKeyInfoOwned) -> Built,
) -> Result<String, Failed> {
    let signer = SigningKey::from(issuer);
    let public = public_key(holder.key)?;
    // A serial number is positive and has at most 20 bytes (RFC 5280, 4.1.2.2).
    let mut serial = [0; 20];
    serial.copy_from_slice(holder.serial);
    serial[0] = serial[0] & 0x3f | 0x40;
    let validity = Validity {
        not_before: time(NOT_BEFORE)?,
        not_after: time(NOT_AFTER)?,
    };
    let profile = Profile::Manual {
        issuer: Some(Name::from_str(&format!("CN={CA_NAME}"))?),
    };
    let subject = Name::from_str(holder.subject)?;
    let mut builder = CertificateBuilder::new(
        profile,
        SerialNumber::new(&serial)?,
        validity,
        subject,
        public.clone(),
        &signer,
    )?;
    extend(&mut builder, &public)?;
    Ok(builder.build::<DerSignature>()?.to_pem(LineEnding::LF)?)
}

fn public_key(key: &SecretKey) -> Result<SubjectPublicKeyInfoOwned, Failed> {
    let der = key.public_key().to_public_key_der()?;
    Ok(SubjectPublicKeyInfoOwned::try_from(der.as_bytes())?)
}

/// Converts a time of a certificate: `UTCTime` until 2049, `GeneralizedTime` after (RFC 5280,
/// 4.1.2.5).
fn time(seconds: u64) -> Result<Time, der::Error> {
    let time = DateTime::from_unix_duration(Duration::from_secs(seconds))?;
    if time.year() < 2050 {
        Ok(Time::UtcTime(UtcTime::from_date_time(time)?))
    } else {
        Ok(Time::GeneralTime(GeneralizedTime::from_date_time(time)))
    }
}
