//! Recognises a device again, so that a swap between the prompt and opening the device is detected.

use serde::Serialize;

use super::{Device, DeviceNumber};

/// The identity of a device: taken when the device is shown to the user, compared when it is
/// opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Identity {
    /// The kernel's name, such as `sdb`.
    pub name: String,
    /// The block device number.
    pub number: DeviceNumber,
    /// The kernel's sequence number. Only this distinguishes two cards of the same kind in one
    /// reader.
    pub diskseq: Option<u64>,
    /// Size in bytes.
    pub size: u64,
    /// The serial number; for a card in a reader, the reader's.
    pub serial: Option<String>,
    /// The identification register (CID) of an SD card.
    pub cid: Option<String>,
    /// The World Wide Name.
    pub wwn: Option<String>,
    /// The model; for a card in a reader, the reader's.
    pub model: Option<String>,
    /// The vendor; for a card in a reader, the reader's.
    pub vendor: Option<String>,
    /// The id of the partition table, if the device had a readable one.
    pub table: Option<String>,
}

/// A device is not the one that the user chose.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{device} is not the device it was: {}; nothing was written - look at `kraken-flash devices` and start again", changed.join(", "))]
pub struct Swapped {
    /// The device file.
    pub device: String,
    /// What differs, one phrase each: `size 31914983424 is now 15931539456`.
    pub changed: Vec<String>,
}

impl Identity {
    /// Returns the identity of a device as it is now.
    pub fn of(device: &Device) -> Self {
        Self {
            name: device.name.clone(),
            number: device.number,
            diskseq: device.diskseq,
            size: device.size,
            serial: device.serial.clone(),
            cid: device.cid.clone(),
            wwn: device.wwn.clone(),
            model: device.model.clone(),
            vendor: device.vendor.clone(),
            table: device.table.as_ref().and_then(|table| table.id.clone()),
        }
    }

    /// Compares with the device as it is now.
    ///
    /// # Errors
    /// [`Swapped`] lists everything that changed. A fact that is known only before or only now
    /// counts as changed. The partition table's id is an exception: udev may not have read it at
    /// one of the two times.
    pub fn check(&self, now: &Device) -> Result<(), Swapped> {
        let new = Self::of(now);
        let mut changed = Vec::new();
        let mut compare = |what: &str, before: Option<String>, after: Option<String>| {
            if before != after {
                let (before, after) = (before.as_deref().unwrap_or("none"), after.as_deref().unwrap_or("none"));
                changed.push(format!("{what} {before} is now {after}"));
            }
        };
        let text = |value: &dyn std::fmt::Display| Some(value.to_string());
        compare("name", text(&self.name), text(&new.name));
        compare("device number", text(&self.number), text(&new.number));
        compare("size", text(&self.size), text(&new.size));
        compare("vendor", self.vendor.clone(), new.vendor.clone());
        compare("model", self.model.clone(), new.model.clone());
        compare("serial", self.serial.clone(), new.serial.clone());
        compare("CID", self.cid.clone(), new.cid.clone());
        compare("WWN", self.wwn.clone(), new.wwn.clone());
        compare(
            "disk sequence number",
            self.diskseq.map(|n| n.to_string()),
            new.diskseq.map(|n| n.to_string()),
        );
        if self.table.is_some() && new.table.is_some() {
            compare("partition table id", self.table.clone(), new.table);
        }
        if changed.is_empty() {
            return Ok(());
        }
        Err(Swapped {
            device: now.path.display().to_string(),
            changed,
        })
    }
}
