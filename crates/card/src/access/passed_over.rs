//! What is not taken for the next card during a wait, and why.

use std::path::PathBuf;

use super::error::Refusal;
use super::reader::Reader;
use crate::{Device, Reason};

/// What is not taken for the next card, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassedOver {
    /// The named reader is not there yet.
    NotThere {
        /// The reader.
        path: PathBuf,
    },
    /// Another device has the name of the reader.
    OtherReader {
        /// The device file.
        path: PathBuf,
        /// The reader as it was first seen.
        was: Reader,
        /// What is there now.
        now: Reader,
    },
    /// A disk that was there all the time lost its connection for a moment.
    CameBack(NamedDevice),
    /// Several came at the same time.
    Several(Vec<NamedDevice>),
    /// The guard refuses it.
    Refused {
        /// The device file.
        path: PathBuf,
        /// Why.
        refusals: Vec<Refusal>,
    },
    /// It could not be examined, or was taken out again.
    Lost {
        /// The device file.
        path: PathBuf,
        /// Why, as a sentence.
        why: String,
    },
    /// It is a card that is done.
    Finished {
        /// The device file.
        path: PathBuf,
        /// The host name of the node whose card it is.
        hostname: String,
    },
    /// It may hold data of others, and the user does not see it before it is written.
    MayHoldData {
        /// The device file.
        path: PathBuf,
        /// The guard's warning.
        reason: Reason,
    },
}

/// A device as people recognise it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedDevice {
    /// The device file.
    pub path: PathBuf,
    /// Vendor and model, or else how it is attached.
    pub title: String,
}

impl NamedDevice {
    pub(super) fn of(device: &Device) -> Self {
        let title = device.title();
        Self {
            path: device.path.clone(),
            title: match title.is_empty() {
                true => device.bus.to_string(),
                false => title,
            },
        }
    }
}
