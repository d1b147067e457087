//! UDisks2, the storage service of desktops: it opens a device for a user who may not, when the machine's rules (polkit) or a password allow it.
//!
//! Interfaces: UDisks 2.7.3 and later, `org.freedesktop.UDisks2.{Manager,Block,Filesystem,Drive}`
//! (storaged.org/doc/udisks2-api/latest). What it opens is judged and looked at again like every other device: nothing here relies on it.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;
use zbus::connection::Builder;
use zbus::{Connection, DynamicType, Message, OwnedObjectPath, OwnedVariant, Variant, block_on};

/// The service's name on the system bus.
const SERVICE: &str = "org.freedesktop.UDisks2";
/// Its manager.
const MANAGER: &str = "/org/freedesktop/UDisks2/Manager";
/// Somebody may have to type a password, and unmounting waits for all that is not written yet.
const PATIENCE: Duration = Duration::from_secs(600);

/// Options of a call, `a{sv}`.
type Options<'a> = HashMap<&'a str, Variant<'a>>;

/// Why UDisks2 could not help.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UdisksError {
    /// There is no system bus.
    #[error("no system bus can be reached ({0})")]
    NoBus(String),
    /// The bus has no such service.
    #[error("UDisks2 does not run here")]
    NoService,
    /// It does not know the device.
    #[error("UDisks2 does not know {}", .0.display())]
    Unknown(PathBuf),
    /// The machine's rules do not allow it to this user, or nobody was there to give a password, or gave a wrong one.
    #[error("UDisks2 may not {doing} for you (polkit: {action})")]
    NotAllowed {
        /// What: `open it`.
        doing: &'static str,
        /// The action of polkit that would have to be allowed.
        action: &'static str,
    },
    /// Somebody uses the device.
    #[error("it is in use")]
    Busy,
    /// Anything else, in the service's words.
    #[error("UDisks2 could not {doing}: {message}")]
    Other {
        /// What: `open it`.
        doing: &'static str,
        /// Its words.
        message: String,
    },
}

/// What is asked for, for errors.
#[derive(Clone, Copy)]
struct Request {
    doing: &'static str,
    action: &'static str,
}

const FIND: Request = Request {
    doing: "find it",
    action: "none",
};
const OPEN: Request = Request {
    doing: "open it",
    action: "org.freedesktop.udisks2.open-device",
};
const UNMOUNT: Request = Request {
    doing: "unmount it",
    action: "org.freedesktop.udisks2.filesystem-unmount-others",
};
const EJECT: Request = Request {
    doing: "eject it",
    action: "org.freedesktop.udisks2.eject-media",
};

/// A connection to the service.
#[derive(Debug)]
pub struct Udisks {
    bus: Connection,
}

impl Udisks {
    /// Connects to the system bus (`DBUS_SYSTEM_BUS_ADDRESS`, else its usual place).
    ///
    /// # Errors
    /// [`UdisksError::NoBus`].
    pub fn connect() -> Result<Self, UdisksError> {
        block_on(Builder::system().method_timeout(PATIENCE).build())
            .map(|bus| Self { bus })
            .map_err(|error| UdisksError::NoBus(error.to_string()))
    }

    /// Whether the service runs, or can be started, and knows this device.
    ///
    /// # Errors
    /// [`UdisksError`] says why not.
    pub fn knows(&self, device: &Path) -> Result<(), UdisksError> {
        self.object(device).map(|_| ())
    }

    /// Opens a whole block device as [`super::BlockTarget::open`] does: for reading and writing, alone (`O_EXCL`), past the system's
    /// memory (`O_DIRECT`). A desktop may ask for a password.
    ///
    /// # Errors
    /// [`UdisksError`], [`UdisksError::Busy`] when somebody else has it.
    pub fn open(&self, device: &Path) -> Result<File, UdisksError> {
        let flags = OFlags::EXCL | OFlags::DIRECT | OFlags::CLOEXEC;
        let flags = i32::try_from(flags.bits()).unwrap_or_default();
        let options = Options::from([("flags", Variant::from(flags))]);
        let object = self.object(device)?;
        let reply = self.call(&object, "Block", "OpenDevice", &("rw", options), OPEN)?;
        let failed = |message: String| UdisksError::Other {
            doing: OPEN.doing,
            message,
        };
        let fd: zbus::OwnedFd = reply.body().deserialize().map_err(|error| failed(error.to_string()))?;
        let fd: OwnedFd = fd
            .as_fd()
            .try_clone_to_owned()
            .map_err(|error| failed(error.to_string()))?;
        Ok(File::from(fd))
    }

    /// Unmounts once what is mounted from a partition, or from a device without partitions.
    ///
    /// # Errors
    /// [`UdisksError`], [`UdisksError::Busy`] when files on it are open.
    pub fn unmount(&self, partition: &Path) -> Result<(), UdisksError> {
        let object = self.object(partition)?;
        self.call(&object, "Filesystem", "Unmount", &(Options::new(),), UNMOUNT)
            .map(|_| ())
    }

    /// Asks the drive to let go of its medium. `false` when there is no drive, as behind a loop device, or none that ejects.
    ///
    /// # Errors
    /// [`UdisksError`]: the device must be closed.
    pub fn eject(&self, device: &Path) -> Result<bool, UdisksError> {
        let object = self.object(device)?;
        let drive: OwnedObjectPath = self.property(&object, "Block", "Drive")?;
        // What is no drive has the root of all paths (UDisks2 API, org.freedesktop.UDisks2.Block:Drive).
        if drive.as_str() == "/" || !self.property::<bool>(&drive, "Drive", "Ejectable")? {
            return Ok(false);
        }
        self.call(&drive, "Drive", "Eject", &(Options::new(),), EJECT)?;
        Ok(true)
    }

    /// The service's object of a device file.
    fn object(&self, device: &Path) -> Result<OwnedObjectPath, UdisksError> {
        let unknown = || UdisksError::Unknown(device.to_owned());
        let path = device.to_str().ok_or_else(unknown)?;
        let which = Options::from([("path", Variant::from(path))]);
        let manager = OwnedObjectPath::try_from(MANAGER).map_err(|_| unknown())?;
        let reply = self.call(&manager, "Manager", "ResolveDevice", &(which, Options::new()), FIND)?;
        let found: Vec<OwnedObjectPath> = reply.body().deserialize().map_err(|_| unknown())?;
        found.into_iter().next().ok_or_else(unknown)
    }

    fn property<T>(&self, object: &OwnedObjectPath, interface: &str, name: &str) -> Result<T, UdisksError>
    where
        T: TryFrom<OwnedVariant>,
    {
        let wrong = || UdisksError::Other {
            doing: FIND.doing,
            message: format!("it says no {interface}.{name}"),
        };
        let interface = format!("{SERVICE}.{interface}");
        let which = (interface.as_str(), name);
        let properties = "org.freedesktop.DBus.Properties";
        let asked = self
            .bus
            .call_method(Some(SERVICE), object, Some(properties), "Get", &which);
        let reply = block_on(asked).map_err(|error| said(error, FIND))?;
        let value: OwnedVariant = reply.body().deserialize().map_err(|_| wrong())?;
        T::try_from(value).map_err(|_| wrong())
    }

    fn call<B>(
        &self,
        object: &OwnedObjectPath,
        interface: &str,
        method: &str,
        body: &B,
        request: Request,
    ) -> Result<Message, UdisksError>
    where
        B: serde::Serialize + DynamicType,
    {
        let interface = format!("{SERVICE}.{interface}");
        let asked = self
            .bus
            .call_method(Some(SERVICE), object, Some(interface.as_str()), method, body);
        block_on(asked).map_err(|error| said(error, request))
    }
}

/// What an error of the bus or the service means (src/udiskserror.c names the service's own).
fn said(error: zbus::Error, request: Request) -> UdisksError {
    let Request { doing, action } = request;
    let (name, message) = match &error {
        zbus::Error::MethodError(name, message, _) => (name.to_string(), message.clone().unwrap_or_default()),
        other => (String::new(), other.to_string()),
    };
    let absent = ["ServiceUnknown", "NameHasNoOwner", "Spawn.", "No such interface"];
    match name.rsplit('.').next().unwrap_or_default() {
        "NotAuthorized" | "NotAuthorizedDismissed" | "NotAuthorizedCanObtain" => {
            UdisksError::NotAllowed { doing, action }
        }
        "DeviceBusy" => UdisksError::Busy,
        // Opening reports the system's own words (strerror(3), EBUSY).
        _ if message.contains("resource busy") => UdisksError::Busy,
        _ if absent.iter().any(|sign| name.contains(sign) || message.contains(sign)) => UdisksError::NoService,
        _ => UdisksError::Other { doing, message },
    }
}
