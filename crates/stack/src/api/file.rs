//! Secrets and configs of a stack.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use super::driver::Driver;

/// What a secret is to be. As in `docker secret inspect`, serde does not write its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SecretSpec {
    /// `STACK_SECRET`, or the name that the compose file gives it.
    pub name: String,
    /// Those of the secret, and the stack's name.
    pub labels: BTreeMap<String, String>,
    /// What it holds.
    #[serde(skip)]
    pub data: SecretData,
    /// `golang`, when its content is a template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub templating: Option<Driver>,
}

/// The content of a secret: never shown, and cleared from memory.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretData(Zeroizing<Vec<u8>>);

impl SecretData {
    /// Takes the content of a secret.
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// Returns the content, for the one who writes it where it belongs.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretData(…)")
    }
}

/// What a config is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ConfigSpec {
    /// `STACK_CONFIG`, or the name that the compose file gives it.
    pub name: String,
    /// Those of the config, and the stack's name.
    pub labels: BTreeMap<String, String>,
    /// What it holds; base64 in JSON.
    #[serde(serialize_with = "as_base64")]
    pub data: Vec<u8>,
    /// `golang`, when its content is a template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub templating: Option<Driver>,
}

fn as_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}
