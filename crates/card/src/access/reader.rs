//! A card reader, recognised whatever card is in it.

use std::fmt;
use std::path::Path;

use crate::{Bus, Device, FindError, Host, find};

/// A reader, described by what does not change with the card in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    bus: Bus,
    /// Vendor, model, serial number, WWN. They stay empty for an SD slot, where they would be the
    /// card's.
    names: Vec<String>,
}

impl Reader {
    /// Returns the reader that a path names; `None` when it is not there, and may still come or get
    /// a card during a wait.
    ///
    /// # Errors
    /// [`FindError`], when the path names something else: a wait for it would never end.
    pub fn at(path: &Path) -> Result<Option<Self>, FindError> {
        match find(&Host::system(), path) {
            Ok(device) => Ok(Some(Self::of(&device))),
            Err(error) if may_come(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn of(device: &Device) -> Self {
        let names = [&device.vendor, &device.model, &device.serial, &device.wwn];
        let names = names.into_iter().flatten().cloned();
        Self {
            bus: device.bus,
            names: match device.bus {
                Bus::Mmc => Vec::new(),
                _ => names.collect(),
            },
        }
    }
}

impl fmt::Display for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.names.is_empty() {
            true => write!(f, "{}", self.bus),
            false => write!(f, "{}, {}", self.bus, self.names.join(" ")),
        }
    }
}

/// Returns whether a named reader may still appear, or get a card, during the wait.
pub(super) fn may_come(error: &FindError) -> bool {
    match error {
        FindError::NoCard { .. } | FindError::Unknown { .. } => true,
        FindError::Nothing { path, hint } => hint.is_empty() && path.starts_with("/dev"),
        FindError::Dangling { path, .. } => path.starts_with("/dev"),
        _ => false,
    }
}
