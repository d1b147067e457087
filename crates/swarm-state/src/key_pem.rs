//! `swarm-node.key`: a PKCS#8 key in PEM, with swarmkit's headers (swarmkit, `ca/keyreadwriter.go`,
//! `manager/deks.go`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use p256::SecretKey;
use p256::pkcs8::EncodePrivateKey;
use x509_cert::der::pem::LineEnding;
use zeroize::Zeroizing;

use super::sealed::open_record;

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----\n";

/// Returns the text of the file. `dek` is the key of a manager's raft log; it is not locked
/// (`docker swarm update --autolock`).
pub(super) fn key_pem(key: &SecretKey, dek: Option<&[u8; 32]>) -> Result<Zeroizing<String>, p256::pkcs8::Error> {
    let pem = key.to_pkcs8_pem(LineEnding::LF)?;
    let mut headers = Zeroizing::new("kek-version: 0\n".to_owned());
    if let Some(dek) = dek {
        headers.push_str("raft-dek: ");
        headers.push_str(&Zeroizing::new(STANDARD.encode(&open_record(dek)[..])));
        headers.push('\n');
    }
    // Headers come after the first line, and a blank line after them (RFC 1421).
    let body = pem.strip_prefix(BEGIN).unwrap_or(&pem);
    Ok(Zeroizing::new(format!("{BEGIN}{}\n{body}", headers.as_str())))
}
