//! What integration tests share.

pub mod qemu;
