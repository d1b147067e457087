//! Reads udev's database of devices.

use std::collections::HashMap;

use super::clean::cleaned;
use super::{DeviceNumber, Host};

/// The largest record that is read, in bytes; udev's own have a few KiB.
const RECORD: u64 = 256 << 10;

/// The properties of one device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Properties(HashMap<String, String>);

impl Properties {
    /// Reads `/run/udev/data/b8:16`; `None` when udev has no record of the device, as in
    /// containers.
    pub(crate) fn of(host: &Host, number: DeviceNumber) -> Option<Self> {
        let bytes = host.read(format!("/run/udev/data/b{number}"), RECORD).ok()?;
        Some(Self::parse(&bytes))
    }

    /// Parses a record: lines of the form `E:KEY=VALUE`. Other lines (`S:` links, `G:` tags, `I:` a
    /// time) are not needed here (systemd, src/libsystemd/sd-device/device-private.c).
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let pairs = text.lines().filter_map(|line| line.strip_prefix("E:")?.split_once('='));
        Self(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    /// Returns a property, cleaned; `None` when it is missing or empty.
    pub(crate) fn get(&self, key: &str) -> Option<String> {
        cleaned(self.0.get(key)?)
    }

    /// Returns a name that the device reports: from `KEY_ENC`, where udev keeps every byte, or from
    /// `KEY`, where udev replaced some.
    pub(crate) fn name(&self, key: &str) -> Option<String> {
        self.encoded(&format!("{key}_ENC")).or_else(|| self.get(key))
    }

    /// Returns a name whose special bytes are escaped, as in `ID_PART_ENTRY_NAME`.
    pub(crate) fn encoded(&self, key: &str) -> Option<String> {
        cleaned(&decoded(self.0.get(key)?))
    }

    /// Returns whether udev found a memory card, or a reader for them: `ID_DRIVE_FLASH_*` for the
    /// drive, `ID_DRIVE_MEDIA_FLASH_*` for the media that it takes (udisks, data/80-udisks2.rules).
    pub(crate) fn is_card_reader(&self) -> bool {
        self.0.iter().any(|(key, value)| {
            value == "1" && (key.starts_with("ID_DRIVE_FLASH_") || key.starts_with("ID_DRIVE_MEDIA_FLASH_"))
        })
    }
}

/// Decodes `\x20` to a blank, and so on (systemd, src/shared/device-nodes.c: encode_devnode_name).
fn decoded(value: &str) -> String {
    let bytes = value.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let byte = value
            .get(at..at + 4)
            .and_then(|escape| escape.strip_prefix("\\x"))
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        plain.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 4 } else { 1 };
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_udev_wrote_it() {
        let record = "S:disk/by-id/usb-Generic-_SD_MMC\nI:1234\nE:ID_MODEL=SD_MMC\nE:ID_MODEL_ENC=SD\\x2fMMC\\x20\\x20\nE:ID_FS_LABEL=M_e\nE:ID_FS_LABEL_ENC=M\\xc3\\xbcll=e\nE:EMPTY=\nG:systemd\nE:ID_DRIVE_FLASH_SD=1\n";
        let properties = Properties::parse(record.as_bytes());
        assert_eq!(properties.name("ID_MODEL").as_deref(), Some("SD/MMC"));
        assert_eq!(properties.name("ID_FS_LABEL").as_deref(), Some("Müll=e"));
        assert_eq!(properties.get("EMPTY"), None);
        assert!(properties.is_card_reader());
        assert!(!Properties::parse(b"E:ID_DRIVE_FLASH_SD=0\n").is_card_reader());
    }

    #[test]
    fn an_escape_that_is_none_stays_as_it_is() {
        for (given, plain) in [
            ("a\\x2", "a\\x2"),
            ("\\xzz", "\\xzz"),
            ("\\x+1", "\\x+1"),
            ("é\\x41", "éA"),
            ("", ""),
        ] {
            assert_eq!(decoded(given), plain);
        }
    }
}
