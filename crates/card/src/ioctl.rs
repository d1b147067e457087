//! Requests to a block device for which there is no safe wrapper: discard, read the partition table
//! again, eject.
//!
//! This is the only `unsafe` code of the crate. An ioctl(2) is safe when its argument is what the
//! request expects, which a comment at each call shows.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::ops::Range;

use rustix::io::Errno;
use rustix::ioctl::{NoArg, Opcode, Setter, ioctl, opcode};

/// linux/fs.h: `BLKRRPART _IO(0x12, 95)`.
const BLKRRPART: Opcode = opcode::none(0x12, 95);
/// linux/fs.h: `BLKDISCARD _IO(0x12, 119)`; its argument is a pointer to two `u64`, start and
/// length in bytes.
const BLKDISCARD: Opcode = opcode::none(0x12, 119);
/// linux/cdrom.h: `CDROMEJECT`; drives with removable disks support it too
/// (drivers/scsi/scsi_ioctl.c).
const CDROMEJECT: Opcode = 0x5309;

/// Returns whether the error means that the device does not support the request.
fn unknown(error: Errno) -> bool {
    [Errno::OPNOTSUPP, Errno::NOTTY, Errno::INVAL, Errno::NOSYS].contains(&error)
}

pub(super) fn discard(device: &File, range: Range<u64>) -> io::Result<bool> {
    let argument = [range.start, range.end - range.start];
    // SAFETY: BLKDISCARD reads two u64 at the pointer, which `Setter` makes from the array, and
    // does not write there.
    let done = unsafe { ioctl(device, Setter::<BLKDISCARD, [u64; 2]>::new(argument)) };
    match done {
        Ok(()) => Ok(true),
        Err(error) if unknown(error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn reread_table(device: &File) -> io::Result<()> {
    // SAFETY: BLKRRPART takes no argument.
    unsafe { ioctl(device, NoArg::<BLKRRPART>::new()) }.map_err(io::Error::from)
}

pub(super) fn eject(device: &File) -> io::Result<bool> {
    // SAFETY: CDROMEJECT takes no argument.
    match unsafe { ioctl(device, NoArg::<CDROMEJECT>::new()) } {
        Ok(()) => Ok(true),
        Err(error) if unknown(error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
