//! UDisks2, the storage service of desktops. It opens a device for a user without permission when
//! the machine's rules (polkit) or a password allow it.
//!
//! Interfaces: UDisks 2.7.3 and later, `org.freedesktop.UDisks2.{Manager,Block,Filesystem,Drive}`
//! (storaged.org/doc/udisks2-api/latest). A device that UDisks2 opened is judged and identified
//! again like any other: no check relies on the service.

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
/// The object path of its manager.
const MANAGER: &str = "/org/freedesktop/UDisks2/Manager";
/// How long a call may take: the user may have to type a password, and unmounting waits until all
/// data is written.
const CALL_TIMEOUT: Duration = Duration::from_secs(600);

/// Options of a call, `a{sv}`.
type Options<'a> = HashMap<&'a str, Variant<'a>>;

/// Why UDisks2 could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UdisksError {
    /// There is no system bus.
    #[error("no system bus can be reached ({0})")]
    NoBus(String),
    /// The bus has no such service.
    #[error("UDisks2 does not run here")]
    NoService,
    /// The service does not know the device.
    #[error("UDisks2 does not know {}", .0.display())]
    Unknown(PathBuf),
    /// The machine's rules do not allow it to this user, or the password was missing or wrong.
    #[error("UDisks2 may not {doing} for you (polkit: {action})")]
    NotAllowed {
        /// The request: `open it`.
        doing: &'static str,
        /// The polkit action that would have to be allowed.
        action: &'static str,
    },
    /// Another program uses the device.
    #[error("it is in use")]
    Busy,
    /// Any other error, with the service's message.
    #[error("UDisks2 could not {doing}: {message}")]
    Other {
        /// The request: `open it`.
        doing: &'static str,
        /// The service's message.
        message: String,
    },
}

/// A request, as errors name it.
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
    /// Connects to the system bus (`DBUS_SYSTEM_BUS_ADDRESS`, else its usual address).
    ///
    /// # Errors
    /// [`UdisksError::NoBus`].
    pub fn connect() -> Result<Self, UdisksError> {
        block_on(Builder::system().method_timeout(CALL_TIMEOUT).build())
            .map(|bus| Self { bus })
            .map_err(|error| UdisksError::NoBus(error.to_string()))
    }

    /// Checks that the service runs, or can be started, and knows this device.
    ///
    /// # Errors
    /// [`UdisksError`] says why not.
    pub fn knows(&self, device: &Path) -> Result<(), UdisksError> {
        self.object(device).map(|_| ())
    }

    /// Opens a whole block device as [`super::BlockTarget::open`] does: for reading and writing,
    /// exclusively (`O_EXCL`), past the system's cache (`O_DIRECT`). A desktop may ask for a
    /// password.
    ///
    /// # Errors
    /// [`UdisksError`]; [`UdisksError::Busy`] when the device is in use.
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

    /// Unmounts one mount of a partition, or of a device without partitions.
    ///
    /// # Errors
    /// [`UdisksError`]; [`UdisksError::Busy`] when files on it are open.
    pub fn unmount(&self, partition: &Path) -> Result<(), UdisksError> {
        let object = self.object(partition)?;
        self.call(&object, "Filesystem", "Unmount", &(Options::new(),), UNMOUNT)
            .map(|_| ())
    }

    /// Asks the drive to eject its medium. Returns `false` when there is no drive, as behind a loop
    /// device, or when it cannot eject.
    ///
    /// # Errors
    /// [`UdisksError`]. The device must be closed.
    pub fn eject(&self, device: &Path) -> Result<bool, UdisksError> {
        let object = self.object(device)?;
        let drive: OwnedObjectPath = self.property(&object, "Block", "Drive")?;
        // A device without a drive has the root object path (UDisks2 API,
        // org.freedesktop.UDisks2.Block:Drive).
        if drive.as_str() == "/" || !self.property::<bool>(&drive, "Drive", "Ejectable")? {
            return Ok(false);
        }
        self.call(&drive, "Drive", "Eject", &(Options::new(),), EJECT)?;
        Ok(true)
    }

    /// Returns the service's object for a device file.
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
        let reply = block_on(asked).map_err(|error| translated(error, FIND))?;
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
        block_on(asked).map_err(|error| translated(error, request))
    }
}

/// Translates an error of the bus or the service (src/udiskserror.c has the service's error names).
fn translated(error: zbus::Error, request: Request) -> UdisksError {
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
        // The error of opening contains the system's text (strerror(3), EBUSY).
        _ if message.contains("resource busy") => UdisksError::Busy,
        _ if absent.iter().any(|sign| name.contains(sign) || message.contains(sign)) => UdisksError::NoService,
        _ => UdisksError::Other { doing, message },
    }
}
